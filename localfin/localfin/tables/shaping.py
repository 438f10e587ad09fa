"""From rows of text to a table: which rows name the columns, what kind each column is, which rows are totals."""

import re
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from localfin.tables import reports
from localfin.tables.table import Cell, Column, Kind, Table
from localfin.tables.units import split_unit, unit_of
from localfin.tables.values import cleaned, day, is_missing, is_percent, is_total, is_year, month, number

HEADER_WITHIN = 20
"""Rows that may stand above the header: a title, the account, the period."""
_DEEPEST = 10
_MOSTLY = 0.8
_CELLS_TO = 200
"""Rows up to which records are also kept as cells."""
_CODE = re.compile(
    r"(?:번호|코드|계좌|카드\s*번호|우편|전화|사업자|주민|연도|년도|회계\s*연도)|\b(?:id|code|no\.?|number|account|card|phone|zip|year|fy)\b",
    re.IGNORECASE,
)
_COUNTED = re.compile(r"\b(?:number of|no\. of|accounts? (?:balance|receivable|payable))|회차|건수|개수", re.IGNORECASE)


def table_of(grid: Sequence[Sequence[str]], name: str, source: str) -> Table | None:
    """The table that rows of text are; None where there is no header with a row below it.

    Empty rows and columns are left out; a row of totals below records is recognised and left out, and counted.
    """
    rows = [[cleaned(cell) for cell in row] for row in grid]
    rows = [row for row in rows if any(row)]
    width = max((len(row) for row in rows), default=0)
    rows = [row + [""] * (width - len(row)) for row in rows]
    if len(rows) < 2 or width < 2:
        return None
    if reports.looks_like_one(rows):
        return reports.report_of(rows, name, source)
    head = _header(rows)
    if head is None:
        return None
    names, units = headers(rows[head])
    above = next((unit for row in rows[:head] for cell in row if (unit := _unit_above(cell))), "")
    table = records(names, [unit or "" for unit in units], rows[head + 1 :], name, source, above)
    if len(rows) <= _CELLS_TO:
        return replace(table, cells=reports.cells_of_records(rows[head:], name, source, above))
    return table


def starts_with_data(grid: Sequence[Sequence[str]]) -> bool:
    """Whether the first row holds a number or a day, and so names no columns."""
    return any(
        (number(cell) is not None and not is_year(cell)) or day(cell) is not None
        for cell in map(cleaned, grid[0] if grid else ())
    )


def headers(cells: Sequence[str]) -> tuple[list[str], list[str]]:
    """(names, units): names are unique and not empty; an empty or repeated one gets its column's number."""
    names, units, taken = list[str](), list[str](), set[str]()
    for place, cell in enumerate(cells, 1):
        text = cleaned(cell) or f"#{place}"
        text = text if text.lower() not in taken else f"{text}#{place}"
        names.append(text)
        taken.add(text.lower())  # SQL does not tell Amount from amount
        units.append(split_unit(text)[1])
    return names, units


def records(
    names: Sequence[str], units: Sequence[str], rows: Sequence[Sequence[str]], name: str, source: str, unit: str = ""
) -> Table:
    """Rows of text under known headers; `unit` is what stands above them of all numbers."""
    likely = [row for row in rows if not is_total(next((cell for cell in row if cell), ""))]
    kinds: list[Kind] = [kind_of(names[place], [row[place] for row in likely]) for place in range(len(names))]
    kept = [row for row in rows if not _is_totals_row(row, kinds)]
    read = [_column([row[place] for row in kept], kinds[place]) for place in range(len(names))]
    columns = [
        Column(
            names[place],
            kinds[place],
            (units[place] or _percent([row[place] for row in kept]) or unit) if kinds[place] == "number" else "",
            _scale(read[place]) if kinds[place] == "number" else 0,
            kinds[place] == "date" and all(month(row[place]) for row in kept if not is_missing(row[place])),
        )
        for place in range(len(names))
    ]
    lost = sum(
        value is None and not is_missing(row[place])
        for place, kind in enumerate(kinds)
        if kind == "number"
        for row, value in zip(kept, read[place], strict=True)
    )
    made = list(zip(*read, strict=True)) if kept else []
    return Table(name, source, tuple(columns), made, totals=len(rows) - len(kept), not_numbers=lost)


def kind_of(name: str, cells: Sequence[str]) -> Kind:
    """What a column of texts is. Codes and years are texts: nobody adds card numbers up."""
    present = [cell for cell in cells if not is_missing(cell)]
    if not present:
        return "text"
    numbers = sum(number(cell) is not None for cell in present)
    if numbers >= _MOSTLY * len(present):
        zeros = any(re.fullmatch(r"0\d+", cell) for cell in present)
        compact = all(re.fullmatch(r"(?:19|20)\d{6}", cell) and day(cell) for cell in present)
        code = bool(_CODE.search(name)) and not _COUNTED.search(name) and all(re.fullmatch(r"\d+", c) for c in present)
        if compact:
            return "date"
        return "text" if zeros or code or all(is_year(cell) for cell in present) else "number"
    if sum(day(cell) is not None or month(cell) is not None for cell in present) >= _MOSTLY * len(present):
        return "date"
    return "text"


def _column(cells: Sequence[str], kind: Kind) -> list[Cell]:
    if kind == "number":
        return [number(cell) for cell in cells]
    if kind == "date":
        return [day(cell) or month(cell) for cell in cells]
    return [cell or None for cell in cells]


def _scale(values: Sequence[Cell]) -> int:
    return min(_DEEPEST, max((-_exponent(value) for value in values if isinstance(value, Decimal)), default=0))


def _exponent(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return exponent if isinstance(exponent, int) and exponent < 0 else 0


def _percent(cells: Sequence[str]) -> str:
    present = [cell for cell in cells if not is_missing(cell)]
    return "%" if present and all(is_percent(cell) for cell in present) else ""


def _is_totals_row(row: Sequence[str], kinds: Sequence[Kind]) -> bool:
    """Its first text is a total's name, and it has no day of its own."""
    first = next((cell for cell, kind in zip(row, kinds, strict=True) if cell and kind != "number"), "")
    dated = any(day(cell) or month(cell) for cell, kind in zip(row, kinds, strict=True) if kind == "date")
    return is_total(first) and not dated and any(number(cell) is not None for cell in row)


def _header(rows: Sequence[Sequence[str]]) -> int | None:
    """The first row that fills most columns with texts that are no numbers."""
    widest = max(sum(bool(cell) for cell in row) for row in rows[: HEADER_WITHIN + 1])
    for place, row in enumerate(rows[:HEADER_WITHIN]):
        present = [cell for cell in row if cell]
        if len(present) < 2 or len(present) < 0.6 * widest:
            continue
        named = sum((number(cell) is None and day(cell) is None) or is_year(cell) for cell in present)
        return place if named == len(present) and place + 1 < len(rows) else None
    return None


def _unit_above(cell: str) -> str:
    match = re.search(r"[(\[（]\s*(단위[^)\]）]*|[^()]*in (?:thousands|millions|billions)[^)]*)[)\]）]", cell)
    return unit_of(match[1]) if match else unit_of(cell) if "단위" in cell else ""
