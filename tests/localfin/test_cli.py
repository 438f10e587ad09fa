"""The command line as processes: exit codes, pipes, terminals, interrupts, JSON, and what the start costs."""

import hashlib
import json
import os
import shlex
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.localfin.tiny_gguf import BYTES, END, byte, chain_of

posix_only = pytest.mark.skipif(os.name != "posix", reason="needs a POSIX terminal or signals")
ASK = [sys.executable, "-m", "localfin", "ask", "--model-only", "--threads", "1"]


def test_an_answer_is_all_that_stands_on_stdout(run, speaker):
    ran = run("ask", "--model-only", "hi", "-m", speaker, "--threads", 1)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "가나 hello\n", "")


def test_a_question_comes_from_a_pipe_or_both(run, speaker):
    def tokens(*arguments: str, stdin: str) -> int:
        ran = run("ask", "--model-only", *arguments, "-m", speaker, "--json", "--threads", 1, stdin=stdin)
        return json.loads(ran.stdout)["usage"]["prompt_tokens"]

    alone, piped, both = tokens("abc", stdin=""), tokens(stdin="abc\n"), tokens("abc", stdin="defg")
    assert alone == piped
    assert both == alone + len("\n\n") + len("defg")


def test_json_is_one_object_of_the_promised_form(run, speaker):
    ran = run("ask", "--model-only", "hi", "-m", speaker, "--json", "--threads", 1)
    said = json.loads(ran.stdout)
    assert ran.stdout.count("\n") == 1
    assert list(said) == [
        "answer", "basis", "citations", "calculations", "marked_figures", "removed", "notes", "passages", "prompt",
        "model", "usage", "finish_reason",
    ]  # fmt: skip
    assert said["answer"] == "가나 hello"
    assert said["model"]["name"] == "speaker"
    assert said["model"]["path"] == str(speaker)
    assert said["model"]["quantization"] == "f32"
    assert said["model"]["sha256"] == hashlib.sha256(speaker.read_bytes()).hexdigest()
    usage = said["usage"]
    assert usage.pop("shifted_tokens") == 0
    assert list(usage) == ["prompt_tokens", "completion_tokens", "prefill_s", "decode_tokens_per_s", "load_s"]
    assert usage["completion_tokens"] == 7
    assert all(value > 0 for value in usage.values())
    assert said["finish_reason"] == "stop"


def test_max_tokens_ends_with_length(run, endless):
    said = json.loads(run("ask", "--model-only", "hi", "-m", endless, "-n", 6, "--json", "--threads", 1).stdout)
    assert (said["answer"], said["finish_reason"], said["usage"]["completion_tokens"]) == ("ababab", "length", 6)


def test_a_language_is_asked_for_only_where_it_is_not_the_questions(run, speaker):
    def tokens(question: str, *more: str) -> int:
        ran = run("ask", "--model-only", question, *more, "-m", speaker, "--json", "--threads", 1)
        return json.loads(ran.stdout)["usage"]["prompt_tokens"]

    plain = tokens("hello")
    assert tokens("hello", "--lang", "en") == plain
    assert tokens("hello", "--lang", "ko") > plain


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["ask", "hi", "-m", "/no/such/model.gguf"], 4, "no model"),
        (["ask", "hi", "-m", "nameless"], 4, "no model nameless"),
        (["ask", "hi", "-m", __file__], 3, "no usable GGUF"),
        (["ask", "hi", "-m", str(Path(__file__).parent)], 3, "folder"),
        (["ask"], 2, "ask what"),
        (["ask", "hi", "--temperature", "9"], 2, "temperature"),
        (["ask", "hi", "--gpu-layers", "many"], 2, "neither auto"),
        (["nonsense"], 2, "nonsense"),
        (["models", "show", "nameless"], 4, "nameless"),
    ],
)
def test_errors_are_one_line_and_a_code(run, arguments, code, words):
    ran = run(*arguments)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert words in ran.stderr
    assert "Traceback" not in ran.stderr
    assert ran.stderr.startswith("localfin: ")
    assert ran.stderr.count("\n") == 1
    assert ("--help" in ran.stderr) == (code == 2)


@pytest.mark.parametrize("group", ["docs", "calc"])
def test_a_group_without_its_command_lists_what_there_is(run, group):
    ran = run(group)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == run(group, "--help").stdout


def test_too_little_memory_is_six_and_a_killed_child_is_one(run, make_gguf):
    ran = run("ask", "--model-only", "hi", "-m", make_gguf(name="long", n_ctx=1 << 27), "--n-ctx", 1 << 27)
    assert ran.returncode == 6
    assert "GB needed" in ran.stderr
    ran = run("ask", "--model-only", "hi", "-m", make_gguf(name="kills", keys={"llama.expert_group_count": 3}))
    assert ran.returncode == 1
    assert "SIGABRT" in ran.stderr
    assert ran.stderr.count("\n") == 1


