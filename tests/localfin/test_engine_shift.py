"""Full contexts and conversations that lost their oldest turns: what falls out, what moves up, what is said."""

import ctypes
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from localfin.engine import client, llama
from localfin.engine.client import LlamaEngine
from localfin.engine.events import Event, Message, Prefill, Sampling, Text
from localfin.engine.llama import Llama, Timing
from localfin.engine.shifting import common_beginning, gap, oldest
from localfin_models.llama_binding import Log, load_binding

SYSTEM = Message("system", "You answer from the document, and from nothing else. ")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[LlamaEngine]:
    monkeypatch.setattr(client, "available_cores", lambda: 1)
    made = LlamaEngine()
    yield made
    made.close()


def said(events: Sequence[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


def there(events: Sequence[Event]) -> int:
    """Tokens of the prompt that were not computed."""
    first = events[0]
    assert isinstance(first, Prefill)
    return first.done


# Tokens


def test_a_gap_is_where_the_rest_goes_on():
    turns = [*range(10), *range(100, 300), *range(500, 700)]
    assert gap(turns, [*range(10), *range(500, 700), 7], 10) == 200
    assert gap(turns, [*range(10), *range(500, 540)], 10) == 0  # so few may be chance
    assert gap(turns, [*range(10), *range(600, 800)], 10) == 300
    assert gap(turns, [*range(10), *range(650, 850)], 10) == 0
    assert gap(turns, [*range(10), 1, *range(500, 700)], 10) == 0
    assert gap([], [], 0) == 0


def test_half_of_what_follows_the_beginning_goes_where_there_is_enough_of_it():
    assert [oldest(512, beginning) for beginning in (0, 100, 448, 449, 512)] == [256, 206, 32, 0, 0]


def test_what_both_begin_with():
    assert [common_beginning([1, 2, 3], other) for other in ([], [1, 2], [1, 2, 3, 4], [1, 9, 3])] == [0, 2, 3, 1]


# llama.cpp by itself, in this process


@pytest.fixture
def loaded(make_gguf: Callable[..., Path]) -> Iterator[Callable[[int], Llama]]:
    binding = load_binding()
    log = Log(binding)

    def load(layers: int) -> Llama:
        path = make_gguf(name="random", layers=layers)
        return Llama(binding, log, [path], 256, 1, 0, ctypes.create_string_buffer(2))

    yield load
    binding.llama_log_set(binding.llama_log_callback(), None)  # `log` goes now


def answered(loaded: Llama, beginning: int) -> tuple[str, list[int], list[int]]:
    """The text, what fell out each time, and the tokens held at the end."""
    prompt, lost = loaded.tokenize("hello " * 40, add_bos=True), list[int]()
    pieces = loaded.generate(
        prompt, Sampling(max_tokens=300), lambda _done, _total: None, Timing(), beginning, lost.append
    )
    return "".join(pieces), lost, list(loaded.held)


def test_one_layer_says_after_a_shift_what_it_says_when_the_rest_is_computed_anew(loaded, monkeypatch):
    # In one layer keys and values depend on their own token alone: moved up, they are those that would be computed,
    # but for the rounding of turning them to their new positions. In more layers they keep what they saw.
    shifted = answered(loaded(1), 20)
    monkeypatch.setattr(llama, "take_out", lambda *_arguments: False)
    anew = answered(loaded(1), 20)
    assert shifted == anew
    text, lost, held = shifted
    assert len(lost) > 1
    assert lost[0] == 118
    assert 138 <= len(held) <= 256
    assert len(set(text)) > 5


def test_the_beginning_stays_and_the_answer_goes_on(loaded):
    ours = loaded(3)
    beginning = ours.tokenize("hello " * 40, add_bos=True)[:20]
    text, lost, held = answered(ours, 20)
    assert held[:20] == beginning
    assert ours.binding.llama_memory_seq_pos_max(ours.memory, 0) == len(held) - 1
    assert (len(lost) > 1, len(text) > 100) == (True, True)


def test_a_memory_that_cannot_move_up_is_computed_anew(loaded, monkeypatch):
    monkeypatch.setattr(llama, "take_out", lambda *_arguments: False)
    ours = loaded(2)
    text, lost, held = answered(ours, 20)
    assert ours.binding.llama_memory_seq_pos_max(ours.memory, 0) == len(held) - 1
    assert (len(lost) > 1, len(text) > 100) == (True, True)


def test_what_is_asked_after_a_shift_finds_the_beginning_as_it_was(loaded):
    def logits(ours: Llama) -> np.ndarray:
        prompt = ours.tokenize("hello " * 40, add_bos=True)[:20] + ours.tokenize("and now? of what? ", add_bos=False)
        assert ours.prefill(prompt, lambda _done, _total: None, beginning=20)
        count = ours.binding.llama_vocab_n_tokens(ours.vocab)
        return np.ctypeslib.as_array(ours.binding.llama_get_logits_ith(ours.context, -1), (count,)).copy()

    alone, after = loaded(2), loaded(2)
    assert len(answered(after, 20)[1]) > 1
    expected = logits(alone)
    assert np.abs(logits(after) - expected).max() < 0.02 * np.abs(expected).max()


# The engine


def test_turns_that_were_left_out_do_not_make_the_rest_be_computed_again(engine, speaker):
    turns = [
        [Message("user", f"{name} asks something, number {at}"), Message("assistant", f"answer {name * 50}")]
        for at, name in enumerate("ab")
    ]
    last = Message("user", "and what about the third?")
    engine.load(speaker)
    list(engine.generate([SYSTEM, *turns[0], *turns[1], last]))
    events = list(engine.generate([SYSTEM, *turns[1], last]))
    total = next(event.total for event in events if isinstance(event, Prefill))
    assert total > 150
    assert there(events) > total - 20
    assert said(events) == "가나 hello"


def test_what_was_computed_in_view_of_another_document_is_not_used_again(engine, speaker):
    documents = "document " + "x" * 120 + "\n\n", "document " + "z" * 120 + "\n\nwho?"
    engine.load(speaker)
    list(engine.generate([Message("user", documents[0] + documents[1])]))
    assert there(list(engine.generate([Message("user", documents[1])]))) < 60
    list(engine.generate([Message("system", documents[0]), Message("user", documents[1])]))
    assert there(list(engine.generate([Message("system", documents[1])]))) < 60
