"""The slow path for texts: any CSV or JSON lines, record by record, into a clean file that DuckDB reads at full speed.

A record that is wrong is reported with its line; where a quote is never closed, only its first line is lost. Memory is
bounded by one record.
"""

import csv
import io
import json
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

from localfin.fraud.transactions.report import BadRows
from localfin.fraud.transactions.source import Source
from localfin.text import clean_text
from localfin_models.language import _

SEPARATOR = "\x1f"  # a control character, so that no cleaned value holds it
LONGEST_LINE = 1 << 20  # characters
_CONTROLS = dict.fromkeys((*range(32), 127), " ")
_BATCH = 8192  # records written at once


class _Lines:
    """The lines of a text, with those of the present record kept, so that they can be read again."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._again: deque[str] = deque()
        self.number = 0  # of the last line handed out
        self.taken: list[str] = []
        self.ended = self.overlong = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._file.readline(LONGEST_LINE)
        if not line:
            self.ended = True
            raise StopIteration
        if len(line) >= LONGEST_LINE and line[-1] not in "\r\n":
            self.overlong = True
            while (rest := self._file.readline(LONGEST_LINE)) and rest[-1] not in "\r\n":
                pass
            line = "\n"
        self.number += 1
        self.taken.append(line)
        return line

    def start_record(self) -> None:
        self.taken.clear()
        self.overlong = False

    def keep_only_the_first(self) -> None:
        """Hand out the record's other lines again."""
        self._again.extendleft(reversed(self.taken[1:]))
        self.number -= len(self.taken) - 1
        self.ended = False


def open_text(source: Source) -> TextIO:
    """The text with its own line ends; bytes that are no text become lone surrogates, which `clean_rows` refuses."""
    return io.open(source.path, encoding=source.encoding, errors="surrogateescape", newline="")  # noqa: UP020


def clean_csv(
    source: Source, delimiter: str, skip: int, width: int, wanted: Sequence[int], out: Path, bad: BadRows
) -> None:
    """Write the `wanted` fields of all records after the first `skip` lines, each after its line and its place."""
    with open_text(source) as file:
        _write(_csv_records(file, delimiter, skip, width, bad), wanted, out, bad, source.encoding)


def clean_jsonl(source: Source, names: Sequence[str], out: Path, bad: BadRows) -> None:
    """The same of JSON lines: the values at `names`."""
    with open_text(source) as file:
        _write(_json_records(file, names, bad), range(len(names)), out, bad, source.encoding)


def _write(
    records: Iterator[tuple[int, Sequence[str]]], wanted: Sequence[int], out: Path, bad: BadRows, encoding: str
) -> None:
    fields = len(wanted) + 1
    with out.open("xb") as file:
        batch: list[bytes] = []
        for place, (line, record) in enumerate(records):
            text = SEPARATOR.join([f"{line}{SEPARATOR}{place}", *[record[at] for at in wanted]])
            try:
                encoded = text.encode()
            except UnicodeEncodeError:
                bad.add(line, _("holds bytes that are not {encoding}").format(encoding=encoding.upper()))
                continue
            if text.count(SEPARATOR) != fields or not text.replace(SEPARATOR, "").isprintable():
                cleaned = [clean_text(record[at]).translate(_CONTROLS) for at in wanted]
                encoded = SEPARATOR.join([f"{line}{SEPARATOR}{place}", *cleaned]).encode()
            batch.append(encoded)
            if len(batch) >= _BATCH:
                file.write(b"\n".join(batch) + b"\n")
                batch.clear()
        if batch:
            file.write(b"\n".join(batch) + b"\n")


def _csv_records(
    file: TextIO, delimiter: str, skip: int, width: int, bad: BadRows
) -> Iterator[tuple[int, Sequence[str]]]:
    lines = _Lines(file)
    for _line in range(skip):
        next(lines, None)
    lines.start_record()
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        record: list[str] = []
        try:
            record = next(reader)
            reason = _csv_fault(record, width, lines)
        except StopIteration:
            return
        except csv.Error:
            reason = _("a quote is never closed, or a field is too long")
        first = lines.number - len(lines.taken) + 1
        if reason:
            bad.add(first, reason)
            lines.keep_only_the_first()
            reader = csv.reader(lines, delimiter=delimiter)
        elif record:
            yield first, record
        lines.start_record()


def _csv_fault(record: list[str], width: int, lines: _Lines) -> str:
    """What is wrong with a record; blank lines and empty fields beyond the last column are nothing wrong."""
    if lines.overlong:
        return _("the line is longer than {limit} characters").format(limit=LONGEST_LINE)
    if lines.ended:
        return _("a quote is never closed")
    if len(record) == width or not record:
        return ""
    if not any(field.strip() for field in record):
        record.clear()
        return ""
    if len(record) > width and not any(field.strip() for field in record[width:]):
        return ""
    return _("{count} fields instead of {width}").format(count=len(record), width=width)


def _json_records(file: TextIO, names: Sequence[str], bad: BadRows) -> Iterator[tuple[int, Sequence[str]]]:
    lines = _Lines(file)
    for line in lines:
        if lines.overlong:
            bad.add(lines.number, _("the line is longer than {limit} characters").format(limit=LONGEST_LINE))
        elif line.strip():
            found = json_object(line)
            if found is None:
                bad.add(lines.number, _("is no JSON object"))
            else:
                yield lines.number, [found.get(name, "") for name in names]
        lines.start_record()


def json_object(line: str) -> dict[str, str] | None:
    """The scalar values of one JSON object, as texts: numbers digit by digit; None where the line is no object."""
    try:
        # Numbers stay text: a card number beyond 2**53 keeps its digits, and 1e999 is refused later, with its reason.
        found = json.loads(line.lstrip("\ufeff"), parse_int=str, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    return {name: _json_text(value) for name, value in found.items()}


def _json_text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else ""