def test_a_home_that_cannot_be_used_is_said_with_its_variable(run, environment, localfin_home):
    localfin_home.write_text("a file where the folder should be")
    ran = run("models", "list")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.count("\n") == 1
    assert "LOCALFIN_HOME" in ran.stderr
    assert "FileExistsError" not in ran.stderr
    environment["LOCALFIN_DEBUG"] = "1"
    assert "Traceback" in run("models", "list").stderr
    findings = {f["name"]: f for f in json.loads(run("doctor", "--json").stdout)["findings"]}
    assert not findings["home"]["ok"]


def test_an_answer_needs_no_home(run, speaker, localfin_home):
    localfin_home.write_text("a file where the folder should be")
    ran = run("ask", "--model-only", "hi", "-m", speaker, "--threads", 1)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "가나 hello\n", "")


def test_a_folder_where_a_file_of_the_home_should_be(run, localfin_home):
    (localfin_home / "models.json").mkdir(parents=True)
    ran = run("models", "list")
    assert ran.returncode == 1
    assert ran.stderr.startswith("localfin: ")
    assert "models.json cannot be read" in ran.stderr


@posix_only
@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("--version >&-", 0, ""),
        ("--version <&- >&- 2>&-", 0, ""),
        ("ask <&-", 2, "ask what"),
        ("app <&- >&-", 2, "needs a terminal"),
        ("models show nameless 2>&-", 4, ""),
        ("ask hi -m /no/such/model.gguf <&- >&-", 4, "no model"),
    ],
)
def test_closed_standard_streams_are_empty_ones(environment, line, code, words):
    shell = f"{shlex.quote(sys.executable)} -m localfin {line}"
    ran = subprocess.run(shell, shell=True, stderr=subprocess.PIPE, text=True, env=environment, check=False)
    assert ran.returncode == code
    assert words in ran.stderr
    assert ran.stderr.count("\n") == (1 if words else 0)


def test_a_reader_that_leaves_is_no_error_message(endless, environment):
    with piped([*ASK, "hi", "-m", endless], environment) as asked:
        assert asked.stdout is not None
        assert asked.stderr is not None
        assert asked.stdout.read(4) == b"abab"
        asked.stdout.close()
        assert asked.stderr.read() == b""
        assert asked.wait(20) != 0


@posix_only
def test_a_missing_model_is_said_before_the_pipe_is_read(environment):
    reader, writer = os.pipe()
    begun = time.monotonic()
    ran = subprocess.run(
        [*ASK, "hi", "-m", "/no/such/model.gguf"], stdin=reader, capture_output=True, env=environment, check=False,
        timeout=20,
    )  # fmt: skip
    assert (ran.returncode, time.monotonic() - begun < 10) == (4, True)
    os.close(writer)
    os.close(reader)


