"""The app: one engine, one store, one chat screen, and its themes."""

from pathlib import Path
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.screen import Screen

from localfin.engine.events import Engine, LoadOptions
from localfin.store import Store
from localfin_models.language import _
from localfin_tui.chat import ChatScreen
from localfin_tui.themes import INK, PAPER, THEMES


class LocalfinApp(App[None]):
    """The app over any engine and any store: the real ones, or scripted ones in tests."""

    CSS_PATH = "app.tcss"
    TITLE = "localfin"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "quit", "Quit", id="chat.quit", key_display="^Q", priority=True),
    ]

    def __init__(
        self,
        engine: Engine,
        store: Store,
        model: Path | None,
        *,
        options: LoadOptions = LoadOptions(),
        sealed: bool | None = None,
        theme: str = "dark",
    ) -> None:
        """`model`: the GGUF to load at once. `sealed`: what the header says of the seal. `theme`: one of THEMES.

        Owns neither the engine nor the store: the caller closes them.
        """
        super().__init__()
        self._chat = ChatScreen(engine, store, model, options, sealed)
        for own in THEMES.values():
            self.register_theme(own)
        self.theme = THEMES[theme].name

    def get_default_screen(self) -> Screen[None]:
        return self._chat

    async def action_quit(self) -> None:
        self._chat.quit()

    def action_help_quit(self) -> None:
        self.notify(_("Press Ctrl+Q to quit."), markup=False)

    def action_switch_theme(self) -> None:
        self.theme = PAPER.name if self.current_theme.dark else INK.name


def run(
    engine: Engine, store: Store, model: Path | None, *, options: LoadOptions, sealed: bool | None, theme: str
) -> None:
    """Open the app and return when the user leaves it. Closes nothing."""
    LocalfinApp(engine, store, model, options=options, sealed=sealed, theme=theme).run()
