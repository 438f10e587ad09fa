"""What the words of a document are called on their way from a file to a citation."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["text", "heading", "table"]


@dataclass(frozen=True, slots=True)
class Block:
    """One paragraph, heading or table of a document, as its reader found it."""

    kind: Kind
    text: str
    """NFC, control characters removed. A table has one line a row, its cells separated by tabs."""
    page: int | None = None
    """From 1, in formats that have pages."""
    sheet: str | None = None
    """In workbooks."""
    cells: str | None = None
    """In workbooks and CSV: the range that the block covers, as in `B2:D40`."""


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of one document that is found and cited as a whole: some blocks of one page or sheet."""

    id: int
    document: Path | None
    """The file; None for an entry of the handbook."""
    title: str
    """The document's title, or the entry's name."""
    heading: str
    """The headings above it, outermost first, joined by ` > `; empty without."""
    page: int | None
    sheet: str | None
    cells: str | None
    text: str
    """As in the source, so that a quote can be found in it."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One passage that a search found."""

    passage: Passage
    score: float
    """Higher is better; comparable within one search only."""
    quote: str
    """The part of `passage.text` that matched best, a literal part of it."""


def below_headings(heading: str, text: str) -> int:
    """Where a passage's text begins below the headings that it begins with; 0 where it is nothing but headings."""
    names, place = set(heading.split(" > ")), 0
    while place < len(text):
        line, _break, _rest = text[place:].partition("\n")
        if line not in names:
            return place
        place += len(line) + 1
    return 0