@posix_only
def test_a_slow_pipe_is_waited_for_and_a_silent_one_is_refused(speaker, environment):
    slow = f"sleep 1; printf defg) | {shlex.join([*ASK, 'abc', '-m', str(speaker), '--json'])}"
    ran = subprocess.run(f"({slow}", shell=True, capture_output=True, text=True, env=environment, check=True)
    at_once = subprocess.run(
        [*ASK, "abc", "-m", speaker, "--json"],
        input="defg",
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    assert json.loads(ran.stdout)["usage"]["prompt_tokens"] == json.loads(at_once.stdout)["usage"]["prompt_tokens"]
    code = (
        "import sys\nfrom localfin.commands import ask\nask._PIPE_PATIENCE_S = 0.5\nfrom localfin.cli import main\n"
        f"sys.argv = ['localfin', 'ask', '--model-only', 'hi', '-m', {str(speaker)!r}]\nmain()"
    )
    reader, writer = os.pipe()
    silent = subprocess.run(
        [sys.executable, "-c", code], stdin=reader, capture_output=True, text=True, env=environment, check=False,
        timeout=20,
    )  # fmt: skip
    os.close(writer)
    os.close(reader)
    assert (silent.returncode, silent.stdout) == (2, "")
    assert "</dev/null" in silent.stderr


@posix_only
def test_an_engine_that_dies_is_told_on_a_line_of_its_own(endless, environment):
    code = (
        "import os, signal, sys\nfrom localfin.engine.client import LlamaEngine\n"
        "from localfin.engine.events import Text\nfrom localfin.cli import main\n"
        "whole = LlamaEngine.generate\n"
        "def dying(engine, *arguments):\n"
        "    for event in whole(engine, *arguments):\n"
        "        yield event\n"
        "        if isinstance(event, Text):\n            os.kill(engine.pid, signal.SIGKILL)\n"
        "LlamaEngine.generate = dying\n"
        f"sys.argv = ['localfin', 'ask', '--model-only', 'hi', '--threads', '1', '-m', {str(endless)!r}]\nmain()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, env=environment, check=False, timeout=20,
    )  # fmt: skip
    answer, error = ran.stdout.splitlines()
    assert ran.returncode == 1
    assert answer.startswith("a")
    assert set(answer) <= {"a", "b"}
    assert "SIGKILL" in error


def piped(command: list[str | Path], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    )


@posix_only
def test_an_interrupt_keeps_what_was_said_and_exits_130(endless, environment):
    with piped([*ASK, "hi", "-m", endless], environment) as asked:
        assert asked.stdout is not None
        assert asked.stderr is not None
        first = asked.stdout.read(4)
        asked.send_signal(signal.SIGINT)
        rest, words = asked.stdout.read(), asked.stderr.read()
        assert asked.wait(20) == 130
    assert (first + rest).decode().replace("ab", "") in ("\n", "a\n")
    assert words == b""


@posix_only
def test_a_terminal_sees_the_answer_grow_and_a_status_on_stderr(endless, environment):
    import pty

    parent, child = pty.openpty()
    command = [*ASK, "hi", "-m", endless, "-n", "4000"]
    with subprocess.Popen(command, stdin=child, stdout=child, stderr=child, env=environment) as asked:
        os.close(child)
        pieces: list[bytes] = []
        while True:
            try:
                piece = os.read(parent, 65536)
            except OSError:
                break  # how a pseudo-terminal says that the other side is closed
            if not piece:
                break
            pieces.append(piece)
        assert asked.wait(20) == 0
    os.close(parent)
    shown = b"".join(pieces)
    assert shown.count(b"ab") == 2000
    assert shown.startswith(b"\r\x1b[2Kloading the model")
    assert len([p for p in pieces if b"ab" in p]) > 2


def test_a_terminal_of_another_encoding_gets_an_answer(run, make_gguf, environment):
    environment.update(PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    path = make_gguf(name="speaker", chain=chain_of(*byte("\n가나"), BYTES + 256 + 1, END))
    assert run("ask", "--model-only", "hi", "-m", path, "--threads", 1).stdout == "?? hello\n"


def test_models_are_listed_shown_and_chosen(run, speaker, endless, localfin_home):
    folder = localfin_home / "models"
    folder.mkdir(parents=True)
    (folder / "mine.gguf").write_bytes(speaker.read_bytes())
    assert run("models", "use", "mine").returncode == 0
    rows = [json.loads(line) for line in run("models", "list", "--json").stdout.splitlines()]
    assert [(r["name"], r["origin"]) for r in rows if r["default"]] == [("mine", "home")]
    assert run("ask", "--model-only", "hi", "--threads", 1).stdout == "가나 hello\n"
    assert run("models", "use", endless).returncode == 0
    shown = json.loads(run("models", "show", "--json").stdout)
    assert (shown["name"], shown["quantization"], shown["layers"]) == ("endless", "f32", 1)
    assert run("models", "use", __file__).returncode == 3
    assert json.loads(run("models", "show", "--json").stdout)["name"] == "endless"


def test_the_doctor_reports(run):
    report = json.loads(run("doctor", "--json").stdout)
    found = {f["name"]: f for f in report["findings"]}
    assert found["llama-cpp-python"]["ok"]
    assert "CPU" in found["llama.cpp"]["says"]
    if sys.platform == "linux":
        assert found["seal"]["ok"]
        assert "Seccomp 2" in found["seal"]["says"]


def test_help_lists_every_command_without_importing_one(environment):
    code = (
        "import sys\n"
        "sys.argv = ['localfin', '--help']\n"
        "from localfin.cli import main\n"
        "try:\n    main()\nexcept SystemExit as left:\n    assert left.code == 0\n"
        "heavy = {'textual', 'torch', 'numpy', 'llama_cpp', 'gguf', 'jinja2', 'apsw', 'rich', 'sqlite3', 'asyncio'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
        "print(sorted(m for m in sys.modules if m.startswith('localfin')), file=sys.stderr)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    for command in ("convert", "ask", "models", "doctor"):
        assert f"\n  {command} " in ran.stdout
    heavy, ours = ran.stderr.splitlines()
    assert heavy == "[]"
    assert "commands" not in ours


def test_import_localfin_is_cheap(environment):
    code = (
        "import sys, localfin\n"
        "assert not [m for m in sys.modules if m.startswith('localfin.')]\n"
        "print(localfin.Assistant.__name__, sorted({'textual', 'numpy', 'llama_cpp', 'jinja2'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    assert ran.stdout.strip() == "Assistant []"


def test_help_costs_less_than_eight_bare_interpreters(environment):
    def seconds(*command: str) -> float:
        begun = time.perf_counter()
        subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, env=environment, check=True)
        return time.perf_counter() - begun

    seconds("-m", "localfin", "--help")  # the first start writes byte code
    pairs = [(seconds("-c", "pass"), seconds("-m", "localfin", "--help")) for _round in range(5)]
    bare, helped = (statistics.median(column) for column in zip(*pairs, strict=True))
    assert helped < 8 * bare
