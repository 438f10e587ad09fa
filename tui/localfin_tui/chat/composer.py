"""Where the question is typed: Enter sends it, Shift+Enter or Ctrl+J breaks the line."""

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import TextArea

from localfin.text import clean_text


class Composer(TextArea):
    BINDINGS: ClassVar[list[BindingType]] = [
        # Priority, because TextArea itself takes Enter for a new line.
        Binding("enter", "send", "Send", id="chat.send", key_display="Enter", priority=True),
        Binding("shift+enter,ctrl+j", "newline", "New line", id="chat.newline", show=False),
        Binding("tab", "leave", "Next", id="chat.next", show=False),
    ]

    class Sent(Message):
        """The user asks `text`, which is clean and not empty. The composer keeps it until `clear`."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, placeholder: str) -> None:
        super().__init__(id="composer", compact=True, highlight_cursor_line=False, placeholder=placeholder)

    def action_send(self) -> None:
        if text := clean_text(self.text).strip():
            self.post_message(self.Sent(text))

    def action_newline(self) -> None:
        self.insert("\n")
        self.scroll_cursor_visible()

    def action_leave(self) -> None:
        """To the examples of an empty chat; else to what comes next."""
        for examples in self.screen.query("#examples"):
            examples.focus()
            return
        self.screen.focus_next()

    async def _on_paste(self, event: events.Paste) -> None:
        """What is pasted may carry terminal control: insert it cleaned."""
        event.stop()
        event.prevent_default()
        await super()._on_paste(events.Paste(clean_text(event.text)))
