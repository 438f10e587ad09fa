"""A table as questions see it: named columns of one kind each, and rows. Nothing here reads a file or computes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Literal

Kind = Literal["number", "date", "text"]
Cell = Decimal | date | str | None

SECTION, ITEM, COLUMN, UNIT, VALUE = "section", "item", "column", "unit", "value"


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    """Cleaned, not empty, and no other column of the table has it."""
    kind: Kind
    unit: str = ""
    """What the header or the cells say of its numbers: `%`, `백만원`, `in thousands`; empty where nothing is said."""
    scale: int = 0
    """Digits after the point of its numbers, at most 10."""
    monthly: bool = False
    """Whether its dates are months: each stands as its first day."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Rows that stay in their file: UTF-8 or what `encoding` says, read by DuckDB when a question comes."""

    path: Path
    delimiter: str
    encoding: str
    skip: int
    """Lines through the header."""


@dataclass(frozen=True, slots=True)
class Table:
    """Records (a row a thing: a payment, a loan), or the cells of a report (a row a figure).

    A report's cells have the columns `section`, `item`, `column`, `unit` and `value`: `Total revenue` under 2019 is one
    row, so what is asked of a report and of records is one kind of query.
    """

    name: str
    """As the file, sheet or caption calls it."""
    source: str
    """Where the rows stand, as shown to a customer: file, sheet, range."""
    columns: tuple[Column, ...]
    rows: "Sequence[tuple[Cell, ...]] | Stored"
    is_report: bool = False
    totals: int = 0
    """Rows of totals that were left out of `rows`; a report keeps them, for they have names there."""
    not_numbers: int = 0
    """Cells of number columns that are neither a number nor empty; they count as missing."""
    dashes: int = 0
    """Cells of a report that hold a dash; they count as 0."""
    cells: "Table | None" = None
    """The same records as cells, where they are few and each has a name: for a question of two cells."""

    def column(self, name: str) -> Column:
        """Raises KeyError where the table has none of that name."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    def of_kind(self, *kinds: Kind) -> list[Column]:
        return [column for column in self.columns if column.kind in kinds]
