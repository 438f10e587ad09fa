"""The small windows over the chat: one line to type, a yes or no, and the help."""

from collections.abc import Mapping
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen, ScreenResultType
from textual.widgets import Button, Footer, Input, Static

from localfin.text import clean_text
from localfin_models.language import _
from localfin_tui.keys import EVERYWHERE, PLACES, in_words, shown


class Dialog(ModalScreen[ScreenResultType]):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", id="dialog.cancel", key_display="Esc")
    ]

    @property
    def active_bindings(self) -> dict[str, ActiveBinding]:
        return in_words(super().active_bindings)

    def action_cancel(self) -> None:
        self.dismiss(None)


class AskLine(Dialog[str]):
    """Ask for one line; None where the user cancels."""

    def __init__(self, title: str, value: str, error: str = "") -> None:
        super().__init__()
        self._title, self._value, self._error = title, value, error

    def compose(self) -> ComposeResult:
        with Vertical(classes="window"):
            yield Static(self._title, classes="title", markup=False)
            yield Input(self._value, id="line", compact=True)
            if self._error:
                yield Static(self._error, classes="error", markup=False)
            yield Static(_("Enter: OK    Esc: cancel"), classes="hint", markup=False)

    @on(Input.Submitted, "#line")
    def _accept(self, event: Input.Submitted) -> None:
        event.stop()
        self.dismiss(clean_text(event.value).strip() or None)


class Confirm(Dialog[bool]):
    """Yes or no, with no under the cursor at first."""

    def __init__(self, question: str, yes: str) -> None:
        super().__init__()
        self._question, self._yes = question, yes

    def compose(self) -> ComposeResult:
        with Vertical(classes="window"):
            yield Static(self._question, classes="title", markup=False)
            with Horizontal(classes="buttons"):
                yield Button(_("Cancel"), id="no", compact=True)
                yield Button(self._yes, id="yes", variant="error", compact=True)

    def on_mount(self) -> None:
        self.query_one("#no", Button).focus()

    @on(Button.Pressed)
    def _decide(self, event: Button.Pressed) -> None:
        event.stop()
        self.dismiss(event.button.id == "yes")


class Help(Dialog[None]):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("f1,q", "cancel", "Close", show=False, id="help.close")]

    def __init__(self, place: str, chosen: Mapping[str, str]) -> None:
        """`chosen`: keys by id where the settings name them."""
        super().__init__()
        self._keys, self._chosen = (*PLACES[place], *EVERYWHERE), chosen

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="window"):
            yield Static(_("Keys"), classes="title", markup=False)
            for key in self._keys:
                with Horizontal(classes="key-line"):
                    yield Static(shown(key, self._chosen), classes="key", markup=False)
                    yield Static(_(key.long), markup=False)
            yield Static(_("Select text with the mouse; Ctrl+C copies it."), classes="hint", markup=False)
        yield Footer()
