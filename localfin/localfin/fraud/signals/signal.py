"""What a signal is: a number about a transaction, with its unit, its evidence and the sentence that says it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache, lru_cache
from string import Formatter
from typing import Literal

from localfin_models.language import _, translated

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
        [sentence] = self.say_all([list(self.figures(measured).values())])
        return sentence

    def say_all(self, rows: Sequence[Sequence[float | None]], language: str | None = None) -> list[str]:
        """The same for many rows: of each the figures, in the order of `evidence`. `language` is `ko` or `en`."""
        text, fields = _compiled(translated(self.sentence, language) if language else _(self.sentence))
        order = list(self.evidence)
        places = [(order.index(name), spec) for name, spec in fields]
        return [text % tuple([_figure(row[at], spec) for at, spec in places]) for row in rows]


@cache
def _compiled(template: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """A template for `%`, which is five times as quick, and the fields that it takes with their specs."""
    parts = list(Formatter().parse(template))
    text = "".join(literal.replace("%", "%%") + ("" if name is None else "%s") for literal, name, _spec, _how in parts)
    return text, tuple((name, spec or "") for _literal, name, spec, _how in parts if name is not None)


@lru_cache(10_000)
def _figure(value: float | None, spec: str) -> str:
    """As sentences write it: `{x}` with at most two decimals, `{x:%}` as a percentage, `-` where unknown."""
    if value is None or math.isnan(value):
        return "-"
    return f"{_decimals(value * 100, 1)}%" if spec == "%" else _decimals(value, 2)


def _decimals(value: float, most: int) -> str:
    text = f"{value:,.{most}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
