"""What all places have in common: the line at the top, the keys at the bottom, and the model that may come or go."""

from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer

from localfin.settings import Settings
from localfin.store import Store
from localfin_tui.dialogs import Help
from localfin_tui.host import ModelHost, Phase
from localfin_tui.keys import in_words
from localfin_tui.topbar import TopBar


@dataclass
class House:
    """What the places share."""

    host: ModelHost
    store: Store
    settings: Settings
    sealed: bool | None
    """The network is shut by the kernel, is not, or cannot be on this platform (None)."""


class Place(Screen[None]):
    """One of the app's places. `body` is what it shows, `model_changed` what it does when the model comes or goes."""

    NAME: ClassVar[str]
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]  # noqa: RUF012 - as the parent declares it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+l", "load", "Load", id="model.load", key_display="^L", priority=True),
        Binding("f1", "help", "Help", id="app.help", key_display="F1", priority=True),
    ]

    def __init__(self, house: House) -> None:
        super().__init__()
        self.house = house

    def compose(self) -> ComposeResult:
        yield TopBar(self.NAME, self.house.sealed)
        yield from self.body()
        yield Footer(show_command_palette=False)

    def body(self) -> ComposeResult:
        """What stands between the line at the top and the keys."""
        raise NotImplementedError

    async def model_changed(self, phase: Phase) -> None:
        """The model has come, is coming or has gone; called once at the start, too."""

    async def on_mount(self) -> None:
        self.house.host.changed.subscribe(self, self._model_changed)
        await self._model_changed(self.house.host.phase)

    async def say_anew(self) -> None:
        """Show everything again, in the language of now."""
        if self.is_mounted:
            await self.recompose()
            await self._model_changed(self.house.host.phase)

    async def _model_changed(self, phase: Phase) -> None:
        self.query_one(TopBar).show_model(self.house.host.model)
        await self.model_changed(phase)
        self.refresh_bindings()

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        return in_words(super().active_bindings)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The footer shows only what would do something now."""
        if action == "load":
            return self.house.host.phase == "ended"
        return True

    def action_load(self) -> None:
        self.house.host.load()

    def action_help(self) -> None:
        self.app.push_screen(Help(self.NAME, self.house.settings.keys))

    def say(self, words: str, *, error: bool = False) -> None:
        self.notify(words, severity="warning" if error else "information", markup=False)
