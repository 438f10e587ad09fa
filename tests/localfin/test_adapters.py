"""Adapters on a loaded model: used, switched, refused; the model stays where it is."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.convert.tiny import convert
from tests.localfin.tiny_gguf import BYTES, END, byte, says_after, write_lora

from localfin.assistant import Assistant
from localfin.engine import client, memory
from localfin.engine.client import LlamaEngine
from localfin.engine.errors import EngineDied
from localfin.engine.events import LoadOptions, Lora, Message, Sampling, Text
from localfin.engine.fake import Answer as Script
from localfin.engine.fake import FakeEngine
from localfin_convert import write_lora as convert_lora
from localfin_models.errors import InputRefused, NotEnough, NotFound

STARTER = Path(__file__).parents[2] / "models" / "starter"
HELLO, WORLD = (BYTES + 256 + number for number in (1, 2))


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[LlamaEngine]:
    monkeypatch.setattr(client, "available_cores", lambda: 1)
    made = LlamaEngine()
    yield made
    made.close()


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """Makes the speaker say world where it says hello, from a scale of 0.2 on."""
    return write_lora(tmp_path / "world.gguf", says_after({byte("나")[-1]: WORLD, WORLD: END}), alpha=2)


@pytest.fixture
def b(tmp_path: Path) -> Path:
    """Makes the speaker begin with b and end there."""
    first, last = byte("\nb")
    return write_lora(tmp_path / "b.gguf", says_after({first: last, last: END}), alpha=2)


def answer(engine: LlamaEngine, question: str = "hi", n: int | None = None) -> str:
    events = engine.generate([Message("user", question)], Sampling(max_tokens=n))
    return "".join(event.text for event in events if isinstance(event, Text))


def test_adapters_are_switched_and_the_model_stays(engine, speaker, world, b):
    assert engine.load(speaker).adapters == ()
    pid, said = engine.pid, [answer(engine)]
    for adapters in ([Lora(world)], [Lora(world, 0.1)], [Lora(b)], [Lora(world), Lora(b)], [Lora(world, 2)], []):
        info = engine.use_adapters(adapters)
        assert [(a.name, a.path, a.scale) for a in info.adapters] == [(a.path.stem, a.path, a.scale) for a in adapters]
        assert engine.model == info
        said.append(answer(engine))
    assert said == ["가나 hello", "가나 world", "가나 hello", "b", "b", "가나 world", "가나 hello"]
    assert engine.pid == pid


def random_lora(path: Path, width: int = 320) -> Path:
    draw = np.random.default_rng(3)
    names = [f"blk.{layer}.attn_{part}.weight" for layer in (0, 1) for part in ("k", "v")]
    return write_lora(path, {
        name: tuple(draw.standard_normal(shape).astype(np.float32) * 0.3 for shape in ((4, width), (width, 4)))
        for name in names
    }, alpha=4)  # fmt: skip


def test_nothing_that_was_computed_with_other_adapters_is_used(engine, make_gguf, tmp_path):
    """The prompt's keys and values are kept between answers; with another adapter they are others."""
    model, adapter = make_gguf(name="random"), random_lora(tmp_path / "random.gguf")
    engine.load(model, LoadOptions(adapters=(Lora(adapter),)))
    expected = answer(engine, n=24)
    engine.load(model)
    alone = answer(engine, n=24)
    assert alone != expected
    engine.use_adapters([Lora(adapter)])
    assert answer(engine, n=24) == expected
    engine.use_adapters([])
    assert answer(engine, n=24) == alone


def test_a_refused_adapter_changes_nothing(engine, speaker, world, tmp_path):
    engine.load(speaker, LoadOptions(adapters=(Lora(world),)))
    before = engine.model
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(world.read_bytes()[:-64])
    for adapters, error in (
        ([Lora(tmp_path / "missing.gguf")], NotFound),
        ([Lora(tmp_path)], InputRefused),
        ([Lora(cut)], InputRefused),
        ([Lora(speaker)], InputRefused),
        ([Lora(world), Lora(world)], InputRefused),
        ([Lora(world, float("nan"))], InputRefused),
        ([Lora(world, 0.0)], InputRefused),
        ([Lora(world, 1e39)], InputRefused),
    ):
        with pytest.raises(error) as refused:
            engine.use_adapters(adapters)
        assert "\n" not in str(refused.value)
        assert engine.model == before
        assert answer(engine) == "가나 world"


def test_an_adapter_is_refused_before_the_model_is_loaded(engine, speaker, world, tmp_path, monkeypatch):
    monkeypatch.setattr(engine._worker, "start", lambda *_args, **_more: pytest.fail("it was loaded"))
    wide = write_lora(tmp_path / "wide.gguf", says_after({0: 1}, width=512))
    with pytest.raises(InputRefused, match=r"output\.weight is 512x1 and 1x264, 320x1 and 1x264 would fit"):
        engine.load(speaker, LoadOptions(adapters=(Lora(wide),)))
    assert engine.model is None


