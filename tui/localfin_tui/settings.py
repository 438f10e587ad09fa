"""The settings screen: one line for each setting of the table, kept and applied as it is changed."""

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Footer, Input, Select, Static, Switch

from localfin import settings as table
from localfin.settings import Settings, WrongValue
from localfin.text import clean_text
from localfin_models.language import _
from localfin_tui.dialogs import Dialog


class SettingsScreen(Dialog[None]):
    class Changed(Message):
        """`name` has another value in `settings` now."""

        def __init__(self, name: str, settings: Settings) -> None:
            super().__init__()
            self.name, self.settings = name, settings

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self._settings = settings

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="window"):
            yield Static(_("Settings"), classes="title", markup=False)
            for name in table.NAMES:
                value = getattr(self._settings, name)
                if isinstance(value, dict):
                    continue  # tables are written in the file
                with Vertical(classes="setting"):
                    yield Static(name, classes="key", markup=False)
                    yield Static(table.about(name), classes="hint", markup=False)
                    yield _editor(name, value)
                    yield Static("", classes="error", id=f"wrong-{name}", markup=False)
            where = _("Keys are written in {path}.").format(path=clean_text(str(table.settings_file())))
            yield Static(where, classes="hint", markup=False)
        yield Footer()

    @on(Switch.Changed)
    def _switched(self, event: Switch.Changed) -> None:
        self._set(str(event.switch.id), str(event.value).lower())

    @on(Select.Changed)
    def _chosen(self, event: Select.Changed) -> None:
        self._set(str(event.select.id), str(event.value))

    @on(Input.Submitted)
    @on(Input.Blurred)
    def _typed(self, event: Input.Submitted | Input.Blurred) -> None:
        self._set(str(event.input.id), clean_text(event.value).strip())

    def _set(self, name: str, said: str) -> None:
        wrong = self.query_one(f"#wrong-{name}", Static)
        try:
            settings = table.changed(self._settings, name, said)
        except WrongValue as error:
            wrong.update(str(error))
            wrong.add_class("-said")
            return
        wrong.remove_class("-said")
        if settings != self._settings:
            self._settings = settings
            # To the app, and not up through the screens: this one may be gone by then.
            self.app.post_message(self.Changed(name, settings))


def _editor(name: str, value: object) -> Widget:
    if isinstance(value, bool):
        return Switch(value, id=name, animate=False)
    if allowed := table.choices(name):
        return Select([(each, each) for each in allowed], value=str(value), allow_blank=False, id=name, compact=True)
    return Input(clean_text(str(value)), id=name, compact=True)
