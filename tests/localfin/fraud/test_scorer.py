"""Scores, contributions and verdicts against plain Python, expert's scorecards, calibration and thresholds."""

import math
from pathlib import Path

import duckdb
import numpy as np
import pytest

from localfin.fraud.scorer import Capacity, Costs, default_scorecard, read_scorecard
from localfin.fraud.scorer.arithmetic import calibrate, sigmoid
from localfin.fraud.scorer.calibrating import calibration, reliability
from localfin.fraud.scorer.model import Calibration, Condition, Scorer, Term, Thresholds
from localfin.fraud.scorer.thresholds import thresholds
from localfin_models.errors import InputRefused, NotFound

SCORER = Scorer(
    kind="additive",
    intercept=-2.5,
    terms=(
        Term("speed", (1.0, 2.5), (-0.5, 0.25, 3.0), missing=0.125),
        Term("night", (0.5,), (0.0, 0.75), where=(Condition("speed", at_least=1.0, below=9.0),)),
        Term("speed", (5.0,), (0.1, 0.2)),
        Term("idle", (), (0.3,), missing=-0.3),
    ),
    thresholds=Thresholds(0.2, 0.6),
    calibration=Calibration((-3.0, 0.0, 1.0), (-4.0, -1.0, 2.0)),
)
VALUES = (None, -math.inf, -1.0, 0.0, 0.5, 1.0, 2.4, 2.5, 5.0, 9.0, 1e300, math.inf)


