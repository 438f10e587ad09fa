"""From the words of a page to lines, paragraphs, headings and tables, by where they stand.

A table is recognised by rows whose cells stand above each other; its ruling is not looked at. Numbers that a writer put
down column by column are put back into their rows.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from localfin.documents.reading.pdf_words import Word, squeezed

_WIDE = 0.85
"""A gap between words, in heights of the line, from which another cell begins; justified text stays below."""
_ALIGNED = 3.0  # points
_SIGNS = r"\d\s.,%()+\-–—−△▲▼₩$€£¥원백천만억조"
_NUMBER = re.compile(rf"[{_SIGNS}]*\d[{_SIGNS}]*|[-–—−]|[A-Z]{{0,3}}[$€£¥₩]")
_BEFORE_FIGURES = frozenset("$€£¥₩") | {"US$", "USD", "KRW", "EUR"}
_AFTER_FIGURES = frozenset({")", "%", ")%", ") %"})
_LARGER = 1.18  # times the height of the page's usual line, from which a line is a heading
_LONGEST_HEADING = 120
_PARAGRAPH_GAP = 1.0  # heights of empty space between two lines, from which a paragraph begins
_ROOM = 1.5  # widths of the next line's first word, from which it would have stood in the line before
_LONGEST_CELL = 45  # characters; rows of longer ones without a number are two columns of prose


@dataclass(slots=True)
class Segment:
    """Words of one line without a wide gap between them."""

    text: str
    left: float
    right: float
    bottom: float
    top: float


@dataclass(slots=True)
class Line:
    segments: list[Segment]
    bottom: float
    top: float

    @property
    def text(self) -> str:
        return " ".join(segment.text for segment in self.segments)

    @property
    def height(self) -> float:
        return max(self.top - self.bottom, 1.0)


@dataclass(slots=True)
class Paragraph:
    text: str
    heading: bool


Rows = list[list[str]]


@dataclass(slots=True)
class Layout:
    lines: list[Line]
    usual: float = field(default=10.0)
    """The height of most characters' lines, in points."""

    def paragraphs(self, headings: frozenset[str], dropped: Callable[[Line], bool]) -> Iterator[Paragraph | Rows]:
        """`headings` are the titles, squeezed, that the document's outline gives for this page."""
        lines = [line for line in self.lines if not dropped(line)]
        at = 0
        while at < len(lines):
            end = _table_end(lines, at)
            if end > at:
                yield _rows(lines[at:end])
                at = end
                continue
            end = at + 1
            heading = self._is_heading(lines[at], headings)
            while end < len(lines) and self._goes_on(lines, end, heading, headings) and _table_end(lines, end) == end:
                end += 1
            yield Paragraph(_joined(lines[at:end]), heading)
            at = end

    def _is_heading(self, line: Line, headings: frozenset[str]) -> bool:
        text = line.text
        if len(text) > _LONGEST_HEADING or not any(c.isalpha() for c in text):
            return False
        return squeezed(text) in headings or (self.is_larger(line) and not text.endswith((".", ",")))

    def is_larger(self, line: Line) -> bool:
        return line.height >= _LARGER * self.usual

    def _goes_on(self, lines: list[Line], at: int, heading: bool, headings: frozenset[str]) -> bool:
        before, line = lines[at - 1], lines[at]
        if self._is_heading(line, headings) != heading or abs(line.height - before.height) > 0.15 * before.height:
            return False
        gap = before.bottom - line.top
        return -0.8 * before.height < gap < _PARAGRAPH_GAP * before.height


def lay_out(words: list[Word]) -> Layout:
    lines: list[Line] = []
    for segment in _segments(words):
        line = lines[-1] if lines else None
        if line is None or not _beside(line, segment):
            line = _row_of_number(lines, segment)
            if line is not None and line is not lines[-1]:
                _put_head_of_column_above(lines, line)
        if line is None:
            lines.append(Line([segment], segment.bottom, segment.top))
        else:
            line.segments.append(segment)
    heights = Counter[float]()
    for line in lines:
        line.segments = _with_their_signs(sorted(line.segments, key=lambda segment: segment.left))
        heights[round(line.height * 2) / 2] += len(line.text)
    return Layout(lines, heights.most_common(1)[0][0] if heights else 10.0)


def _with_their_signs(segments: list[Segment]) -> list[Segment]:
    """Statements set a currency's sign at the left of its column, and closing signs apart."""
    joined: list[Segment] = []
    for segment in segments:
        before = joined[-1] if joined else None
        if before is not None and (before.text in _BEFORE_FIGURES or segment.text in _AFTER_FIGURES):
            text = f"{before.text} {segment.text}" if before.text in _BEFORE_FIGURES else before.text + segment.text
            joined[-1] = Segment(text, before.left, segment.right, before.bottom, before.top)
        else:
            joined.append(segment)
    return joined


def _segments(words: list[Word]) -> Iterator[Segment]:
    parts: list[Word] = []
    for word in words:
        if parts and not _same_segment(parts[-1], word):
            yield _segment(parts)
            parts = []
        parts.append(word)
    if parts:
        yield _segment(parts)


