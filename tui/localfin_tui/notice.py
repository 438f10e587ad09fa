"""A few words in the middle of the chat about something that went wrong, with a key that mends it where one can."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.message import Message
from textual.widgets import Static


class Notice(Vertical):
    """`title` and `words` may quote an error: they are shown as plain text. With `can_load` it takes the focus."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r,enter", "load", "Load", id="notice.load", key_display="r"),
    ]

    class LoadAsked(Message):
        """The user wants the model loaded again."""

    def __init__(self, title: str, words: str, *, can_load: bool = False) -> None:
        super().__init__(classes="-error")
        self._title, self._words = title, words
        self.can_focus = can_load

    def compose(self) -> ComposeResult:
        yield Static(self._title, classes="title", markup=False)
        yield Static(self._words, markup=False)

    def action_load(self) -> None:
        self.post_message(self.LoadAsked())
