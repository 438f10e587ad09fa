"""Delimited text: which delimiter divides it, and its records. Shared by transactions, tables and documents."""

import contextlib
import csv
import io
from collections import Counter

DELIMITERS = (",", "\t", "|", ";", "\x1f", "^")


def delimiter_in(text: str) -> str | None:
    """The delimiter in which most of the first records have the same number of fields, more than one; else None."""
    best: tuple[float, int, str] | None = None
    for delimiter in DELIMITERS:
        widths = Counter(len(row) for row in records_of(text, delimiter))
        if not widths:
            continue
        width, count = max(widths.items(), key=lambda item: (item[1] if item[0] > 1 else 0, item[0]))
        if width > 1:
            rating = (round(count / widths.total(), 1), width, delimiter)
            best = max(best, rating, key=lambda item: item[:2]) if best else rating
    return best[2] if best else None


def records_of(text: str, delimiter: str) -> list[list[str]]:
    """The records of a short text, up to where they can't be parsed."""
    found: list[list[str]] = []
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    with contextlib.suppress(csv.Error):
        found.extend(row for row in rows if row)
    return found
