"""Figures as texts write them, in Korean and English: 1억 2천만원, 3.5%, 5,000 million, 오천만 원, twenty days, 세 배.

Reads a text's figures with their value and unit. Whether a figure is right is judged by those who hold the evidence:
the fraud desk's explanations, and answers from documents.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from localfin.amounts import amount

Kind = Literal[
    "money", "usd", "eur", "jpy", "times", "share", "points", "bp", "count", "years", "months", "weeks", "days",
    "hours", "clock", "minutes", "km", "speed", "flag",
]  # fmt: skip
"""What a unit says a figure is. `money` is won, or an amount without a currency."""

ANY: frozenset[Kind] = frozenset({"money", "times", "count", "days", "hours", "minutes", "km", "speed"})
"""What a figure without a unit may be."""

_LARGE = {"조": 1e12, "억": 1e8, "만": 1e4}
_SMALL = {"천": 1e3, "백": 1e2, "십": 1e1}
_ENGLISH = {"thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12, "bn": 1e9, "mn": 1e6}
SCALE = r"[천백십]?[조억만]|[천백십]|(?:thousand|(?:m|b|tr)illion|bn|mn)\b"
"""A word that multiplies the digits before it."""
UNITS: tuple[tuple[str, tuple[Kind, ...]], ...] = (
    (r"km\s?/\s?h\b|kph\b", ("speed",)),
    (r"km\b|킬로미터", ("km",)),
    (r"%\s?p\b|%\s?포인트|퍼센트\s?포인트|percentage points?\b", ("points",)),
    (r"bps?\b|베이시스\s?포인트|basis points?\b", ("bp",)),
    (r"%|퍼센트|프로(?![가-힣])|per ?cent\b", ("share",)),
    (r"배|times\b|-?fold\b|x\b", ("times",)),
    (r"시간|hours?\b", ("hours",)),
    (r"시(?![중작])|h\b|o'clock\b|a\.?m\b|p\.?m\b", ("clock", "hours")),
    (r"분(?!기|의)|min(?:ute)?s?\b", ("minutes",)),
    (r"개월|달(?!러|성)|months?\b", ("months",)),
    (r"개년|년|-?years?\b|yrs?\b", ("years",)),
    (r"주(?:일|간)|weeks?\b", ("weeks",)),
    (r"영업일|일|(?:business |working )?days?\b|d\b", ("days",)),
    (r"원|won\b|krw\b", ("money",)),
    (r"달러|불(?![가-힣])|(?:us )?dollars?\b|usd\b", ("usd",)),
    (r"유로|euros?\b|eur\b", ("eur",)),
    (r"엔(?![가-힣])|yen\b|jpy\b", ("jpy",)),
    (r"건|회|번|명|곳|개|주|transactions?\b|customers?\b|counterpart(?:y|ies)\b|frauds?\b|amounts?\b", ("count",)),
)
"""By what stands behind a figure, the first that fits."""
DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
_CURRENCIES: dict[str, Kind] = {"$": "usd", "€": "eur", "¥": "jpy", "₩": "money"}
_UNIT = "|".join(f"(?:{pattern})" for pattern, _kinds in UNITS)
_FIGURE = re.compile(
    rf"(?P<half>오전|오후|새벽|아침|저녁|밤)?\s?(?:(?<![\w)])(?P<sign>[-−△▲])\s?)?(?P<currency>[$€¥₩])?\s?"
    rf"(?P<number>(?:{DIGITS}\s?(?:{SCALE})\s?)+(?:{DIGITS})?|{DIGITS})(?P<minutes>:\d{{2}})?"
    rf"\s?(?P<unit>{_UNIT})?(?P<more>[\d십백천만억조,.:/]*\d)?",
    re.IGNORECASE | re.ASCII,
)
"""`more`: what cannot follow a figure that was read whole."""
NUMBER_WORD = re.compile(
    r"\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty|fifty|sixty|seventy"
    r"|eighty|ninety|dozens?|twice|thrice|double[ds]?|tripled?|half|halves|quarter|zero|none)\b"
    r"|(?<!\d )(?<!\d)\b(?:hundred|thousand|(?:m|b|tr)illion)s?\b"
    r"|(?<!\d)(?:한|두|세|네|다섯|여섯|일곱|여덟|아홉|열|스무|수[십백천]|몇|[일이삼사오육칠팔구십백천만억]{2,})"
    r"\s?(?:배|건|번|명|곳|개|원|일|시간|분|퍼센트)"
    r"|절반|갑절|(?<!\d)[십백천]만|(?<!\d)[일이삼사오육칠팔구십백천]억",
    re.IGNORECASE,
)
"""A word that says a number, whatever it is."""


@dataclass(frozen=True, slots=True)
class Said:
    """A figure as a text says it."""

    text: str
    """As it is written, with its unit."""
    start: int
    end: int
    """In the text that was read: `text` stands there."""
    value: float
    step: float
    """What the last written digit is worth."""
    kinds: frozenset[Kind]
    """What it may be, by its unit; `ANY` without one; empty where it cannot be read whole."""


def read(text: str) -> Iterator[Said]:
    """The figures that are written in digits, in their order."""
    for match in _FIGURE.finditer(text):
        value, step = _value(match["number"])
        kinds = _kinds(match["unit"])
        if match["unit"] is None and match["currency"] is not None:
            kinds = frozenset[Kind]({_CURRENCIES[match["currency"]]})
        if match["sign"] is not None:
            value = -value
        if match["minutes"] is not None:
            kinds, value = frozenset[Kind]({"clock"}), value + int(match["minutes"][1:]) / 60
        if "clock" in kinds:
            value = _hour(value, match["half"], (match["unit"] or "").lower())
        behind = text[match.end() : match.end() + 1]
        whole = match["more"] is None and (match["unit"] is not None or behind not in tuple("십백천만억조"))
        start = match.start() + len(match[0]) - len(match[0].lstrip())
        written = match[0].strip()
        yield Said(written, start, start + len(written), value, step, kinds if whole else frozenset[Kind]())


def read_words(text: str) -> Iterator[Said]:
    """The figures that are written as words before a unit: 오천만 원, 세 배, five percent, twenty days.

    One (한 번, a day) and words without a unit (two of them) are no figures here: ordinary speech is full of them.
    """
    for match in _WORDS.finditer(text):
        try:
            value = float(amount(match["sino"]).value) if match["sino"] else _native(match)
        except ValueError:  # syllables in no order of a numeral
            continue
        yield Said(match[0], match.start(), match.end(), value, 1.0, _kinds(match["unit"]))


_NATIVE = {"두": 2, "세": 3, "네": 4, "다섯": 5, "여섯": 6, "일곱": 7, "여덟": 8, "아홉": 9, "열": 10, "스무": 20}
_ONES = (
    "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen",
    "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty",
)  # fmt: skip
_TENS = ("thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_ENGLISH_WORDS = {word: number for number, word in enumerate(_ONES, 2)} | {
    word: 10 * tens for tens, word in enumerate(_TENS, 3)
}
_WORDS = re.compile(
    rf"(?:(?<![가-힣\d])(?P<sino>[일이삼사오육칠팔구십백천만억조]{{2,}}|[이삼사오육칠팔구십](?=\s?(?:퍼센트|개월|년|만|억)))"
    rf"|(?<![가-힣\d])(?P<native>{'|'.join(_NATIVE)})|\b(?P<english>{'|'.join(_ENGLISH_WORDS)})(?=[\s-]))"
    rf"[\s-]?(?P<unit>{_UNIT})",
    re.IGNORECASE,
)


def _native(match: re.Match[str]) -> float:
    return float(_NATIVE[match["native"]] if match["native"] else _ENGLISH_WORDS[match["english"].lower()])


def _value(number: str) -> tuple[float, float]:
    """The value, and what its last digit is worth: in 2천5백만, 만 holds for 2천, too."""
    total, section, step = 0.0, 0.0, 1.0
    for part in re.finditer(rf"({DIGITS})\s?({SCALE})?", number, re.IGNORECASE | re.ASCII):
        digits, scale = part[1].replace(",", ""), (part[2] or "").lower()
        small = _ENGLISH.get(scale) or next((_SMALL[c] for c in scale if c in _SMALL), 1.0)
        large = next((_LARGE[c] for c in scale if c in _LARGE), 0.0)
        step = small * (large or 1.0) * 10.0 ** -len(digits.partition(".")[2])
        section += float(digits) * small
        if large:
            total, section = total + section * large, 0.0
    return total + section, step


def _kinds(unit: str | None) -> frozenset[Kind]:
    if unit is None:
        return ANY
    for pattern, kinds in UNITS:
        if re.fullmatch(pattern, unit, re.IGNORECASE):
            return frozenset(kinds)
    return frozenset()


def _hour(value: float, half: str | None, unit: str) -> float:
    late = half in ("오후", "저녁") or unit.startswith("p") or (half == "밤" and value >= 6)
    early = half in ("오전", "새벽", "아침", "밤") or unit.startswith("a")
    if late and value < 12:
        return value + 12
    return 0.0 if early and value == 12 else value