def _segment(words: list[Word]) -> Segment:
    return Segment(
        " ".join(word.text for word in words),
        min(word.left for word in words),
        max(word.right for word in words),
        words[len(words) // 2].bottom,
        words[len(words) // 2].top,
    )


def _same_segment(before: Word, word: Word) -> bool:
    height = before.top - before.bottom
    if height < 1.0:
        height = 1.0
    if not -0.3 * height < word.left - before.right < _WIDE * height:
        return False
    return word.bottom == before.bottom or _overlap(before.bottom, before.top, word.bottom, word.top) > 0.5


def _overlap(bottom: float, top: float, other_bottom: float, other_top: float) -> float:
    """As a share of the lower of the two."""
    lower = max(min(top - bottom, other_top - other_bottom), 0.1)
    return (min(top, other_top) - max(bottom, other_bottom)) / lower


def _beside(line: Line, segment: Segment) -> bool:
    right = max(each.right for each in line.segments)
    return _overlap(line.bottom, line.top, segment.bottom, segment.top) > 0.5 and segment.left > right - 1


def _row_of_number(lines: list[Line], segment: Segment) -> Line | None:
    """The line that a number stands beside although other lines were written between them."""
    if not _NUMBER.fullmatch(segment.text):
        return None
    for line in reversed(lines[-200:]):
        if _overlap(line.bottom, line.top, segment.bottom, segment.top) > 0.7 and all(
            segment.left >= each.right - 1 or segment.right <= each.left + 1 for each in line.segments
        ):
            return line
    return None


def _put_head_of_column_above(lines: list[Line], row: Line) -> None:
    """A column was written after the labels: the number above its first row came last, and belongs above that row."""
    head = lines[-1]
    above = head.bottom > row.bottom and head.bottom - row.top < 3 * row.height
    if above and len(head.segments) == 1 and _NUMBER.fullmatch(head.segments[0].text):
        lines.insert(lines.index(row), lines.pop())


def _table_end(lines: list[Line], start: int) -> int:
    """Where the table that begins at `start` ends; `start` where none does."""
    if len(lines[start].segments) < 2:
        return start
    end, last_row, rows = start + 1, lines[start], 1
    while end < len(lines):
        line = lines[end]
        if len(line.segments) >= 2 and _aligned(last_row, line):
            last_row, rows = line, rows + 1
        elif not (len(line.segments) == 1 and end + 1 < len(lines) and _is_label(last_row, line, lines[end + 1])):
            break
        end += 1
    cells = [segment.text for line in lines[start:end] for segment in line.segments]
    prose = sum(map(len, cells)) > _LONGEST_CELL * len(cells) or not any(c.isdigit() for cell in cells for c in cell)
    return start if rows < 2 or (prose and rows < 3) or sum(map(len, cells)) > _LONGEST_CELL * len(cells) else end


def _aligned(above: Line, line: Line) -> bool:
    """Whether a cell after the first stands under one of the line above, and the lines follow each other."""
    if above.bottom - line.top > 4 * above.height or line.bottom > above.bottom:
        return False
    return any(
        abs(a.left - b.left) < _ALIGNED
        or abs(a.right - b.right) < _ALIGNED
        or abs(a.left + a.right - b.left - b.right) < 2 * _ALIGNED
        or min(a.right, b.right) - max(a.left, b.left) > 0.5 * min(a.right - a.left, b.right - b.left)
        for a in above.segments[1:]
        for b in line.segments[1:]
    )


def _is_label(row: Line, line: Line, following: Line) -> bool:
    """A line of its own within a table, such as `Assets:`: left of the columns, with another row below it."""
    (segment,) = line.segments
    return (
        segment.right < row.segments[1].left
        and row.bottom > line.bottom
        and row.bottom - line.top < 2 * row.height
        and len(following.segments) >= 2
        and _aligned(row, following)
    )


def _rows(lines: list[Line]) -> Rows:
    """Cells by column; the rows with most cells say where the columns are."""
    most = Counter(len(line.segments) for line in lines if len(line.segments) > 1).most_common()
    width = max(width for width, count in most if 2 * count >= most[0][1])
    columns: list[list[float]] = []
    spans = sorted((s.left, s.right) for line in lines if len(line.segments) == width for s in line.segments)
    for left, right in spans:
        if columns and left < columns[-1][1]:
            columns[-1][1] = max(columns[-1][1], right)
        else:
            columns.append([left, right])
    table: Rows = []
    for line in lines:
        row = [""] * len(columns)
        for segment in line.segments:
            column = max(range(len(columns)), key=lambda index: _nearness(columns[index], segment))
            row[column] = f"{row[column]} {segment.text}".strip()
        table.append(row)
    return table


def _nearness(column: list[float], segment: Segment) -> float:
    """Points of overlap; the distance as a negative number where there is none."""
    return min(column[1], segment.right) - max(column[0], segment.left)


def _joined(lines: list[Line]) -> str:
    """A paragraph's lines; one that had room for the next word ended on purpose, and stays a line."""
    edge = max(line.segments[-1].right for line in lines)
    text = lines[0].text
    for before, line in pairwise(lines):
        first = line.segments[0]
        word = (first.right - first.left) * len(first.text.split(" ", 1)[0]) / max(len(first.text), 1)
        ended = before.segments[-1].right + _ROOM * word + before.height < edge
        text += ("\n" if ended else " ") + line.text
    return text