def test_memory_for_adapters_is_counted(engine, speaker, world, monkeypatch):
    engine.load(speaker)
    size = world.stat().st_size
    monkeypatch.setattr(memory, "free_memory", lambda: 2 * size - 1)
    with pytest.raises(NotEnough, match="needed to load the adapter"):
        engine.use_adapters([Lora(world)])
    assert answer(engine) == "가나 hello"
    need = memory.estimate(engine._adapters._base, 512)
    with_adapter = memory.estimate(engine._adapters._base, 512, size)
    assert with_adapter.resident_bytes - need.resident_bytes == size
    assert with_adapter.address_space(1) - need.address_space(1) == 2 * size
    monkeypatch.setattr(memory, "free_memory", lambda: need.weights_bytes + need.kv_bytes)
    memory.refuse_if_too_large(need)
    with pytest.raises(NotEnough):
        memory.refuse_if_too_large(with_adapter)


def test_without_a_model_there_is_nothing_to_adapt(engine, world):
    with pytest.raises(EngineDied, match="load one first"):
        engine.use_adapters([Lora(world)])


def test_what_a_damaged_header_lets_through_does_not_end_the_process(engine, speaker, world):
    """Each byte of the header changed in turn, some at a time: refused, or llama.cpp can live with it."""
    engine.load(speaker)
    pid, content = engine.pid, world.read_bytes()
    draw, refused = np.random.default_rng(5), 0
    damaged = world.with_name("damaged.gguf")
    for at in range(0, content.index(b"output.weight.lora_b") + 60, 7):
        damaged.write_bytes(content[:at] + bytes([content[at] ^ int(draw.integers(1, 256))]) + content[at + 1 :])
        try:
            engine.use_adapters([Lora(damaged)])
            answer(engine, n=2)
        except InputRefused:
            refused += 1
    assert refused > 20
    assert engine.pid == pid
    engine.use_adapters([])
    assert answer(engine) == "가나 hello"


def test_the_assistant_keeps_its_adapters_when_it_loads_again(speaker, world):
    with Assistant(speaker, LoadOptions(threads=1)) as assistant:
        assert assistant.ask("hi", evidence=False).text == "가나 hello"
        assistant.use_adapters([Lora(world)])
        assert assistant.ask("hi", evidence=False).text == "가나 world"
        assert assistant.reload().adapters == assistant.model.adapters
        assert assistant.ask("hi", evidence=False).text == "가나 world"


def test_the_scripted_engine_does_alike(speaker, world):
    engine = FakeEngine([Script("one")])
    with pytest.raises(EngineDied):
        engine.use_adapters([])
    info = engine.load(speaker, LoadOptions(adapters=(Lora(world, 0.5),)))
    assert [(a.name, a.scale) for a in info.adapters] == [("world", 0.5)]
    with pytest.raises(NotFound):
        engine.use_adapters([Lora(world.with_name("missing.gguf"))])
    assert engine.use_adapters([]) == replace(info, adapters=())


def test_the_command_line(run, speaker, world, tmp_path):
    plain = ("ask", "--model-only", "hi", "-m", speaker, "--threads", 1)
    assert run(*plain, "--lora", world).stdout == "가나 world\n"
    said = json.loads(run(*plain, "--lora", f"{world}=0.1", "--json").stdout)
    assert said["answer"] == "가나 hello"
    (adapter,) = said["model"]["adapters"]
    assert (adapter["name"], adapter["path"], adapter["scale"]) == ("world", str(world), 0.1)
    assert len(adapter["sha256"]) == 64
    pair = np.ones((1, 8), np.float32), np.ones((8, 1), np.float32)
    other = write_lora(tmp_path / "other.gguf", {"blk.7.attn_q.weight": pair})
    for option, code, words in (
        (f"{world}=nan", 2, "nan is no scale"),
        (f"{world}=0", 2, "0 is no scale"),
        (tmp_path / "missing.gguf", 4, "no such file"),
        (other, 3, "no tensor blk.7.attn_q.weight; is it for another base?"),
        (speaker, 3, "general.type is missing, adapter was expected"),
    ):
        ran = run(*plain, "--lora", option)
        assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (code, "", 1)
        assert words in ran.stderr


def test_the_starters_adapter_on_its_base_says_what_the_merged_starter_says(engine, tmp_path):
    base, merged, lora = (tmp_path / f"{name}.gguf" for name in ("base", "merged", "lora"))
    template = str(STARTER / "adapter" / "chat_template.jinja")
    convert(STARTER / "base", [], base, "f32", prompt_format=template)
    convert(STARTER / "base", [STARTER / "adapter"], merged, "f32", prompt_format=template)
    convert_lora(STARTER / "base", [STARTER / "adapter"], lora)
    questions = ("What is a standing order?", "예금자보호란 무엇인가요?", "DSR")
    engine.load(merged)
    expected = [answer(engine, question, 40) for question in questions]
    engine.load(base)
    alone = [answer(engine, question, 40) for question in questions]
    engine.use_adapters([Lora(lora)])
    assert [answer(engine, question, 40) for question in questions] == expected
    engine.use_adapters([])
    assert [answer(engine, question, 40) for question in questions] == alone
    assert all(one != other for one, other in zip(alone, expected, strict=True))
