"""What a model wrote is shown only as far as the sources carry it."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localfin.answers.checking import Checker
from localfin.answers.events import Source
from localfin.answers.held import Held
from localfin.answers.quotes import find, sentences
from localfin.documents.passage import Passage

REPORT = (
    "2024년 매출은 1,234억 원이다. 영업이익은 전년보다 12.3% 늘었다.\n배당은 주당 500원이며 2025년 3월 27일에 지급한다."
)
ENGLISH = "The bank's  capital ratio rose to 14.5 % in 2024.\nIt was 13.9 % a year before (in millions: 1,500)."


def source(number: int, text: str) -> Source:
    return Source(number, Passage(number, Path("report.pdf"), "보고서", "", 1, None, None, text), 1.0)


SOURCES = [source(1, REPORT), source(2, ENGLISH)]


def checked(said: str, piece: int = 7) -> tuple[str, Checker]:
    checker = Checker(SOURCES, Held([REPORT, ENGLISH]), ["내 말은 '비상금을 모은다'였다"], "en")
    text = "".join(checker.feed(said[at : at + piece]) for at in range(0, len(said), piece)) + checker.end()
    for citation in checker.citations:
        assert text[citation.at :].startswith(f"[{citation.source.number}]")
        assert citation.quote
        assert citation.source.passage.text[citation.start : citation.end] == citation.quote
    for marked in checker.marked:
        assert text[marked.start : marked.end] == marked.text
        assert text[marked.end :].startswith("[?]")
    return text, checker


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("“영업이익은 전년보다 12.3% 늘었다.” [1]", "“영업이익은 전년보다 12.3% 늘었다.” [1]"),
        ("매출은 1,234억 원입니다 [1].", "매출은 1,234억 원입니다 [1]."),
        ("매출은 1,234억 원입니다 [2].", "매출은 1,234억 원입니다."),
        ("매출은 1,234억 원입니다 [9].", "매출은 1,234억 원입니다."),
        (
            '"the bank\'s capital ratio rose to 14.5 % in 2024"',
            '"The bank\'s capital ratio rose to 14.5 % in 2024" [2]',
        ),
        ("> 배당은 주당 500원이며 [1]", "> 배당은 주당 500원이며 [1]"),
        ("> 배당은 주당 900원이며 [1]", "(a quote that no source holds was removed)"),
        ("“배당은 올해 없다고 회사가 밝혔다” [1]", "(a quote that no source holds was removed)"),
        ("“배당은 올해 없다고 회사가 밝혔다", "(a quote that no source holds was removed)"),
        ("「비상금」을 모으십시오.", "「비상금」을 모으십시오."),
        ("「목돈」을 모으십시오.", "목돈을 모으십시오."),
        ("“12.3” [1]", "“12.3” [1]"),
        ("“2.3” [1]", "2.3[?]"),
        ("“1,23” [1]", "1,23[?]"),
    ],
)
def test_quotes_and_citations(said, shown):
    assert checked(said)[0] == shown


@pytest.mark.parametrize(
    ("figure", "held"),
    [
        ("1,234억 원", True), ("123,400,000,000원", True), ("1,235억 원", False), ("12.3 퍼센트", True), ("12.3", True),
        ("12%", False), ("12.3배", False), ("2025년 3월 27일", True), ("2025-03-27", True), ("March 27, 2025", True),
        ("2025년 3월", True), ("2025년 3월 28일", False), ("2026년", False), ("1.5 billion", True), ("오백 원", True),
        ("육백 원", False), ("세 배", False), ("five hundred", True), ("twenty percent", False), ("G20", False),
        ("14.5%", True), ("１４.５％", True), ("14,5 %", False),
    ],
)  # fmt: skip
def test_figures(figure, held):
    text, checker = checked(f"그 값은 {figure} 정도")
    assert ("[?]" not in text) == held
    assert bool(checker.marked) != held


def test_numbers_of_a_list_and_marks_are_no_figures():
    assert checked("1. 매출은 1,234억 원 [1]\n2) 배당은 500원 [1]\n")[1].marked == []


@pytest.mark.parametrize("piece", [1, 3, 1000])
def test_pieces_of_any_size_give_the_same(piece):
    said = "매출은 1,234억 원입니다 [1]. 순이익은 77억 원입니다 [1].\n“없는 말을 길게 지어냈다” [2] 끝."
    assert checked(said, piece)[0] == checked(said, 5)[0]


def test_what_is_whole_is_said_at_once():
    checker = Checker(SOURCES, Held([REPORT]), [], "en")
    assert checker.feed("매출은 1,234억 원입니다 [1]. 배") == "매출은 1,234억 원입니다 [1]. "
    assert checker.feed("당은 “주당 500원이며 2025. ") == ""


@given(st.text(alphabet="가나 .\n\t,1“”\"'[]>x", max_size=60), st.text(alphabet="가나 .\n,1x", max_size=12))
def test_a_quote_that_is_found_stands_there(text, quote):
    span = find(quote, text)
    if span is not None:
        found = "".join(text[slice(*span)].split())
        assert found.strip(".,").startswith("".join(quote.split()).strip(".,"))


@given(st.text(alphabet='가나 .!?\n\t1A”"', max_size=80))
def test_sentences_are_parts_in_their_order_and_leave_nothing_out(text):
    spans = list(sentences(text))
    assert all(start < end for start, end in spans)
    assert spans == sorted(spans)
    assert "".join("".join(text[start:end] for start, end in spans).split()) == "".join(text.split())
