"""A Markdown table as one block of aligned text: figures to the right, as wide as its content, scrolling if need be.

Textual's own makes a widget of every cell, stretches to the full width and shows cells again in tooltips, where their
text is read as markup.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest

from textual.app import ComposeResult
from textual.content import Content, Span
from textual.widgets import Static
from textual.widgets.markdown import MarkdownBlock

_FIGURE = re.compile(r"[-+(~₩$€¥]*\d[\d,.]*\s*(%|%p|원|만원|억원|회|개월|년|KRW|USD)?\)?")
_STYLES = {".strong": "bold", ".em": "italic", ".s": "strike", ".code_inline": "$text-warning"}
_GAP = "   "


class AnswerTable(MarkdownBlock):
    def compose(self) -> ComposeResult:
        yield Static(self._table(), markup=False)

    async def _update_from_block(self, block: MarkdownBlock) -> None:
        """The table has grown by a piece of the stream: `block` is what it reads as now."""
        if isinstance(block, AnswerTable):
            self.query_one(Static).update(block._table())
        else:
            await super()._update_from_block(block)

    def _table(self) -> Content:
        headers: list[Content] = []
        rows: list[list[Content]] = []
        for block in self._inner(self):
            match block.name:
                case "th_open":
                    headers.append(block._content)
                case "tr_open":
                    rows.append([])
                case "td_open":
                    rows[-1].append(block._content)
                case _other:
                    pass
        return aligned(headers, rows[1:])

    def _inner(self, block: MarkdownBlock) -> Iterator[MarkdownBlock]:
        """The blocks inside, each before those it holds."""
        for inner in block._blocks:
            yield inner
            yield from self._inner(inner)


def aligned(headers: Sequence[Content], rows: Sequence[Sequence[Content]]) -> Content:
    """Columns padded to their widest cell (in terminal cells); those of figures only are set to the right."""
    lines = [list(headers), *(list(row) for row in rows)]
    columns = [[_restyled(cell or Content()) for cell in column] for column in zip_longest(*lines)]
    set_columns = [_padded(column) for column in columns]
    width = sum(column[0].cell_length for column in set_columns) + len(_GAP) * (len(set_columns) - 1)
    head, *body = [Content(_GAP).join(cells) for cells in zip(*set_columns, strict=True)]
    return Content("\n").join([head.stylize("bold"), Content.styled("-" * width, "$quiet"), *body])


def _padded(column: Sequence[Content]) -> list[Content]:
    width = max(cell.cell_length for cell in column)
    figures = [cell.plain.strip() for cell in column[1:] if cell.plain.strip()]
    if figures and all(_FIGURE.fullmatch(figure) for figure in figures):
        return [cell.pad_left(width - cell.cell_length) for cell in column]
    return [cell.pad_right(width - cell.cell_length) for cell in column]


def _restyled(cell: Content) -> Content:
    """The Markdown block's own style names mean nothing in the widget of the table."""
    plain = cell.plain.replace("\n", " ")
    return Content(plain, [Span(s.start, s.end, _STYLES.get(str(s.style), "")) for s in cell.spans])
