"""The figures that an answer may state: those that stand in its passages and calculations.

A figure is held where its value and unit, or its date, stand there: written in any way that `localfin.figures` reads,
rounded at most by a hundredth, or in the unit that a table declares (단위: 백만원, in millions). What is said about a
figure is not judged, and neither is a number word without a unit.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from localfin.computed import Computed
from localfin.figures import ANY, Kind, Said, read, read_words

_WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}
_ROUNDED = 0.01
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)\.?"
)
_DATE = re.compile(
    r"(?<!\d)(?P<y>\d{4})\s?(?:년|[-./])\s?(?P<m>\d{1,2})(?:\s?월|(?=[-./]\s?\d))(?:\s?[-./]?\s?(?P<d>\d{1,2})(?:\s?일|(?!\d)))?"
    r"|(?<!\d)(?P<m2>\d{1,2})월\s?(?P<d2>\d{1,2})일"
    rf"|\b(?P<name>{_MONTH})\s+(?P<d3>\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s+(?P<y3>\d{{4}}))?\b(?!,\d)"
    rf"|\b(?P<d4>\d{{1,2}})(?:st|nd|rd|th)?\s+(?P<name4>{_MONTH})(?:,?\s+(?P<y4>\d{{4}}))?\b"
    rf"|\b(?P<name5>{_MONTH}),?\s+(?P<y5>\d{{4}})\b",
    re.IGNORECASE,
)
_DECLARED = re.compile(
    r"단위\s*[:：]?\s*(?P<ko>[십백천만억조]+)|\bin\s+(?P<en>thousand|million|billion)s\b|\((?P<en2>thousand|million|billion)s\b",
    re.IGNORECASE,
)
_IN_WORDS = {"thousand": 1e3, "million": 1e6, "billion": 1e9}
_KOREAN = {"십": 1e1, "백": 1e2, "천": 1e3, "만": 1e4, "억": 1e8, "조": 1e12}
_NO_FIGURE = re.compile(r"^[ \t]*(?:[-*] +)?\d{1,2}[.)](?=\s|$)|\[\d{1,3}\]", re.MULTILINE)
"""The number of a line in a list, and the mark of a citation."""

_DATE_KINDS = (frozenset[Kind]({"years"}), frozenset[Kind]({"months"}), frozenset[Kind]({"days"}))

Date = tuple[int | None, int | None, int | None]
"""Year, month, day; None where it is not said."""


@dataclass(frozen=True, slots=True)
class _Written:
    """A figure or a date of a text, and where it stands there."""

    text: str
    start: int
    end: int
    figure: Said | None
    date: Date | None


class Held:
    """The figures of some texts."""

    def __init__(self, texts: Iterable[str], computed: Iterable[Computed] = ()) -> None:
        self._figures: list[Said] = []
        self._dates: set[Date] = set()
        self._scales: set[float] = {1.0}
        self._texts: list[str] = []
        for text in texts:
            self._take(text)
        for result in computed:
            for part in (result.text, result.formula, result.source):
                self._take(part)
            self._take(" ; ".join(str(value) for value in _numbers(result)))

    def unfounded(self, text: str) -> Iterator[tuple[int, int]]:
        """Where in `text` figures stand that are not held, in their order."""
        for written in _written(text, apart=_NO_FIGURE):
            if not self._holds(written):
                yield written.start, written.end

    def _take(self, text: str) -> None:
        for written in _written(text):
            if written.figure is not None:
                self._figures.append(written.figure)
            elif written.date is not None:
                self._dates.add(written.date)
                parts = zip(written.date, _DATE_KINDS, strict=True)
                self._figures += [Said("", 0, 0, float(n), 1.0, kinds) for n, kinds in parts if n is not None]
        for declared in _DECLARED.finditer(text):
            word = (declared["en"] or declared["en2"] or "").lower()
            self._scales.add(_IN_WORDS.get(word) or _product(declared["ko"]))
        self._texts.append(text)

    def _holds(self, written: _Written) -> bool:
        if written.date is not None:
            return any(_within(written.date, held) for held in self._dates)
        said = written.figure
        assert said is not None
        if not said.kinds:
            alone = re.compile(rf"(?<![\w.,]){re.escape(written.text)}(?!\w|[.,]\d)")
            return any(alone.search(text) for text in self._texts)
        return any(_agrees(said, held, self._scales) for held in self._figures)


def _written(text: str, apart: re.Pattern[str] | None = None) -> Iterator[_Written]:
    """In their order; what `apart` finds is no figure. Digits inside a Latin word (G20) belong to a name."""
    plain = _blanked(text.translate(_WIDE), apart)
    found: list[_Written] = []
    for match in _DATE.finditer(plain):
        date = _date(match)
        if date is not None:
            found.append(_Written(match[0], match.start(), match.end(), None, date))
    for written in found:
        plain = plain[: written.start] + " " * (written.end - written.start) + plain[written.end :]
    for said in (*read(plain), *read_words(plain)):
        before = plain[said.start - 1 : said.start]
        named = before.isascii() and (before.isalpha() or before == "_")
        kinds = frozenset[str]() if named else said.kinds
        start = said.start
        while named and start and plain[start - 1].isascii() and plain[start - 1].isalnum():
            start -= 1
        figure = said if kinds else Said(said.text, said.start, said.end, said.value, said.step, frozenset())
        found.append(_Written(text[start : said.end], start, said.end, figure, None))
    yield from sorted(found, key=lambda written: written.start)


def _blanked(text: str, pattern: re.Pattern[str] | None) -> str:
    return text if pattern is None else pattern.sub(lambda match: " " * len(match[0]), text)


def _date(match: re.Match[str]) -> Date | None:
    year = match["y"] or match["y3"] or match["y4"] or match["y5"]
    name = match["name"] or match["name4"] or match["name5"]
    month = _MONTHS.index(name[:3].lower()) + 1 if name else int(match["m"] or match["m2"])
    day = match["d"] or match["d2"] or match["d3"] or match["d4"]
    date = (int(year) if year else None, month, int(day) if day else None)
    return date if 1 <= month <= 12 and 1 <= (date[2] or 1) <= 31 else None


def _within(said: Date, held: Date) -> bool:
    """A date may leave out what is held, never add to it."""
    return all(part is None or part == other for part, other in zip(said, held, strict=True))


def _agrees(said: Said, held: Said, scales: Iterable[float]) -> bool:
    if said.kinds != ANY and held.kinds != ANY and not said.kinds & held.kinds:
        return False
    value, bare = abs(said.value), abs(held.value)
    for scale in scales if held.kinds == ANY else (1.0,):
        error = abs(value - bare * scale)
        if error <= 1e-9 * max(1.0, value):
            return True
        if error <= said.step / 2 * (1 + 1e-9) and error <= _ROUNDED * value:
            return True
    return False


def _numbers(result: Computed) -> Iterator[object]:
    for value in (*result.values.values(), *result.call.values()):
        if isinstance(value, list | tuple):
            yield from value
        else:
            yield value


def _product(scale: str) -> float:
    worth = 1.0
    for character in scale:
        worth *= _KOREAN[character]
    return worth
