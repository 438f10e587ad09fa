"""Times that a question names: a day, a month, a quarter, a year, from one to another, since, until."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from localfin.tables.asking.words import Words
from localfin.tables.call import Filter

_MONTHS: Mapping[str, int] = {
    "january": 1, "jan": 1, "february": 2, "feb": 2, "march": 3, "mar": 3, "april": 4, "apr": 4, "may": 5, "june": 6,
    "jun": 6, "july": 7, "jul": 7, "august": 8, "aug": 8, "september": 9, "sept": 9, "sep": 9, "october": 10,
    "oct": 10, "november": 11, "nov": 11, "december": 12, "dec": 12,
}  # fmt: skip
_NAME = "(?:" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + r")\b\.?"
_BEFORE_MAY = (
    "in",
    "to",
    "from",
    "and",
    "than",
    "until",
    "since",
    "during",
    "for",
    "by",
    "of",
    "vs",
    "before",
    "after",
)
_Y = r"(?:19|20)\d\d"
_DAY = rf"(?P<y>{_Y})\s?(?:[-./]|년)\s?(?P<m>\d{{1,2}})\s?(?:[-./]|월)\s?(?P<d>\d{{1,2}})(?:일|(?!\d))"
_FORMS = (
    _DAY,
    rf"(?P<n>{_NAME})\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y>{_Y})",
    rf"(?P<d>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<n>{_NAME})\s+(?P<y>{_Y})",
    rf"(?P<y>{_Y})\s?년?\s?(?P<q>[1-4])\s?분기|(?P<y2>{_Y})[- ]?q(?P<q2>[1-4])\b",
    rf"\bq(?P<q>[1-4]),?\s?(?:of\s)?(?P<y>{_Y})",
    rf"(?P<y>{_Y})\s?년?\s?(?P<h>상|하)반기",
    rf"(?P<y>{_Y})\s?년\s?(?P<m>\d{{1,2}})\s?월|(?P<y2>{_Y})[-./](?P<m2>\d{{1,2}})(?![-./\d])",
    rf"(?P<n>{_NAME}),?\s+(?:of\s+)?(?P<y>{_Y})",
    rf"(?P<y>{_Y})\s?(?:년도|년)?(?![\d.,]*\d)",
    r"(?<!\d)(?P<m>\d{1,2})\s?월\s?(?P<d>\d{1,2})\s?일",
    rf"(?P<n>{_NAME})\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?!\d)",
    r"(?<!\d)(?P<q>[1-4])\s?분기|\bq(?P<q2>[1-4])\b",
    r"(?P<h>상|하)반기",
    r"(?<!\d)(?P<m>\d{1,2})\s?월(?:달)?(?!별)",
    rf"(?P<n>(?!may\b){_NAME})",
    rf"(?:{'|'.join(f'(?<={word} )' for word in _BEFORE_MAY)})(?P<n>may)\b",
)


@dataclass(frozen=True, slots=True)
class Span:
    """From a day to before another."""

    start: date | None
    end: date | None
    at: int
    """Where the question names it."""
    until: int

    def filters(self, column: str) -> tuple[Filter, ...]:
        found: list[Filter] = []
        if self.start is not None:
            found.append(Filter(column, ">=", self.start))
        if self.end is not None:
            found.append(Filter(column, "<", self.end))
        return tuple(found)


def take_spans(words: Words, years: tuple[int, int], *, apart: bool) -> list[Span] | None:
    """The times of a question, in its order; None for one that cannot be: 31 February, March of one of several years.

    `years` are the first and the last that the rows have. `apart`: `from A to B` are two times to be compared.
    """
    found: list[Span] = []
    for form in _FORMS:
        while match := words.take(rf"(?<![\w.,])(?:{form})" if form.startswith("(?P<y>") else form):
            span = _span(match, years)
            if span is None:
                return None
            found.append(span)
    found.sort(key=lambda span: span.at)
    return found if apart and len(found) == 2 else _joined(words, found)


def _span(match: re.Match[str], years: tuple[int, int]) -> Span | None:
    parts = {key.rstrip("23"): value for key, value in match.groupdict().items() if value}
    if "y" not in parts and years[0] != years[1]:
        return None
    year = int(parts["y"]) if "y" in parts else years[0]
    month = _MONTHS[parts["n"].rstrip(".")] if "n" in parts else int(parts["m"]) if "m" in parts else None
    try:
        if "q" in parts:
            start, months = date(year, 3 * int(parts["q"]) - 2, 1), 3
        elif "h" in parts:
            start, months = date(year, 1 if parts["h"] == "상" else 7, 1), 6
        elif month is None:
            start, months = date(year, 1, 1), 12
        elif "d" in parts:
            start, months = date(year, month, int(parts["d"])), 0
        else:
            start, months = date(year, month, 1), 1
    except ValueError:
        return None
    return Span(start, _later(start, months), *match.span())


def _later(start: date, months: int) -> date:
    if not months:
        return start + timedelta(days=1)
    place = start.month - 1 + months
    return date(start.year + place // 12, place % 12 + 1, 1)


def _joined(words: Words, spans: list[Span]) -> list[Span] | None:
    """`from A to B` as one span, and `since A`, `until B` as half of one."""
    if len(spans) == 2 and spans[0].start and spans[1].end and _is_range(words, spans):
        first, last = spans
        if first.start is None or last.end is None or first.start >= last.end:
            return None
        return [Span(first.start, last.end, first.at, last.until)]
    if len(spans) == 1:
        return [_half(words, spans[0])]
    return spans


def _is_range(words: Words, spans: list[Span]) -> bool:
    before, between = words.rest[: spans[0].at], words.rest[spans[0].until : spans[1].at]
    after = words.rest[spans[1].until :]
    if re.fullmatch(r"\s*(?:~|-|부터|에서)\s*", between) and (
        between.strip() in ("~", "-") or re.match(r"\s?(?:까지|사이)", after)
    ):
        return _cut(
            words, (spans[0].until, spans[1].at), (spans[1].until, spans[1].until + _length(r"\s?(?:까지|사이)", after))
        )
    english = re.search(r"\b(?:from|between)\s*$", before)
    if english and re.fullmatch(r"\s*(?:to|and|through|until|till|-)\s*", between):
        return _cut(words, english.span(), (spans[0].until, spans[1].at))
    return False


def _half(words: Words, span: Span) -> Span:
    before, after = words.rest[: span.at], words.rest[span.until :]
    for pattern, text, offset, start, end in (
        (r"\s?(?:이후|부터)", after, span.until, span.start, None),
        (r"\s?까지", after, span.until, None, span.end),
        (r"\s?전(?=에|의| )", after, span.until, None, span.start),
        (r"\b(?:since|from)\s*$", before, 0, span.start, None),
        (r"\bafter\s*$", before, 0, span.end, None),
        (r"\b(?:until|till|through|up to)\s*$", before, 0, None, span.end),
        (r"\bbefore\s*$", before, 0, None, span.start),
    ):
        match = re.match(pattern, text) if text is after else re.search(pattern, text)
        if match:
            words.cut(offset + match.start(), offset + match.end())
            return Span(start, end, span.at, span.until)
    return span


def _cut(words: Words, *places: tuple[int, int]) -> bool:
    for start, end in places:
        words.cut(start, end)
    return True


def _length(pattern: str, text: str) -> int:
    match = re.match(pattern, text)
    return match.end() if match else 0
