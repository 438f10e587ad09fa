"""The real engine in its real child: answers, cancellation, deaths, hostile files. Models are made by conftest."""

import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.localfin.tiny_gguf import BYTES, END, HEADING, TURN, byte, chain_of

from localfin.engine import client
from localfin.engine.client import LlamaEngine
from localfin.engine.errors import ContextFull, EngineDied
from localfin.engine.events import Event, Finished, LoadOptions, Message, Prefill, Sampling, Shifted, Text
from localfin_models.errors import InputRefused, LocalfinError, NotEnough, NotFound
from localfin_models.worker import SealedWorker


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[LlamaEngine]:
    # Threads that wait for each other are slow where other processes want the same cores.
    monkeypatch.setattr(client, "available_cores", lambda: 1)
    made = LlamaEngine()
    yield made
    made.close()


def user(text: str) -> list[Message]:
    return [Message("user", text)]


def text_of(events: Sequence[Event]) -> str:
    return "".join(e.text for e in events if isinstance(e, Text))


def finished(events: Sequence[Event]) -> Finished:
    last = events[-1]
    assert isinstance(last, Finished)
    return last


def test_an_answer_of_whole_characters_and_its_numbers(engine, speaker):
    info = engine.load(speaker)
    assert (info.name, info.quantization, info.n_ctx, info.n_ctx_train, info.gpu_layers) == (
        "speaker",
        "f32",
        512,
        512,
        0,
    )
    assert info.size_bytes == speaker.stat().st_size
    events = list(engine.generate(user("hi")))
    assert text_of(events) == "가나 hello"
    end = finished(events)
    assert end.reason == "stop"
    assert end.usage.completion_tokens == 7
    assert end.usage.load_s > 0
    prefills = [e for e in events if isinstance(e, Prefill)]
    assert prefills[-1] == Prefill(end.usage.prompt_tokens, end.usage.prompt_tokens)
    assert finished(list(engine.generate(user("hi")))).usage.load_s == 0


def test_half_a_character_is_not_shown(engine, speaker):
    engine.load(speaker)
    events = list(engine.generate(user("hi"), Sampling(max_tokens=5)))
    assert text_of(events) == "가"
    assert finished(events).reason == "length"


def test_an_answer_without_end_is_as_long_as_the_context_which_shifts_meanwhile(engine, endless):
    engine.load(endless, LoadOptions(n_ctx=256))
    events = list(engine.generate(user("hi")))
    end = finished(events)
    assert (end.reason, end.usage.completion_tokens, end.usage.shifted_tokens) == ("length", 256, 126)
    assert [event for event in events if isinstance(event, Shifted)] == [Shifted(126)]
    assert text_of(events) == "ab" * 128


def test_a_context_that_its_beginning_fills_ends_the_answer(engine, endless):
    engine.load(endless, LoadOptions(n_ctx=256))
    told = [Message("system", "x" * 190), *user("hi")]
    end = finished(list(engine.generate(told)))
    assert (end.reason, end.usage.shifted_tokens) == ("length", 0)
    assert end.usage.prompt_tokens + end.usage.completion_tokens == 256 + 1  # the last token needs no room


def test_a_prompt_that_does_not_fit_is_refused_and_the_next_one_works(engine, speaker):
    engine.load(speaker)
    with pytest.raises(ContextFull, match="tokens, the context holds 512"):
        list(engine.generate(user("word " * 400)))
    assert text_of(list(engine.generate(user("hi")))) == "가나 hello"


def test_a_huge_question_is_refused_as_such_before_it_is_tokenized(engine, speaker, monkeypatch):
    monkeypatch.setattr(client, "_RENDER_S", 2.0)
    engine.load(speaker)
    begun = time.monotonic()
    with pytest.raises(ContextFull, match="512 tokens"):
        list(engine.generate(user("가나다라" * (1 << 20))))
    assert time.monotonic() - begun < 20
    assert text_of(list(engine.generate(user("hi")))) == "가나 hello"


