"""The fraud place: a file opened, verdicts coming, reasons, decisions that outlive the app, hostile rows, many rows."""

import csv
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from array import array
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest
from rich.cells import cell_len
from tests.hostile.payloads import FORMULAS, PAYLOADS
from tests.localfin.fraud.desk import history_and_new, transactions, write_csv
from textual.widgets import Input

from localfin import fraud
from localfin.fraud.desk import Row, Rows, Why
from localfin.fraud.output.cases import export_cases
from localfin.store import Store
from localfin.store.cases import Case, Cases, account
from localfin_models.errors import InputRefused
from localfin_models.files import file_sha256
from localfin_tui.fraud.screen import FraudScreen
from localfin_tui.fraud.sifting import SHOWN, Sifting
from localfin_tui.fraud.table import RowTable

WIDE = (160, 40)


def row(place: int, **other: object) -> Row:
    facts = {
        "id": f"t{place}",
        "verdict": ("normal", "review", "suspicious")[place % 3],
        "score": place % 1000 / 1000,
        "time": datetime(2026, 11, 2, 3, place % 60),
        "customer": "고객-가나다" if place % 2 else "c-1",
        "counterparty": "shop",
        "amount": 1000.0 * place,
        "currency": "KRW",
        "reasons": (Why("amount_to_mean", 2.1, "5,000 is 61 times the mean"),),
    }
    return Row(place, **{**facts, **other})  # type: ignore[arg-type]


async def at_the_desk(pilot, until, d) -> FraudScreen:
    await until(pilot, lambda: d.chat.phase == "ready")
    await pilot.press("f6")
    await until(pilot, lambda: isinstance(d.app.screen, FraudScreen))
    await until(pilot, lambda: "Press o to open" in d.words)
    return d.app.screen


async def opened(pilot, until, d, new: Path, history: Path | None = None) -> FraudScreen:
    screen = await at_the_desk(pilot, until, d)
    await pilot.press("o")
    await until(pilot, lambda: "Transactions to check" in d.words)
    d.app.screen.query_one("#new", Input).value = f"'{new}'"
    if history is not None:
        d.app.screen.query_one("#history-file", Input).value = str(history)
    await pilot.press("enter")
    await until(pilot, lambda: "transactions checked" in d.words)
    return screen


async def test_a_file_is_opened_and_its_verdicts_are_those_of_the_library(
    desk, until, tmp_path: Path, monkeypatch
) -> None:
    history, new = history_and_new(tmp_path)
    checked = list(fraud.check(new, history=history))
    d = desk()
    async with d.run(size=WIDE) as pilot:
        screen = await opened(pilot, until, d, new, history)
        assert [(each.id, each.verdict, each.score) for each in map(screen._rows.__getitem__, range(80))] == [
            (each.id, each.verdict, each.score) for each in checked
        ]
        assert [screen._rows[n].place for n in range(80)] == list(range(80))
        counts = Counter(each.verdict for each in checked)
        assert counts["suspicious"] > 0
        assert f"[all 80]  suspicious {counts['suspicious']}" in d.words
        await pilot.press("2", "s")
        await until(pilot, lambda: f"[suspicious {counts['suspicious']}]" in d.words)
        best = max(checked, key=lambda each: each.score)
        await until(pilot, lambda: best.reasons[0].text[:30] in d.words)
        assert "!! suspicious" in d.words
        assert best.reasons[0].signal[:22] in d.words
        assert "##########" in d.words
        assert "by score" in d.words
        monkeypatch.setenv("LOCALFIN_LANG", "ko")
        await screen.say_anew()
        await until(pilot, lambda: f"[의심 {counts['suspicious']}]" in d.words and "거래 80건 점검" in d.words)


async def test_what_was_decided_is_there_in_a_new_app(desk, until, tmp_path: Path) -> None:
    _history, new = history_and_new(tmp_path)
    d = desk()
    async with d.run(size=WIDE) as pilot:
        screen = await opened(pilot, until, d, new)
        await pilot.press("c", "home", "down", "h", "home", "down", "down", "d", "home", "n")
        await until(pilot, lambda: "A note on t600" in d.words)
        await pilot.press(*"gone", "enter")
        await until(pilot, lambda: "open" in d.words and screen._sifting.cases[0].note == "gone")
        await pilot.press("u")
        await until(pilot, lambda: "Undone: t600" in d.words)
        await pilot.press("5")
        await until(pilot, lambda: "[confirmed 1]" in d.words)
    again = desk()
    async with again.run(size=WIDE) as pilot:
        screen = await opened(pilot, until, again, new)
        assert "confirmed 1  dismissed 1  held 1" in again.words
        assert (screen._sifting.cases[0].decision, screen._sifting.cases[0].note) == ("confirmed", "")
        await pilot.press("u", "u", "u", "u")
        await until(pilot, lambda: "There is nothing to undo." in again.words)
        assert "confirmed 0  dismissed 0  held 0" in again.words
        await pilot.press("home")
        await until(pilot, lambda: f"{account()}  undone  open" in again.words)


