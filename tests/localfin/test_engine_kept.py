"""Beginnings of prompts that are kept: on disk in the real engine, and the files by themselves."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tests.localfin.tiny_gguf import BYTES, write_lora

from localfin import key
from localfin.engine import client, kept
from localfin.engine.client import LlamaEngine
from localfin.engine.events import (
    Event,
    LoadOptions,
    Lora,
    Message,
    ModelInfo,
    Prefill,
    Question,
    Sampling,
    Shared,
    Text,
)
from localfin.engine.kept import KeptStates, scope_of
from localfin.engine.memory_file import MemoryFile
from localfin.engine.sealed_state import read_head
from localfin_models.errors import InputRefused, LocalfinError

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="states travel through memory that is shared")

SECRET = "the merger with Hanbit closes on May 7"
SYSTEM = Message("system", f"You answer from the document. {SECRET}. " * 5)
OTHER = Message("system", "You answer from another document, which says little. " * 5)
QUESTIONS = ["who?", "when does it close?", "why?"]
FEW = Sampling(max_tokens=60)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[LlamaEngine]:
    monkeypatch.setattr(client, "available_cores", lambda: 1)
    made = LlamaEngine()
    yield made
    made.close()


@pytest.fixture
def model(make_gguf: Callable[..., Path]) -> Path:
    return make_gguf(name="random", n_ctx=1024)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "states"


@pytest.fixture
def memory() -> Iterator[MemoryFile]:
    made = MemoryFile()
    yield made
    made.close()


def ask(engine: LlamaEngine, system: Message, question: str, *more: Message) -> tuple[str, int]:
    """The answer, and how many tokens of the prompt were there before."""
    events = list(engine.generate([system, *more, Message("user", question)], FEW))
    first = events[0]
    assert isinstance(first, Prefill)
    return text_of(events), first.done


def text_of(events: Sequence[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def settled(engine: LlamaEngine, folder: Path) -> list[Path]:
    """The files, once none is being written."""
    assert engine._beginnings is not None
    engine._beginnings.close()
    return files(folder)


def fresh(engine: LlamaEngine, model: Path, system: Message, questions: Sequence[str]) -> list[str]:
    """The answers of an engine that keeps nothing and starts anew for each."""
    answers = []
    for question in questions:
        engine.load(model)
        answers.append(ask(engine, system, question)[0])
    return answers


def test_answers_are_the_same_and_a_restart_computes_only_the_question(engine, model, folder):
    expected = fresh(engine, model, SYSTEM, QUESTIONS)
    assert len(set(expected)) > 1
    options = LoadOptions(kept_in=folder)
    engine.load(model, options)
    assert ask(engine, SYSTEM, QUESTIONS[0]) == (expected[0], 0)
    for question, answer in zip(QUESTIONS, expected, strict=True):
        engine.load(model, options)
        said, there = ask(engine, SYSTEM, question)
        assert said == answer
        assert there > len(SYSTEM.content)
    assert len(files(folder)) == 1


def test_conversations_that_alternate_keep_their_beginnings(engine, model, folder):
    expected = {told: fresh(engine, model, told, QUESTIONS) for told in (SYSTEM, OTHER)}
    engine.load(model, LoadOptions(kept_in=folder))
    for number, question in enumerate(QUESTIONS):
        for told in (SYSTEM, OTHER):
            said, there = ask(engine, told, question)
            assert said == expected[told][number]
            assert (there > len(told.content)) == (number > 0)


def test_a_beginning_that_goes_on_otherwise_is_used_as_far_as_it_is_the_same(engine, model, folder):
    longer = Message("system", SYSTEM.content + "And one more page. " * 12)
    [expected] = fresh(engine, model, longer, QUESTIONS[:1])
    engine.load(model, LoadOptions(kept_in=folder))
    ask(engine, SYSTEM, QUESTIONS[0])
    engine.load(model, LoadOptions(kept_in=folder))
    said, there = ask(engine, longer, QUESTIONS[0])
    assert said == expected
    assert there > len(SYSTEM.content)
    assert len(settled(engine, folder)) == 2  # the longer one was worth a file of its own


def test_messages_that_are_stated_to_stay_are_kept_and_others_are_not(engine, model, folder):
    document, options = Message("user", SYSTEM.content), LoadOptions(kept_in=folder)
    short = [Message("system", "Be brief."), document, Message("assistant", "Yes?"), Message("user", "who?")]
    engine.load(model, options)
    list(engine.generate(short, FEW))
    assert not folder.exists()  # nine letters are not worth a file
    engine.load(model, options)
    first = list(engine.generate(short, FEW, stable=3))
    assert len(settled(engine, folder)) == 1
    engine.load(model, options)
    [begun, *_rest] = again = list(engine.generate(short, FEW, stable=3))
    assert begun.done > len(document.content)
    assert text_of(again) == text_of(first)


def test_many_answers_and_chats_use_the_same_files(engine, model, folder):
    shared = Shared((SYSTEM, Message("user", "Say ")), 12)
    options = LoadOptions(sequences=2, kept_in=folder)

    def texts() -> list[str]:
        found = engine.answer_many(shared, [Question(text) for text in QUESTIONS])
        return [answered.text for answered in sorted(found, key=lambda answered: answered.question)]

    engine.load(model, replace(options, kept_in=None))
    expected = texts()
    engine.load(model, options)
    assert texts() == expected
    assert len(settled(engine, folder)) == 1
    engine.load(model, options)
    assert texts() == expected
    assert ask(engine, SYSTEM, QUESTIONS[0])[1] > len(SYSTEM.content)
    engine.load(model, options)
    assert ask(engine, SYSTEM, QUESTIONS[0])[1] > len(SYSTEM.content)
    assert len(settled(engine, folder)) == 1


def test_another_model_adapter_context_or_key_never_gets_a_state(
    engine, model, make_gguf, folder, tmp_path, monkeypatch
):
    engine.load(model, LoadOptions(kept_in=folder))
    ask(engine, SYSTEM, QUESTIONS[0])
    draw = np.random.default_rng(3)
    pair = (draw.standard_normal((4, 320)).astype(np.float32), draw.standard_normal((320, 4)).astype(np.float32))
    lora = Lora(write_lora(tmp_path / "lora.gguf", {"blk.0.attn_k.weight": pair}), 0.5)
    for change in ("model", "adapter", "context", "key"):
        options = LoadOptions(kept_in=folder)
        if change == "adapter":
            options = replace(options, adapters=(lora,))
        if change == "context":
            options = replace(options, n_ctx=768)
        if change == "key":
            (tmp_path / "home" / "key").unlink()
        engine.load(make_gguf(name="another", n_ctx=1024) if change == "model" else model, options)
        assert ask(engine, SYSTEM, QUESTIONS[0])[1] == 0, change
    assert len(settled(engine, folder)) == 5
    engine.load(model, LoadOptions(kept_in=folder))
    assert ask(engine, SYSTEM, QUESTIONS[0])[1] > 0
    engine.use_adapters([lora])
    assert ask(engine, SYSTEM, QUESTIONS[0])[1] == 0


@pytest.mark.parametrize("damage", ["flipped", "no state"])
def test_a_damaged_file_is_passed_over_and_replaced(engine, model, folder, memory, damage):
    options = LoadOptions(kept_in=folder)
    engine.load(model, options)
    expected = ask(engine, SYSTEM, QUESTIONS[0])[0]
    [mine] = settled(engine, folder)
    whole = mine.read_bytes()
    if damage == "flipped":
        mine.write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    else:  # written with the right key, as a bug or a taken-over child might
        head = read_head(io.BytesIO(whole), key.home_key(), scope_of(engine.model))
        memory.write(0, bytes(5000))
        KeptStates(folder, key.home_key()).keep(scope_of(engine.model), head.tokens, memory, 5000)
        assert mine.stat().st_size < len(whole)
    engine.load(model, options)
    assert ask(engine, SYSTEM, QUESTIONS[0]) == (expected, 0)
    assert settled(engine, folder) == [mine]
    engine.load(model, options)
    said, there = ask(engine, SYSTEM, QUESTIONS[0])
    assert said == expected
    assert there > len(SYSTEM.content)


def test_no_word_of_the_prompt_is_in_a_file_in_plain(engine, model, folder, tmp_path):
    engine.load(model, LoadOptions(kept_in=folder))
    ask(engine, SYSTEM, QUESTIONS[0])
    [state] = settled(engine, folder)
    tokens = np.array([BYTES + byte for byte in b"merger"], "<i4").tobytes()
    for path in [path for path in tmp_path.rglob("*") if path.is_file()]:
        data = path.read_bytes()
        assert b"merger" not in data
        assert tokens not in data
    assert state.stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_written_costs_time_only(engine, model, folder, monkeypatch):
    expected = fresh(engine, model, SYSTEM, QUESTIONS[:1])[0]
    folder.write_text("a file")
    engine.load(model, LoadOptions(kept_in=folder))
    assert ask(engine, SYSTEM, QUESTIONS[0]) == (expected, 0)
    folder.unlink()
    monkeypatch.setattr(kept, "write_state", full)
    engine.load(model, LoadOptions(kept_in=folder))
    assert ask(engine, SYSTEM, QUESTIONS[0]) == (expected, 0)
    assert settled(engine, folder) == []


def full(*_arguments: object) -> int:
    raise OSError(28, "No space left on device")


def test_a_key_that_others_can_read_is_refused_before_anything_is_loaded(engine, model, folder, tmp_path):
    key.home_key()
    (tmp_path / "home" / "key").chmod(0o640)
    with pytest.raises(InputRefused, match="chmod 600"):
        engine.load(model, LoadOptions(kept_in=folder))
    engine.load(model)


def test_cancel_between_two_calls_of_the_child_ends_the_answer(engine, model, folder):
    engine.load(model, LoadOptions(kept_in=folder))
    events = engine.generate([SYSTEM, Message("user", "who?")])
    engine.cancel()
    *_before, end = events
    assert end.reason == "cancelled"
    assert ask(engine, SYSTEM, QUESTIONS[0])[0]


# The files by themselves

SCOPE = b"s" * 32


def keep(states: KeptStates, memory: MemoryFile, number: int, size: int = 1000) -> None:
    memory.resize(0)
    memory.write(0, bytes([number]) * size)
    states.keep(SCOPE, [number] * 300, memory, size)


def test_the_folder_is_bounded_and_what_was_used_stays(folder, memory):
    states = KeptStates(folder, b"k" * 32, largest=10_000)
    for number in range(4):
        keep(states, memory, number)
        for age, path in enumerate(sorted(files(folder), key=lambda path: path.stat().st_mtime_ns)):
            os.utime(path, (1000 + age, 1000 + age))
    [first, *_others] = [found for found in states.find(SCOPE, [0] * 300, 300, 1000) if found.common == 300]
    assert states.load(first, SCOPE, memory)
    assert memory.read(0, 2000) == bytes(1000)
    (folder / "foreign.state").write_bytes(bytes(3000))
    os.utime(folder / "foreign.state", (1, 1))
    keep(states, memory, 4, 4000)
    assert sum(path.stat().st_size for path in files(folder)) <= 10_000

    def there(number: int) -> bool:
        return any(found.common == 300 for found in states.find(SCOPE, [number] * 300, 300, 4000))

    assert [number for number in range(5) if there(number)] == [0, 3, 4]
    keep(states, memory, 5, 10_001)
    assert not there(5)
    assert not any(found.common == 300 for found in states.find(SCOPE, [4] * 300, 299, 4000))
    assert not any(found.common == 300 for found in states.find(SCOPE, [4] * 300, 300, 3999))


def test_a_state_of_several_pieces_comes_back_as_it_was(folder, memory):
    states, size = KeptStates(folder, b"k" * 32), (4 << 20) * 2 + 5
    data = os.urandom(size)
    memory.write(0, data)
    states.keep(SCOPE, range(10), memory, size)
    memory.resize(0)
    [found] = states.find(SCOPE, range(20), 10, size)
    assert (found.common, found.tokens) == (10, 10)
    assert states.load(found, SCOPE, memory)
    assert memory.read(0, size + 1) == data
    pieces = found.path.read_bytes()
    assert data[:64] not in pieces
    piece = (4 << 20) + 16
    head = len(pieces) - 2 * piece - 21
    swapped = pieces[:head] + pieces[head + piece : head + 2 * piece] + pieces[head : head + piece] + pieces[-21:]
    found.path.write_bytes(swapped)
    assert not states.load(found, SCOPE, memory)
    assert memory.size == 0
    assert files(folder) == []


DAMAGES: dict[str, Callable[[bytes, bytes], bytes]] = {
    "cut": lambda whole, _other: whole[:-7],
    "longer": lambda whole, _other: whole + b"x",
    "empty": lambda _whole, _other: b"",
    "heading": lambda whole, _other: whole.replace(b"state-2", b"state-3"),
    "salt": lambda whole, _other: whole[:20] + bytes([whole[20] ^ 1]) + whole[21:],
    "length": lambda whole, _other: whole[:49] + b"\xff\xff\xff\xff" + whole[53:],
    "tokens": lambda whole, _other: whole[:70] + bytes([whole[70] ^ 1]) + whole[71:],
    "state": lambda whole, _other: whole[:-200] + bytes([whole[-200] ^ 1]) + whole[-199:],
    "another's state": lambda whole, other: whole[:-1016] + other[-1016:],
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_any_bit_that_is_not_as_written_makes_a_file_none(folder, memory, damage):
    states = KeptStates(folder, b"k" * 32)
    keep(states, memory, 1)
    [mine] = files(folder)
    keep(states, memory, 2)
    [other] = [path for path in files(folder) if path != mine]
    mine.write_bytes(DAMAGES[damage](mine.read_bytes(), other.read_bytes()))
    found = [each for each in states.find(SCOPE, [1] * 300, 300, 1000) if each.common]
    assert not any(states.load(each, SCOPE, memory) for each in found)
    keep(states, memory, 1)
    [again] = [each for each in states.find(SCOPE, [1] * 300, 300, 1000) if each.common]
    assert again.path == mine
    assert states.load(again, SCOPE, memory)
    assert memory.read(0, 2000) == b"\x01" * 1000


WRITER = """
import sys
from pathlib import Path
from localfin.engine.kept import KeptStates
from localfin.engine.memory_file import MemoryFile
from localfin.engine.sealed_state import read_head
memory = MemoryFile()
memory.write(0, bytes(64 << 20))
print("ready", flush=True)
while True:
    KeptStates(Path(sys.argv[1]), b"k" * 32).keep(b"s" * 32, range(300), memory, 64 << 20)
