"""The messages of one chat, the newest at the bottom. Only a window of them is mounted; the rest is in the store."""

from collections.abc import Sequence

from textual.containers import VerticalScroll
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Button

from localfin.store import StoredMessage
from localfin_models.language import _
from localfin_tui.chat.message import Answer, MessageView, Question
from localfin_tui.chat.welcome import Welcome
from localfin_tui.notice import Notice

WINDOW = 30
"""Messages mounted at once when a chat opens: 400 of them would cost 474 MB and 9 s a resize."""

MOST = 2 * WINDOW
"""A chat that goes on lets its oldest messages leave the screen beyond this many."""


class Transcript(VerticalScroll):
    class OlderAsked(Message):
        """The user wants the messages before the id `before`."""

        def __init__(self, before: int) -> None:
            super().__init__()
            self.before = before

    def __init__(self, sealed: bool | None) -> None:
        super().__init__(id="transcript", can_focus=True)
        self._sealed = sealed

    @property
    def views(self) -> list[MessageView]:
        return list(self.query(MessageView))

    @property
    def last_answer(self) -> Answer | None:
        views = self.views
        return views[-1] if views and isinstance(views[-1], Answer) else None

    @property
    def unanswered(self) -> bool:
        """The last question has no answer, or none that is whole."""
        views = self.views
        return bool(views) and (views[-1].stored.role == "user" or views[-1].stored.state != "complete")

    @property
    def at_end(self) -> bool:
        """An anchored chat that does not fill its place stands at the bottom: its scroll position is negative then."""
        return self.scroll_y < 0 or self.scroll_y >= self.max_scroll_y - 1

    async def show(self, messages: Sequence[StoredMessage], *, older: bool) -> None:
        """Replace everything by `messages`; `older` says that the store holds some before them."""
        self.anchor(False)
        async with self.batch():
            await self.remove_children()
            if messages:
                await self.mount_all(([_older_button()] if older else []) + [_view(m) for m in messages])
                self.follow()
            else:
                self.scroll_to(y=0, animate=False, force=True, immediate=True)
                await self.mount(Welcome(self._sealed))

    async def show_older(self, messages: Sequence[StoredMessage], *, older: bool) -> None:
        """Put `messages` above those there are, and keep the place of the reader."""
        first = self.views[0]
        async with self.batch():
            await self.query(".older").remove()
            await self.mount_all(([_older_button()] if older else []) + [_view(m) for m in messages], before=first)
        self.release_anchor()
        self.call_after_refresh(first.scroll_visible, animate=False, top=True)

    async def add(self, view: Widget) -> None:
        """Mount a message or a notice at the end and follow it."""
        async with self.batch():
            await self.query(Welcome).remove()
            await self.mount(view)
            await self._let_go()
        self.follow()

    async def remove_notices(self) -> None:
        await self.query(Notice).remove()

    def follow(self) -> None:
        """Stay at the end from now on, until the reader scrolls up."""
        self.anchor()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        event.stop()
        self.post_message(self.OlderAsked(self.views[0].stored.id))

    async def _let_go(self) -> None:
        views = self.views
        if len(views) > MOST:
            await self.remove_children(views[: len(views) - WINDOW])
            if not self.query(".older"):
                await self.mount(_older_button(), before=0)


def _older_button() -> Button:
    return Button(_("Show older messages"), classes="older", compact=True)


def _view(stored: StoredMessage) -> Widget:
    return Question(stored) if stored.role == "user" else Answer(stored)
