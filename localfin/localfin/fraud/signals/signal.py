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
class Sentence:
    """An English template, which is the key of the Korean one; its fields are those of the signal's evidence."""

    text: str
    where: Mapping[str, float] = field(default_factory=dict[str, float])
    """Figures of the evidence that have to be so for it to be true."""

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(name for name, _spec in _compiled(self.text)[1])

    def fits(self, figures: Mapping[str, float | None]) -> bool:
        """Whether all its figures are known, and it is true."""
        return all(figures.get(name) is not None for name in self.fields) and all(
            figures.get(name) == value for name, value in self.where.items()
        )


@dataclass(frozen=True, slots=True)
class Signal:
    name: str
    """The column of the table `signals`."""
    unit: Unit
    sentence: str
    """What it says where all of its evidence is known: an English template, as in `Sentence`."""
    expression: str
    """SQL over the measures of the stages and the columns of `paired`."""
    evidence: Mapping[str, str | int] = field(default_factory=dict[str, str | int])
    """Field of the sentence -> column of the table `evidence`, or a constant of the declaration, such as the days."""
    window: timedelta | None = None
    """How far back it looks; None is all there is. What lies before the label delay is further back by the delay."""
    labels: bool = False
    """Whether it is computed from labels, so that the label delay applies."""
    where: Mapping[str, float] = field(default_factory=dict[str, float])
    """As in `Sentence`, of `sentence`."""
    otherwise: tuple[Sentence, ...] = ()
    """What it says instead where that is not known or not true: the first of these that fits."""

    @property
    def sentences(self) -> tuple[Sentence, ...]:
        return (Sentence(self.sentence, self.where), *self.otherwise)

    def figures(self, measured: Mapping[str, float | None]) -> dict[str, float | None]:
        """The numbers behind the signal by the sentence's fields, from a row of the table `evidence`."""
        found = {
            name: float(source) if isinstance(source, int) else measured[source]
            for name, source in self.evidence.items()
        }
        return {name: None if value is None or math.isnan(value) else value for name, value in found.items()}

    def say(self, measured: Mapping[str, float | None]) -> str:
        """The sentence in the user's language. Only for a signal that is known: not NULL."""
        [sentence] = self.say_all([list(self.figures(measured).values())])
        return sentence

    def say_all(self, rows: Sequence[Sequence[float | None]], language: str | None = None) -> list[str]:
        """The same for many rows: of each the figures, in the order of `evidence`. `language` is `ko` or `en`.

        Only figures that are known are said; where no sentence is left, the signal's name alone.
        """
        order = list(self.evidence)
        forms = [_Form.of(sentence, order, language) for sentence in self.sentences]
        return [next(filter(None, (form.said(row) for form in forms)), self.name) for row in rows]


@dataclass(frozen=True, slots=True)
class _Form:
    """A sentence made ready for many rows."""

    text: str
    places: tuple[int, ...]
    specs: tuple[str, ...]
    where: tuple[tuple[int, float], ...]

    @classmethod
    def of(cls, sentence: Sentence, order: Sequence[str], language: str | None) -> "_Form":
        text, fields = _compiled(translated(sentence.text, language) if language else _(sentence.text))
        return cls(
            text,
            tuple(order.index(name) for name, _spec in fields),
            tuple(spec for _name, spec in fields),
            tuple((order.index(name), value) for name, value in sentence.where.items()),
        )

    def said(self, row: Sequence[float | None]) -> str | None:
        """None where it does not fit."""
        figures = [row[at] for at in self.places]
        if None in figures or any(row[at] != value for at, value in self.where):
            return None
        return self.text % tuple(map(_figure, figures, self.specs))


@cache
def _compiled(template: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """A template for `%`, which is five times as quick, and the fields that it takes with their specs."""
    parts = list(Formatter().parse(template))
    text = "".join(literal.replace("%", "%%") + ("" if name is None else "%s") for literal, name, _spec, _how in parts)
    return text, tuple((name, spec or "") for _literal, name, spec, _how in parts if name is not None)


@lru_cache(10_000)
def _figure(value: float, spec: str) -> str:
    """As sentences write it: `{x}` with at most two decimals, `{x:%}` as a percentage."""
    return f"{_decimals(value * 100, 1)}%" if spec == "%" else _decimals(value, 2)


def _decimals(value: float, most: int) -> str:
    text = f"{value:,.{most}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
