"""The words of a text: the same for every spelling of it, harmless to SQLite, and those that people ask for."""

import re
import unicodedata

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from localfin.documents.words import question_words, words


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("기준금리는", "기준 준금 금리 리는"),
        ("돈을 빚이 집", "돈을 돈 빚이 빚 집"),
        ("Companies were running the deposits", "compani run deposit"),
        ("FY2019 FY19 fy'19 '19 19년도 2019년 2019", "2019 2019 2019 2019 2019 2019 2019"),
        ("'98 FY99", "1998 1999"),
        ("1Q19 Q1 1분기 1q2019", "q1 q1 q1 q1"),
        ("$1,496.50", "usd 1496.5"),
        ("5억원", "5 500000000 krw"),
        ("500백만원", "500 500000000 million krw"),
        ("1.5 billion", "1.5 1500000000 billion"),
        ("(in millions)", "million"),
        ("백만원", "백만 만원 million krw"),
        ("단위: 억원", "단위 억원 krw"),
        ("ＤＳＲ 40％", "dsr 40"),
        ("ask IT about it", "ask it"),
        ("日本銀行", "日本 本銀 銀行"),
        ("10-K net-of-tax", "10 net tax"),
    ],
)
def test_words_of_finance(text: str, wanted: str) -> None:
    assert " ".join(words(text)) == wanted


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("금리", unicodedata.normalize("NFD", "금리")),
        ("5억원", "500,000,000원"),
        ("2019년도", "FY19"),
        ("interest rates", "Interest Rate"),
    ],
)
def test_two_spellings_share_words(one: str, other: str) -> None:
    assert set(words(one)) & set(words(other))


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("기준금리는 무엇인가요?", "기준 준금 금리"),
        ("DSR이 뭐야?", "dsr"),
        ("보이스피싱이란?", "보이 이스 스피 피싱"),
        ("적금 이자는 얼마예요", "적금 이자"),
        ("What is the amount of total sales in 2019?", "amount total sale 2019"),
    ],
)
def test_what_only_asks_is_left_out_of_a_question(question: str, wanted: str) -> None:
    assert " ".join(word for run in question_words(question) for word in run) == wanted


@given(st.text())
def test_any_text_gives_words_of_letters_and_digits_the_same_in_every_normal_form(text: str) -> None:
    found = words(text)
    assert all(word and not re.search(r"[\s\x00-\x2d\x2f:-@\[-`{-\x7f]", word) for word in found)
    assert words(unicodedata.normalize("NFC", text)) == words(unicodedata.normalize("NFD", text))
    assert [word for run in question_words(text) for word in run] == [
        word for run in question_words(unicodedata.normalize("NFD", text)) for word in run
    ]


_DB = apsw.Connection(":memory:")
_DB.execute("CREATE VIRTUAL TABLE t USING fts5 (a, tokenize=\"ascii tokenchars '._'\")")


@given(st.text(min_size=1))
def test_sqlite_takes_every_word_as_one_word(text: str) -> None:
    for word in words(text):
        _DB.execute("DELETE FROM t")
        _DB.execute("INSERT INTO t VALUES (?)", (f"x {word} y",))
        assert list(_DB.execute("SELECT 1 FROM t WHERE t MATCH ?", (f'"x" + "{word}" + "y"',))) == [(1,)]
