"""One question and one answer on the screen; an answer can grow while it comes."""

from collections.abc import Callable

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.timer import Timer
from textual.widgets import Static
from textual.widgets.markdown import MarkdownStream

from localfin.store import StoredMessage
from localfin.text import clean_text
from localfin_models.language import _
from localfin_tui.markdown import AnswerMarkdown
from localfin_tui.statusline import speed_words

REDRAWS_PER_S = 12
"""A stream redrawn per token costs three times the CPU of one redrawn at this rate, and reads no better."""


class MessageView(Vertical):
    """What questions and answers have in common: the row of the store they show."""

    def __init__(self, stored: StoredMessage) -> None:
        super().__init__()
        self.stored = stored


class Question(MessageView):
    def compose(self) -> ComposeResult:
        yield Static(_("You"), classes="speaker", markup=False)
        yield Static(clean_text(self.stored.content), classes="words", markup=False)


class Answer(MessageView):
    def __init__(self, stored: StoredMessage, *, live: bool = False, hold: Callable[[], bool] = lambda: False) -> None:
        """`live`: the answer is about to come through `feed`. While `hold()` is true it is gathered, not drawn."""
        super().__init__(stored)
        self._live = live
        self._hold = hold
        self._pending: list[str] = []
        self._stream: MarkdownStream | None = None
        self._timer: Timer | None = None

    def compose(self) -> ComposeResult:
        yield Static(clean_text(self.stored.model_name or _("Model")), classes="speaker", markup=False)
        yield AnswerMarkdown(clean_text(self.stored.content))
        yield Static("", classes="caption", markup=False)

    def on_mount(self) -> None:
        if self._live:
            self._stream = AnswerMarkdown.get_stream(self.query_one(AnswerMarkdown))
            self._timer = self.set_interval(1 / REDRAWS_PER_S, self._draw_pending)
        else:
            self._caption()

    @property
    def waiting(self) -> bool:
        """Something has come that is not drawn yet."""
        return bool(self._pending)

    def feed(self, text: str) -> None:
        self._pending.append(clean_text(text))

    async def finish(self, stored: StoredMessage) -> None:
        """Show the answer as it was stored, whole. (A stream drawn piece by piece can misjudge an open code fence.)"""
        self.stored = stored
        self._pending.clear()
        await self.abandon()
        await self.query_one(AnswerMarkdown).update(clean_text(stored.content))
        self._caption()

    async def abandon(self) -> None:
        """Show all that has come, and expect no more."""
        if self._timer:
            self._timer.stop()
        if self._stream:
            await self._stream.write("".join(self._pending))
            await self._stream.stop()

    async def _draw_pending(self) -> None:
        if self._pending and self._stream and not self._hold():
            text = "".join(self._pending)
            self._pending.clear()
            await self._stream.write(text)

    def _caption(self) -> None:
        caption = self.query_one(".caption", Static)
        words = _ending_words(self.stored)
        caption.set_class(self.stored.state != "complete" or self.stored.finish_reason == "length", "-notice")
        caption.update("  ".join(words))
        caption.display = bool(words)


def _ending_words(stored: StoredMessage) -> list[str]:
    words: list[str] = []
    if not stored.content and stored.state != "complete":
        words.append(_("Not answered: the model will not see this question again."))
    elif stored.state == "stopped":
        words.append(_("Stopped: this answer is not whole."))
    elif stored.state == "failed":
        words.append(_("Broken off: this answer is not whole."))
    elif stored.finish_reason == "length":
        words.append(_("Cut: the answer reached its limit or the end of the context."))
    if stored.usage and stored.usage.shifted_tokens:
        lost = _("The context was full: its oldest {n} tokens fell out meanwhile.")
        words.append(lost.format(n=f"{stored.usage.shifted_tokens:,}"))
    if stored.usage and stored.usage.completion_tokens:
        words.append(_("{n} tokens").format(n=f"{stored.usage.completion_tokens:,}"))
        words.append(speed_words(stored.usage))
    return words
