"""A question as it is looked at: its text and its quantities, which calculations take one by one."""

import re
from dataclasses import dataclass, field
from itertools import pairwise

from localfin.calc.asking.quantities import Kind, Quantity, normal, quantities
from localfin.calc.result import Argument
from localfin.calc.wording import plain

_FAR_BEHIND = 26
_FAR_BEFORE = 14
_MONEY: tuple[Kind, ...] = ("money", "number")


@dataclass(slots=True)
class Question:
    text: str
    quantities: list[Quantity]
    taken: set[int] = field(default_factory=set)
    """Where the quantities begin that have been taken."""

    @classmethod
    def of(cls, question: str) -> "Question":
        text = normal(question)
        return cls(text, quantities(text))

    def has(self, pattern: str) -> bool:
        return re.search(pattern, self.text) is not None

    def left(self, *kinds: Kind) -> list[Quantity]:
        """Those of the kinds that nobody has taken."""
        return [each for each in self.quantities if each.kind in kinds and each.start not in self.taken]

    def sums(self) -> list[Quantity]:
        """Money that is left; bare numbers where no money is named anywhere."""
        return self.left("money") or (
            [] if any(each.kind == "money" for each in self.quantities) else self.left("number")
        )

    def take(self, quantity: Quantity) -> Quantity:
        self.taken.add(quantity.start)
        return quantity

    def only(self, *kinds: Kind) -> Quantity | None:
        """The one that is left of these kinds. Raises Unclear where there are several."""
        left = self.sums() if kinds == _MONEY else self.left(*kinds)
        if len(left) > 1:
            raise Unclear
        return self.take(left[0]) if left else None

    def listed(self, quantities: list[Quantity]) -> bool:
        """Whether nothing but commas and the like stands between them."""
        gaps = (self.text[one.end : other.start] for one, other in pairwise(quantities))
        return all(
            re.fullmatch(r"[ ,/·;+]*(?:and|plus|및|과|와|랑|하고|이랑|그리고)?[ ,]*[$€£₩]?", gap) for gap in gaps
        )

    def labelled(self, pattern: str, *kinds: Kind, before: bool = False) -> Quantity | None:
        """The nearest one of the kinds beside (or only before) a word of `pattern`, with no other quantity between."""
        candidates = self.sums() if kinds == _MONEY else self.left(*kinds)
        nearest: tuple[int, Quantity] | None = None
        for label in re.finditer(pattern, self.text):
            for each in candidates:
                gap = self._gap(label, each)
                if (
                    gap is not None
                    and not (before and each.start > label.start())
                    and (nearest is None or gap < nearest[0])
                ):
                    nearest = gap, each
        return self.take(nearest[1]) if nearest else None

    def _gap(self, label: re.Match[str], each: Quantity) -> int | None:
        low, high = (label.end(), each.start) if label.end() <= each.start else (each.end, label.start())
        if high < low or high - low > (_FAR_BEHIND if low == label.end() else _FAR_BEFORE):
            return None
        if any(low <= other.start < high for other in self.quantities) or re.search(r"[.?!;]", self.text[low:high]):
            return None
        behind = low == label.end()
        # A comma parts what stands before a word from it more than what stands behind it.
        return 2 * (high - low) + (0 if behind else 1) + (20 if "," in self.text[low:high] else 0)


class Unclear(Exception):  # noqa: N818 - what the question is
    """Two readings are possible: nothing is computed."""


MONEY = _MONEY


def written(quantity: Quantity, times: int = 1) -> str:
    """As a call takes it."""
    return plain(quantity.value * times)


def yearly(quantity: Quantity | None) -> str | None:
    """What is by the month, in a year."""
    return None if quantity is None else written(quantity, 12 if quantity.monthly else 1)


def currency_of(*found: Quantity | None) -> str | None:
    return next((each.currency for each in found if each is not None and each.currency), None)


@dataclass(slots=True)
class Found:
    """A calculation that a question asks for, as far as it is told."""

    calculator: str
    fields: dict[str, Argument] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def put(self, name: str, value: Quantity | str | int | None) -> None:
        """One argument, or that it is missing."""
        if value is None:
            self.missing.append(name)
        elif isinstance(value, Quantity):
            self.fields[name] = int(value.value) if value.kind in ("months", "days") else written(value)
        else:
            self.fields[name] = value
