"""`localfin.fraud` as a library: what is read, checked and learned, without the command line."""

import json
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.localfin.conftest import Run
from tests.localfin.fraud.desk import history_and_new, transactions

from localfin import fraud
from localfin_models.errors import InputRefused, NotFound


def test_reads_what_the_file_says(tmp_path: Path) -> None:
    history, _new = history_and_new(tmp_path, old=30)
    report, rows = fraud.read(history)
    found = list(rows)
    assert (report.rows, report.bad_count, report.columns["counterparty"]) == (30, 0, "merchant")
    first, wrote = found[0], transactions(110)[0]
    assert (first.id, first.customer, first.counterparty, first.label) == (
        wrote[0],
        wrote[2],
        wrote[3],
        wrote[6] == "1",
    )
    assert first.amount == Decimal(wrote[4])
    assert first.time == datetime.fromisoformat(wrote[1]).replace(tzinfo=ZoneInfo("Asia/Seoul"))
    assert first.time.utcoffset() == timedelta(hours=9)


def test_checks_as_the_command_does(run: Run, tmp_path: Path) -> None:
    history, new = history_and_new(tmp_path)
    found = list(fraud.check(new, history=history))
    printed = [
        json.loads(line) for line in run("fraud", "check", new, "--history", history, "--json").stdout.splitlines()
    ]
    assert [(row.id, row.verdict, round(row.score, 6)) for row in found] == [
        (row["id"], row["verdict"], row["score"]) for row in printed
    ]
    assert [[reason.text for reason in row.reasons] for row in found] == [
        [reason["text"] for reason in row["reasons"]] for row in printed
    ]


def test_learns_and_checks_with_it(tmp_path: Path) -> None:
    history, new = history_and_new(tmp_path, old=3000)
    scorer = fraud.fit(history, label="fraud", label_delay=timedelta(days=2), policy=fraud.Capacity(5))
    assert scorer.label is not None
    assert (scorer.label.column, scorer.label.delay) == ("fraud", timedelta(days=2))
    found = list(fraud.check(new, history=history, scorer=scorer))
    hit = {row[0] for row in transactions(3080)[3000:] if row[-1] == "1"}
    best = sorted(found, key=lambda row: row.score)[-len(hit) :]
    assert {row.id for row in best} == hit


def test_refuses_as_the_command_does(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        fraud.read(tmp_path / "none.csv")
    (tmp_path / "empty.csv").touch()
    with pytest.raises(InputRefused):
        list(fraud.check(tmp_path / "empty.csv"))
    with pytest.raises(NotFound):
        fraud.load_scorer(tmp_path / "none.toml")
