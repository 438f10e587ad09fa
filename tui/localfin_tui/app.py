"""The app: one engine, one store, the places one can go to, and what the settings say."""

import os
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import App
from textual.binding import Binding, BindingType
from textual.command import CommandPalette

from localfin import settings as table
from localfin.engine.events import Engine, LoadOptions
from localfin.settings import Settings
from localfin.store import Store
from localfin_models.errors import LocalfinError
from localfin_models.language import _
from localfin_tui.chat.screen import ChatScreen
from localfin_tui.commands import KeyCommands
from localfin_tui.documents import DocumentsScreen
from localfin_tui.fraud.screen import FraudScreen
from localfin_tui.host import Loaded, LoadFailed, ModelHost
from localfin_tui.models import ModelsScreen
from localfin_tui.place import House, Place
from localfin_tui.settings import SettingsScreen
from localfin_tui.status import StatusScreen
from localfin_tui.themes import THEMES

PLACES: dict[str, type[Place]] = {
    "chat": ChatScreen,
    "fraud": FraudScreen,
    "documents": DocumentsScreen,
    "models": ModelsScreen,
    "status": StatusScreen,
}


class LocalfinApp(App[None]):
    """The app over any engine and any store: the real ones, or scripted ones in tests."""

    CSS_PATH = "app.tcss"
    TITLE = "localfin"
    DEFAULT_MODE = "chat"
    COMMANDS = {KeyCommands}  # noqa: RUF012 - as the parent declares it
    COMMAND_PALETTE_BINDING = "ctrl+p"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f5,alt+1", "go('chat')", "Chat", id="go.chat", show=False, priority=True),
        Binding("f6,alt+2", "go('fraud')", "Fraud", id="go.fraud", show=False, priority=True),
        Binding("f7,alt+3", "go('documents')", "Documents", id="go.documents", show=False, priority=True),
        Binding("f8,alt+4", "go('models')", "Models", id="go.models", show=False, priority=True),
        Binding("f9,alt+5", "go('status')", "Status", id="go.status", show=False, priority=True),
        Binding("ctrl+p", "command_palette", "Commands", id="app.commands", key_display="^P", priority=True),
        Binding("ctrl+o", "settings", "Settings", id="app.settings", show=False, priority=True),
        Binding("ctrl+t", "switch_theme", "Theme", id="app.theme", show=False, priority=True),
        Binding("ctrl+q", "quit", "Quit", id="app.quit", key_display="^Q", priority=True),
    ]

    def __init__(
        self,
        engine: Engine,
        store: Store,
        model: Path | None,
        *,
        options: LoadOptions = LoadOptions(),
        sealed: bool | None = None,
        settings: Settings = Settings(),
    ) -> None:
        """`model`: the GGUF to load at once. `sealed`: what the header says of the seal.

        Owns neither the engine nor the store: the caller closes them.
        """
        super().__init__()
        self.house = House(ModelHost(self, engine, model, options), store, settings, sealed)
        for own in THEMES.values():
            self.register_theme(own)
        self.theme = THEMES[settings.theme].name
        self.set_keymap(dict(settings.keys))
        self._places: dict[str, Place] = {}
        for name in PLACES:
            self.add_mode(name, partial(self._place, name))

    def on_mount(self) -> None:
        self.house.host.load()

    def on_unmount(self) -> None:
        self.house.host.leave()

    @on(Loaded)
    def _loaded(self) -> None:
        self.house.host.loaded()

    @on(LoadFailed)
    def _load_failed(self, event: LoadFailed) -> None:
        self.house.host.gone(event.error)

    async def action_go(self, place: str) -> None:
        # A window over a place keeps the keys until it is closed.
        if isinstance(self.screen, Place):
            await self.switch_mode(place)

    async def action_quit(self) -> None:
        chat = self._places.get("chat")
        if isinstance(chat, ChatScreen):
            chat.quit()
        else:
            self.exit()

    def action_help_quit(self) -> None:
        self.notify(_("Press Ctrl+Q to quit."), markup=False)

    def action_command_palette(self) -> None:
        if isinstance(self.screen, Place):
            self.push_screen(CommandPalette(placeholder=_("What would you like to do?")))

    def action_switch_theme(self) -> None:
        names = list(THEMES)
        now = next(name for name in names if THEMES[name].name == self.theme)
        self.theme = THEMES[names[(names.index(now) + 1) % len(names)]].name

    def action_settings(self) -> None:
        if isinstance(self.screen, Place):
            self.push_screen(SettingsScreen(self.house.settings))

    @on(SettingsScreen.Changed)
    async def _set(self, event: SettingsScreen.Changed) -> None:
        """Keep a setting, and let what it can change at once change."""
        try:
            table.save(event.settings)
        except LocalfinError as error:
            self.notify(str(error), severity="warning", markup=False)
        self.house.settings = event.settings
        match event.name:
            case "theme":
                self.theme = THEMES[event.settings.theme].name
            case "keys":
                self.set_keymap(dict(event.settings.keys))
            case "lang":
                await self._speak(event.settings.lang)
            case _other:
                pass

    async def _speak(self, language: str) -> None:
        """Everything is said in the other language from now on."""
        if language == "auto":
            os.environ.pop("LOCALFIN_LANG", None)
        else:
            os.environ["LOCALFIN_LANG"] = language
        for place in self._places.values():
            await place.say_anew()
        self.refresh_bindings()

    def _place(self, name: str) -> Place:
        return self._places.setdefault(name, PLACES[name](self.house))


def run(
    engine: Engine, store: Store, model: Path | None, *, options: LoadOptions, sealed: bool | None, settings: Settings
) -> None:
    """Open the app and return when the user leaves it. Closes nothing."""
    LocalfinApp(engine, store, model, options=options, sealed=sealed, settings=settings).run()
