"""The place that says how things stand: the seal, the model, what is recorded, and where."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from localfin.engine.events import ModelInfo
from localfin.settings import settings_file
from localfin.text import clean_text
from localfin_models.language import _
from localfin_tui.host import Phase
from localfin_tui.place import Place
from localfin_tui.topbar import size_words

Facts = list[tuple[str, str]]


class StatusScreen(Place):
    NAME = "status"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+y", "copy", "Copy", id="status.copy", key_display="^Y", priority=True),
    ]

    def body(self) -> ComposeResult:
        with VerticalScroll(id="facts"):
            yield Static("", id="facts-text", markup=False)

    async def model_changed(self, phase: Phase) -> None:
        lines: list[Content] = []
        for heading, facts in self._sections():
            lines.append(Content.styled(heading, "bold $accent"))
            lines += [Content.assemble((f"  {name}  ", "$quiet"), clean_text(value)) for name, value in facts]
            lines.append(Content())
        self.query_one("#facts-text", Static).update(Content("\n").join(lines))

    def action_copy(self) -> None:
        lines = [line for heading, facts in self._sections() for line in (heading, *(f"{n}: {v}" for n, v in facts))]
        self.app.copy_to_clipboard(clean_text("\n".join(lines)))
        self.say(_("Copied. If your terminal does not take it: localfin doctor > FILE"))

    def _sections(self) -> list[tuple[str, Facts]]:
        return [
            (_("Seal"), _seal(self.house.sealed)),
            (_("Model"), _model(self.house.host.model, self.house.host.phase)),
            (_("Recorded"), self._recorded()),
            (_("Program"), [("localfin", _version()), ("Python", platform.python_version())]),
        ]

    def _recorded(self) -> Facts:
        return [
            (_("chats"), str(self.house.store.path)),
            (_("settings"), str(settings_file())),
            (_("encrypted"), _("no: readable by this account only")),
        ]


def _seal(sealed: bool | None) -> Facts:
    if sealed:
        return [
            (_("network"), _("refused by the kernel: tried at the start of this program")),
            (_("model"), _("in a process of its own: no network, no other program, its own file only")),
            (_("proof"), "localfin doctor --offline"),
        ]
    if sealed is None:
        return [(_("network"), _("not enforced on this platform"))]
    return [(_("network"), _("not sealed: this program could reach the network"))]


def _model(model: ModelInfo | None, phase: Phase) -> Facts:
    if model is None:
        return [(_("state"), _("loading") if phase == "loading" else _("none is loaded"))]
    facts = [
        (_("name"), model.name),
        (_("file"), str(model.path)),
        ("SHA-256", model.sha256),
        (_("size"), f"{size_words(model.size_bytes)}  {model.quantization}  {model.parameters:,}"),
        (_("context"), f"{model.n_ctx:,} / {model.n_ctx_train:,}"),
        (_("layers on a GPU"), str(model.gpu_layers)),
    ]
    return facts + [(_("adapter"), f"{each.name}  {each.sha256}") for each in model.adapters]


def _version() -> str:
    try:
        return version("localfin")
    except PackageNotFoundError:
        return _("(not installed)")
