"""The chat screen: what is shown, what the keys do, and what happens when the engine says something.

Threads read the engine and post messages; the handlers here own the widgets.
"""

from functools import partial
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical

from localfin.engine.errors import ContextFull
from localfin.store import StoredMessage
from localfin_models.errors import LocalfinError
from localfin_models.language import _
from localfin_tui import host
from localfin_tui.chat import answering, keeping
from localfin_tui.chat.composer import Composer
from localfin_tui.chat.history import ChatList, HistoryPanel
from localfin_tui.chat.message import Answer, Question
from localfin_tui.chat.phases import BUSY, Phase, phase_words, refusal
from localfin_tui.chat.transcript import WINDOW, Transcript
from localfin_tui.chat.welcome import Welcome
from localfin_tui.notice import Notice
from localfin_tui.place import House, Place
from localfin_tui.statusline import StatusLine


class ChatScreen(Place):
    NAME = "chat"
    AUTO_FOCUS = "Composer"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "stop", "Stop", id="chat.stop", key_display="Esc"),
        Binding("escape", "leave", "Back", id="chat.back", show=False),
        Binding("ctrl+n", "new_chat", "New", id="chat.new", key_display="^N", priority=True),
        Binding("ctrl+b", "toggle_history", "History", id="chat.history", key_display="^B", priority=True),
        Binding("ctrl+f", "search", "Search", id="chat.search", show=False, priority=True),
        Binding("ctrl+r", "again", "Again", id="chat.again", key_display="^R", priority=True),
        Binding("ctrl+y", "copy", "Copy", id="chat.copy", key_display="^Y", priority=True),
        Binding("ctrl+s", "save", "Save", id="chat.save", key_display="^S", priority=True),
        Binding("pageup", "scroll('page_up')", "Up", id="chat.scroll", show=False, priority=True),
        Binding("pagedown", "scroll('page_down')", "Down", id="chat.page_down", show=False, priority=True),
        Binding("ctrl+end", "scroll('end')", "End", id="chat.end", show=False, priority=True),
    ]

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self._engine, self._store = house.host.engine, house.store
        self.phase: Phase = "no-model"
        self.chat_id: int | None = None
        self._live: Answer | None = None
        self._quitting = False

    def body(self) -> ComposeResult:
        with Horizontal(id="body"):
            yield HistoryPanel(self._store)
            with Vertical(id="centre"):
                yield Transcript(self.house.sealed)
                with Horizontal(id="question"):
                    yield Composer(_("Ask about money matters"))
        yield StatusLine()

    async def on_mount(self) -> None:
        self._list_chats()
        await self.transcript.show([], older=False)

    def on_unmount(self) -> None:
        """However the app ends, the thread that reads an answer must come to its end, too."""
        if self.phase in BUSY:
            self._engine.cancel()

    async def say_anew(self) -> None:
        draft = self.composer.text
        await super().say_anew()
        await self._show_chat()
        self.composer.load_text(draft)

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
            case "again":
                return self.phase == "ready" and self.transcript.unanswered
            case "copy":
                return bool(self._last_words())
            case "save":
                return self.chat_id is not None
            case _other:
                return super().check_action(action, parameters)

    # -- the model ---------------------------------------------------------------------------------------------------

    @on(Notice.LoadAsked)
    def _load_asked(self) -> None:
        self.action_load()

    async def model_changed(self, phase: host.Phase) -> None:
        match phase:
            case "none":
                self._enter("no-model")
                words = _("Choose one with F8, or make one with `localfin convert`.")
                await self.transcript.add(Notice(_("No model"), words))
            case "loading":
                self._enter("loading")
            case "ready":
                if self.query(Notice):
                    await self.transcript.remove_notices()
                    self.composer.focus()
                self._enter("ready")
            case "ended":
                await self._model_gone()

    async def _model_gone(self) -> None:
        self._enter("ended")
        gone = self.house.host
        title = _("The model process ended") if gone.was_there else _("The model could not be loaded")
        words = _("{reason}\nPress r or Ctrl+L to load it again.").format(reason=gone.error)
        await self.transcript.remove_notices()
        notice = Notice(title, words, can_load=True)
        await self.transcript.add(notice)
        if not self.composer.text:
            notice.focus()

    # -- asking and answering ----------------------------------------------------------------------------------------

    @on(Composer.Sent)
    async def _ask(self, event: Composer.Sent) -> None:
        if self.phase != "ready":
            self.say(refusal(self.phase), error=True)
            return
        try:
            question = self._store.ask(event.text, self.chat_id)
        except LocalfinError as error:
            self.say(str(error), error=True)
            return
        self.chat_id = question.conversation_id
        self.composer.clear()
        await self.transcript.remove_notices()
        await self.transcript.add(Question(question))
        await self._answer(question.conversation_id)

    async def _answer(self, chat_id: int) -> None:
        model = self._engine.model
        if model is None:
            self.house.host.gone(LocalfinError(_("It ended while it was idle.")))
            return
        try:
            asked = answering.asked_of(self.house.settings, self._store, self._store.messages(chat_id))
            stored = self._store.begin_answer(chat_id, model)
        except LocalfinError as error:
            self.say(str(error), error=True)
            return
        transcript = self.transcript
        self._live = Answer(stored, live=True, hold=lambda: not transcript.at_end)
        await transcript.add(self._live)
        self._enter("reading")
        self.status.show_usage(None, None)
        self._list_chats()
        read = partial(answering.read_answer, self._engine, self._store, asked, stored, self.post_message)
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
            self.house.host.gone(error)
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
                self.say(str(error), error=True)
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
            self.say(str(error), error=True)
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
            self.say(str(error), error=True)
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
        self.say(_("Copied the last answer. If your terminal does not take it, save the chat with Ctrl+S."))

    def _last_words(self) -> str:
        answers = [view.stored.content for view in self.transcript.views if isinstance(view, Answer)]
        return answers[-1] if answers else ""

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_save(self) -> None:
        if self.chat_id is not None and (path := await keeping.save(self.app, self._store, self.chat_id)):
            self.say(_("Saved {path}").format(path=path))

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
            self.say(refusal(self.phase), error=True)
            return False
        return True

    def _list_chats(self) -> None:
        self.history.refresh_list(self.chat_id)

    def _enter(self, phase: Phase) -> None:
        self.phase = phase
        self.house.host.busy = phase in BUSY
        self.status.show_state(*phase_words(phase))
        self.refresh_bindings()
