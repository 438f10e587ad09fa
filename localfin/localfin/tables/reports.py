"""Tables of reports: headers of several lines, sections, totals among the rows. Each figure becomes one row.

A header may stand again further down with other names; what follows it has those.
"""

import re
from collections.abc import Sequence
from decimal import Decimal

from localfin.tables.table import COLUMN, ITEM, SECTION, UNIT, VALUE, Cell, Column, Table
from localfin.tables.units import is_unit, unit_of
from localfin.tables.values import begins_as_total, day, is_dash, is_missing, is_percent, is_year, number, without_marks

_PERIOD = re.compile(
    r"(?:19|20)\d\d|\bfy\s?\d\d|[12]?\d\s*(?:월|분기|기)(?![가-힣])|상반기|하반기|당기|전기|전전기|\bq[1-4]\b"
    r"|\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\b|\b(?:first|second|third|fourth) quarter\b",
    re.IGNORECASE,
)
_NOTES = re.compile(r"notes?|ref\.?|주석|비고", re.IGNORECASE)
_NOTE = re.compile(r"\(\d{1,2}\)")
_MOSTLY = 0.8


def looks_like_one(rows: Sequence[Sequence[str]]) -> bool:
    """Whether rows of equal width are a report: names down the first column, figures beside them, periods above."""
    head = _header_rows(rows)
    body = rows[head:]
    figures = [cell for row in body for cell in row[1:] if cell]
    named = [row for row in body if row[0] and number(row[0]) is None and day(row[0]) is None]
    if not body or not figures or len(named) < 0.7 * len(body):
        return False
    good = sum(number(cell) is not None or is_dash(cell) or is_missing(cell) for cell in figures)
    if good < _MOSTLY * len(figures):
        return False
    above = rows[:head]
    periods = sum(bool(_PERIOD.search(cell)) for row in above for cell in row[1:])
    labels = [row[0] for row in body]
    sections = len(rows[0]) > 2 and any(row[0] and not any(row[1:]) and labels.count(row[0]) == 1 for row in body)
    corner = head and (not rows[head - 1][0] or is_unit(rows[head - 1][0]))
    names = [label for label in labels if label and not begins_as_total(label)]
    totals = len(rows[0]) > 2 and len(set(names)) == len(names) and len(names) + 1 < len(labels)
    return bool(periods >= 2 or head > 1 or sections or corner or totals)


def report_of(rows: Sequence[Sequence[str]], name: str, source: str) -> Table | None:
    """None where no cell is left."""
    head = _header_rows(rows)
    reader = _Reader(rows[:head], len(rows[0]))
    for row in rows[head:]:
        reader.take(row)
    return reader.table(name, source)


def cells_of_records(rows: Sequence[Sequence[str]], name: str, source: str, unit: str) -> Table | None:
    """Records, the header first, as cells, where the first column gives every row a name of its own."""
    labels = [row[0] for row in rows[1:] if not begins_as_total(row[0])]
    if not all(labels) or len(set(labels)) < len(labels) or all(re.fullmatch(r"\d{1,3}", text) for text in labels):
        return None
    reader = _Reader(rows[:1], len(rows[0]))
    reader.unit = unit or reader.unit
    for row in rows[1:]:
        if not begins_as_total(row[0]):
            reader.take_figures(row)
    return reader.table(name, source)


def _header_rows(rows: Sequence[Sequence[str]]) -> int:
    """How many rows stand above the first figure, sections right above it not counted."""
    first = next((place for place, row in enumerate(rows) if _figures(row)), len(rows))
    while first > 1 and rows[first - 1][0] and not any(rows[first - 1][1:]) and not is_unit(rows[first - 1][0]):
        first -= 1
    if first == 1 and len(rows) > 1 and not any(rows[0][1:]) and not is_unit(rows[0][0]):
        return 0
    return first


def _figures(row: Sequence[str]) -> bool:
    """Whether a row has a figure beside its name; years and days are headers."""
    return any(
        number(cell) is not None and not is_year(cell) and not is_unit(cell) and (row[0] or not _NOTE.fullmatch(cell))
        for cell in row[1:]
    ) or bool(row[0] and len(row) > 1 and any(cell and is_missing(cell) for cell in row[1:]))


