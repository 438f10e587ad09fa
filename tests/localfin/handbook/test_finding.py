"""The handbook answers newcomers' questions with the right entry, and leaves those of other things alone.

The questions were written apart from the entries' names. Half of them may be looked at to improve names and `ENOUGH`;
the other half measures.
"""

import hashlib
from pathlib import Path

import pytest

from localfin.handbook import entries, language_of, lookup, passage, search
from localfin.handbook.finding import ranked

QUESTIONS = [
    tuple(line.split("\t"))
    for line in Path(__file__).parent.with_name("handbook_questions.tsv").read_text(encoding="utf-8").splitlines()
]
NONE = "-"


def half(held_out: bool) -> list[tuple[str, ...]]:
    """By the question's hash, so that a new question moves no other one."""
    return [row for row in QUESTIONS if (hashlib.sha256(row[1].encode()).digest()[0] % 2 == 1) == held_out]


def shares(rows: list[tuple[str, ...]]) -> tuple[float, float, float]:
    """Of the answered questions, how many have the right entry first, and how many are answered by it; of the others
    how many are answered."""
    known = [row for row in rows if row[0] != NONE]
    others = [row for row in rows if row[0] == NONE]
    first = sum(ranked(question)[:1] != [] and ranked(question)[0].entry.id == name for name, question in known)
    right = sum(getattr(lookup(question), "id", None) == name for name, question in known)
    false = sum(lookup(question) is not None for _name, question in others)
    return first / len(known), right / len(known), false / len(others)


def test_the_questions_are_of_entries_that_exist() -> None:
    names = {entry.id for entry in entries()}
    assert {name for name, _question in QUESTIONS} - names == {NONE}
    assert len({question for _name, question in QUESTIONS}) == len(QUESTIONS)
    assert sum(name != NONE for name, _question in QUESTIONS) >= 300
    assert sum(name == NONE for name, _question in QUESTIONS) >= 60


def test_questions_of_the_held_out_half_find_their_entries(capsys: pytest.CaptureFixture[str]) -> None:
    rows = half(held_out=True)
    first, right, false = shares(rows)
    with capsys.disabled():
        print(f"\nhandbook, {len(rows)} held-out questions: first {first:.3f}, answered {right:.3f}, false {false:.3f}")
    assert first >= 0.92
    assert right >= 0.80
    assert false <= 0.10


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("DSR이 뭐야?", "dsr"),
        ("how is compound interest taxed?", "compound-interest-tax"),
        ("보이스피싱을 당했어요", "voice-phishing-victim"),
        ("보이스피싱으로 돈 보냈어 어떡해", "voice-phishing-victim"),
        ("보이스피싱인 줄 모르고 계좌이체 했는데 어쩌죠", "voice-phishing-victim"),
        ("전화로 검찰이라고 해서 돈 보냈는데", "voice-phishing-victim"),
        ("I was scammed by phone and transferred money", "voice-phishing-victim"),
        ("예금자보호 한도는 얼마인가요?", "deposit-protection"),
    ],
)
def test_the_newcomers_first_questions(question: str, expected: str) -> None:
    entry = lookup(question)
    assert entry is not None
    assert entry.id == expected


def test_every_title_finds_its_entry() -> None:
    wrong = [
        (title, found.id if found else None)
        for entry in entries()
        for title in (entry.ko.title, entry.en.title)
        if (found := lookup(title)) is not entry
    ]
    assert wrong == []


def test_a_hit_is_a_passage_in_the_questions_language_with_a_literal_quote() -> None:
    for question, language in (("DSR이 뭐야?", "ko"), ("what is DSR", "en")):
        assert language_of(question) == language
        hits = search(question, limit=3)
        assert 1 <= len(hits) <= 3
        assert all(hit.quote in hit.passage.text for hit in hits)
        assert hits[0].passage.document is None
        entry = next(each for each in entries() if each.id == "dsr")
        assert hits[0].passage == passage(entry, language_of(question))
        assert hits[0].passage.text == entry.wording(language).body
        assert entries()[hits[0].passage.id] is entry


@pytest.mark.parametrize("question", ["", " ", "?", "ㅋㅋㅋ", "뭐야", "what is", "\x00", "a" * 10_000])
def test_what_asks_nothing_finds_nothing(question: str) -> None:
    assert lookup(question) is None


@pytest.mark.parametrize(
    "question",
    [
        "What is the capital of France?",
        "프랑스 수도가 어디야",
        "translate credit into French",
        "대출 받을 때 필요한 서류",
    ],
)
def test_a_word_of_the_question_that_no_entry_knows_counts_against_all(question: str) -> None:
    assert lookup(question) is None
