"""Reads entries of a hostile JSON or TOML file one by one: the right type, within bounds, none left over."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from localfin_models.errors import InputRefused, NotFound
from localfin_models.language import _

SIGNAL_NAME = re.compile(r"(?!row\Z)[a-z][a-z0-9_]{0,62}")
MOST_LOG_ODDS = 1e4
MOST_SIGNALS = 512
_MOST_TEXT = 200


def bounded_text(path: Path, most: int) -> str:
    """The file as text. Raises NotFound; InputRefused for more than `most` bytes or what is no UTF-8."""
    try:
        with path.open("rb") as file:
            raw = file.read(most + 1)
        if len(raw) > most:
            raise refused(path, _("it is larger than {most} bytes").format(most=most))
        return raw.decode("utf-8")
    except FileNotFoundError:
        raise NotFound(_("{path} does not exist").format(path=path)) from None
    except OSError as error:
        raise InputRefused(_("{path} cannot be read: {error}").format(path=path, error=error.strerror)) from None
    except UnicodeDecodeError:
        raise refused(path, _("it is no UTF-8 text")) from None


def refused(path: Path, problem: str) -> InputRefused:
    return InputRefused(_("{path} is no scorer: {problem}").format(path=path, problem=problem))


@dataclass(slots=True)
class Fields:
    """The entries of one table. Every method takes an entry out; `done` refuses what is left."""

    path: Path
    where: str
    entries: dict[str, Any]

    @classmethod
    def of(cls, path: Path, where: str, value: object) -> "Fields":
        if not isinstance(value, dict):
            raise refused(path, _("{where} is not a table").format(where=where or "."))
        return cls(path, where, dict(cast(dict[str, Any], value)))

    def table(self, name: str) -> "Fields":
        return Fields.of(self.path, self._at(name), self._take(name))

    def optional_table(self, name: str) -> "Fields | None":
        return None if self.entries.get(name) is None and self._drop(name) else self.table(name)

    def tables(self, name: str, most: int) -> list["Fields"]:
        found = self._list(name, most)
        return [Fields.of(self.path, f"{self._at(name)}[{at}]", value) for at, value in enumerate(found)]

    def optional_tables(self, name: str, most: int) -> list["Fields"]:
        return self.tables(name, most) if name in self.entries else []

    def number(self, name: str, low: float, high: float) -> float:
        return self._number(self._at(name), self._take(name), low, high)

    def optional_number(self, name: str, low: float, high: float) -> float | None:
        return None if self.entries.get(name) is None and self._drop(name) else self.number(name, low, high)

    def whole(self, name: str, low: int, high: int) -> int:
        value = self._take(name)
        if type(value) is not int or not low <= value <= high:
            raise self.wrong(name, _("a whole number from {low} to {high} is needed").format(low=low, high=high))
        return value

    def numbers(self, name: str, most: int, low: float, high: float) -> tuple[float, ...]:
        found = enumerate(self._list(name, most))
        return tuple(self._number(f"{self._at(name)}[{at}]", value, low, high) for at, value in found)

    def text(self, name: str, pattern: re.Pattern[str] | None = None) -> str:
        """At most 200 printable characters."""
        value = self._take(name)
        if not isinstance(value, str) or len(value) > _MOST_TEXT or not value.isprintable():
            raise self.wrong(name, _("a short text is needed"))
        if pattern is not None and pattern.fullmatch(value) is None:
            raise self.wrong(name, _("it has a wrong form"))
        return value

    def signal(self, name: str, known: frozenset[str] | None) -> str:
        """A signal's name. `known`: those that exist; None takes any."""
        value = self.text(name, SIGNAL_NAME)
        if known is not None and value not in known:
            raise self.wrong(name, _("there is no such signal"))
        return value

    def time(self, name: str) -> datetime:
        """ISO 8601, with its offset."""
        try:
            value = datetime.fromisoformat(self.text(name))
        except ValueError:
            raise self.wrong(name, _("a time is needed")) from None
        if value.utcoffset() is None:
            raise self.wrong(name, _("a time is needed"))
        return value

    def wrong(self, name: str, problem: str) -> InputRefused:
        return refused(self.path, f"{self._at(name)}: {problem}")

    def done(self) -> None:
        for name in self.entries:
            raise self.wrong(name[:_MOST_TEXT], _("there is no such entry"))

    def _at(self, name: str) -> str:
        shown = name if name.isprintable() else ascii(name)
        return f"{self.where}.{shown}" if self.where else shown

    def _take(self, name: str) -> object:
        if name not in self.entries:
            raise self.wrong(name, _("it is missing"))
        return cast(object, self.entries.pop(name))

    def _drop(self, name: str) -> bool:
        self.entries.pop(name, None)
        return True

    def _list(self, name: str, most: int) -> list[object]:
        value = self._take(name)
        if not isinstance(value, list):
            raise self.wrong(name, _("a list is needed"))
        if len(cast(list[object], value)) > most:
            raise self.wrong(name, _("it has more than {most} entries").format(most=most))
        return cast(list[object], value)

    def _number(self, where: str, value: object, low: float, high: float) -> float:
        if type(value) in (int, float):
            number = _as_float(cast(float, value))
            if low <= number <= high and math.isfinite(number):
                return number
        raise refused(self.path, _("{where}: a number from {low:g} to {high:g} is needed").format(
            where=where, low=low, high=high
        ))  # fmt: skip


def increasing(values: tuple[float, ...]) -> bool:
    return all(low < high for low, high in pairwise(values))


def without_duplicates(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    """For `json.loads`: one key twice reads differently in different readers. Raises ValueError."""
    table = dict(pairs)
    if len(table) != len(pairs):
        raise ValueError
    return table


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf
