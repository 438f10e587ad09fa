"""The chat screen: what is shown, what the keys do, and what happens when the engine says something.

Threads read the engine and post messages; the handlers here own the widgets.
"""

from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.widgets import Footer

from localfin.engine.errors import ContextFull
from localfin.engine.events import Engine, LoadOptions
from localfin.store import Store, StoredMessage
from localfin_models.errors import LocalfinError
from localfin_models.language import _
from localfin_tui import answering, keeping
from localfin_tui.composer import Composer
from localfin_tui.dialogs import Help
from localfin_tui.history import ChatList, HistoryPanel
from localfin_tui.keys import in_words
from localfin_tui.message import Answer, Question
from localfin_tui.modelbar import ModelBar
from localfin_tui.notice import Notice
from localfin_tui.phases import BUSY, Phase, phase_words, refusal
from localfin_tui.statusline import StatusLine
from localfin_tui.transcript import WINDOW, Transcript
from localfin_tui.welcome import Welcome


class ChatScreen(Screen[None]):
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012 - as the parent declares it

    AUTO_FOCUS = "Composer"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stop", "Stop", id="chat.stop", key_display="Esc"),
        Binding("escape", "leave", "Back", id="chat.back", show=False),
        Binding("ctrl+n", "new_chat", "New", id="chat.new", key_display="^N", priority=True),
        Binding("ctrl+b", "toggle_history", "History", id="chat.history", key_display="^B", priority=True),
        Binding("ctrl+f", "search", "Search", id="chat.search", show=False, priority=True),
        Binding("ctrl+r", "again", "Again", id="chat.again", key_display="^R", priority=True),
        Binding("ctrl+l", "load", "Load", id="chat.load", key_display="^L", priority=True),
        Binding("ctrl+y", "copy", "Copy", id="chat.copy", key_display="^Y", priority=True),
        Binding("ctrl+s", "save", "Save", id="chat.save", key_display="^S", priority=True),
        Binding("ctrl+t", "app.switch_theme", "Theme", id="chat.theme", show=False, priority=True),
        Binding("pageup", "scroll('page_up')", "Up", id="chat.scroll", show=False, priority=True),
        Binding("pagedown", "scroll('page_down')", "Down", id="chat.page_down", show=False, priority=True),
        Binding("ctrl+end", "scroll('end')", "End", id="chat.end", show=False, priority=True),
        Binding("f1", "help", "Help", id="chat.help", key_display="F1", priority=True),
    ]

    def __init__(
        self, engine: Engine, store: Store, model: Path | None, options: LoadOptions, sealed: bool | None
    ) -> None:
        super().__init__()
        self._engine, self._store = engine, store
        self._path, self._options, self._sealed = model, options, sealed
        self.phase: Phase = "no-model"
        self.chat_id: int | None = None
        self._live: Answer | None = None
        self._quitting = False

    def compose(self) -> ComposeResult:
        yield ModelBar(self._sealed)
        with Horizontal(id="body"):
            yield HistoryPanel(self._store)
            with Vertical(id="centre"):
                yield Transcript(self._sealed)
                with Horizontal(id="question"):
                    yield Composer(_("Ask about money matters"))
        yield StatusLine()
        yield Footer(show_command_palette=False)

    async def on_mount(self) -> None:
        self._list_chats()
        await self.transcript.show([], older=False)
        if self._path is None:
            self._enter("no-model")
            await self.transcript.add(
                Notice(_("No model"), _("Make one with `localfin convert`, or name one with -m."))
            )
        else:
            self.action_load()

    def on_unmount(self) -> None:
        """However the app ends, the thread that loads or reads an answer must come to its end, too."""
        if self.phase in BUSY:
            self._engine.cancel()
        elif self.phase == "loading":
            self._engine.close()

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        return in_words(super().active_bindings)

    @property
    def transcript(self) -> Transcript:
        return self.query_one(Transcript)

    @property
    def composer(self) -> Composer:
        return self.query_one(Composer)

    @property
    def history(self) -> HistoryPanel:
        return self.query_one(HistoryPanel)

    @property
    def status(self) -> StatusLine:
        return self.query_one(StatusLine)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The footer shows only what would do something now."""
        match action:
            case "stop":
                return self.phase in BUSY
            case "load":
                return self.phase == "ended"
            case "again":
                return self.phase == "ready" and self.transcript.unanswered
            case "copy":
                return bool(self._last_words())
            case "save":
                return self.chat_id is not None
            case _other:
                return True

    # -- the model ---------------------------------------------------------------------------------------------------

    @on(Notice.LoadAsked)
    def action_load(self) -> None:
        if self._path is not None and self.phase in ("no-model", "ended"):
            self._enter("loading")
            load = partial(answering.load_model, self._engine, self._path, self._options, self.post_message)
            self.run_worker(load, name="load", group="engine", thread=True, exclusive=True, exit_on_error=False)

    @on(answering.Loaded)
    async def _loaded(self, event: answering.Loaded) -> None:
        self.query_one(ModelBar).show_model(event.model)
        if self.query(Notice):
            await self.transcript.remove_notices()
            self.composer.focus()
        self._enter("ready")

    @on(answering.LoadFailed)
    async def _load_failed(self, event: answering.LoadFailed) -> None:
        await self._model_gone(_("The model could not be loaded"), event.error)

    async def _model_gone(self, title: str, error: LocalfinError) -> None:
        self._enter("ended")
        self.query_one(ModelBar).show_model(None)
        words = _("{reason}\nPress r or Ctrl+L to load it again.").format(reason=error)
        await self.transcript.remove_notices()
        notice = Notice(title, words, can_load=True)
        await self.transcript.add(notice)
        if not self.composer.text:
            notice.focus()

    # -- asking and answering ----------------------------------------------------------------------------------------

    @on(Composer.Sent)
    async def _ask(self, event: Composer.Sent) -> None:
        if self.phase != "ready":
            self._say(refusal(self.phase), error=True)
            return
        try:
            question = self._store.ask(event.text, self.chat_id)
        except LocalfinError as error:
            self._say(str(error), error=True)
            return
        self.chat_id = question.conversation_id
        self.composer.clear()
        await self.transcript.remove_notices()
        await self.transcript.add(Question(question))
        await self._answer(question.conversation_id)

    async def _answer(self, chat_id: int) -> None:
        model = self._engine.model
        if model is None:
            await self._model_gone(_("The model process ended"), LocalfinError(_("It ended while it was idle.")))
            return
        try:
            given = answering.turns(self._store.messages(chat_id))
            stored = self._store.begin_answer(chat_id, model)
        except LocalfinError as error:
            self._say(str(error), error=True)
            return
        transcript = self.transcript
        self._live = Answer(stored, live=True, hold=lambda: not transcript.at_end)
        await transcript.add(self._live)
        self._enter("reading")
        self.status.show_usage(None, None)
        self._list_chats()
        read = partial(answering.read_answer, self._engine, self._store, given, stored, self.post_message)
        self.run_worker(read, name="answer", group="answer", thread=True, exclusive=True, exit_on_error=False)

    @on(answering.Reading)
    def _reading(self, event: answering.Reading) -> None:
        if self.phase == "reading":
            self.status.show_reading(event.done, event.total)

    @on(answering.Wrote)
    def _wrote(self, event: answering.Wrote) -> None:
        if self._live:
            self._live.feed(event.text)
        if self.phase == "reading":
            self._enter("answering")

    @on(answering.Ended)
    async def _ended(self, event: answering.Ended) -> None:
        live, self._live = self._live, None
        if live:
            await live.finish(event.stored)
        model = self._engine.model
        self.status.show_usage(event.stored.usage, model.n_ctx if model else None)
        self._enter("ready")
        if event.stored.state == "stopped":
            self.status.show_state(_("Stopped"), "$warning")
        if event.error is not None:
            await self._broke(event.error)
        self._list_chats()
        self._quit_if_asked()

    async def _broke(self, error: LocalfinError) -> None:
        if isinstance(error, ContextFull):
            words = _("{reason}\nNothing was left out to make it fit. Start a new chat with Ctrl+N.").format(
                reason=error
            )
            await self.transcript.add(Notice(_("The context is full"), words))
        elif self._engine.model is None:
            await self._model_gone(_("The model process ended"), error)
        else:
            await self.transcript.add(Notice(_("The answer broke off"), str(error)))

    @on(answering.NotKept)
    async def _not_kept(self, event: answering.NotKept) -> None:
        live, self._live = self._live, None
        if live:
            await live.abandon()
        self._enter("ready" if self._engine.model else "ended")
        await self.transcript.add(Notice(_("The answer could not be saved"), str(event.error)))
        self._quit_if_asked()

    def action_stop(self) -> None:
        if self.phase != "stopping":
            self._enter("stopping")
            self._engine.cancel()

    async def action_again(self) -> None:
        """Ask the last question again, in place of an answer that was stopped or broke off."""
        if self.chat_id is None:
            return
        last = self.transcript.last_answer
        if last:
            try:
                self._store.delete_message(last.stored.id)
            except LocalfinError as error:
                self._say(str(error), error=True)
                return
            await last.remove()
        await self.transcript.remove_notices()
        await self._answer(self.chat_id)

    # -- chats -------------------------------------------------------------------------------------------------------

    async def action_new_chat(self) -> None:
        if self._may_leave():
            self.chat_id = None
            self.history.end_search()
            await self._show_chat()

    @on(HistoryPanel.Opened)
    async def _open(self, event: HistoryPanel.Opened) -> None:
        if event.conversation_id != self.chat_id and self._may_leave():
            self.chat_id = event.conversation_id
            await self._show_chat()
        self.action_leave()

    async def _show_chat(self) -> None:
        messages = self._messages(None)
        await self.transcript.show(messages[-WINDOW:], older=len(messages) > WINDOW)
        self.status.show_usage(None, None)
        self._list_chats()
        self._enter(self.phase)
        self.composer.focus()

    @on(Transcript.OlderAsked)
    async def _older(self, event: Transcript.OlderAsked) -> None:
        messages = self._messages(event.before)
        await self.transcript.show_older(messages[-WINDOW:], older=len(messages) > WINDOW)

    def _messages(self, before: int | None) -> list[StoredMessage]:
        """One more than a window of this chat's messages, to know whether there are older ones."""
        try:
            return [] if self.chat_id is None else self._store.messages(self.chat_id, before=before, limit=WINDOW + 1)
        except LocalfinError as error:
            self._say(str(error), error=True)
            return []

    @on(ChatList.Asked)
    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def _rename_or_delete(self, event: ChatList.Asked) -> None:
        chat_id = event.conversation_id
        try:
            if event.what == "rename":
                await keeping.rename(self.app, self._store, chat_id)
            elif self._may_leave() and await keeping.delete(self.app, self._store, chat_id) and chat_id == self.chat_id:
                await self.action_new_chat()
        except LocalfinError as error:
            self._say(str(error), error=True)
        self._list_chats()

    @on(Welcome.Chosen)
    def _example(self, event: Welcome.Chosen) -> None:
        self.composer.load_text(event.question)
        self.composer.move_cursor(self.composer.document.end)
        self.composer.focus()

    def action_toggle_history(self) -> None:
        panel = self.history
        panel.show(not panel.display)
        if panel.display and panel.covers_chat:
            panel.query_one(ChatList).focus()
        else:
            self.composer.focus()

    def action_search(self) -> None:
        self.history.begin_search()

    def action_leave(self) -> None:
        """Back to the question; a search ends, and a history that covers the chat goes away."""
        self.history.end_search()
        if self.history.covers_chat:
            self.history.show(False)
        self.composer.focus()

    # -- keeping and leaving -----------------------------------------------------------------------------------------

    def action_copy(self) -> None:
        self.app.copy_to_clipboard(self._last_words())
        self._say(_("Copied the last answer. If your terminal does not take it, save the chat with Ctrl+S."))

    def _last_words(self) -> str:
        answers = [view.stored.content for view in self.transcript.views if isinstance(view, Answer)]
        return answers[-1] if answers else ""

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_save(self) -> None:
        if self.chat_id is not None and (path := await keeping.save(self.app, self._store, self.chat_id)):
            self._say(_("Saved {path}").format(path=path))

    def action_help(self) -> None:
        self.app.push_screen(Help())

    def action_scroll(self, where: str) -> None:
        match where:
            case "page_up":
                self.transcript.release_anchor()
                self.transcript.scroll_page_up(animate=False)
            case "page_down":
                self.transcript.scroll_page_down(animate=False)
            case _other:
                self.transcript.follow()

    def quit(self) -> None:
        """Leave, after a running answer has been stopped and kept."""
        self._quitting = True
        if self.phase in BUSY:
            self.action_stop()
        self._quit_if_asked()

    def _quit_if_asked(self) -> None:
        if self._quitting and self.phase not in BUSY:
            self.app.exit()

    def _may_leave(self) -> bool:
        if self.phase in BUSY:
            self._say(refusal(self.phase), error=True)
            return False
        return True

    def _list_chats(self) -> None:
        self.history.refresh_list(self.chat_id)

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self.status.show_state(*phase_words(phase))
        self.refresh_bindings()

    def _say(self, words: str, *, error: bool = False) -> None:
        self.notify(words, severity="warning" if error else "information", markup=False)
