"""Tables of a file. A CSV of any size; other formats through the readers of documents."""

import csv
import io
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from localfin.delimited import records_of
from localfin.documents.reading import read
from localfin.fraud.transactions import source
from localfin.tables.shaping import HEADER_WITHIN, headers, kind_of, records, table_of
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
    heading = ""
    for block in read(path).blocks:
        if block.kind == "heading":
            heading = block.text
        if block.kind != "table":
            continue
        page = _("page {page}").format(page=block.page) if block.page else None
        shown = ", ".join(part for part in (file, page, block.sheet, block.cells) if part)
        table = table_of_text(block.text, block.sheet or heading or clean_text(path.stem), shown)
        if table is not None:
            found.append(table)
    if not found:
        raise InputRefused(_("{path} holds no table that can be read").format(path=file))
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
