"""Calls that models write: what the grammar of the table's own columns allows, which is always a call."""

import json
import random

import pytest

from localfin.engine.client import LlamaEngine
from localfin.engine.events import LoadOptions, Message, Question, Sampling, Shared, Text
from localfin.engine.fake import FakeEngine
from localfin.tables import call_from, grammar, run, table_of
from localfin_models.catalog import STARTER
from localfin_models.errors import InputRefused

TABLES = {
    "records": table_of(
        [
            ["날짜", "분류", "금액(원)"],
            ["2024-01-02", "식비", "8,500"],
            ["2024-02-03", "교통", "61,600"],
            ["2024-02-09", "식비", "5,900"],
        ],
        "가계부",
        "가계부.csv",
    ),
    "report": table_of(
        [["", "2023", "2022"], ["Revenue", "120", "100"], ["Net income", "(5)", "9"]], "income", "income.csv"
    ),
    "texts": table_of([["name", "city"], ["a", "Seoul"], ["b", "Busan"]], "people", "people.csv"),
    "hostile": table_of(
        [['a"\\ | root', "금액 ::= [^x]*"], ['x" }', "1"], ["\\n", "2"]], "hostile", "hostile.csv"
    ),
}  # fmt: skip


def test_a_scripted_call_is_computed(tmp_path):
    """As an assistant does it: the engine writes the call under the grammar, the table is asked."""
    table = TABLES["records"]
    call = {
        "do": "value", "what": "sum", "column": "금액(원)",
        "where": [
            {"column": "분류", "is": "=", "value": "식비"},
            {"column": "날짜", "is": ">=", "value": "2024-02-01"},
        ],
    }  # fmt: skip
    foreign = {"do": "value", "what": "sum", "column": "x"}
    engine = FakeEngine([json.dumps(call, ensure_ascii=False), '{"do":"value"', json.dumps(foreign)])
    (tmp_path / "m.gguf").touch()
    engine.load(tmp_path / "m.gguf")
    shared, question = Shared((Message("user", ""),), 200), Question("2월 식비는?", grammar(table))
    [answer] = engine.answer_many(shared, [question])
    assert engine.asked_many[0][1][0].grammar.startswith("root ::=")
    assert run(json.loads(answer.text), table).values["result"] == 5900
    [broken] = engine.answer_many(shared, [question])
    with pytest.raises(json.JSONDecodeError):
        json.loads(broken.text)
    [other] = engine.answer_many(shared, [question])
    with pytest.raises(InputRefused):
        run(json.loads(other.text), table)


@pytest.mark.parametrize("name", TABLES)
def test_what_a_model_writes_under_the_grammar_is_a_call(name, monkeypatch):
    """The starter knows nothing of tables; the grammar alone makes its answers calls. None is cut off."""
    table = TABLES[name]
    monkeypatch.setattr("localfin.engine.client.available_cores", lambda: 1)
    engine = LlamaEngine()
    try:
        engine.load(STARTER, LoadOptions(sequences=4, n_ctx=2048))
        words = random.Random(7)
        pool = ["식비", "합계", "sum", "of", "Revenue", "2023", "증가율", "most"]
        texts = [" ".join(words.sample(pool, 3)) for _number in range(4)]
        questions = [Question(text, grammar(table)) for text in texts]
        for answer in engine.answer_many(Shared((Message("user", "Q: "),), 400), questions):
            assert answer.reason == "stop"
            call = call_from(json.loads(answer.text), table)
            assert call_from(call.as_json(), table) == call
    finally:
        engine.close()


def test_names_and_values_of_the_table_are_in_the_grammar_as_literals():
    text = grammar(TABLES["hostile"])
    assert text.count("root ::=") == 1
    assert len(text.splitlines()) == len({line.partition(" ::= ")[0] for line in text.splitlines()})
    assert all(" ::= " in line for line in text.splitlines())


def test_a_report_names_its_rows_and_columns():
    text = grammar(TABLES["report"])
    assert all(json.dumps(json.dumps(one))[1:-1] in text for one in ("Revenue", "Net income", "2023"))


def test_a_single_answer_under_the_grammar_is_a_call_of_a_report():
    """Through `generate`, as a conversation does it."""
    table, engine = TABLES["report"], LlamaEngine()
    try:
        engine.load(STARTER, LoadOptions(n_ctx=2048, threads=1))
        told = [Message("user", "What was the change in Revenue from 2022 to 2023?")]
        text = "".join(
            event.text
            for event in engine.generate(told, Sampling(max_tokens=400, grammar=grammar(table)))
            if isinstance(event, Text)
        )
    finally:
        engine.close()
    call = json.loads(text)
    assert call_from(call, table).as_json() == call_from(call_from(call, table).as_json(), table).as_json()
