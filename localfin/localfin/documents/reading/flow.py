"""Paragraphs and tables of word processors' XML. DOCX and HWPX call the same things `p`, `t`, `tbl`, `tr` and `tc`."""

from dataclasses import dataclass, field

from localfin.documents.reading.sink import Sink
from localfin.documents.reading.xml_events import Attributes

_MOST_ROWS = 2_000  # of a table, which then goes on in the next block
_WIDEST = 200  # columns that one cell may span
_LONGEST = 50_000  # characters of a paragraph
_BREAKS = {"tab": " ", "br": "\n", "cr": "\n", "lineBreak": "\n", "nbSpace": " ", "fwSpace": " ", "noBreakHyphen": "-"}


@dataclass
class _Paragraph:
    heading: bool
    parts: list[str] = field(default_factory=list)
    size: int = 0


@dataclass
class _Table:
    rows: list[list[str]] = field(default_factory=list)
    cell: list[str] | None = None
    span: int = 1


class Flow:
    """An XML handler; what is peculiar to a format stands in its subclass."""

    silent: frozenset[str] = frozenset()
    """Elements that are passed over with all within them."""

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self.hidden = False
        """Whether the text that comes is not shown."""
        self._silent = 0
        self._paragraphs: list[_Paragraph] = []
        self._tables: list[_Table] = []
        self._in_text = False

    def is_heading(self, attributes: Attributes) -> bool:
        """Whether the paragraph that starts is one, as far as its own attributes say."""
        return False

    def inside(self, name: str, attributes: Attributes) -> None:
        """An element of the format's own."""

    def left(self, name: str) -> None:
        """An element ends."""

    def start(self, name: str, attributes: Attributes) -> None:
        if self._silent or name in self.silent:
            self._silent += 1
        elif name == "t":
            self._in_text = True
        elif name == "p":
            self._paragraphs.append(_Paragraph(self.is_heading(attributes)))
        elif name == "tbl":
            self._break_paragraph()
            self._tables.append(_Table())
        elif name == "tr" and self._tables:
            self._new_row(self._tables[-1])
        elif name == "tc" and self._tables:
            self._tables[-1].cell, self._tables[-1].span = [], 1
        elif name in _BREAKS and self._paragraphs and not self.hidden:
            self._paragraphs[-1].parts.append(_BREAKS[name])
        else:
            self.inside(name, attributes)

    def end(self, name: str) -> None:
        if self._silent:
            self._silent -= 1
            return
        if name == "t":
            self._in_text = False
        elif name == "p" and self._paragraphs:
            self._say(self._paragraphs.pop())
        elif name == "tc" and self._tables:
            self._end_cell(self._tables[-1])
        elif name == "tbl" and self._tables:
            self._end_table(self._tables.pop())
        self.left(name)

    def data(self, text: str) -> None:
        if self._in_text and not self._silent and not self.hidden and self._paragraphs:
            paragraph = self._paragraphs[-1]
            paragraph.parts.append(text)
            paragraph.size += len(text)
            if paragraph.size > _LONGEST:
                self._break_paragraph()

    def this_is_a_heading(self) -> None:
        if self._paragraphs:
            self._paragraphs[-1].heading = True

    def spans(self, columns: str | None) -> None:
        """The cell that is open is as wide as so many."""
        if self._tables and columns and columns.isdecimal() and len(columns) < 5:
            self._tables[-1].span = min(max(int(columns), 1), _WIDEST)

    def _break_paragraph(self) -> None:
        """What it holds so far comes before what starts now."""
        if self._paragraphs:
            paragraph = self._paragraphs[-1]
            self._say(_Paragraph(paragraph.heading, paragraph.parts))
            paragraph.parts, paragraph.size = [], 0

    def _say(self, paragraph: _Paragraph) -> None:
        text = "".join(paragraph.parts).strip()
        if not text:
            return
        if self._tables and self._tables[-1].cell is not None:
            self._tables[-1].cell.append(text)
        elif paragraph.heading:
            self.sink.heading(text)
        else:
            self.sink.text(text)

    def _new_row(self, table: _Table) -> None:
        if len(table.rows) >= _MOST_ROWS and len(self._tables) == 1:
            self.sink.table(table.rows)
            table.rows = []
        table.rows.append([])

    def _end_cell(self, table: _Table) -> None:
        if table.cell is not None and table.rows:
            table.rows[-1] += [" ".join(table.cell), *[""] * (table.span - 1)]
        table.cell = None

    def _end_table(self, table: _Table) -> None:
        rows = [row for row in table.rows if any(row)]
        if self._tables and self._tables[-1].cell is not None:  # within a cell of another
            self._tables[-1].cell += [" ".join(cell for cell in row if cell) for row in rows]
        else:
            self.sink.table(rows)
