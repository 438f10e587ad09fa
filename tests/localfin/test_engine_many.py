"""Many answers at once in the real child: grammar, shared beginning, kept state, cancellation, deaths."""

import os
import random
import re
import signal
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from tests.localfin.tiny_gguf import END, byte, chain_of

from localfin.engine import client
from localfin.engine.choosing import Chooser
from localfin.engine.client import LlamaEngine
from localfin.engine.errors import ContextFull, EngineDied
from localfin.engine.events import Answered, LoadOptions, Message, Question, Shared
from localfin.engine.frames import answered_of
from localfin_models.catalog import STARTER
from localfin_models.errors import InputRefused, LocalfinError
from localfin_models.llama_binding import Log, load_binding
from localfin_models.worker import WorkerDied

TOLD = (Message("system", "Be brief. " * 8), Message("user", "Say "))
QUESTIONS = [Question(f"{word} {number}") for number in range(4) for word in ("hello", "world", "가나")]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[LlamaEngine]:
    # Threads that wait for each other are slow where other processes want the same cores.
    monkeypatch.setattr(client, "available_cores", lambda: 1)
    made = LlamaEngine()
    yield made
    made.close()


def texts(answers: Iterator[Answered]) -> list[str]:
    """In the questions' order, each of which must have come once."""
    found = sorted(answers, key=lambda answered: answered.question)
    assert [answered.question for answered in found] == list(range(len(found)))
    return [answered.text for answered in found]


def test_sequences_say_together_what_each_would_say_alone(engine, make_gguf):
    model, shared = make_gguf(name="random", n_ctx=2048), Shared(TOLD, 20)
    engine.load(model, LoadOptions(sequences=1))
    alone = texts(engine.answer_many(shared, QUESTIONS))
    engine.load(model, LoadOptions(sequences=5))
    assert texts(engine.answer_many(shared, QUESTIONS)) == alone
    assert texts(engine.answer_many(shared, QUESTIONS[::-1])) == alone[::-1]
    assert len(set(alone)) > 6


def test_what_a_grammar_forbids_is_never_said(engine, endless):
    engine.load(endless, LoadOptions(sequences=3, n_ctx=2048))
    grammar = 'root ::= "x" [0-9]{3} ("가" | "나") "."'
    answers = texts(engine.answer_many(Shared(TOLD, 40), [Question(q.text, grammar) for q in QUESTIONS]))
    assert len(answers) == len(QUESTIONS)
    assert all(re.fullmatch("x[0-9]{3}[가나][.]", answer) for answer in answers)


def test_an_answer_ends_with_its_tokens_or_by_itself(engine, endless, make_gguf):
    engine.load(endless, LoadOptions(sequences=2, n_ctx=1024))
    ends = list(engine.answer_many(Shared(TOLD, 5), QUESTIONS[:3]))
    assert {(end.reason, end.tokens) for end in ends} == {("length", 5)}
    engine.load(make_gguf(name="ok", chain=chain_of(*byte("\nok"), END)), LoadOptions(sequences=2))
    assert [(a.text, a.reason) for a in engine.answer_many(Shared(TOLD, 9), [Question("x")])] == [("ok", "stop")]


def test_a_grammar_that_is_none_is_an_error_and_the_child_lives(engine, endless):
    engine.load(endless, LoadOptions(sequences=2, n_ctx=1024))
    with pytest.raises(LocalfinError, match="grammar"):
        list(engine.answer_many(Shared(TOLD, 5), [Question("x"), Question("x", "root ::= (")]))
    assert len(texts(engine.answer_many(Shared(TOLD, 5), QUESTIONS))) == len(QUESTIONS)


def test_a_question_without_room_is_refused_and_more_than_fit_at_once_take_turns(engine, endless):
    engine.load(endless, LoadOptions(sequences=8, n_ctx=256))
    with pytest.raises(ContextFull, match="the context holds 256"):
        list(engine.answer_many(Shared(TOLD, 5), [Question("x" * 300)]))
    assert len(texts(engine.answer_many(Shared(TOLD, 50), QUESTIONS))) == len(QUESTIONS)


def test_a_template_without_the_question_is_refused(engine, make_gguf):
    engine.load(make_gguf(name="deaf", template="nothing{{ '\n' }}"), LoadOptions(sequences=2))
    with pytest.raises(InputRefused, match="as it is"):
        list(engine.answer_many(Shared(TOLD, 5), QUESTIONS))


def test_cancel_leaves_the_rest_out_and_the_context_usable(engine, endless):
    engine.load(endless, LoadOptions(sequences=2, n_ctx=2048))
    came = []
    for answered in engine.answer_many(Shared(TOLD, 40), QUESTIONS * 20):
        came.append(answered)
        engine.cancel()
    assert 0 < len(came) < len(QUESTIONS) * 20
    assert len(texts(engine.answer_many(Shared(TOLD, 5), QUESTIONS))) == len(QUESTIONS)


def test_a_killed_child_is_told(engine, endless):
    engine.load(endless, LoadOptions(sequences=2, n_ctx=2048))
    answers = engine.answer_many(Shared(TOLD, 40), QUESTIONS * 20)
    next(answers)
    os.kill(engine.pid, signal.SIGKILL)
    with pytest.raises(EngineDied, match="SIGKILL"):
        list(answers)
    with pytest.raises(EngineDied):
        engine.answer_many(Shared(TOLD, 5), QUESTIONS)


def test_a_model_loaded_for_chats_answers_one_at_a_time(engine, speaker):
    engine.load(speaker)
    with pytest.raises(LocalfinError, match="without sequences"):
        engine.answer_many(Shared(TOLD, 5), QUESTIONS)


@pytest.mark.parametrize(
    "grammar",
    [
        'root ::= ("금액 " | "고객의 " | "가") [가-힣 ]{2,9} ("1,234" | "12만") "건."',
        'root ::= " "? ("The amount " | "At ") [a-z ]{1,30} "(" [0-9]{2,4} ")."',
        "root ::= [^a-zA-Z가-힣]{4,20}",
    ],
)
def test_tokens_by_their_beginnings_are_those_that_the_whole_vocabulary_gives(grammar):
    b = load_binding()
    log = Log(b)
    params = b.llama_model_default_params()
    params.vocab_only = True
    model = b.llama_model_load_from_file(os.fsencode(STARTER), params)
    chooser = Chooser(SimpleNamespace(binding=b, vocab=b.llama_model_get_vocab(model), context=None, log=log))
    state, draw = chooser.grammar(grammar), random.Random(3)
    for _step in range(12):
        whole = chooser._allowed(state, range(6000))
        found, level = [], chooser._beginnings.first
        while level:
            level = chooser._allowed(state, level)
            found += level
            level = chooser._beginnings.longer(level)
        assert sorted(found) == sorted(whole)
        going_on = [token for token in whole if token != 2]
        if not going_on:
            break
        b.llama_sampler_accept(state, draw.choice(going_on))
    b.llama_sampler_free(state)
    b.llama_model_free(model)
    assert not log.reason()


@pytest.mark.parametrize(
    "said",
    [
        [2, "x", "stop", 1],
        [-1, "x", "stop", 1],
        [True, "x", "stop", 1],
        [0, 1, "stop", 1],
        [0, "x", "other", 1],
        [0, "x", "stop", 0.5],
        [0, "x", "stop"],
        "x",
    ],
)
def test_what_a_taken_over_engine_answers_is_checked(said):
    with pytest.raises(WorkerDied, match="no answer"):
        answered_of({"answered": said}, 2)