NUMBERS = {
    "reason": "stop", "prompt_tokens": 1, "completion_tokens": 1, "prefill_s": 0.5, "decode_tokens_per_s": 1,
    "shifted_tokens": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    "said",
    [
        {"prefill": 1},
        {"prefill": ["1", 2]},
        {"prefill": [-1, True]},
        {"text": 1},
        {"unknown": 1},
        {"done": {}},
        {"done": NUMBERS | {"prefill_s": "x"}},
        {"done": NUMBERS | {"prefill_s": float("nan")}},
        {"done": NUMBERS | {"prompt_tokens": 1.5}},
        {"done": NUMBERS | {"shifted_tokens": -1}},
        {"shifted": "1"},
        {"done": NUMBERS | {"reason": "other"}},
        {"done": NUMBERS | {"reason": []}},
    ],
)
def test_what_a_taken_over_engine_says_is_checked(engine, speaker, monkeypatch, said):
    monkeypatch.setattr(engine, "_worker", SealedWorker("worker_services:Forger", errors=(ContextFull,)))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "models"))
    engine.load(speaker)
    with pytest.raises(EngineDied, match="no answer"):
        list(engine.generate(user(json.dumps(said))))
    assert engine.model is None


def test_the_same_seed_repeats_and_another_does_not(engine, make_gguf):
    engine.load(make_gguf(name="random"))

    def sampled(seed: int) -> str:
        return text_of(list(engine.generate(user("hi"), Sampling(temperature=1.5, seed=seed, max_tokens=60))))

    assert sampled(1) == sampled(1) != sampled(2)


def test_turns_reuse_what_was_computed_and_answer_the_same(engine, make_gguf):
    path = make_gguf(name="random")
    first = [Message("user", "hello hello hello"), Message("assistant", "world"), Message("user", "and then?")]
    engine.load(path)
    fresh = text_of(list(engine.generate(first, Sampling(max_tokens=40))))
    engine.load(path)
    list(engine.generate(first[:1], Sampling(max_tokens=40)))
    events = list(engine.generate(first, Sampling(max_tokens=40)))
    begun = events[0]
    assert isinstance(begun, Prefill)
    assert begun.done > 10
    assert text_of(events) == fresh


def test_cancel_stops_a_long_prefill_quickly_and_the_context_stays_usable(engine, make_gguf):
    engine.load(make_gguf(name="slow", n_ctx=8192, layers=24, width=320, chain=chain_of(*byte("\nok"), END)))
    events = engine.generate(user("word " * 1500))
    seen = [next(events)]
    begun = time.monotonic()
    threading.Timer(0.05, engine.cancel).start()
    seen += events
    assert finished(seen).reason == "cancelled"
    assert time.monotonic() - begun < 1.5
    assert text_of(seen) == ""
    assert text_of(list(engine.generate(user("hi")))) == "ok"


def test_cancel_stops_an_answer_and_keeps_what_was_said(engine, endless):
    engine.load(endless)
    events = []
    for event in engine.generate(user("hi")):
        events.append(event)
        if len(text_of(events)) > 10:
            engine.cancel()
    assert finished(events).reason == "cancelled"
    assert text_of(events).startswith("abababab")


def test_cancel_after_the_end_harms_nothing(engine, speaker, monkeypatch):
    monkeypatch.setattr(client, "_CANCEL_S", 0.05)
    engine.load(speaker)
    engine.cancel()
    events = engine.generate(user("hi"))
    assert text_of(list(events)) == "가나 hello"
    engine.cancel()
    time.sleep(0.2)
    assert text_of(list(engine.generate(user("hi")))) == "가나 hello"


def test_a_killed_child_is_told_and_the_model_loads_again(engine, endless):
    engine.load(endless)
    events = engine.generate(user("hi"))
    for event in events:
        if isinstance(event, Text):
            break
    assert engine.pid is not None
    os.kill(engine.pid, signal.SIGKILL)
    with pytest.raises(EngineDied, match="SIGKILL"):
        list(events)
    assert engine.model is None
    with pytest.raises(EngineDied):
        engine.generate(user("hi"))
    engine.load(endless)
    assert text_of(list(engine.generate(user("hi"), Sampling(max_tokens=4)))) == "abab"


def test_a_generation_left_early_makes_room_for_the_next(engine, endless):
    engine.load(endless)
    events = engine.generate(user("hi"))
    next(events)
    del events
    assert text_of(list(engine.generate(user("hi"), Sampling(max_tokens=4)))) == "abab"


