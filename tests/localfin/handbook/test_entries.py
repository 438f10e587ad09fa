"""Every entry is complete in both languages, says the same figures in both, and names what it rests on."""

import datetime
import re
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from localfin.handbook import Entry, Wording, entries
from localfin.handbook.entry import FOLDER, read_entries
from localfin.text import clean_text

LONGEST = {"ko": 450, "en": 900}
FEWEST, MOST = 3, 8
"""Sentences of a text."""
DIFFERENT_FIGURES: dict[str, set[str]] = {}
"""By entry, the figures that stand in one language only, with good reason."""

_MONTHS = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
]  # fmt: skip
_SCALES = {
    "조": 12, "억": 8, "만": 4, "천": 3, "thousand": 3, "million": 6, "billion": 9, "trillion": 12,
}  # fmt: skip
_FIGURE = re.compile(r"(\d[\d,]*(?:\.\d+)?)\s?(조|억|천만|만|천|thousand\b|million\b|billion\b|trillion\b)?")
_POLITE = re.compile(r"(?:니다|십시오)\.$")
_LAW = re.compile(
    r"법|규정|제도|약관|기준|공시|협회|감독원|위원회|은행|공사|공단|진흥원|경찰청|거래소|당국|공식|정의|CFR|Act|Regulat|Directive|IFRS|ISO|규약|용어|방안|대책"
)


def figures(text: str) -> set[Decimal]:
    """The numbers of a text with their scale: 1억 2,000만 is 120 million; a month's name is its number."""
    text = re.sub(r"제(\d+)조", r"\1 ", text)
    for number, month in enumerate(_MONTHS, 1):
        text = re.sub(rf"(\d) {month}\b|\b(?:in|since|from|until|of) {month}\b", rf"\g<1> {number} ", text)
    found: set[Decimal] = set()
    whole, end, below = Decimal(0), -1, Decimal(0)
    for match in _FIGURE.finditer(text):
        unit = match[2] or ""
        power = 7 if unit == "천만" else _SCALES.get(unit, 0)
        value = Decimal(match[1].replace(",", "").rstrip(".")).scaleb(power)
        if 0 < value < below and not text[end : match.start()].strip():
            found.discard(whole.normalize())
            value += whole
        found.add(value.normalize())
        whole, end = value, match.end()
        below = Decimal(1).scaleb(power) if unit in ("조", "억", "만") else Decimal(0)
    return found


def said(wording: Wording) -> str:
    return " ".join((wording.title, wording.body, wording.basis))


def test_there_are_enough_entries() -> None:
    assert len(entries()) >= 150


@pytest.mark.parametrize("language", ["ko", "en"])
@pytest.mark.parametrize("topic", sorted({entry.topic for entry in entries()}))
def test_texts_are_complete(topic: str, language: str) -> None:
    for entry in entries():
        if entry.topic == topic:
            complete(entry, language)


def complete(entry: Entry, language: str) -> None:
    wording = entry.wording(language)
    assert FEWEST <= len(wording.sentences) <= MOST
    assert len(wording.body) <= LONGEST[language]
    assert wording.aliases
    assert _LAW.search(f"{entry.ko.basis} {entry.en.basis}"), "it names no law and no body"
    texts = (wording.title, wording.body, wording.basis, *wording.aliases)
    assert all(clean_text(text) == text for text in texts)
    if language == "ko":
        assert all(_POLITE.search(sentence) for sentence in wording.sentences)
        assert re.search("[가-힣]", wording.title)
    else:
        assert all(sentence.endswith(".") for sentence in wording.sentences)
        assert not any(re.search("[가-힣]", text) for text in texts)


def test_both_languages_say_the_same_figures() -> None:
    different = {
        entry.id: {str(each) for each in apart}
        for entry in entries()
        if (apart := figures(said(entry.ko)) ^ figures(said(entry.en)))
    }
    assert different == DIFFERENT_FIGURES


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1억 2,000만원과 3%", {"120000000", "3"}),
        ("120 million won and 3%", {"120000000", "3"}),
        ("2025년 9월 1일", {"2025", "9", "1"}),
        ("1 September 2025", {"2025", "9", "1"}),
        ("in May 2025, 1.5 billion", {"2025", "5", "1500000000"}),
        ("15억원 초과 25억원 이하", {"1500000000", "2500000000"}),
        ("제103조의13", {"103", "13"}),
        ("3천만원, 8만 5,000파운드", {"30000000", "85000"}),
    ],
)
def test_figures_are_read_in_both_languages(text: str, expected: set[str]) -> None:
    assert figures(text) == {Decimal(each).normalize() for each in expected}


def test_names_are_unique() -> None:
    names = Counter(
        name
        for entry in entries()
        for name in {
            re.sub(r"\W", "", each).casefold()
            for wording in (entry.ko, entry.en)
            for each in (wording.title, *wording.aliases)
        }
    )
    assert [name for name, count in names.items() if count > 1] == []


def test_dates_are_days_that_were() -> None:
    days = [entry.as_of for entry in entries()]
    assert datetime.date(2025, 1, 1) <= min(days)
    assert max(days) <= datetime.date(2026, 11, 25)


def _file(**changes: str) -> str:
    parts = {
        "id": '"a"', "as_of": "2025-12-31", "related": "[]", "title": '"제목"', "aliases": '["다른 이름"]',
        "basis": '"민법 제1조"', "body": '"맞습니다."',
    } | changes  # fmt: skip
    wording = "\n".join(f"{key} = {parts[key]}" for key in ("title", "aliases", "basis", "body"))
    top = "\n".join(f"{key} = {parts[key]}" for key in ("id", "as_of", "related"))
    return f"[[entry]]\n{top}\n[entry.ko]\n{wording}\n[entry.en]\n{wording}\n"


def test_a_well_formed_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "topic.toml").write_text(_file(body='"하나입니다.\\n둘입니다."'), encoding="utf-8")
    (entry,) = read_entries(tmp_path)
    assert (entry.id, entry.topic, entry.as_of) == ("a", "topic", datetime.date(2025, 12, 31))
    assert entry.en == entry.ko == Wording("제목", ("다른 이름",), "민법 제1조", ("하나입니다.", "둘입니다."))


@pytest.mark.parametrize(
    "text",
    [
        _file(id='"A b"'),
        _file(as_of='"2025-12-31"'),
        _file(as_of="2025-12-31T00:00:00"),
        _file(related='["b"]'),
        _file(related='["a"]'),
        _file(title='" "'),
        _file(aliases='"다른 이름"'),
        _file(aliases="[1]"),
        _file().replace("basis", "base"),
        _file() + _file(),
        _file() + "more = 1\n",
        "format = 1\n" + _file(),
        "entry = 1",
        "[[entry",
    ],
)
def test_a_malformed_file_is_an_error_that_names_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "topic.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"topic\.toml"):
        read_entries(tmp_path)


def test_what_ships_is_what_is_read() -> None:
    assert {path.stem for path in FOLDER.glob("*.toml")} == {entry.topic for entry in entries()}
