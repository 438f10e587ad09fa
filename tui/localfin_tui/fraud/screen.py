"""The fraud place: open a file, watch its verdicts come, look into the reasons, decide."""

import threading
import time
from functools import partial
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from localfin.fraud.desk import Row, Rows, look
from localfin.fraud.output.cases import export_cases
from localfin.store.cases import Case, Cases, Decision
from localfin.text import clean_text
from localfin_models.errors import LocalfinError
from localfin_models.files import file_sha256
from localfin_models.language import _
from localfin_tui.beside import Stopped, beside
from localfin_tui.dialogs import AskLine
from localfin_tui.fraud.opening import Opening, Wanted
from localfin_tui.fraud.reasons import reasons
from localfin_tui.fraud.sifting import SHOWN, Sifting, shown_word
from localfin_tui.fraud.table import RowTable
from localfin_tui.host import Phase
from localfin_tui.place import House, Place

_REDRAWN_EVERY_S = 0.25
"""While rows come."""


class FraudScreen(Place):
    NAME = "fraud"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "open", "Open", id="fraud.open", key_display="o"),
        Binding("c", "decide('confirmed')", "Confirm", id="fraud.confirm", key_display="c"),
        Binding("d", "decide('dismissed')", "Dismiss", id="fraud.dismiss", key_display="d"),
        Binding("h", "decide('held')", "Hold", id="fraud.hold", key_display="h"),
        Binding("n", "note", "Note", id="fraud.note", key_display="n"),
        Binding("u", "undo", "Undo", id="fraud.undo", key_display="u"),
        Binding("s", "sort", "Sort", id="fraud.sort", key_display="s"),
        Binding("e", "export", "Export", id="fraud.export", key_display="e"),
        Binding("escape", "stop", "Stop", id="fraud.stop", key_display="Esc"),
        *(
            Binding(str(n), f"show('{name}')", id="fraud.open-rows" if name == "open" else f"fraud.{name}", show=False)
            for n, name in enumerate(SHOWN, 1)
        ),
    ]

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self._rows = Rows()
        self._sifting = Sifting(self._rows, {})
        self._cases: Cases | None = None
        self._path = Path()
        self._kept_out = 0
        self._shown, self._by_score = "all", False
        self._checking = False
        self._stop = threading.Event()
        self._drawn = 0.0

    def body(self) -> ComposeResult:
        yield Static("", id="fraud-shown", markup=False)
        with Horizontal(id="fraud"):
            yield RowTable(lambda at: self._rows[at], lambda place: self._sifting.cases.get(place), id="rows")
            with VerticalScroll(id="reasons"):
                yield Static("", id="reasons-text", markup=False)
        yield Static("", id="fraud-state", markup=False)

    async def model_changed(self, phase: Phase) -> None:
        if not self.query_one("#fraud-state", Static).content and not self._checking:
            self._say_done() if self._cases else self._state(_("Press o to open a file of transactions."))
        self._redraw()
        if self.focused is None:
            self._table.focus()

    def on_unmount(self) -> None:
        self._stop.set()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        match action:
            case "open":
                return not self._checking
            case "stop":
                return self._checking
            case "decide" | "note" | "undo" | "sort" | "export" | "show":
                return self._cases is not None
            case _other:
                return super().check_action(action, parameters)

    @property
    def _table(self) -> RowTable:
        return self.query_one(RowTable)

    # -- checking ----------------------------------------------------------------------------------------------------

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_open(self) -> None:
        wanted = await self.app.push_screen_wait(Opening())
        if wanted:
            self._checking = True
            self._stop.clear()
            self._state(_("Reading..."))
            self.refresh_bindings()
            beside(self, "check", partial(self._check, wanted), self._done, self._wrong)

    def _check(self, wanted: Wanted) -> None:
        """On a thread of its own. Raises LocalfinError."""
        rows, tell = Rows(), self.app.call_from_thread
        for come in look(wanted.new, wanted.history, wanted.scorer, progress=self._tell):
            if isinstance(come, list):
                rows.add(come)
                tell(self._grown)
            else:
                cases = Cases(self.house.store.database, file_sha256(wanted.new), self.house.store.now)
                tell(self._begin, wanted.new, come.bad_count, rows, Sifting(rows, cases.all()), cases)
            self._go_on()

    def _tell(self, done: int, total: int) -> None:
        self._go_on()
        words = _("Computing signals {percent} %. Esc stops.").format(percent=100 * done // max(total, 1))
        self.app.call_from_thread(self._state, words)

    def _go_on(self) -> None:
        if self._stop.is_set():
            raise Stopped(_("Stopped. The rows that have come stay."))

    def _begin(self, path: Path, kept_out: int, rows: Rows, sifting: Sifting, cases: Cases) -> None:
        self._rows, self._sifting, self._cases = rows, sifting, cases
        self._path, self._kept_out, self._shown, self._by_score = path, kept_out, "all", False
        self._redraw()
        self._table.go(0)

    def _grown(self) -> None:
        if time.monotonic() - self._drawn > _REDRAWN_EVERY_S:
            self._state(_("Checking: {count:,} so far. Esc stops.").format(count=len(self._rows)))
            self._redraw()

    def _done(self, _nothing: None) -> None:
        self._checking = False
        self._say_done()
        self._redraw()
        self.refresh_bindings()

    def _say_done(self) -> None:
        words = _("{name}: {rows:,} transactions checked, {bad:,} rows kept out").format(
            name=self._path.name, rows=len(self._rows), bad=self._kept_out
        )
        self._state(words)

    def _wrong(self, error: LocalfinError) -> None:
        self._checking = False
        self._state(str(error))
        self._redraw()
        self.refresh_bindings()

    def action_stop(self) -> None:
        self._stop.set()

    # -- looking -----------------------------------------------------------------------------------------------------

    def _redraw(self) -> None:
        self._drawn = time.monotonic()
        self.query_one("#fraud-shown", Static).update(self._shown_words() if self._cases else "")
        self._table.show_rows(self._sifting.numbers(self._shown, by_score=self._by_score))

    def _shown_words(self) -> Content:
        counts = self._sifting.counts()
        parts = [Content()]
        for name in SHOWN:
            words = f"{shown_word(name)} {counts[name]:,}"
            parts.append(
                Content.styled(f"[{words}]", "bold") if name == self._shown else Content.styled(words, "$quiet")
            )
        if self._by_score:
            parts.append(Content(_("by score")))
        return Content("  ").join(parts[1:])

    @on(RowTable.Moved)
    def _look(self) -> None:
        number = self._table.number
        shown: Content | str = ""
        if number is not None and self._cases is not None:
            row = self._rows[number]
            try:
                events = self._cases.history(row.place) if row.place in self._sifting.cases else []
            except LocalfinError as error:
                self.say(str(error), error=True)
                events = []
            shown = reasons(row, events)
        self.query_one("#reasons-text", Static).update(shown)
        self.query_one("#reasons").scroll_home(animate=False)

    def action_show(self, shown: str) -> None:
        self._shown = shown
        self._redraw()
        self._table.go(0)

    def action_sort(self) -> None:
        self._by_score = not self._by_score
        self._redraw()
        self._table.go(0)

    # -- deciding ----------------------------------------------------------------------------------------------------

    def action_decide(self, decision: Decision) -> None:
        if (number := self._table.number) is not None:
            row = self._rows[number]
            if self._record(number, row, decision, self._note_of(row)):
                self._to_next_open(number)

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_note(self) -> None:
        if (number := self._table.number) is None:
            return
        rows, row = self._rows, self._rows[number]
        line = await self.app.push_screen_wait(AskLine(_("A note on {id}").format(id=row.id), self._note_of(row)))
        if line and rows is self._rows:
            case = self._sifting.cases.get(row.place)
            self._record(number, row, case.decision if case else "open", line)

    def _note_of(self, row: Row) -> str:
        case = self._sifting.cases.get(row.place)
        return case.note if case else ""

    def _record(self, number: int, row: Row, decision: Decision, note: str) -> bool:
        assert self._cases is not None
        try:
            self._keep(number, self._cases.record(row.place, row.id, decision, note))
        except LocalfinError as error:
            self.say(str(error), error=True)
            return False
        return True

    def _keep(self, number: int, case: Case) -> None:
        """It is on the disk: show it."""
        self._sifting.decide(number, case)
        self._redraw()

    def _to_next_open(self, number: int) -> None:
        """From a row that was decided; where it is no longer shown, the cursor stands on the next one already."""
        shown, table = self._sifting.numbers(self._shown, by_score=self._by_score), self._table
        if table.number != number:
            return
        following = (at for at in range(table.cursor + 1, len(shown)) if self._sifting.is_open(shown[at]))
        table.go(next(following, table.cursor))

    def action_undo(self) -> None:
        assert self._cases is not None
        try:
            case = self._cases.undo()
        except LocalfinError as error:
            self.say(str(error), error=True)
            return
        if case is None:
            self.say(_("There is nothing to undo."))
        elif (number := self._sifting.number(case.place)) is not None:
            self._keep(number, case)
            shown = self._sifting.numbers(self._shown, by_score=self._by_score)
            if number in shown:
                self._table.go(shown.index(number))
            self._state(_("Undone: {id}").format(id=case.transaction_id))

    @work(group="dialog", exclusive=True, exit_on_error=False)
    async def action_export(self) -> None:
        proposed = str(self._path.with_name(f"{self._path.stem}-cases.csv"))
        title = _("Export the decided cases; the name's end says the form: .csv or .jsonl")
        if line := await self.app.push_screen_wait(AskLine(title, proposed)):
            path = Path(line.strip("'\"")).expanduser()
            beside(self, "export", partial(self._export, path), self._state, self._wrong)

    def _export(self, path: Path) -> str:
        """On a thread of its own. Raises LocalfinError."""
        sifting, rows = self._sifting, self._rows
        cases = sorted(sifting.cases.values(), key=lambda case: case.place)
        decided = [case for case in cases if case.decision != "open" or case.note]
        found = ((number, case) for case in decided if (number := sifting.number(case.place)) is not None)
        count = export_cases(path, ((rows[number], case) for number, case in found))
        return _("{count:,} cases written to {path}").format(count=count, path=path)

    def _state(self, words: str) -> None:
        self.query_one("#fraud-state", Static).update(clean_text(words))
