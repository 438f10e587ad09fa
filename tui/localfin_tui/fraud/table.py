"""A table of judged transactions that draws only the lines one sees, however many there are.

Rows stay outside: the table asks for those of its window. Columns are set by terminal cells, so that Korean lines up.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from textual.binding import Binding, BindingType
from textual.events import Click
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from localfin.fraud.desk import Row
from localfin.fraud.output.lines import verdict_word
from localfin.store.cases import Case
from localfin_models.language import _

MARKS = {"suspicious": "!!", "review": "! ", "normal": "  "}
_WIDTHS = (2, 10, 5, 9, 1, 16, 14, 3, 14, 14, 16)
"""Cells of: mark, verdict, score, decision, note, time, amount, currency, customer, counterparty, id."""
_TO_THE_RIGHT = (2, 6)
_ALL = sum(_WIDTHS) + len(_WIDTHS) - 1


class RowTable(ScrollView, can_focus=True):
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "rows--head",
        "rows--cursor",
        "rows--suspicious",
        "rows--review",
        "rows--normal",
    }
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", "Up", show=False),
        Binding("down", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "to(0)", "Start", show=False),
        Binding("end", "to(-1)", "End", show=False),
    ]

    class Moved(Message):
        """The cursor stands on another row."""

    def __init__(self, row: Callable[[int], Row], case: Callable[[int], Case | None], *, id: str) -> None:
        """`row`: one by its number; `case`: how that of a place in the file was decided."""
        super().__init__(id=id)
        self._row, self._case = row, case
        self._shown: Sequence[int] = ()
        self.cursor = 0
        self.virtual_size = Size(_ALL, 1)

    @property
    def number(self) -> int | None:
        """Of the row under the cursor; None where there is none."""
        return self._shown[self.cursor] if self.cursor < len(self._shown) else None

    def show_rows(self, shown: Sequence[int]) -> None:
        """These rows by their numbers, in this order; the cursor stays on its row, else at its place from the top."""
        number, at = self.number, self.cursor
        if number is not None and not (at < len(shown) and shown[at] == number):
            with suppress(ValueError):
                at = shown.index(number)
        self._shown = shown
        self.virtual_size = Size(_ALL, len(shown) + 1)
        self.go(at)

    def go(self, to: int) -> None:
        """Put the cursor on a line of the table, and let it be seen."""
        self.cursor = min(max(to, 0), max(len(self._shown) - 1, 0))
        top, window = self.scroll_offset.y, self._window
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False)
        elif self.cursor >= top + window:
            self.scroll_to(y=self.cursor - window + 1, animate=False)
        self.refresh()
        self.post_message(self.Moved())

    def action_move(self, by: int) -> None:
        self.go(self.cursor + by)

    def action_page(self, by: int) -> None:
        self.go(self.cursor + by * self._window)

    def action_to(self, to: int) -> None:
        self.go(to if to >= 0 else len(self._shown) + to)

    def on_click(self, event: Click) -> None:
        if event.y > 0:
            self.go(self.scroll_offset.y + event.y - 1)

    @property
    def _window(self) -> int:
        """Rows that fit below the head."""
        return max(self.scrollable_content_region.height - 1, 1)

    def render_line(self, y: int) -> Strip:
        left, width = self.scroll_offset.x, self.size.width
        at = self.scroll_offset.y + y - 1
        base = self.rich_style
        if y == 0:
            base += self.get_component_rich_style("rows--head", partial=True)
            segments = [Segment(_line(_heads()), base)]
        elif at >= len(self._shown):
            return Strip.blank(width, base)
        else:
            row = self._row(self._shown[at])
            words = _line(_cells(row, self._case(row.place)))
            if at == self.cursor:
                base += self.get_component_rich_style("rows--cursor", partial=True)
            tint = self.get_component_rich_style(f"rows--{row.verdict}", partial=True)
            verdict = set_cell_size(words, _WIDTHS[0] + 1 + _WIDTHS[1])
            segments = [Segment(verdict, base + tint), Segment(words[len(verdict) :], base)]
        return Strip(segments).adjust_cell_length(max(_ALL, left + width), base).crop(left, left + width)


def amount_words(amount: float) -> str:
    return f"{amount:,.2f}".removesuffix(".00")


def decision_word(decision: str) -> str:
    """In the user's language; nothing for an open case."""
    words = {"open": "", "confirmed": _("confirmed"), "dismissed": _("dismissed"), "held": _("held")}
    return words[decision]


def _heads() -> Sequence[str]:
    names = (_("verdict"), _("score"), _("decision"), "", _("time"), _("amount"), "", _("customer"), _("counterparty"))
    return ("", *names, _("id"))


def _cells(row: Row, case: Case | None) -> Sequence[str]:
    decided = decision_word(case.decision) if case else ""
    note = "n" if case and case.note else ""
    facts = (
        f"{row.time:%Y-%m-%d %H:%M}",
        amount_words(row.amount),
        row.currency,
        row.customer,
        row.counterparty,
        row.id,
    )
    return (MARKS[row.verdict], verdict_word(row.verdict), f"{row.score:.3f}", decided, note, *facts)


def _line(cells: Sequence[str]) -> str:
    return " ".join(
        _fitted(text, width, to_the_right=at in _TO_THE_RIGHT)
        for at, (text, width) in enumerate(zip(cells, _WIDTHS, strict=True))
    )


def _fitted(text: str, width: int, *, to_the_right: bool) -> str:
    """As wide as the column in cells; what was cut ends in two dots."""
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - 2) + ".."
    return " " * (width - length) + text if to_the_right else text + " " * (width - length)
