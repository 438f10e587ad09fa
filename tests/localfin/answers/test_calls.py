"""A model's own choice of a calculation: what is computed, and what is thrown away."""

import json
from pathlib import Path

import pytest

from localfin import Assistant, calc
from localfin.answers.calls import called, or_none
from localfin.calc.calling import CALCULATORS
from localfin.engine.client import LlamaEngine
from localfin.engine.events import Finished, LoadOptions, Message, Sampling, Text
from localfin.engine.fake import FakeEngine
from localfin.tables import tables_of
from localfin_models.catalog import STARTER

QUESTION = "새로 나온 상품에 2,000만 원을 묻어 두면, 3.5 %로 2년 뒤의 모습은?"
CALL = {"calculator": "deposit", "principal": 20_000_000, "rate_percent": 3.5, "months": 24}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"x")
    return path


def played(model: Path, answer: str, question: str = QUESTION, table=None):
    engine = FakeEngine([answer])
    engine.load(model)
    return called(engine, question, "ko", table), engine


def test_a_call_whose_figures_stand_in_the_question_is_run(model):
    found, engine = played(model, json.dumps(CALL))
    assert found.computed is not None
    assert found.computed.call["months"] == 24
    assert found.computed.formula
    assert engine.asked[0][1].temperature == 0
    assert "none" in engine.asked[0][1].grammar


@pytest.mark.parametrize(
    "change",
    [
        {"principal": 30_000_000}, {"rate_percent": 4}, {"months": 36}, {"rate_percent": 24, "months": 3},
        {"calculator": "ratio"}, {"calculator": "os.system"}, {"principal": "20000000"}, {"principal": True},
        {"months": [24, 24]}, {"nonsense": 1},
    ],
)  # fmt: skip
def test_an_invented_or_refused_call_is_thrown_away(model, change):
    assert played(model, json.dumps({**CALL, **change}))[0].computed is None


@pytest.mark.parametrize("answer", ['{"do":"none"}', "", "{", "[1]", "NaN", "[" * 5000, "1e999999999", "예, 계산하면"])
def test_none_and_garbage_compute_nothing(model, answer):
    assert played(model, answer)[0].computed is None


def test_an_amount_that_the_call_leaves_out_makes_it_another_question(model):
    assert played(model, json.dumps(CALL), QUESTION + " 수수료 10만 원은 따로야.")[0].computed is None


def test_a_question_of_fewer_than_two_figures_costs_no_call(model):
    assert played(model, json.dumps(CALL), "2024년 순이익 2,000만 원은 왜?")[1].asked == []


def test_a_query_over_a_table(model, tmp_path):
    path = tmp_path / "spent.csv"
    path.write_text("분류,금액\n식비,1200\n교통,300\n식비,800\n", "utf-8")
    (table,) = tables_of(path)
    call = {"do": "value", "what": "sum", "column": "금액", "where": [{"column": "분류", "is": "=", "value": "식비"}]}
    found, engine = played(model, json.dumps(call), "먹는 데 든 돈은?", table)
    assert found.computed is not None
    assert found.computed.values["result"] == 2000
    assert "SELECT" in found.computed.formula
    assert "분류" in engine.asked[0][0][0].content
    invented = {**call, "where": [{"column": "금액", "is": ">", "value": 500}]}
    assert played(model, json.dumps(invented), "먹는 데 든 돈은?", table)[0].computed is None
    assert played(model, json.dumps({**call, "column": "없음"}), "먹는 데 든 돈은?", table)[0].computed is None


def test_the_assistant_answers_with_the_call_and_says_who_chose_it(model):
    with Assistant(model, LoadOptions(), engine=FakeEngine([json.dumps(CALL)])) as assistant:
        answer = assistant.ask(QUESTION, language="ko")
    assert answer.basis == "calculation"
    assert answer.computed[0].formula in answer.text
    assert any("모델이 고른" in note for note in answer.notes)


def test_a_real_model_under_the_grammar_writes_a_call_or_none():
    engine = LlamaEngine()
    sampling = Sampling(max_tokens=300, grammar=or_none(calc.grammar()))
    try:
        engine.load(STARTER, LoadOptions(threads=1))
        found = called(engine, QUESTION, "ko", None)
        events = list(engine.generate([Message("user", QUESTION)], sampling, stable=0))
    finally:
        engine.close()
    assert found.end is not None  # the grammar was taken
    assert found.computed is None or found.computed.call["principal"] == 20_000_000
    end = events[-1]
    assert isinstance(end, Finished)
    assert end.reason == "stop"
    call = json.loads("".join(event.text for event in events if isinstance(event, Text)))
    assert call == {"do": "none"} or call["calculator"] in CALCULATORS