class _Reader:
    """Goes down a report's rows with the header and the section that hold."""

    def __init__(self, header: Sequence[Sequence[str]], width: int) -> None:
        self.unit = ""
        self._cells: list[tuple[Cell, ...]] = []
        self._labels = [f"#{place}" for place in range(1, width + 1)]
        self._section = ""
        self._since: list[list[Decimal | None]] = []
        """The figures of the rows since the last section or total, to know an unnamed total by."""
        self._dashes = self._lost = 0
        self._head(header)

    def take(self, row: Sequence[str]) -> None:
        """One row below the header: a header again, a section, or figures."""
        if not any(row[1:]):
            if unit := unit_of(row[0]):
                self.unit = self.unit or unit
            else:
                self._section, self._since = without_marks(row[0]).rstrip(" :："), []
        elif not _figures(row):
            self._head([row])
        else:
            self.take_figures(row)

    def take_figures(self, row: Sequence[str]) -> None:
        values = [number(cell) if cell else None for cell in row]
        item = without_marks(row[0]).rstrip(" :：")
        if not item:
            if not self._adds_up(values):
                return
            item = (
                f"Total {self._section}".strip() if not re.search("[가-힣]", self._section) else f"{self._section} 합계"
            )
        for place in range(1, len(row)):
            self._figure(item, place, row[place], values[place])
        if begins_as_total(item):
            self._section, self._since = "", []
        else:
            self._since.append(values)

    def table(self, name: str, source: str) -> Table | None:
        if not self._cells:
            return None
        scale = max((_digits(row[4]) for row in self._cells), default=0)
        columns = (
            Column(SECTION, "text"),
            Column(ITEM, "text"),
            Column(COLUMN, "text"),
            Column(UNIT, "text"),
            Column(VALUE, "number", self.unit, min(scale, 10)),
        )
        return Table(
            name, source, columns, tuple(self._cells), is_report=True, not_numbers=self._lost, dashes=self._dashes
        )

    def _figure(self, item: str, place: int, text: str, value: Decimal | None) -> None:
        label = self._labels[place]
        if not text or not label or _NOTES.fullmatch(label):
            return
        if value is None and is_dash(text):
            value = Decimal(0)
            self._dashes += 1
        elif value is None:
            self._lost += not is_missing(text)
            return
        unit = "%" if is_percent(text) or "%" in label or "%" in item else ""
        self._cells.append((self._section or None, item, label, unit or None, value))

    def _head(self, header: Sequence[Sequence[str]]) -> None:
        """The columns' names from the header's lines: a name above several columns holds for all of them."""
        parts: list[list[str]] = [[] for _label in self._labels]
        for row in header:
            present = [cell for cell in row if cell]
            if unit := next((unit_of(cell) for cell in present if is_unit(cell)), ""):
                self.unit = self.unit or unit
            named = [cell for cell in row[1:] if cell and not is_unit(cell)]
            for place, cell in enumerate(_spread(row, alone=len(named) == 1 and row is not header[-1])):
                if place and cell and not is_unit(cell) and cell not in parts[place]:
                    parts[place].append(cell)
        if any(parts[1:]):
            self._labels = [without_marks(" ".join(words)) for words in parts]
        self._section, self._since = "", []

    def _adds_up(self, values: Sequence[Decimal | None]) -> bool:
        """Whether an unnamed row is the sum of those since the last total, up to the rounding of each."""
        if len(self._since) < 2:
            return False
        for place, value in enumerate(values):
            if value is None:
                continue
            summed = sum((row[place] or Decimal(0) for row in self._since), Decimal(0))
            if abs(summed - value) > len(self._since) * Decimal(1).scaleb(-_digits(value)):
                return False
        return any(value is not None for value in values)


def _spread(row: Sequence[str], *, alone: bool) -> list[str]:
    """A header's line with each name repeated over the empty cells to its right, a lone one over all."""
    if alone:
        text = next(cell for cell in row[1:] if cell and not is_unit(cell))
        return [row[0], *[text] * (len(row) - 1)]
    found, last = list[str](), ""
    for place, cell in enumerate(row):
        last = cell or last if place else ""
        found.append(cell or (last if place else ""))
    return found


def _digits(value: Cell) -> int:
    exponent = value.as_tuple().exponent if isinstance(value, Decimal) else 0
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0
