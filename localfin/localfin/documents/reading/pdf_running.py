"""Running heads of a PDF: lines at the same height of many pages, the same but for the number of the page."""

import re
from collections import Counter
from collections.abc import Iterable

from localfin.documents.reading.pdf_layout import Layout, Line

_NUMBER = re.compile(r"\d{1,5}")
_ROUND = 4.0  # points
_APART = 0.8  # heights of the line
_AT_EDGE = 2  # lines from the top and from the bottom that may be running heads

_Key = tuple[str, int]


class Running:
    """Learned from some pages; each running head stays where it occurs first."""

    def __init__(self, pages: Iterable[tuple[int, Layout]]) -> None:
        counted: Counter[_Key] = Counter()
        n_pages = 0
        for page, layout in pages:
            n_pages += 1
            lines = (line for line in _at_edges(layout.lines) if not layout.is_larger(line))
            counted.update({key for line in lines for key in _keys(line, page)})
        enough = max(4, 0.6 * n_pages)
        self._known = {key for key, count in counted.items() if count >= enough}
        self._heights = {height for _text, height in self._known}
        self._first: dict[_Key, int] = {}
        self.dropped: list[str] = []
        """The texts that were read once only."""

    def drops(self, line: Line, page: int) -> bool:
        if round(line.bottom / _ROUND) not in self._heights:
            return False
        key = next((key for key in _keys(line, page) if key in self._known), None)
        if key is None:
            return False
        first = self._first.setdefault(key, page)
        if first != page and len(self.dropped) < len(self._first):
            self.dropped.append(line.text)
        return first != page


def _at_edges(lines: list[Line]) -> list[Line]:
    """The outermost lines, where white space sets them apart from the others."""
    upwards = sorted(lines, key=lambda line: line.bottom)
    return _apart(upwards) + _apart(upwards[::-1])


def _apart(lines: list[Line]) -> list[Line]:
    for count in range(1, min(_AT_EDGE, len(lines) - 1) + 1):
        outer, inner = lines[count - 1], lines[count]
        gap = max(inner.bottom - outer.top, outer.bottom - inner.top)
        if gap > _APART * outer.height:
            return lines[:count]
    return []


def _keys(line: Line, page: int) -> list[_Key]:
    """The line as it is; where a number at one end may be the page's, as the page's distance from it."""
    text, height = line.text, round(line.bottom / _ROUND)
    numbers = list(_NUMBER.finditer(text))
    ends = {match.span(): match for match in (numbers[:1] + numbers[-1:])}.values()
    relative = (f"{text[: m.start()]}\0{int(m[0]) - page}\0{text[m.end() :]}" for m in ends)
    return [(each, height) for each in (text, *relative)]
