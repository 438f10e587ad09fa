"""A calculation is found in a question, or what it leaves out, or nothing: measured on questions held out."""

from pathlib import Path

import pytest
from tests.localfin.calc import questions

from localfin.calc import Missing, asked
from localfin.computed import Computed

HELD_OUT = questions.read(Path(__file__).with_name("questions_held_out.tsv"))


def test_precision_and_recall_on_held_out_questions() -> None:
    outcomes = [(expected, questions.outcome(expected)) for expected in HELD_OUT]
    right = sum(outcome == "right" and bool(expected.calculator) for expected, outcome in outcomes)
    wanted = sum(bool(expected.calculator) for expected in HELD_OUT)
    answered = right + sum(outcome in ("wrong", "fired") for _expected, outcome in outcomes)
    assert len(HELD_OUT) >= 250
    assert right / answered >= 0.98
    assert right / wanted >= 0.95
    assert not [expected.question for expected, outcome in outcomes if outcome == "fired"]


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
