"""The line above the keys: what is going on in words, and the figures of the last answer."""

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static

from localfin.engine.events import Usage
from localfin_models.language import _

BAR_CELLS = 12


class StatusLine(Horizontal):
    def __init__(self) -> None:
        super().__init__(id="status")

    def compose(self) -> ComposeResult:
        yield Static("", id="state", markup=False)
        yield Static("", id="figures", markup=False)

    def show_state(self, words: str, style: str = "") -> None:
        """`style` only tints: the words alone say it all."""
        self.query_one("#state", Static).update(Content.styled(words, style))

    def show_reading(self, done: int, total: int) -> None:
        words = _("Reading the prompt {done}/{total}").format(done=f"{done:,}", total=f"{total:,}")
        full = BAR_CELLS * done // max(total, 1)
        bar = Content.assemble(("=" * full, "$accent"), ("-" * (BAR_CELLS - full), "$quiet"))
        self.query_one("#state", Static).update(Content.assemble(words, "  [", bar, "]"))

    def show_usage(self, usage: Usage | None, n_ctx: int | None) -> None:
        # Without a prompt no model was asked: passages and calculators have no tokens.
        self.query_one("#figures", Static).update(_usage_words(usage, n_ctx) if usage and usage.prompt_tokens else "")


def speed_words(usage: Usage) -> str:
    return _("{rate} tokens/s").format(rate=f"{usage.decode_tokens_per_s:.1f}")


def _usage_words(usage: Usage, n_ctx: int | None) -> Content:
    prompt, answer = f"{usage.prompt_tokens:,}", f"{usage.completion_tokens:,}"
    parts = [_("prompt {n}").format(n=prompt), _("answer {n}").format(n=answer)]
    if n_ctx:
        used = f"{usage.prompt_tokens + usage.completion_tokens:,}"
        parts.append(_("context {used}/{n}").format(used=used, n=f"{n_ctx:,}"))
    return Content.assemble((speed_words(usage), "$accent"), "  ", ("  ".join(parts), "$quiet"))