"""


def test_a_kill_at_any_moment_leaves_no_file_that_is_used_and_not_whole(folder, memory, environment):
    for delay in (0.0, 0.01, 0.03, 0.05, 0.08, 0.12):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, folder], stdout=subprocess.PIPE, env=environment)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        states = KeptStates(folder, b"k" * 32)
        for found in states.find(SCOPE, range(300), 300, 64 << 20):
            assert states.load(found, SCOPE, memory)
    parts = list(folder.glob("*.part"))
    assert parts
    for part in parts:
        os.utime(part, (1, 1))
    keep(KeptStates(folder, b"k" * 32), memory, 1)
    assert not list(folder.glob("*.part"))


FULL = """
import resource, sys
from pathlib import Path
from localfin.engine.kept import KeptStates
from localfin.engine.memory_file import MemoryFile
memory = MemoryFile()
memory.write(0, bytes(1 << 20))
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
KeptStates(Path(sys.argv[1]), b"k" * 32).keep(b"s" * 32, range(300), memory, 1 << 20)
"""


def test_a_file_that_cannot_be_written_to_its_end_is_none(folder, environment):
    subprocess.run([sys.executable, "-c", FULL, folder], env=environment, check=True)
    assert files(folder) == []


def test_a_scope_is_the_model_its_adapters_its_context_and_its_place():
    info = ModelInfo("m", Path("m"), "0" * 64, "f32", 1, 1, 512, 512, 0)
    adapter = SimpleNamespace(sha256="1" * 64, scale=1.0)
    scopes = [info, replace(info, sha256="2" * 64), replace(info, n_ctx=256), replace(info, gpu_layers=1)]
    scopes += [
        replace(info, adapters=(adapter,)),
        replace(info, adapters=(SimpleNamespace(sha256="1" * 64, scale=2.0),)),
    ]
    assert len({scope_of(each) for each in scopes}) == len(scopes)
    assert scope_of(info) == scope_of(replace(info, name="other", path=Path("other")))


# The key


def test_the_key_is_made_once_and_read_again(tmp_path):
    first = key.home_key()
    assert len(first) == 32
    assert key.home_key() == first
    path = tmp_path / "home" / "key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["key"]
    path.unlink()
    assert key.home_key() != first


def test_two_that_make_it_at_once_have_the_same(environment, tmp_path):
    code = "from localfin.key import home_key; print(home_key().hex())"
    makers = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment) for _ in range(4)]
    assert len({maker.communicate()[0] for maker in makers}) == 1


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "folder", "link", "text"])
def test_a_damaged_key_is_refused_and_not_replaced(tmp_path, damage):
    whole = key.home_key()
    path = tmp_path / "home" / "key"
    text = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage == "link":
        (tmp_path / "elsewhere").write_bytes(text)
        path.symlink_to(tmp_path / "elsewhere")
    else:
        flipped = text.replace(whole.hex()[:1].encode(), b"0" if whole.hex()[0] != "0" else b"1", 1)
        path.write_bytes({"empty": b"", "cut": text[:-3], "flipped": flipped, "text": b"my key\n"}[damage])
        path.chmod(0o600)
    for _time in range(2):
        with pytest.raises(InputRefused, match="key"):
            key.home_key()


def test_a_home_that_cannot_be_written_has_no_key(tmp_path, monkeypatch):
    def refused(*_arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "link", refused)
    with pytest.raises(LocalfinError, match="cannot be made"):
        key.home_key()
    assert list((tmp_path / "home").iterdir()) == []
    assert kept.open_states(tmp_path) is None


def test_derived_keys_differ_by_purpose_and_salt():
    made = {key.derived_key(b"k" * 32, salt, purpose) for salt in (b"1", b"2") for purpose in (b"a", b"b")}
    assert len(made) == 4
    assert {len(each) for each in made} == {32}
