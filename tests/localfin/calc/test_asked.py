"""A calculation is found in a question, or what it leaves out, or nothing: measured on questions held out."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.localfin.calc import questions

from localfin.calc import Missing, asked
from localfin.computed import Computed

HERE = Path(__file__).parent
SETS = {path.stem: questions.read(path) for path in sorted(HERE.glob("questions_*.tsv"))}
DOCUMENTS = Path(__file__).parents[4] / "shared" / "data" / "qa"


@pytest.mark.parametrize("name", SETS)
def test_precision_and_recall(name: str) -> None:
    expected = SETS[name]
    outcomes = [(one, questions.outcome(one)) for one in expected]
    right = sum(outcome == "right" and bool(one.calculator) for one, outcome in outcomes)
    wanted = sum(bool(one.calculator) for one in expected)
    answered = right + sum(outcome in ("wrong", "fired") for _one, outcome in outcomes)
    assert right / answered >= 0.98
    assert right / wanted >= 0.97
    assert not [one.question for one, outcome in outcomes if outcome == "fired"]


def test_there_are_questions_of_every_kind() -> None:
    everything = [one for expected in SETS.values() for one in expected]
    assert len({one.question for one in everything}) == len(everything) >= 500
    korean = sum(any("가" <= letter <= "힣" for letter in one.question) for one in everything)
    assert 200 <= korean <= len(everything) - 200
    assert sum(not one.calculator for one in everything) >= 150


@pytest.mark.parametrize("file", ["KorQuAD_v1.0_dev.json", "tatqa_dataset_dev.json"])
def test_questions_about_documents_are_left_alone(file: str) -> None:
    if not (DOCUMENTS / file).is_file():
        pytest.skip("the question sets are not on this machine")
    everything = _strings(json.loads((DOCUMENTS / file).read_text(encoding="utf-8")), "question")
    assert len(everything) > 1600
    assert [question for question in everything if asked(question) is not None] == []


def _strings(value: Any, key: str) -> list[str]:
    """Every text below `key`."""
    if isinstance(value, list):
        return [found for each in value for found in _strings(each, key)]
    if isinstance(value, dict):
        own = [value[key]] if isinstance(value.get(key), str) else []
        return own + [found for each in value.values() for found in _strings(each, key)]
    return []


def test_a_loan_in_korean() -> None:
    found = asked("1억을 연 4.5%로 30년 원리금균등 상환하면 월 얼마?")
    assert isinstance(found, Computed)
    assert found.values["monthly_payment"] == 506_685
    assert "506,685원" in found.text


def test_the_language_of_the_question_is_the_answers() -> None:
    found = asked("monthly payment on a 300,000 loan at 5% over 20 years")
    assert isinstance(found, Computed)
    assert found.call["language"] == "en"
    other = asked("monthly payment on a 300,000 loan at 5% over 20 years", "ko")
    assert isinstance(other, Computed)
    assert "매월" in other.text


def test_what_is_missing_is_named() -> None:
    found = asked("1억 대출받으면 월 상환액이 얼마야?")
    assert isinstance(found, Missing)
    assert found.missing == ("rate_percent", "months")
    assert "연이율" in found.text
    assert found.call["principal"] == "100000000"


@pytest.mark.parametrize(
    "question", ["", "DSR이 뭐야?", "?" * 700, "30년", "4.5%", "1억", "얼마야?", "\ud800 1억 얼마"]
)
def test_nothing_is_computed(question: str) -> None:
    assert asked(question) is None
