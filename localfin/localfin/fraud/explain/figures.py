"""Figures in sentences: how evidence may be written, and whether every figure of a text stands in the evidence.

The check reads any text, whoever wrote it. A figure passes where its value and what stands beside it (a unit, a
percent sign, a clock's half of the day) fit one number of the evidence. It does not judge what is said about a figure.
"""

import math
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["money", "times", "share", "count", "days", "hours", "clock", "minutes", "km", "speed", "flag"]
Language = Literal["ko", "en"]

_KINDS: dict[str, Kind] = {
    "amount": "money", "sum": "money", "mean": "money", "max": "money", "deviation": "money", "threshold": "money",
    "ratio": "times", "z": "times", "risk": "share", "overall": "share", "days": "days", "since": "days",
    "pause": "days", "usual": "days", "hours": "hours", "hour": "clock", "minutes": "minutes", "km": "km",
    "speed": "speed", "abroad": "flag",
}  # fmt: skip
"""By the fields of the signals' evidence; every other field counts something. No text writes a flag as a figure."""

_DISPLAYED = 2  # decimals of a figure in a sentence; of a percentage one
_TOLERATED = 0.05
"""Relative error of a figure that is rounded further."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of the evidence."""

    kind: Kind
    value: float


def figures_of(evidence: Mapping[str, float | None]) -> dict[str, Figure]:
    """The known ones, by the sentence's field."""
    return {
        name: Figure(_KINDS.get(name, "count"), value)
        for name, value in evidence.items()
        if value is not None and math.isfinite(value)
    }


def written(figure: Figure, language: Language) -> list[str]:
    """The ways in which a text may write it, as in the signals' sentences first; units stand in the sentences."""
    value = figure.value
    if figure.kind == "share":
        return [f"{_decimals(value * 100, 1)}%"]
    forms = [_decimals(value, _DISPLAYED)]
    if figure.kind == "money" and language == "ko" and (short := _in_man(value)):
        forms.append(short)
    return forms


def unfounded(text: str, evidence: Collection[Figure]) -> str | None:
    """The first figure of the text that the evidence does not hold, as it is written there; None where all are held.

    A figure is read with its scale (만, 억, million) and unit. Rounding as in the sentences is accepted, and further to
    a digit that is written, up to a twentieth of the value. Number words and digits but 0 to 9 pass for nothing.
    """
    foreign = next((c for c in text if not c.isascii() and unicodedata.numeric(c, None) is not None), None)
    if foreign is not None:
        return foreign
    plain = unicodedata.normalize("NFKC", text)
    word = _NUMBER_WORD.search(plain)
    if word is not None:
        return word[0]
    return next((said.text for said in _read(plain) if not any(_agrees(said, figure) for figure in evidence)), None)


@dataclass(frozen=True, slots=True)
class _Said:
    text: str
    value: float
    step: float
    """What the last written digit is worth."""
    kinds: frozenset[Kind]


_SCALES = {"조": 1e12, "억": 1e8, "만": 1e4, "천": 1e3, "백": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9,
           "trillion": 1e12}  # fmt: skip
_SCALE = r"[천백]?[조억만]|[천백]|(?:thousand|(?:m|b|tr)illion)\b"
_UNITS: tuple[tuple[str, tuple[Kind, ...]], ...] = (
    (r"km\s?/\s?h\b|kph\b", ("speed",)),
    (r"km\b|킬로미터", ("km",)),
    (r"%|퍼센트|per ?cent\b", ("share",)),
    (r"배|times\b|-?fold\b|x\b", ("times",)),
    (r"시간|hours?\b", ("hours",)),
    (r"시|h\b|o'clock\b|a\.?m\b|p\.?m\b", ("clock", "hours")),
    (r"분|min(?:ute)?s?\b", ("minutes",)),
    (r"일|days?\b|d\b", ("days",)),
    (r"원|won\b|krw\b", ("money",)),
    (r"건|회|번|명|곳|개|transactions?\b|customers?\b|counterpart(?:y|ies)\b|frauds?\b|amounts?\b", ("count",)),
)
_PLAIN: frozenset[Kind] = frozenset({"money", "times", "count", "days", "hours", "minutes", "km", "speed"})
_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?"
_FIGURE = re.compile(
    rf"(?P<half>오전|오후|새벽|아침|저녁|밤)?\s?(?:(?<![\w)])(?P<sign>[-−]))?"
    rf"(?P<number>(?:{_DIGITS}\s?(?:{_SCALE})\s?)+(?:{_DIGITS})?|{_DIGITS})(?P<minutes>:\d{{2}})?"
    rf"\s?(?P<unit>{'|'.join(f'(?:{pattern})' for pattern, _kinds in _UNITS)})?(?P<more>[\d십백천만억조,.:/]*\d)?",
    re.IGNORECASE | re.ASCII,
)
"""`more`: what cannot follow a figure that was read whole."""
_NUMBER_WORD = re.compile(
    r"\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\w+teen|twenty|thirty|forty|fifty|sixty|seventy"
    r"|eighty|ninety|dozens?|twice|thrice|double[ds]?|tripled?|half|halves|quarter|zero|none)\b"
    r"|(?<!\d )(?<!\d)\b(?:hundred|thousand|(?:m|b|tr)illion)s?\b"
    r"|(?<!\d)(?:한|두|세|네|다섯|여섯|일곱|여덟|아홉|열|스무|수[십백천]|몇|[일이삼사오육칠팔구십백천만억]{2,})"
    r"\s?(?:배|건|번|명|곳|개|원|일|시간|분|퍼센트)"
    r"|절반|갑절|(?<!\d)[십백천]만|(?<!\d)[일이삼사오육칠팔구십백천]억",
    re.IGNORECASE,
)


