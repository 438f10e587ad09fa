"""The line at the top: which program, the places to go to, which model, and whether it is sealed."""

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.events import Click
from textual.widgets import Static

from localfin.engine.events import ModelInfo
from localfin.text import clean_text
from localfin_models.language import _


def place_words() -> dict[str, str]:
    """The places by their names, in the order of their keys."""
    return {
        "chat": _("Chat"),
        "fraud": _("Fraud"),
        "documents": _("Documents"),
        "models": _("Models"),
        "status": _("Status"),
    }


class TopBar(Horizontal):
    def __init__(self, place: str, sealed: bool | None) -> None:
        """`sealed`: the network is shut by the kernel, is not, or cannot be on this platform (None)."""
        super().__init__(id="top-bar")
        self._place = place
        self._sealed = sealed

    def compose(self) -> ComposeResult:
        yield Static("localfin", id="brand", markup=False)
        for name, words in place_words().items():
            yield _Tab(name, words, here=name == self._place)
        yield Static("", id="model", markup=False)
        yield Static(_seal_words(self._sealed), id="seal", classes="-sealed" if self._sealed else "-open", markup=False)

    def show_model(self, model: ModelInfo | None) -> None:
        self.query_one("#model", Static).update(_model_words(model) if model else "")


class _Tab(Static):
    def __init__(self, name: str, words: str, *, here: bool) -> None:
        super().__init__(words, classes="tab -here" if here else "tab", markup=False)
        self._to = name

    async def on_click(self, event: Click) -> None:
        event.stop()
        await self.app.run_action(f"go('{self._to}')")


def _model_words(model: ModelInfo) -> Content:
    quiet = f"{size_words(model.size_bytes)}  {clean_text(model.quantization)}"
    return Content.assemble((clean_text(model.name), "bold"), "  ", (quiet, "$quiet"))


def size_words(size: int) -> str:
    """Decimal units, as disks are sold: 4.9 MB, 1.20 GB."""
    if size >= 1_000_000_000:
        return f"{size / 1e9:.2f} GB"
    if size >= 1_000_000:
        return f"{size / 1e6:.1f} MB"
    return f"{size / 1e3:.1f} kB"


def _seal_words(sealed: bool | None) -> str:
    if sealed:
        return _("sealed: no network")
    return _("not sealed") if sealed is False else _("seal: not enforced here")
