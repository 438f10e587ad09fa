"""The list of chats, newest first, under the days they belong to, with a search over everything said in them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from localfin.store import Conversation, Store
from localfin.text import clean_text
from localfin_models.errors import LocalfinError
from localfin_models.language import _

PAGE = 50
MORE = "more"


class ChatList(OptionList):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f2", "ask('rename')", "Rename", id="history.rename", key_display="F2"),
        Binding("delete", "ask('delete')", "Delete", id="history.delete", key_display="Del"),
    ]

    class Asked(Message):
        def __init__(self, what: str, conversation_id: int) -> None:
            super().__init__()
            self.what, self.conversation_id = what, conversation_id

    def on_focus(self) -> None:
        if self.highlighted is None:
            self.action_first()

    def action_ask(self, what: str) -> None:
        option = self.highlighted_option
        if option and option.id and option.id != MORE:
            self.post_message(self.Asked(what, int(option.id)))


class HistoryPanel(Vertical):
    """Reads the store by itself, and says what the user wants done with a chat."""

    class Opened(Message):
        def __init__(self, conversation_id: int) -> None:
            super().__init__()
            self.conversation_id = conversation_id

    def __init__(self, store: Store) -> None:
        super().__init__(id="history")
        self._store = store
        self._shown: list[Conversation] = []
        self._current: int | None = None

    def compose(self) -> ComposeResult:
        yield Input(placeholder=_("Search all chats"), id="search", compact=True)
        yield ChatList(id="chats", compact=True, markup=False)
        yield Static("", id="no-chats", markup=False)

    def refresh_list(self, current: int | None) -> None:
        """Read the first page again; `current` is the chat on the screen."""
        self._current, self._shown = current, []
        self._read_page()

    @property
    def covers_chat(self) -> bool:
        """On a narrow terminal the list lies over the chat instead of beside it."""
        return self.screen.has_class("-narrow")

    def show(self, shown: bool) -> None:
        if self.covers_chat:
            self.screen.set_class(shown, "-history-shown")
        else:
            self.screen.set_class(not shown, "-history-hidden")

    def begin_search(self) -> None:
        self.show(True)
        self.query_one("#search", Input).focus()

    def end_search(self) -> None:
        """List all chats again."""
        self.query_one("#search", Input).clear()

    @property
    def _query(self) -> str:
        return self.query_one("#search", Input).value

    @on(Input.Changed, "#search")
    def _search(self, event: Input.Changed) -> None:
        event.stop()
        self.refresh_list(self._current)

    @on(Input.Submitted, "#search")
    def _to_list(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one(ChatList).focus()

    @on(OptionList.OptionSelected, "#chats")
    def _select(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        if event.option_id == MORE:
            self._read_page()
        elif event.option_id:
            self.post_message(self.Opened(int(event.option_id)))

    def _read_page(self) -> None:
        try:
            after = self._shown[-1] if self._shown else None
            page = self._store.conversations(query=self._query, after=after, limit=PAGE)
        except LocalfinError as error:
            self.notify(str(error), severity="warning", markup=False)
            return
        chats = self.query_one(ChatList)
        option = chats.highlighted_option if chats.has_focus else None
        chosen = option.id if option else None
        if self._shown and page:
            chosen = str(page[0].id)
        self._shown += page
        self._draw(len(page) == PAGE, chosen or str(self._current))

    def _draw(self, more: bool, chosen: str) -> None:
        """List what has been read, with the cursor on the chat with the id `chosen` if it is there."""
        chats, empty = self.query_one(ChatList), self.query_one("#no-chats", Static)
        chats.clear_options()
        chats.add_options(_options(self._shown, self._current, self._store.now()))
        if more:
            chats.add_option(Option(Content(_("Show more")), id=MORE))
        chats.display = bool(self._shown)
        empty.display = not self._shown
        empty.update(_("Nothing found.") if self._query else _("Your chats will be listed here."))
        if any(str(chat.id) == chosen for chat in self._shown):
            chats.highlighted = chats.get_option_index(chosen)


def _options(chats: Sequence[Conversation], current: int | None, now: datetime) -> list[Option]:
    options: list[Option] = []
    day = ""
    for chat in chats:
        if (heading := _day_words(chat.updated, now)) != day:
            day = heading
            options.append(Option(Content.styled(day, "bold $quiet"), disabled=True))
        mark = "> " if chat.id == current else "  "
        options.append(Option(Content(mark + clean_text(chat.title)), id=str(chat.id)))
    return options


def _day_words(stamp: str, now: datetime) -> str:
    """The local day of a UTC stamp, as one would say it today."""
    day, today = datetime.fromisoformat(stamp).astimezone().date(), now.astimezone().date()
    if day == today:
        return _("Today")
    if day == today - timedelta(days=1):
        return _("Yesterday")
    return day.isoformat()