async def test_the_cursor_goes_on_to_the_next_open_row(desk, until) -> None:
    d = desk()
    async with d.run(size=WIDE) as pilot:
        screen = await filled(pilot, until, d, 9)
        await pilot.press("down", "c")
        await until(pilot, lambda: screen._table.number == 2)
        await pilot.press("d")
        await until(pilot, lambda: screen._table.number == 4)  # 3 is normal
        await pilot.press("4")
        await until(pilot, lambda: screen._table.number == 4)
        await pilot.press("h")
        await until(pilot, lambda: screen._table.number == 5)  # 4 is no longer among the open ones


async def filled(pilot, until, d, count: int) -> FraudScreen:
    """The place with so many made rows."""
    screen = await at_the_desk(pilot, until, d)
    rows = Rows()
    for start in range(0, count, 5000):
        rows.add([row(place) for place in range(start, min(start + 5000, count))])
    screen._begin(Path("made.csv"), 0, rows, Sifting(rows, {}), Cases(d.store.database, "ab" * 32))
    await pilot.pause()
    return screen


async def test_the_cursor_stays_on_its_row_while_rows_come_above_it(desk, until) -> None:
    d = desk()
    async with d.run(size=WIDE) as pilot:
        screen = await filled(pilot, until, d, 9)
        await pilot.press("s", "down")
        await until(pilot, lambda: screen._table.number == 7)
        screen._rows.add([row(place) for place in range(9, 500)])
        screen._redraw()
        assert (screen._table.number, screen._table.cursor) == (7, 492)
        await pilot.press("c")
        await until(pilot, lambda: list(screen._sifting.cases) == [7])