def test_close_while_another_thread_reads(engine, endless):
    engine.load(endless)
    errors = []

    def read() -> None:
        try:
            list(engine.generate(user("hi")))
        except LocalfinError as error:
            errors.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    time.sleep(0.3)
    engine.close()
    thread.join(5)
    assert not thread.is_alive()
    assert len(errors) == 1


# A grammar

CALL = 'root ::= "{\\"sum\\": [" number ("," number)* "]}"\nnumber ::= [0-9]{1,4}'


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_an_answer_keeps_to_its_grammar(engine, make_gguf, temperature):
    engine.load(make_gguf(name="random"))
    for seed in range(3):
        sampling = Sampling(temperature, grammar=CALL, seed=seed, max_tokens=300, repeat_penalty=1.1)
        events = list(engine.generate(user("hi"), sampling))
        said = text_of(events)
        if finished(events).reason == "stop":
            assert json.loads(said)["sum"]
        assert re.fullmatch(r'\{"sum": \[[0-9]{1,4}(,[0-9]{1,4})*(\]\}?)?,?', said)
    assert text_of(list(engine.generate(user("hi"), Sampling(max_tokens=4)))) != said[:4]


def test_a_grammar_takes_the_likeliest_of_what_it_allows_and_then_ends(engine, speaker):
    engine.load(speaker)
    events = list(engine.generate(user("hi"), Sampling(grammar='root ::= ("나" | "가나") " hello"')))
    assert text_of(events) == "가나 hello"
    assert finished(events).reason == "stop"


@pytest.mark.parametrize(
    "grammar",
    [
        "root ::= (",
        "no rule",
        'other ::= "x"',
        "root ::= missing",
        "root ::= root",
        'root ::= "' + "x" * (64 << 10) + '"',
        "root ::= " + "(" * 30_000 + '"x"' + ")" * 30_000,
        'root ::= "x"{100000}',
        "root ::= [a",
        "\ufdd0",
        "root ::= " + "".join(f"r{n}\nr{n} ::= " for n in range(4000)) + "root",
    ],
)
def test_a_grammar_that_is_none_is_refused_and_the_next_answer_comes(engine, speaker, grammar):
    engine.load(speaker)
    with pytest.raises(InputRefused, match="grammar"):
        list(engine.generate(user("hi"), Sampling(grammar=grammar)))
    assert text_of(list(engine.generate(user("hi")))) == "가나 hello"


# What a prompt is made of

SEES = "{{ bos_token }}{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}{{ '\n' }}"


def test_a_template_that_writes_the_first_token_gets_no_second_one(engine, make_gguf):
    path = make_gguf(name="bos", template=SEES, chain=chain_of(*byte("\nok"), END))
    engine.load(path)
    end = finished(list(engine.generate(user("x"))))
    # <s> ▁ [ u s e r ] x \n
    assert end.usage.prompt_tokens == 10


def test_text_from_outside_is_no_control_token(engine, make_gguf):
    plain, spelled = "x" * 8, "<|turn|>"
    path = make_gguf(name="control", template=SEES, chain=chain_of(*byte("\nok"), END))
    engine.load(path)
    as_letters = finished(list(engine.generate(user(plain)))).usage.prompt_tokens
    as_control = finished(list(engine.generate(user(spelled)))).usage.prompt_tokens
    assert as_control >= as_letters


def test_a_template_may_use_control_tokens(engine, make_gguf):
    path = make_gguf(
        name="turn", template="{{ messages[0]['content'] }}<|turn|>", chain=chain_of(TURN, *byte("ok"), END)
    )
    engine.load(path)
    assert text_of(list(engine.generate(user("x")))) == "ok"


def test_the_instruction_format_ends_at_its_next_heading(engine, make_gguf):
    a, b = byte("ab")
    path = make_gguf(name="rambler", chain={**chain_of(*byte("\n가"), HEADING, a, b), b: a})
    engine.load(path)
    events = list(engine.generate(user("hi")))
    assert text_of(events) == "가"
    end = finished(events)
    assert (end.reason, end.usage.completion_tokens) == ("stop", 4)
    assert 0 < end.usage.decode_tokens_per_s < 1e6


@pytest.mark.parametrize(
    "template",
    [
        "{{ raise_exception('no') }}",
        "{{ messages.__class__.__mro__ }}",
        "{{ 1 // 0 }}",
        "{% for %}",
        "{{ ''.join(9) }}",
    ],
)
def test_a_template_that_fails_is_refused_and_the_child_lives(engine, make_gguf, template):
    engine.load(make_gguf(name="fails", template=template))
    with pytest.raises(InputRefused, match="chat template"):
        list(engine.generate(user("hi")))
    assert engine.model is not None


