"""The dialect of Markdown an answer is shown in: everything the model wrote is seen, and nothing can be clicked.

Links, images and HTML stay as they were written, so that a hidden address cannot hide; entities are not decoded, since
they could bring back the invisible characters that were taken out; and a line break is a line break.
"""

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from textual.widgets import Markdown

from localfin_tui.table import AnswerTable

SHOWN_AS_WRITTEN = ["link", "image", "autolink", "reference", "html_block", "html_inline", "entity"]


def parser() -> MarkdownIt:
    dialect = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable(SHOWN_AS_WRITTEN)
    dialect.core.ruler.push("hard_breaks", _keep_line_breaks)
    return dialect


def _keep_line_breaks(state: StateCore) -> None:
    for token in state.tokens:
        for child in token.children or ():
            if child.type == "softbreak":
                child.type = "hardbreak"


class AnswerMarkdown(Markdown):
    """A Markdown widget of that dialect; its bullets are as wide in every terminal as they are here."""

    BULLETS = ["- ", "* ", "+ "]  # noqa: RUF012 - as the parent declares it
    BLOCKS = {**Markdown.BLOCKS, "table_open": AnswerTable}  # noqa: RUF012

    def __init__(self, text: str = "") -> None:
        super().__init__(text, parser_factory=parser, open_links=False)
