"""`localfin convert` as a person or a script runs it."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from gguf import GGUFReader

from localfin_convert.command import convert
from localfin_models.progress import ProgressBar

Make = Callable[..., Path]


def process(arguments: list[str], top: Path) -> subprocess.CompletedProcess[str]:
    packages = os.pathsep.join(str(top / name) for name in ("localfin", "convert", "models"))
    return subprocess.run(
        [sys.executable, "-m", "localfin", "convert", *arguments],
        env={**os.environ, "PYTHONPATH": packages}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_converts_and_says_how_far_it_is(checkpoint: Make, adapter: Make, tmp_path: Path, top: Path) -> None:
    out = tmp_path / "out.gguf"
    done = process([str(checkpoint()), "-a", str(adapter()), "-o", str(out)], top)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    full = next(at for at, line in enumerate(lines) if "100 %" in line)
    stages = [at for at, line in enumerate(lines) if " verifying: " in line]
    assert "no licence" in lines[0]
    assert "trained on tiny" in lines[1]
    assert "MB/s" in lines[2]
    assert stages == list(range(full + 1, full + 1 + len(stages)))
    words = (
        "q4_k_m", "the adapter changed", "sentencepiece", "rewrites texts", "none", "4 of 4 layers", "KL mean",
        "quantization alone", "from the base", "verified in", str(out) + ".json", "sha256 ",
    )  # fmt: skip
    for line, word in zip(lines[stages[-1] + 1 :], words, strict=True):
        assert word in line


def test_json_is_one_object_on_stdout(checkpoint: Make, tmp_path: Path, top: Path) -> None:
    out = tmp_path / "out.gguf"
    done = process([str(checkpoint()), "-o", str(out), "-q", "q8_0", "--json"], top)
    report = json.loads(done.stdout)
    assert report["bytes"] == out.stat().st_size
    assert (report["quantization"], report["changed"]) == ("q8_0", 0)
    logits = report["verification"]["logits"]
    assert 0 < logits["noise"] < logits["noise_limit"]
    assert logits["adapter"] is None


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["{base}"], 2, "--out"),
        (["{base}", "-o", "{out}", "-q", "q9_k"], 2, "q4_k_m"),
        (["{base}/none", "-o", "{out}"], 4, "no such folder"),
        (["{base}", "-o", "{base}/none/out.gguf"], 4, "no such folder for the output"),
        (["{base}", "-o", "{base}"], 3, "is a folder"),
        (["{base}/config.json", "-o", "{out}"], 3, "is a file"),
        (["{base}", "-a", "{base}", "-o", "{out}"], 3, "adapter_config.json"),
        (["{base}", "-o", "{out}", "--prompt-format", "nonsense"], 4, "nonsense"),
    ],
)
def test_refusals_have_their_exit_code(
    checkpoint: Make, tmp_path: Path, top: Path, arguments: list[str], code: int, words: str
) -> None:
    names = {"base": checkpoint(), "out": tmp_path / "out.gguf"}
    done = process([argument.format(**names) for argument in arguments], top)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base"]


def test_dry_run_prints_what_comes_true(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    base, lora, out = checkpoint(), adapter(), tmp_path / "out.gguf"
    arguments = [str(base), "-a", str(lora), "-o", str(out), "--no-verify"]
    plan = json.loads(CliRunner().invoke(convert, [*arguments, "--dry-run", "--json"]).stdout)
    assert not out.exists()
    assert CliRunner().invoke(convert, arguments).exit_code == 0
    made = {tensor.name: tensor for tensor in GGUFReader(out).tensors}
    assert plan["write_bytes"] == out.stat().st_size
    assert [tensor["name"] for tensor in plan["tensors"]] == list(made)
    assert all(made[tensor["name"]].tensor_type.name == tensor["type"] for tensor in plan["tensors"])
    assert sum(tensor["adapted"] for tensor in plan["tensors"]) == 8
    assert 0 < plan["seconds"] < 60
    text = CliRunner().invoke(convert, [*arguments, "--dry-run", "--force"]).stdout
    assert "+ adapter" in text
    assert "nothing else on disk" in text


@pytest.mark.parametrize(
    ("choice", "words"), [("seed", "### 지시사항:"), ("{file}", "my own form"), (None, "beside it")]
)
def test_the_prompt_format_is_in_the_model(
    checkpoint: Make, adapter: Make, tmp_path: Path, choice: str | None, words: str
) -> None:
    base, lora, out, own = checkpoint(), adapter(), tmp_path / "out.gguf", tmp_path / "own.jinja"
    own.write_text("my own form {{ messages[0].content }}")
    (lora / "chat_template.jinja").write_text("beside it {{ messages[0].content }}")
    arguments = [str(base), "-a", str(lora), "-o", str(out), "--no-verify"]
    if choice is not None:
        arguments += ["--prompt-format", choice.format(file=own)]
    assert CliRunner().invoke(convert, arguments).exit_code == 0
    field = GGUFReader(out).fields["tokenizer.chat_template"]
    assert words in field.contents()


class Terminal:
    """A stream that says it is a terminal and keeps what was written."""

    def __init__(self) -> None:
        self.text = ""

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass


def test_a_terminal_gets_one_line_that_fills() -> None:
    terminal = Terminal()
    with ProgressBar("model.gguf", terminal) as bar:  # type: ignore[arg-type]
        bar(5, 10)
        bar(10, 10)
    assert terminal.text.count("\n") == 1
    assert "█" * 24 in terminal.text
    assert max(len(line) for line in terminal.text.replace("\x1b[K", "").split("\r")) <= 80


def test_work_that_is_done_before_it_is_worth_a_line_shows_none() -> None:
    terminal = Terminal()
    with ProgressBar("model.gguf", terminal, after_s=60) as bar:  # type: ignore[arg-type]
        bar(5, 10)
        bar(10, 10)
    assert terminal.text == ""
    with ProgressBar("model.gguf", terminal, after_s=1e-9) as bar:  # type: ignore[arg-type]
        bar(400_000, 1_000_000)
    assert " 0.4/1.0 MB " in terminal.text
    assert terminal.text.endswith("\n")
