"""Which file to open, what to compare it with, and which scorer judges."""

from dataclasses import dataclass
from pathlib import Path

from textual import on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.widgets import Input, Static

from localfin.text import clean_text
from localfin_models.language import _
from localfin_tui.dialogs import Dialog


@dataclass(frozen=True, slots=True)
class Wanted:
    new: Path
    history: Path | None
    scorer: Path | None
    """None is the scorecard that ships."""


class Opening(Dialog[Wanted]):
    """Three lines; the first must say something. A path that is dropped on a terminal is typed by it, often quoted."""

    def compose(self) -> ComposeResult:
        with Vertical(classes="window"):
            yield Static(_("Transactions to check: CSV, TSV, JSON lines or Parquet"), classes="title", markup=False)
            yield Input(id="new", classes="path", compact=True)
            yield Static(_("History to compare them with (may stay empty)"), classes="hint", markup=False)
            yield Input(id="history-file", classes="path", compact=True)
            yield Static(_("Scorer (empty: the scorecard that ships)"), classes="hint", markup=False)
            yield Input(id="scorer", classes="path", compact=True)
            yield Static(_("Enter: OK    Tab: next line    Esc: cancel"), classes="hint", markup=False)

    @on(Input.Submitted)
    def _accept(self, event: Input.Submitted) -> None:
        event.stop()
        new, history, scorer = (self._path(name) for name in ("new", "history-file", "scorer"))
        if new is not None:
            self.dismiss(Wanted(new, history, scorer))

    def _path(self, name: str) -> Path | None:
        line = clean_text(self.query_one(f"#{name}", Input).value).strip().strip("'\"")
        return Path(line).expanduser() if line else None
