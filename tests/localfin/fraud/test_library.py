"""`localfin.fraud` as a library: what is read, checked and learned, without the command line."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from tests.localfin.conftest import Run
from tests.localfin.fraud.desk import history_and_new, transactions
from tests.localfin.fraud.test_fit_and_evaluate import made

from localfin import fraud
from localfin.fraud.scorer import Scorer, write
from localfin_models.errors import InputRefused, NotFound

SEOUL = ZoneInfo("Asia/Seoul")


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
    assert first.time == datetime.fromisoformat(wrote[1]).replace(tzinfo=SEOUL)
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


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("desk") / "labelled.csv", seed=1)


KNOWN = datetime(2024, 3, 27, tzinfo=SEOUL)


@pytest.fixture(scope="module")
def scorer(labelled: Path) -> Scorer:
    return fraud.fit(labelled, label="fraud", as_of=KNOWN, train_days=15)


def test_the_command_learns_the_very_same_scorer(run: Run, labelled: Path, scorer: Scorer, tmp_path: Path) -> None:
    options = ["--label", "fraud", "--as-of", "2024-03-27", "--train-days", "15"]
    done = run("fraud", "fit", labelled, *options, "-o", tmp_path / "scorer.json")
    assert done.returncode == 0, done.stderr
    assert fraud.load_scorer(tmp_path / "scorer.json") == scorer
    known = made(tmp_path / "known.csv", seed=1, until="2024-03-20 12:00:00")  # nothing later was looked at
    assert fraud.fit(known, label="fraud", as_of=KNOWN, train_days=15) == scorer


def test_evaluates_as_the_command_does(run: Run, labelled: Path, scorer: Scorer, tmp_path: Path) -> None:
    write(tmp_path / "scorer.json", scorer)
    done = run("fraud", "evaluate", labelled, "--scorer", tmp_path / "scorer.json", "--json", "--cards", "3")
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    weeks = printed["models"]["scorer"]["weeks"]
    for given in (scorer, tmp_path / "scorer.json"):
        found = fraud.evaluate(labelled, scorer=given, cards=3)
        assert found.start == KNOWN
        assert found.start.isoformat() == printed["from"]
        assert dict(found.scorer.mean) == printed["models"]["scorer"]["mean"]
        assert [(week.rows, week.frauds) for week in found.scorer.by_week] == [
            (week["rows"], week["frauds"]) for week in weeks
        ]
        assert (found.baselines, found.same_rows) == ({}, None)
    since = datetime(2024, 3, 30, 12, tzinfo=UTC)
    late = fraud.evaluate(labelled, scorer=scorer, since=since)
    assert (late.start, late.scorer.by_week[0].first_day) == (since, since.date())
    assert 0 < late.scorer.by_week[0].rows < sum(week["rows"] for week in weeks)


def test_refuses_times_that_would_flatter_or_are_not_whole(labelled: Path, scorer: Scorer) -> None:
    with pytest.raises(InputRefused, match=r"^2024-03-26 23:00: .* learned .* before 2024-03-27 00:00"):
        fraud.evaluate(labelled, scorer=scorer, since=KNOWN - timedelta(hours=1))
    with pytest.raises(InputRefused, match="no transaction from 2026-01-01"):
        fraud.evaluate(labelled, scorer=scorer, since=datetime(2026, 1, 1, tzinfo=SEOUL))
    with pytest.raises(ValueError, match="offset from UTC"):
        fraud.evaluate(labelled, scorer=scorer, since=datetime(2024, 3, 30))
    with pytest.raises(ValueError, match="offset from UTC"):
        fraud.fit(labelled, label="fraud", as_of=datetime(2024, 3, 30))
    with pytest.raises(InputRefused, match=r"^2026-01-01 lies outside: labels of 2024-03-01 to"):
        fraud.fit(labelled, label="fraud", as_of=datetime(2026, 1, 1, tzinfo=SEOUL))


def test_refuses_as_the_command_does(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        fraud.read(tmp_path / "none.csv")
    (tmp_path / "empty.csv").touch()
    with pytest.raises(InputRefused):
        list(fraud.check(tmp_path / "empty.csv"))
    with pytest.raises(NotFound):
        fraud.load_scorer(tmp_path / "none.toml")
