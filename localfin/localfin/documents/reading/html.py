"""HTML: headings, paragraphs and tables, tag by tag. Scripts and styles are passed over, links are not followed."""

from html.parser import HTMLParser

from localfin.documents.reading.encoding import Text
from localfin.documents.reading.sink import Sink

_SILENT = frozenset({"script", "style", "template", "noscript", "svg", "math", "iframe", "object", "select", "canvas"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_INLINE_NAMES = (
    "a abbr acronym b bdi bdo big center cite code del dfn em font i img input ins kbd label mark q rp rt "
    "ruby s samp small span strike strong sub sup time tt u var wbr"
)
_INLINE = frozenset(_INLINE_NAMES.split(" "))
_CELL = frozenset({"td", "th"})
_TABLE = frozenset({"table", "thead", "tbody", "tfoot", "tr", "td", "th"})
_LONGEST = 50_000  # characters of a paragraph
_MOST_ROWS = 2_000  # of a table, which then goes on in the next block
_WIDEST = 200  # columns that one cell may span


def read_html(text: Text, sink: Sink) -> None:
    page = _Page(sink)
    for piece in text.pieces():
        page.feed(piece)
        sink.step(text.position)
    page.close()
    page.end()


class _Table:
    def __init__(self) -> None:
        self.rows: list[list[str]] = []
        self.cell: list[str] | None = None
        self.span = 1
        self.lays_out = False
        """Holds another table: its cells are paragraphs."""


class _Page(HTMLParser):
    def __init__(self, sink: Sink) -> None:
        super().__init__(convert_charrefs=True)
        self._sink = sink
        self._words: list[str] = []
        self._size = 0
        self._heading = ""
        self._silent = ""
        self._depth = 0
        self._tables: list[_Table] = []
        self._title: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if self._silent:
            self._depth += tag == self._silent
        elif tag in _SILENT:
            self._silent, self._depth = tag, 1
        elif tag == "title":
            self._title = []
        elif tag in _TABLE:
            self._table_starts(tag, dict(attrs))
        elif tag == "br":
            self._words.append("\n")
        elif tag not in _INLINE:
            self._flush()
            self._heading = tag if tag in _HEADINGS else self._heading

    def handle_endtag(self, tag: str) -> None:
        if self._silent:
            self._depth -= tag == self._silent
            self._silent = self._silent if self._depth > 0 else ""
        elif tag == "title" and self._title is not None:
            self._sink.title = self._sink.title or " ".join("".join(self._title).split())
            self._title = None
        elif tag in _TABLE:
            self._table_ends(tag)
        elif tag not in _INLINE:
            self._flush()
            self._heading = "" if tag in _HEADINGS else self._heading

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _SILENT:  # `<script/>` opens one, in HTML; in XHTML it is empty, and more is read than is shown
            self.handle_starttag(tag, attrs)

    def handle_data(self, data: str) -> None:
        if self._silent:
            return
        if self._title is not None:
            self._title.append(data[:1000])
            return
        self._words.append(data)
        self._size += len(data)
        if self._size > _LONGEST:
            self._flush()

    def end(self) -> None:
        self._flush()
        while self._tables:
            self._table_ends("table")

    def _flush(self) -> None:
        words, self._words, self._size = "".join(self._words), [], 0
        if not words.strip():
            return
        table = self._tables[-1] if self._tables else None
        if table is not None and table.cell is not None and not table.lays_out:
            table.cell.append(words)
        elif self._heading:
            self._sink.heading(words)
        else:
            self._sink.text("\n".join(" ".join(line.split()) for line in words.split("\n")).strip())

    def _table_starts(self, tag: str, attributes: dict[str, str | None]) -> None:
        self._flush()
        if tag == "table":
            for outer in self._tables:
                self._lay_out(outer)
            self._tables.append(_Table())
            return
        if not self._tables:
            return
        table = self._tables[-1]
        self._end_cell(table)
        if tag in _CELL:
            said = attributes.get("colspan") or "1"
            table.span = min(max(int(said), 1), _WIDEST) if said.isdecimal() and len(said) < 5 else 1
            table.cell = []
            if not table.rows:
                table.rows.append([])
        elif tag == "tr":
            self._new_row(table)

    def _table_ends(self, tag: str) -> None:
        self._flush()
        if not self._tables:
            return
        table = self._tables[-1]
        self._end_cell(table)
        if tag == "table":
            self._tables.pop()
            self._sink.table([row for row in table.rows if any(row)])

    def _new_row(self, table: _Table) -> None:
        if len(table.rows) >= _MOST_ROWS:
            self._sink.table([row for row in table.rows if any(row)])
            table.rows = []
        table.rows.append([])

    def _end_cell(self, table: _Table) -> None:
        if table.cell is None:
            return
        text = " ".join(" ".join(table.cell).split())
        table.cell = None
        if not table.lays_out:
            table.rows[-1] += [text, *[""] * (table.span - 1)]

    def _lay_out(self, table: _Table) -> None:
        """What was gathered of it is paragraphs after all."""
        table.lays_out = True
        for row in table.rows:
            for cell in row:
                self._sink.text(cell)
        for words in table.cell or ():
            self._sink.text(" ".join(words.split()))
        table.rows = [[]]
        table.cell = [] if table.cell is not None else None
