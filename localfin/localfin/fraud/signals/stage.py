"""One step on the way to the signals: a SELECT with windows, and which rows it needs at all."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Stage:
    """SELECT row, measures FROM source WHERE condition WINDOW windows, of which the rows that are `kept` go on."""

    name: str
    source: str
    measures: Mapping[str, str]
    windows: Mapping[str, str] = field(default_factory=dict[str, str])
    where: str = "TRUE"
    carried: str = "row"
    """Columns that go on as they are."""
    kept: str = "wanted"
    """Which rows go on; "TRUE" for all of them."""
    needs: str | None = None
    """A column of `transactions`: where none has a value, the stage is left out and its measures are NULL."""

    def query(self) -> str:
        asked = [name for name in ("wanted", "recent") if re.search(rf"\b{name}\b", self.kept)]
        columns = ",\n  ".join([self.carried, *asked, *(f"{sql} AS {name}" for name, sql in self.measures.items())])
        windows = ",\n  ".join(f"{name} AS ({sql})" for name, sql in self.windows.items())
        over = f"\nWINDOW {windows}" if windows else ""
        query = f"SELECT {columns}\nFROM {self.source}\nWHERE {self.where}{over}"
        if self.kept == "TRUE":
            return query
        return f"SELECT {', '.join([self.carried, *self.measures])} FROM (\n{query}\n) AS every WHERE {self.kept}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """The rows whose signals are wanted, and what can be left out for them without changing any."""

    rows: str = "TRUE"
    """SQL over `transactions`."""
    first_us: int | None = None
    """The time of the earliest of them, in microseconds since 1970; None where nothing is known of it."""

    def within(self, length: int) -> str:
        """The rows that windows of that length can hold, those wanted among them."""
        return "TRUE" if self.first_us is None else f"t >= {self.first_us - length}"

    def related(self) -> str:
        """The rows of the customers and counterparties of those wanted: no window holds others."""
        if self.rows == "TRUE":
            return "TRUE"
        chosen = [
            f"{key} IN (SELECT {key} FROM transactions WHERE {self.rows})" for key in ("customer", "counterparty")
        ]
        return f"({self.rows}) OR {' OR '.join(chosen)}"
