"""Cuts a document's blocks into passages: within one page, sheet and section, of bounded size, a table whole where it
fits."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from localfin.documents.index import Piece
from localfin.documents.passage import Block
from localfin.documents.ranking import parts

LONGEST = 1_200
"""Characters of a passage of text at most."""
LONGEST_TABLE = 2_400
"""Characters of a table that stays whole, with the lines that lead to it."""
SHORT = 300
"""Characters below which lines belong to the large table that follows them."""
DEEPEST = 6
"""Headings that a passage knows above it, the outermost and the last."""

_RANGE = re.compile(r"([A-Z]+)(\d+):([A-Z]+)(\d+)")


def cut(blocks: Iterable[Block]) -> Iterator[Piece]:
    """Passages in the order of the document. Their text is the blocks' text, one block a line or more."""
    chunk = _Chunk()
    for block in blocks:
        text = block.text.strip()
        if not text:
            continue
        if (block.page, block.sheet) != (chunk.page, chunk.sheet):
            yield from chunk.cut_off()
            chunk.page, chunk.sheet = block.page, block.sheet
        if block.kind == "table":
            yield from chunk.add_table(text, block.cells)
        else:
            yield from chunk.add_text(text, block.cells, is_heading=block.kind == "heading")
    yield from chunk.cut_off()


class _Chunk:
    """The passage that is growing."""

    def __init__(self) -> None:
        self.page: int | None = None
        self.sheet: str | None = None
        self.headings: list[str] = []
        self.after_heading = False
        self.begin()

    def begin(self) -> None:
        self.lines: list[str] = []
        self.size = 0
        self.heading = " > ".join(self.headings)

    def cut_off(self) -> Iterator[Piece]:
        if self.lines:
            yield Piece("\n".join(self.lines), self.heading, self.page, self.sheet)
        self.begin()

    def add_text(self, text: str, cells: str | None, *, is_heading: bool) -> Iterator[Piece]:
        if is_heading:
            # Headings that follow each other lie within each other; one after text begins anew.
            if not self.after_heading:
                yield from self.cut_off()
                self.headings = []
            self.headings = [*self.headings[: DEEPEST - 1], text[:LONGEST]]
            self.heading = " > ".join(self.headings)
        self.after_heading = is_heading
        for part in _shortened(text, LONGEST):
            if self.lines and self.size + len(part) > LONGEST:
                yield from self.cut_off()
            self.lines.append(part)
            self.size += len(part) + 1

    def add_table(self, text: str, cells: str | None) -> Iterator[Piece]:
        """A small table stands among its page's text; few lines before a larger one stay with it; a huge one is cut."""
        self.after_heading = False
        most = LONGEST if self.size > SHORT else LONGEST_TABLE
        if cells or self.size + len(text) > most:
            yield from self.cut_off()
        if not cells and len(text) <= LONGEST:
            self.lines.append(text)
            self.size += len(text) + 1
            return
        if self.size + len(text) <= LONGEST_TABLE:
            lead = "\n".join([*self.lines, text])
            yield Piece(lead, self.heading, self.page, self.sheet, cells)
        else:
            header, *rows = text.split("\n")
            for first, last, part in _groups_of_rows(header, rows):
                yield Piece(part, self.heading, self.page, self.sheet, _cells_of(cells, first, last, 1 + len(rows)))
        self.begin()


def _groups_of_rows(header: str, rows: list[str]) -> Iterator[tuple[int, int, str]]:
    """The first and last row of each part, counted from 0 at the header, and the part with the header above it."""
    header = header[: LONGEST_TABLE // 4]
    first, last, size, group = 1, 1, len(header), list[str]()
    for number, row in enumerate(rows, 1):
        for part in _shortened(row, LONGEST):
            if group and size + len(part) > LONGEST:
                yield first, last, "\n".join([header, *group])
                first, size, group = number, len(header), []
            group.append(part)
            last, size = number, size + len(part) + 1
    if group:
        yield first, last, "\n".join([header, *group])


def _cells_of(cells: str | None, first: int, last: int, n_rows: int) -> str | None:
    """The part of a range that holds some of its rows, where it has as many rows as the text."""
    match = _RANGE.fullmatch(cells or "")
    if match is None or int(match[4]) - int(match[2]) + 1 != n_rows:
        return cells
    top = int(match[2])
    return f"{match[1]}{top + first}:{match[3]}{top + last}"


def _shortened(text: str, longest: int) -> Iterator[str]:
    """A text in parts of at most `longest` characters, cut between sentences, else between words, else anywhere."""
    if len(text) <= longest:
        yield text
        return
    start = 0
    ends = [stop for _start, stop in parts(text)]
    while len(text) - start > longest:
        limit = start + longest
        before = bisect_right(ends, limit)
        stop = ends[before - 1] if before else 0
        stop = stop if stop - start >= longest // 4 else text.rfind(" ", start + longest // 2, limit)
        stop = stop if stop > start else limit
        yield text[start:stop].strip()
        start = stop
    if rest := text[start:].strip():
        yield rest