def _by_hand(row: dict[str, float | None]) -> dict[str, float]:
    parts: dict[str, float] = {}
    for term in SCORER.terms:
        value = row[term.signal]
        part = term.missing if value is None else term.log_odds[sum(edge <= value for edge in term.edges)]
        for condition in term.where:
            seen = row[condition.signal]
            if seen is None or not condition.at_least <= seen < condition.below:
                part = 0.0
        parts[term.signal] = parts.get(term.signal, 0.0) + part
    return parts


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    con = duckdb.connect()
    con.execute("create table signals (row bigint, night double, speed double, unused double, idle double)")
    con.executemany(
        "insert into signals values (?, ?, ?, 1, ?)",
        [[at, VALUES[at % 12], VALUES[at // 12 % 12], VALUES[at // 144 % 12]] for at in range(12**3)],
    )
    con.execute("create table transactions as select row, row % 3 = 0 as is_new from signals")
    return con


def test_scores_and_contributions_by_hand(con: duckdb.DuckDBPyConnection) -> None:
    SCORER.score(con)
    names = [column[0] for column in con.execute("describe contributions").fetchall()]
    assert names == ["row", "speed", "night", "idle"]
    rows = con.execute(
        "select s.night, s.speed, s.idle, c.speed, c.night, c.idle, log_odds, score, verdict "
        "from signals s join contributions c using (row) join scores using (row) order by row"
    ).fetchall()
    assert len(rows) == 12**3
    for night, speed, idle, *parts, log_odds, score, verdict in rows:
        expected = _by_hand({"night": night, "speed": speed, "idle": idle})
        assert parts == [expected["speed"], expected["night"], expected["idle"]]
        assert log_odds == SCORER.intercept + parts[0] + parts[1] + parts[2]  # the same bits
        if log_odds < -3:
            calibrated = -4 + (log_odds + 3)
        elif log_odds > 1:
            calibrated = 2 + (log_odds - 1)
        else:
            calibrated = log_odds - 1 if log_odds < 0 else -1 + 3 * log_odds
        assert score == pytest.approx(1 / (1 + math.exp(-calibrated)), abs=1e-15)
        assert verdict == ("suspicious" if score >= 0.6 else "review" if score >= 0.2 else "normal")
    assert {row[-1] for row in rows} == {"normal", "review", "suspicious"}


def test_only_new_rows_in_batches(con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    SCORER.score(con)
    expected = con.execute("select * from scores where row % 3 = 0 order by row").fetchall()
    monkeypatch.setattr("localfin.fraud.scorer.tables._BATCH", 100)
    SCORER.score(con, only_new=True)
    assert con.execute("select * from scores order by row").fetchall() == expected
    con.execute("update transactions set is_new = false")
    SCORER.score(con, only_new=True)
    assert con.execute("select count(*) from scores").fetchall() == [(0,)]


def test_a_scorer_of_other_signals_is_refused(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("alter table signals drop column night")
    with pytest.raises(InputRefused, match="night"):
        SCORER.score(con)


def test_calibration_rises_and_reaches_the_rates() -> None:
    random = np.random.default_rng(3)
    raw = random.normal(-2, 2, 40_000)
    labels = random.random(len(raw)) < sigmoid(0.5 * raw - 1)  # the model claims too much
    found = calibration(raw, labels)
    fine = np.linspace(-30, 30, 5001)
    assert np.all(np.diff(calibrate(found, fine)) > 0)
    scores = sigmoid(calibrate(found, raw))
    assert abs(scores.mean() - labels.mean()) < 0.01
    before, after = (
        max(abs(each.mean_score - each.fraud_rate) for each in reliability(scores, labels) if each.rows > 1000)
        for scores in (sigmoid(raw), scores)
    )
    assert after < 0.03 < before
    assert sum(each.rows for each in found.reliability) == len(raw)
    assert max(abs(each.mean_score - each.fraud_rate) for each in found.reliability if each.rows > 1000) < 0.05


@pytest.mark.parametrize("frauds", [0, 1, 3, 60, 200])
def test_calibration_of_few_frauds_and_equal_scores(frauds: int) -> None:
    raw = np.repeat([-1.0, 2.0], 100)
    labels = np.arange(200) < frauds  # the lower ones are the frauds
    found = calibration(raw, labels)
    assert np.all(np.diff(calibrate(found, np.linspace(-9, 9, 100))) > 0)
    assert all(map(math.isfinite, found.calibrated))


def test_thresholds_by_capacity() -> None:
    scores = np.arange(1000) / 1000
    found = thresholds(Capacity(10), scores, days=5, fraud_rate=0.01)
    assert int((scores >= found.review).sum()) == 50
    assert found.suspicious == found.review > 0.9
    found = thresholds(Capacity(150), scores, days=5, fraud_rate=0.01)
    assert int((scores >= found.review).sum()) == 750
    assert found.suspicious == 0.5
    assert thresholds(Capacity(10_000), scores, days=5, fraud_rate=0.01).review == 0.01
    tied = np.repeat([0.1, 0.8], [500, 500])
    assert int((tied >= thresholds(Capacity(10), tied, 5, 0.01).review).sum()) == 0  # over the capacity: none of them
    assert int((tied >= thresholds(Capacity(100), tied, 5, 0.01).review).sum()) == 500


def test_thresholds_by_cost() -> None:
    scores = np.zeros(3)
    assert thresholds(Costs(look=5, missed_fraud=100), scores, 1, 0.01) == Thresholds(0.05, 0.5)
    assert thresholds(Costs(look=80, missed_fraud=100), scores, 1, 0.01) == Thresholds(0.8, 0.8)
    assert thresholds(Costs(look=5, missed_fraud=0), scores, 1, 0.01).review == 1


SCORECARD = """
format = "localfin-scorecard"
version = 1
base = -100
points_to_double = 20
[thresholds]
review = -20
suspicious = 0
[[signal]]
name = "speed"
steps = [{at_least = 2, points = 40}, {at_least = 5, points = 80}]
missing = 10
[[signal]]
name = "speed"
steps = [{at_least = 0, points = 20}]
where = [{signal = "night", at_least = 0.5}]
"""


@pytest.mark.parametrize(
    ("speed", "night", "points"),
    [
        (None, None, -90), (1, None, -100), (1, 1, -80), (-1, 1, -100), (2, 0, -60), (2, 1, -40), (7, 0, -20), (7, 1, 0)
    ],
)  # fmt: skip
def test_points(tmp_path: Path, speed: float | None, night: float | None, points: float) -> None:
    (tmp_path / "card.toml").write_text(SCORECARD)
    card = read_scorecard(tmp_path / "card.toml")
    con = duckdb.connect()
    con.execute(
        "create table signals as select 0::bigint as row, ?::double as speed, ?::double as night", [speed, night]
    )
    card.score(con)
    [(score, verdict)] = con.execute("select score, verdict from scores").fetchall()
    assert score == pytest.approx(1 / (1 + 2 ** (-points / 20)), rel=1e-12)
    assert verdict == ("suspicious" if points >= 0 else "review" if points >= -20 else "normal")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("base = -100", "base = nan", "base"),
        ("base = -100", "base = -inf", "base"),
        ("base = -100", "base = '-100'", "base"),
        ("base = -100", "base = true", "base"),
        ("base = -100", "base = -100\nfurther = 1", "further"),
        ("points_to_double = 20", "points_to_double = 0", "points_to_double"),
        ("review = -20", "review = 20", "review"),
        ("at_least = 5", "at_least = 1", "steps"),
        ("version = 1", "version = 2", "version 1"),
        ('name = "speed"', 'name = "Speed; drop table x"', "name"),
        ('name = "speed"', 'name = "row"', "name"),
        ("missing = 10", "missing = 1e9", "missing"),
        ("missing = 10", "missing = [", "scorer"),
        ("missing = 10", "missing = " + "[" * 100_000, "scorer"),
        ("[[signal]]", "[signal]", "scorer"),
        ('signal = "night", at_least = 0.5', 'signal = "night", above = 0.5', "above"),
        ("{at_least = 2, points = 40}", "2", r"steps\[0\]"),
    ],
)
def test_a_wrong_scorecard_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in SCORECARD
    (tmp_path / "card.toml").write_text(SCORECARD.replace(old, new))
    with pytest.raises(InputRefused, match=message) as refusal:
        read_scorecard(tmp_path / "card.toml")
    assert len(str(refusal.value)) < 1000
    assert str(refusal.value).isprintable()


def test_a_scorecard_of_unknown_signals_or_none_at_all(tmp_path: Path) -> None:
    (tmp_path / "card.toml").write_text(SCORECARD)
    read_scorecard(tmp_path / "card.toml", known={"speed", "night"})
    with pytest.raises(InputRefused, match="no such signal"):
        read_scorecard(tmp_path / "card.toml", known={"speed"})
    with pytest.raises(NotFound):
        read_scorecard(tmp_path / "no.toml")


def test_the_scorecard_that_ships() -> None:
    card = default_scorecard()
    assert card.kind == "scorecard"
    nothing = 1 / (1 + math.exp(-card.intercept))
    assert nothing < 0.01 < card.thresholds.review < card.thresholds.suspicious
    for term in card.terms:
        assert list(term.log_odds) == sorted(term.log_odds), term.signal  # more of it never looks better
        assert term.missing == 0
