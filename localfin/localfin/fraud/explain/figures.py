"""Figures in sentences: how evidence may be written, and whether every figure of a text stands in the evidence.

The check reads any text, whoever wrote it. A figure passes where its value and what stands beside it (a unit, a
percent sign, a clock's half of the day) fit one number of the evidence. It does not judge what is said about a figure.
"""

import math
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from localfin.figures import NUMBER_WORD, Kind, Said, read

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
    word = NUMBER_WORD.search(plain)
    if word is not None:
        return word[0]
    return next((said.text for said in read(plain) if not any(_agrees(said, figure) for figure in evidence)), None)


def _agrees(said: Said, figure: Figure) -> bool:
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