def _read(text: str) -> Iterator[_Said]:
    for match in _FIGURE.finditer(text):
        value, step = _value(match["number"])
        kinds = _kinds(match["unit"])
        if match["sign"] in ("-", "−"):
            value = -value
        if match["minutes"] is not None:
            kinds, value = frozenset[Kind]({"clock"}), value + int(match["minutes"][1:]) / 60
        if "clock" in kinds:
            value = _hour(value, match["half"], (match["unit"] or "").lower())
        behind = text[match.end() : match.end() + 1]
        whole = match["more"] is None and (match["unit"] is not None or behind not in tuple("십백천만억조"))
        yield _Said(match[0].strip(), value, step, kinds if whole else frozenset())


def _value(number: str) -> tuple[float, float]:
    """The value, and what its last digit is worth."""
    total, step = 0.0, 1.0
    for part in re.finditer(rf"({_DIGITS})\s?({_SCALE})?", number, re.IGNORECASE | re.ASCII):
        digits, scale = part[1].replace(",", ""), (part[2] or "").lower()
        worth = _SCALES[scale] if scale in _SCALES else math.prod(_SCALES[character] for character in scale)
        step = worth * 10.0 ** -len(digits.partition(".")[2])
        total += float(digits) * worth
    return total, step


def _kinds(unit: str | None) -> frozenset[Kind]:
    if unit is None:
        return _PLAIN
    for pattern, kinds in _UNITS:
        if re.fullmatch(pattern, unit, re.IGNORECASE):
            return frozenset(kinds)
    return frozenset()


def _hour(value: float, half: str | None, unit: str) -> float:
    late = half in ("오후", "저녁") or unit.startswith("p") or (half == "밤" and value >= 6)
    early = half in ("오전", "새벽", "아침", "밤") or unit.startswith("a")
    if late and value < 12:
        return value + 12
    return 0.0 if early and value == 12 else value


def _agrees(said: _Said, figure: Figure) -> bool:
    if figure.kind not in said.kinds:
        return False
    held = figure.value * 100 if figure.kind == "share" else figure.value
    error = abs(said.value - held)
    shown = round(held, 1 if figure.kind == "share" else _DISPLAYED)
    if min(error, abs(said.value - shown)) <= 1e-9 * max(1.0, abs(held)):
        return True
    if figure.kind in ("count", "clock", "days", "hours") and float(held).is_integer():
        return False
    # Money is rounded as sentences show it, not to a scale: 5,000만 is exactly that.
    step = min(said.step, 1.0) if figure.kind == "money" else said.step
    return error <= step / 2 * (1 + 1e-9) and error <= _TOLERATED * abs(held)


def _in_man(value: float) -> str:
    """억 and 만, where that is shorter and exact; empty where not."""
    whole = int(value)
    if value != whole or whole < 10_000 or whole % 10_000:
        return ""
    eok, man = divmod(whole // 10_000, 10_000)
    parts = ([f"{eok:,}억"] if eok else []) + ([f"{man:,}만"] if man else [])
    return " ".join(parts)


def _decimals(value: float, most: int) -> str:
    text = f"{value:,.{most}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