async def test_hostile_rows_are_shown_as_they_are_or_without_their_controls(desk, until, tmp_path: Path) -> None:
    made = transactions(len(PAYLOADS))
    rows = [
        (word, time_, f"{word}c", word, *rest) for word, (_id, time_, _c, _m, *rest) in zip(PAYLOADS, made, strict=True)
    ]
    new = write_csv(tmp_path / "new.csv", rows)
    d = desk()
    async with d.run(size=WIDE) as pilot:
        screen = await opened(pilot, until, d, new)
        assert len(screen._rows) > 300
        for _page in range(len(screen._rows) // 25):
            assert not any(sign in d.words for sign in "\x1b\x07\x9b\u202e\u200b\u2066\x00")
            assert {cell_len(line) for line in table_lines(screen)} == {screen._table.size.width}
            await pilot.press("pagedown")
        await pilot.press("c")


def table_lines(screen: FraudScreen) -> list[str]:
    table = screen._table
    return [table.render_line(y).text for y in range(table.size.height)]


async def test_korean_lines_up(desk, until) -> None:
    d = desk()
    async with d.run(size=WIDE) as pilot:
        screen = await filled(pilot, until, d, 12)
        starts = {cell_len(line.partition("shop")[0]) for line in table_lines(screen)[1:] if "shop" in line}
        assert len(starts) == 1


async def test_two_hundred_thousand_rows_scroll(desk, until) -> None:
    d = desk()
    async with d.run(size=WIDE) as pilot:
        screen = await filled(pilot, until, d, 200_000)
        table = screen.query_one(RowTable)
        took = list[float]()
        for key in ("end", "home", *("pagedown",) * 5, *("down",) * 5, "end", *("pageup",) * 5, *("up",) * 5):
            start = time.perf_counter()
            await pilot.press(key)
            took.append(time.perf_counter() - start)
        assert statistics.median(took) < 0.25  # pilot's own pause is in it
        start = time.perf_counter()
        for _n in range(50):
            table.action_page(-1)
            table_lines(screen)
        assert (time.perf_counter() - start) / 50 < 0.05
        await pilot.press("end")
        await until(pilot, lambda: "t199999" in d.words)
        await pilot.press("2")
        await until(pilot, lambda: "[suspicious 66,666]" in d.words)
        await pilot.press("s")
        await until(pilot, lambda: screen._rows[table.number or 0].score == 0.999)
        await pilot.click(RowTable, offset=(5, 4))
        await until(pilot, lambda: table.cursor == 3)


async def test_a_check_is_stopped_and_a_file_that_is_none_is_refused(desk, until, tmp_path: Path, monkeypatch) -> None:
    new = write_csv(tmp_path / "new.csv", transactions(100))

    def slow(path: Path, *_args: object, progress):
        yield fraud.read(path)[0]
        for place in range(10_000):
            yield [row(place)]
            time.sleep(0.01)

    d = desk()
    async with d.run(size=(80, 24)) as pilot:
        screen = await at_the_desk(pilot, until, d)
        monkeypatch.setattr("localfin_tui.fraud.screen.look", slow)
        await ask_to_open(pilot, until, d, new)
        await until(pilot, lambda: "Esc stops" in d.words and len(screen._rows) > 5)
        await pilot.press("escape")
        await until(pilot, lambda: "Stopped. The rows that have come stay." in d.words)
        assert 0 < len(screen._rows) < 10_000
        monkeypatch.undo()
        await ask_to_open(pilot, until, d, tmp_path / "missing.csv")
        await until(pilot, lambda: "does not exist" in d.words)
        assert len(screen._rows) > 0


async def ask_to_open(pilot, until, d, path: Path) -> None:
    await pilot.press("o")
    await until(pilot, lambda: "Transactions to check" in d.words)
    d.app.screen.query_one("#new", Input).value = str(path)
    await pilot.press("enter")


async def test_decided_cases_are_exported(desk, until, tmp_path: Path) -> None:
    d = desk()
    async with d.run(size=WIDE) as pilot:
        screen = await filled(pilot, until, d, 9)
        screen._path = tmp_path / "made.csv"
        await pilot.press("c", "e")
        await until(pilot, lambda: "Export the decided cases" in d.words)
        await pilot.press("enter")
        await until(pilot, lambda: "1 cases written" in d.words)
    with (tmp_path / "made-cases.csv").open(encoding="utf-8-sig", newline="") as file:
        [case] = csv.DictReader(file)
    assert (case["id"], case["decision"], case["person"]) == ("t0", "confirmed", account())


def test_an_export_computes_nothing_in_a_spreadsheet(tmp_path: Path) -> None:
    decided = [
        (row(at, id=text, customer=text), Case(at, text, "held", text, "p", "2026-11-02T00:00:00.000+00:00", False))
        for at, text in enumerate(FORMULAS)
    ]
    assert export_cases(tmp_path / "cases.csv", decided) == len(FORMULAS)
    with (tmp_path / "cases.csv").open(encoding="utf-8-sig", newline="") as file:
        for case in csv.DictReader(file):
            for name in ("id", "customer", "note"):
                assert case[name].lstrip()[:1] not in set("=+-@＝＋－＠")
    export_cases(tmp_path / "cases.jsonl", decided)
    lines = (tmp_path / "cases.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["note"] for line in lines] == list(FORMULAS)
    for name in ("cases.csv", "cases.xlsx"):
        with pytest.raises(InputRefused):
            export_cases(tmp_path / name, decided)
    assert not list(tmp_path.glob("*.part"))


def test_rows_are_sifted_by_verdict_by_decision_and_by_score() -> None:
    rows = Rows()
    rows.add([row(place) for place in range(10)])
    sifting = Sifting(rows, {4: Case(4, "t4", "held", "", "p", "", False)})
    shown = {name: list(sifting.numbers(name, by_score=False)) for name in SHOWN}
    assert shown == {
        "all": list(range(10)),
        "suspicious": [2, 5, 8],
        "review": [1, 4, 7],
        "open": [1, 2, 5, 7, 8],
        "confirmed": [],
        "dismissed": [],
        "held": [4],
    }
    assert sifting.counts() == Counter({name: len(numbers) for name, numbers in shown.items()})
    assert sifting.numbers("suspicious", by_score=True) == array("q", [8, 5, 2])


WRITER = """
import sys
from pathlib import Path
from localfin.store import Store
from localfin.store.cases import Cases
cases = Cases(Store(Path(sys.argv[1])).database, "ab" * 32)
for n in range(100_000):
    cases.record(n, f"t{n}", "confirmed", "")
    print(n, flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_kill_loses_no_decision(tmp_path: Path) -> None:
    path = tmp_path / "localfin.db"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, env=environment
    ) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _n in range(25)]
        os.kill(writer.pid, signal.SIGKILL)
        lines += [line for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
    with Store(path) as store:
        cases = Cases(store.database, "ab" * 32)
        kept = cases.all()
        assert all(kept[int(line)].decision == "confirmed" for line in lines)
        undone = cases.undo()
        assert undone is not None
        assert undone.decision == "open"
        assert Cases(store.database, "cd" * 32).all() == {}


def test_undoing_goes_back_step_by_step_and_forgets_nothing(tmp_path: Path) -> None:
    with Store(tmp_path / "localfin.db") as store:
        cases = Cases(store.database, file_sha256(Path(__file__)))
        cases.record(1, "a\x1b[31m", "held", "")
        cases.record(2, "b", "confirmed", "")
        cases.record(1, "a", "dismissed", "why")
        states = [cases.undo() for _n in range(4)]
        assert [state and (state.place, state.decision, state.note) for state in states] == [
            (1, "held", ""),
            (2, "open", ""),
            (1, "open", ""),
            None,
        ]
        assert [(each.decision, each.undoing) for each in cases.history(1)] == [
            ("held", False),
            ("dismissed", False),
            ("held", True),
            ("open", True),
        ]
        assert cases.history(1)[0].transaction_id == "a"
        assert {each.person for each in cases.history(1)} == {account()}
