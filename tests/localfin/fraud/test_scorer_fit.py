"""Learning: equal to the machine it learns with, repeatable, blind to labels that were not known, light to use."""

import os
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pytest
from tests.localfin.fraud.window_signals import CARDS, DELAY, make_signals, make_transactions, read_cards

from localfin.fraud.evaluation import evaluate, score_baselines
from localfin.fraud.scorer import Capacity, Thresholds, fit, read, write
from localfin.fraud.scorer.file import text
from localfin.fraud.scorer.learning import machine
from localfin.fraud.scorer.tables import fetch
from localfin.fraud.scorer.training_rows import training_rows
from localfin.fraud.signals import Settings, compute
from localfin_models.errors import InputRefused

WEEK = timedelta(days=7)


@pytest.fixture(autouse=True)
def _few_bags(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Two machines, not six, are averaged: what is tested does not depend on it, and takes seconds."""
    if "long" not in request.keywords:
        monkeypatch.setattr("localfin.fraud.scorer.learning.MACHINES", 2)


@pytest.fixture(scope="module")
def made() -> tuple[duckdb.DuckDBPyConnection, datetime]:
    con = duckdb.connect()
    end = make_transactions(con)
    make_signals(con)
    return con, end


@pytest.fixture
def data(made: tuple[duckdb.DuckDBPyConnection, datetime]) -> tuple[duckdb.DuckDBPyConnection, datetime]:
    """Tables of their own for one test, and the first day of their last week."""
    con = duckdb.connect()
    for name in ("transactions", "signals"):
        columns = made[0].execute(f"select * from {name}").fetchnumpy()
        con.register("copied", columns)
        con.execute(f"create table {name} as select * from copied")
        con.unregister("copied")
    return con, made[1] - WEEK


def test_scores_equal_the_machines(data: tuple[duckdb.DuckDBPyConnection, datetime]) -> None:
    con, as_of = data
    con.execute("update signals set amount_to_mean = null where row % 5 = 0")  # missing in training, too
    scorer = fit(con, as_of=as_of, label_delay=DELAY, seed=4)
    rows = training_rows(con, as_of=as_of, label_delay=DELAY)
    assert rows is not None
    learned = machine(rows.names, rows.signals, rows.labels, 4)
    con.execute("update signals set amount = -1e9, amount_to_max = 'inf' where row % 7 = 0")  # nothing like it before
    con.execute("update signals set amount_to_mean = null where row % 11 = 0")
    scorer.score(con)
    _, signals = fetch(con, learned.names, "from signals order by row")
    found = con.execute("select log_odds from scores order by row").fetchnumpy()["log_odds"]
    assert np.abs(found - learned.decision_function(signals)).max() < 1e-9
    assert np.ptp(found) > 3
    names = ", ".join(f'c."{name}"' for name in scorer.signals)
    for log_odds, *parts in con.execute(
        f"select log_odds, {names} from scores join contributions c using (row)"
    ).fetchall():
        total = scorer.intercept
        for part in parts:
            total += part
        assert total == log_odds


def test_a_signal_that_is_missing_for_the_first_time_says_nothing(
    data: tuple[duckdb.DuckDBPyConnection, datetime],
) -> None:
    con, as_of = data
    con.execute("alter table signals add column never double; update signals set count_7d = 1 where count_7d is null")
    scorer = fit(con, as_of=as_of, label_delay=DELAY)
    assert "never" not in scorer.signals
    con.execute("update signals set count_7d = null")
    scorer.score(con)
    assert con.execute("select distinct count_7d from contributions").fetchall() == [(0.0,)]


def test_the_same_seed_gives_the_same_scorer_and_says_what_it_learned_from(
    data: tuple[duckdb.DuckDBPyConnection, datetime], tmp_path: Path
) -> None:
    con, as_of = data
    arguments = {"as_of": as_of, "label_delay": DELAY, "train_days": 20, "label_column": "사기"}
    scorer = fit(con, **arguments)
    assert text(fit(con, **arguments)) == text(scorer)
    assert scorer.label is not None
    assert (scorer.label.column, scorer.label.delay) == ("사기", DELAY)
    trained = scorer.training
    assert trained is not None
    assert trained.as_of == as_of
    assert as_of - DELAY - timedelta(days=20) <= trained.first < trained.last < as_of - DELAY
    assert con.execute(
        "select count(*), sum(label::int) from transactions where time between ? and ?",
        [trained.first.replace(tzinfo=None), trained.last.replace(tzinfo=None)],
    ).fetchall() == [(trained.rows, trained.frauds)]
    write(tmp_path / "scorer.json", scorer)
    assert read(tmp_path / "scorer.json") == scorer
    con.execute("update signals set amount = amount + 1 where row = (select min(row) from transactions where time = ?)",
                [trained.last.replace(tzinfo=None)])  # fmt: skip
    changed = fit(con, **arguments).training
    assert changed is not None
    assert changed.sha256 != trained.sha256


def test_labels_that_were_not_known_never_matter(data: tuple[duckdb.DuckDBPyConnection, datetime]) -> None:
    con, as_of = data
    before = text(fit(con, as_of=as_of, label_delay=DELAY))
    unripe = (as_of - DELAY).replace(tzinfo=None)
    con.execute("update transactions set label = not label where time >= ?", [unripe])
    assert text(fit(con, as_of=as_of, label_delay=DELAY)) == before
    con.execute(
        "update signals set amount = -amount where row in (select row from transactions where time >= ?)", [unripe]
    )
    assert text(fit(con, as_of=as_of, label_delay=DELAY)) == before
    con.execute("update transactions set label = not label where row = "
                "(select max(row) from transactions where time < ?)", [unripe])  # fmt: skip
    assert text(fit(con, as_of=as_of, label_delay=DELAY)) != before  # the youngest one that was known


def test_it_learns_and_its_capacity_is_kept(data: tuple[duckdb.DuckDBPyConnection, datetime]) -> None:
    con, as_of = data
    scorer = fit(con, as_of=as_of, label_delay=DELAY, policy=Capacity(6))
    scorer.score(con)
    arguments = {"start": as_of, "end": as_of + WEEK, "label_delay": DELAY, "k": 5}
    found = evaluate(con, scorer.thresholds, **arguments)
    [week] = found.by_week
    assert week.average_precision > 5 * week.frauds / week.rows
    assert week.auc_roc > 0.75
    assert week.mcc_at_review > 0.2
    assert len(found.by_day) == 7
    assert sum(day.rows for day in found.by_day) == week.rows == sum(each.rows for each in found.reliability)
    assert np.mean([day.card_precision.perfect for day in found.by_day]) >= week.card_precision.perfect
    [(alerts,)] = con.execute(
        "select count(*) / 7 from scores join transactions using (row) where verdict <> 'normal' and time >= ?",
        [as_of.replace(tzinfo=None)],
    ).fetchall()
    assert 2 < alerts < 18
    names = []
    con.execute("alter table signals add column never double; alter table signals add column always double default 1")
    rows = training_rows(con, as_of=as_of, label_delay=DELAY)
    assert rows is not None
    for name in score_baselines(con, rows, start=as_of, end=as_of + WEEK):
        names.append(name)
        [baseline] = evaluate(con, scorer.thresholds, **arguments).by_week
        assert (baseline.rows, baseline.frauds) == (week.rows, week.frauds)
        assert baseline.auc_roc > 0.7
    assert names == ["logistic regression", "random forest", "gradient boosting"]


def test_cards_known_before_the_day_are_left_out() -> None:
    con = duckdb.connect()
    con.execute("""
create table transactions as select row, customer, time, time + interval 9 hours as local_time, label from (values
  (0, 'a', timestamp '2024-01-01 15:00:00', true),
  (1, 'b', timestamp '2024-01-02 14:59:59', true),
  (2, 'a', timestamp '2024-01-08 15:00:00', false),
  (3, 'a', timestamp '2024-01-09 14:59:59', true),
  (4, 'a', timestamp '2024-01-09 15:00:00', false),
  (5, 'b', timestamp '2024-01-09 15:00:00', false),
  (6, 'c', timestamp '2024-01-09 15:00:01', true),
  (7, null, timestamp '2024-01-09 15:00:02', true),
  (8, 'd', timestamp '2024-01-09 15:00:02', null)) as t(row, customer, time, label)""")
    con.execute("create table scores as select row, row / 10.0 as score from transactions")
    utc = datetime.fromisoformat

    def tested(**more: datetime) -> list[tuple[int, int, int]]:
        week = {"start": utc("2024-01-09 00:00+09:00"), "end": utc("2024-01-16 00:00+09:00")}
        found = evaluate(con, Thresholds(0.5, 0.5), **week, label_delay=WEEK, **more)
        return [(day.first_day.day, day.rows, day.frauds) for day in found.by_day]

    # a's first fraud is seven days old when the ninth begins, to the second, and not older: it is known a day later.
    assert tested() == [(9, 2, 1), (10, 2, 2)]
    assert tested(known_from=utc("2024-01-05 00:00+09:00")) == [(9, 2, 1), (10, 4, 2)]
    con.execute("update transactions set time = time - interval 1 microsecond, local_time = local_time - interval 1 "
                "microsecond where row = 0")  # fmt: skip
    assert tested() == [(10, 2, 2)]


@pytest.mark.parametrize("case", ["none", "no fraud", "few", "only fraud"])
def test_too_little_to_learn_from_is_refused(data: tuple[duckdb.DuckDBPyConnection, datetime], case: str) -> None:
    con, as_of = data
    if case == "none":
        as_of -= timedelta(days=100)
    else:
        labels = {"no fraud": "false", "few": "row < 9", "only fraud": "true"}
        con.execute(f"update transactions set label = {labels[case]}")
    with pytest.raises(InputRefused, match="too few"):
        fit(con, as_of=as_of, label_delay=DELAY)


def test_scoring_imports_no_learning(environment: dict[str, str]) -> None:
    code = (
        "import sys; from localfin.fraud.scorer import default_scorecard, read, write; default_scorecard();"
        "import localfin.fraud.scorer.tables, localfin.fraud.evaluation.weeks; print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert not {"interpret", "sklearn", "pandas", "scipy", "joblib"} & set(run.stdout.split())


@pytest.mark.long
@pytest.mark.skipif(not CARDS.exists(), reason="the shared card transactions are not here")
def test_the_published_protocol() -> None:
    con = duckdb.connect()
    con.execute(f"set threads = {min(2, os.cpu_count() or 1)}")
    read_cards(con)
    compute(con, Settings(DELAY))
    reached: dict[str, list[float]] = {}
    for week in range(4, 0, -1):
        start = datetime.fromisoformat("2018-08-08 00:00+00:00") - week * WEEK
        scorer = fit(con, as_of=start, label_delay=DELAY, train_days=7)
        scorer.score(con)
        window = {"start": start, "end": start + WEEK, "label_delay": DELAY}
        found = evaluate(con, scorer.thresholds, **window, known_from=start - 2 * WEEK).mean
        reached.setdefault("average precision", []).append(found["average_precision"])
        reached.setdefault("additive", []).append(found["card_precision"])
        rows = training_rows(con, as_of=start, label_delay=DELAY, train_days=7)
        assert rows is not None
        for name in score_baselines(con, rows, start=start, end=start + WEEK):
            figures = evaluate(con, scorer.thresholds, **window, known_from=start - 2 * WEEK).mean
            reached.setdefault(name, []).append(figures["card_precision"])
    mean = {name: float(np.mean(each)) for name, each in reached.items()}
    assert mean["average precision"] >= 0.70
    assert mean["additive"] >= mean["random forest"]
