"""What a signal is: a number about a transaction, with its unit, its evidence and the sentence that says it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from localfin_models.language import _

Unit = Literal["transactions", "money", "ratio", "deviations", "share", "yes or no", "counterparties", "customers",
               "frauds", "days", "km/h"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Signal:
    name: str
    """The column of the table `signals`."""
    unit: Unit
    sentence: str
    """The English template, which is the key of the Korean one; its fields are those of `evidence`."""
    expression: str
    """SQL over the measures of the stages and the columns of `paired`."""
    evidence: Mapping[str, str | int] = field(default_factory=dict[str, str | int])
    """Field of the sentence -> column of the table `evidence`, or a constant of the declaration, such as the days."""
    window: timedelta | None = None
    """How far back it looks; None is all there is. What lies before the label delay is further back by the delay."""
    labels: bool = False
    """Whether it is computed from labels, so that the label delay applies."""

    def figures(self, measured: Mapping[str, float | None]) -> dict[str, float | None]:
        """The numbers behind the signal by the sentence's fields, from a row of the table `evidence`."""
        return {
            name: float(source) if isinstance(source, int) else measured[source]
            for name, source in self.evidence.items()
        }

    def say(self, measured: Mapping[str, float | None]) -> str:
        """The sentence in the user's language. Only for a signal that is known: not NULL."""
        return _(self.sentence).format_map({name: _Figure(value) for name, value in self.figures(measured).items()})


class _Figure:
    """A number as sentences write it: `{x}` with at most two decimals, `{x:%}` as a percentage, `-` where unknown."""

    def __init__(self, value: float | None) -> None:
        self.value = value

    def __format__(self, spec: str) -> str:
        if self.value is None or math.isnan(self.value):
            return "-"
        if spec == "%":
            return f"{_decimals(self.value * 100, 1)}%"
        return _decimals(self.value, 2)


def _decimals(value: float, most: int) -> str:
    text = f"{value:,.{most}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