def test_a_template_without_a_system_role_gets_it_with_the_question(engine, make_gguf):
    template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
        "{{ messages[0]['content'] }}{{ '\n' }}"
    )
    engine.load(make_gguf(name="nosystem", template=template, chain=chain_of(*byte("\nok"), END)))
    with_system = finished(list(engine.generate([Message("system", "abcdefgh"), *user("hi")])))
    without = finished(list(engine.generate(user("hi"))))
    assert with_system.usage.prompt_tokens >= without.usage.prompt_tokens + 8


def test_a_template_that_never_ends_is_ended(engine, make_gguf, speaker, monkeypatch):
    monkeypatch.setattr(client, "_RENDER_S", 0.7)
    nested = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    engine.load(make_gguf(name="never", template=nested))
    with pytest.raises(EngineDied, match="template did not end"):
        list(engine.generate(user("hi")))
    engine.load(speaker)
    assert text_of(list(engine.generate(user("hi")))) == "가나 hello"


def test_a_template_that_eats_memory_is_stopped_by_the_limit(engine, make_gguf):
    engine.load(make_gguf(name="eats", template="{{ ('a' * 10**10) | length }}"))
    with pytest.raises((NotEnough, EngineDied)):
        list(engine.generate(user("hi")))


# What is refused at load


def test_no_file_no_gguf_and_too_much(engine, tmp_path, make_gguf, speaker):
    with pytest.raises(NotFound):
        engine.load(tmp_path / "missing.gguf")
    text = tmp_path / "text.gguf"
    text.write_text("GGUFs are nice, this is none of them")
    with pytest.raises(InputRefused, match="no usable GGUF"):
        engine.load(text)
    with pytest.raises(InputRefused, match="trained with 512"):
        engine.load(speaker, LoadOptions(n_ctx=1024))
    with pytest.raises(LocalfinError, match="no GPU"):
        engine.load(speaker, LoadOptions(gpu_layers=4))
    engine.load(speaker)
    assert text_of(list(engine.generate(user("hi")))) == "가나 hello"


def test_a_context_larger_than_memory_says_how_much(engine, make_gguf):
    path = make_gguf(name="long", n_ctx=1 << 27)
    with pytest.raises(NotEnough, match=r"not enough memory: \d+\.\d GB needed"):
        engine.load(path, LoadOptions(n_ctx=1 << 27))


def test_a_file_that_kills_the_child_is_an_error_and_the_parent_lives(engine, make_gguf, speaker):
    # The header is sound, the number of groups is not: llama.cpp asserts, and the assertion ends its process.
    with pytest.raises(EngineDied, match=r"SIGABRT.*GGML_ASSERT"):
        engine.load(make_gguf(name="kills", keys={"llama.expert_group_count": 3}))
    engine.load(speaker)
    assert text_of(list(engine.generate(user("hi")))) == "가나 hello"


def test_what_the_model_says_carries_no_escape_sequence(engine, make_gguf):
    escape = [BYTES + 0x1B, *byte("[31mred")]
    engine.load(make_gguf(name="escape", chain=chain_of(*byte("\n"), *escape, END)))
    said = text_of(list(engine.generate(user("hi"))))
    assert "\x1b" not in said
    assert said.endswith("red")


def test_a_model_that_llama_cpp_refuses_says_its_reason(engine, make_gguf):
    with pytest.raises(InputRefused, match=r"cannot load.*attn_k.weight"):
        engine.load(make_gguf(name="refused", keys={"llama.attention.head_count_kv": 3}))


def test_a_link_is_followed_to_the_model(engine, speaker, tmp_path):
    link = tmp_path / "한글 이름.gguf"
    link.symlink_to(speaker)
    info = engine.load(link)
    assert info.path == link
    assert text_of(list(engine.generate(user("hi")))) == "가나 hello"


def test_a_model_in_a_path_of_many_bytes(engine, speaker, tmp_path):
    path = Path(tmp_path / ("ㄱ" * 80) / "모델 1.gguf")
    path.parent.mkdir()
    path.write_bytes(speaker.read_bytes())
    assert engine.load(path).path == path
