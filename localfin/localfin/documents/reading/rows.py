"""Rows of sheets and delimited texts, gathered into blocks with the range of cells that they cover."""

from localfin.documents.reading.sink import Sink

_LONGEST = 100_000  # characters of a block
_LONGEST_CELL = 32_767  # Excel's own limit


def column_name(number: int) -> str:
    """`A` for 1, `AA` for 27."""
    letters = ""
    while number > 0:
        number, rest = divmod(number - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


class Rows:
    """Rows that follow each other become one block, line by line; an empty row ends it, and so does its length."""

    def __init__(self, sink: Sink, sheet: str | None) -> None:
        self._sink, self._sheet = sink, sheet
        self._rows: list[dict[int, str]] = []
        self._first = 0
        self._size = 0

    def add(self, number: int, row: dict[int, str]) -> None:
        """Row `number` (from 1, ascending): texts by column (from 1)."""
        texts = {column: " ".join(text.split())[:_LONGEST_CELL] for column, text in row.items()}
        cells = {column: text for column, text in texts.items() if text}
        if not cells or number != self._first + len(self._rows) or self._size > _LONGEST:
            self.end()
        if cells:
            self._first = self._first if self._rows else number
            self._rows.append(cells)
            self._size += sum(map(len, cells.values())) + max(cells)

    def end(self) -> None:
        rows, self._rows, self._size = self._rows, [], 0
        if not rows:
            return
        left, right = min(map(min, rows)), max(map(max, rows))
        lines = ("\t".join(row.get(column, "") for column in range(left, max(row) + 1)) for row in rows)
        last = self._first + len(rows) - 1
        cells = f"{column_name(left)}{self._first}:{column_name(right)}{last}"
        alone = len(rows) == 1 and len(rows[0]) == 1
        self._sink.cells("text" if alone else "table", "\n".join(lines), self._sheet, cells)
        self._first = last + 1
