"""Tables of a file. A CSV of any size; other formats through the readers of documents."""

import csv
import io
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from localfin.delimited import records_of
from localfin.fraud.transactions import source
from localfin.tables.shaping import HEADER_WITHIN, headers, kind_of, records, starts_with_data, table_of
from localfin.tables.table import Column, Stored, Table
from localfin.tables.values import cleaned
from localfin.text import clean_text
from localfin_models.errors import InputRefused
from localfin_models.language import _

IN_MEMORY = 4 << 20
"""Bytes of a CSV up to which its rows are kept; those of a larger one stay in the file."""
_SAMPLE = 5000
_TEXTS = frozenset({".csv", ".tsv", ".gz"})


def tables_of(path: Path) -> list[Table]:
    """The tables of a CSV or TSV file, of any size, or of a document that `documents.reading` reads, in its order.

    Raises NotFound, InputRefused (a format that is none of ours, no table with a header and rows below it).
    """
    if path.suffix.lower() not in _TEXTS:
        return _of_document(path)
    with tempfile.TemporaryDirectory(prefix="localfin-") as folder:
        found = source.open_source(path, Path(folder))
        if found.format != "csv":
            raise InputRefused(_("{path} holds no table that can be read").format(path=found.shown))
        delimiter = source.delimiter_of(found)
        if found.path.stat().st_size > IN_MEMORY and found.path.resolve() == path.resolve():
            table = _stored(path, found, delimiter)
        else:
            text = found.path.read_bytes().decode(found.encoding, "replace")
            table = table_of(_records(text, delimiter), clean_text(path.stem), clean_text(path.name))
    if table is None:
        raise InputRefused(_("{path} has no header with rows below it").format(path=found.shown))
    return [table]


def _of_document(path: Path) -> list[Table]:
    file = clean_text(path.name)
    found: list[Table] = []
    for grid, name, place in _grids(path):
        shown = ", ".join(part for part in (file, place) if part)
        table = table_of(grid, name or clean_text(path.stem), shown)
        if table is not None:
            found.append(table)
    if not found:
        raise InputRefused(_("{path} holds no table that can be read").format(path=file))
    return found


def _grids(path: Path) -> Iterator[tuple[list[list[str]], str, str]]:
    """(rows, name, place) of each table. What a sheet goes on with after an empty row belongs to the table above it."""
    from localfin.documents.reading import read  # with its index it takes 250 ms

    heading, grid, name, place = "", list[list[str]](), "", ""
    sheet, left = "", 1
    for block in read(path).blocks:
        if block.kind == "heading":
            heading = block.text
        if block.kind != "table":
            continue
        rows = [line.split("\t") for line in block.text.split("\n")]
        start = _left(block.cells)
        if grid and block.sheet is not None and block.sheet == sheet and starts_with_data(rows) and start >= left:
            grid += [[""] * (start - left) + row for row in rows]
            continue
        if grid:
            yield grid, name, place
        page = _("page {page}").format(page=block.page) if block.page else None
        grid, name, sheet, left = rows, block.sheet or heading, block.sheet or "", start
        place = ", ".join(part for part in (page, block.sheet, block.cells) if part)
    if grid:
        yield grid, name, place


def _left(cells: str | None) -> int:
    """The number of the first column of a range such as `B2:D40`."""
    letters = re.match(r"[A-Z]+", cells or "")
    found = 0
    for letter in letters[0] if letters else "A":
        found = 26 * found + ord(letter) - ord("A") + 1
    return found


def table_of_text(text: str, name: str, shown: str) -> Table | None:
    """The table that a document's block is: a line a row, tabs between its cells. None where it is none."""
    return table_of([line.split("\t") for line in text.split("\n")], name, shown)


def _records(text: str, delimiter: str) -> list[list[str]]:
    found: list[list[str]] = []
    with suppress(csv.Error):
        found.extend(csv.reader(io.StringIO(text.lstrip("\ufeff"), newline=""), delimiter=delimiter))
    return found


def _stored(path: Path, found: source.Source, delimiter: str) -> Table | None:
    """Header and kinds from the first rows; the rest is looked at when a question comes."""
    head = records_of(source.head_of(found).lstrip("\ufeff"), delimiter)
    width = max((len(row) for row in head), default=0)
    place = next((n for n, row in enumerate(head[:HEADER_WITHIN]) if len([c for c in row if c]) >= 0.6 * width), None)
    if place is None or len(head) < place + 2 or width < 2:
        return None
    names, units = headers([*head[place], *[""] * (width - len(head[place]))])
    rows, skip = _sample(found, delimiter, place, width)
    sampled = records(names, units, rows, "", "")
    columns = tuple(
        Column(c.name, kind_of(c.name, [row[n] for row in rows]), c.unit, max(c.scale, 2) if c.scale else 0, c.monthly)
        for n, c in enumerate(sampled.columns)
    )
    shown = clean_text(path.name)
    return Table(clean_text(path.stem), shown, columns, Stored(path.resolve(), delimiter, found.encoding, skip))


def _sample(found: source.Source, delimiter: str, head: int, width: int) -> tuple[list[list[str]], int]:
    """(rows below the header, lines through the header)."""
    rows: list[Sequence[str]] = []
    skip = 0
    with found.path.open(encoding=found.encoding, errors="replace", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter)
        with suppress(csv.Error):
            for number, row in enumerate(row for row in reader if row):
                if number == head:
                    skip = reader.line_num
                elif number > head:
                    rows.append(row)
                if len(rows) >= _SAMPLE:
                    break
    return [[cleaned(cell) for cell in [*row[:width], *[""] * (width - len(row))]] for row in rows], skip
