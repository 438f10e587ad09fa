"""Every signal against plain Python on random tables and against numbers worked out by hand."""

import itertools
import random
import re
from collections.abc import Iterator
from datetime import date, timedelta, timezone
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.localfin.fraud.signals_oracle import DAY, START, Transaction, Values, expected
from tests.localfin.fraud.signals_table import WORDS, document, written

from localfin.fraud.signals import SIGNALS, Settings, Threshold, compute, evidence
from localfin.fraud.signals.dialect import DUCKDB, SPARK
from localfin.fraud.signals.engine import evidence_query, joins, measured, signals_query
from localfin.fraud.signals.stage import Wanted
from localfin.fraud.signals.stages import stages
from localfin_models.errors import InputRefused
from localfin_models.language import translated

HOUR = timedelta(hours=1)
WEEK = Settings(label_delay=7 * DAY)
TYPES = {
    "row": "BIGINT",
    "time": "TIMESTAMP",
    "customer": "VARCHAR",
    "counterparty": "VARCHAR",
    "amount": "DOUBLE",
    "currency": "VARCHAR",
    "country": "VARCHAR",
    "latitude": "DOUBLE",
    "longitude": "DOUBLE",
    "label": "BOOLEAN",
    "is_new": "BOOLEAN",
}


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


def fill(con: duckdb.DuckDBPyConnection, table: list[Transaction]) -> None:
    """`transactions` of `table`, with the columns that signals read."""
    columns = ", ".join(f"unnest(?::{kind}[]) AS {name}" for name, kind in TYPES.items())
    values = [[getattr(each, name) for each in table] for name in TYPES]
    values[1] = [each.time.replace(tzinfo=None) for each in table]
    con.execute(
        "CREATE OR REPLACE TABLE transactions AS "
        f"SELECT *, time + INTERVAL 9 HOUR AS local_time FROM (SELECT {columns})",
        values,
    )


def signals(
    con: duckdb.DuckDBPyConnection, table: list[Transaction], given_settings: Settings = WEEK
) -> dict[int, Values]:
    fill(con, table)
    compute(con, given_settings)
    return read(con)


def replaced(each: Transaction, **changes: object) -> Transaction:
    values = {name: getattr(each, name) for name in TYPES} | changes
    return Transaction(**values)


def read(con: duckdb.DuckDBPyConnection) -> dict[int, Values]:
    found = con.execute("SELECT * FROM signals")
    names = [column[0] for column in found.description or ()]
    return {values[0]: dict(zip(names[1:], values[1:], strict=True)) for values in found.fetchall()}


def random_table(seed: int, rows: int = 150) -> list[Transaction]:
    """Crowded, so that ties, repeated pairs and rows exactly a window apart are common."""
    draw = random.Random(seed)
    step = draw.choice([HOUR / 4, HOUR, 12 * HOUR, DAY])
    return [
        Transaction(
            row=row,
            time=START + draw.randrange(rows // 2) * step,
            customer=draw.choice(["a", "b", "c", None]),
            counterparty=draw.choice(["x", "y", "z", "w", None]),
            amount=draw.choice([1.0, 20.5, 300.25, 9_000_000, 9_999_999, 8_000_000, 10_000_000, 0.0, -5.0, 0.01]),
            currency=draw.choice(["KRW", "KRW", "KRW", "USD"]),
            country=draw.choice(["KR", "KR", "US", None]),
            latitude=draw.choice([None, 37.5, 37.51, -90.0, 10.0]),
            longitude=draw.choice([None, 127.0, 127.1, 180.0, -180.0]),
            label=draw.choice([None, False, False, True]),
            is_new=draw.random() < 0.3,
        )
        for row in range(rows)
    ]


def assert_equal(found: dict[int, Values], wanted: dict[int, Values]) -> None:
    assert found.keys() == wanted.keys()
    for row, values in wanted.items():
        assert found[row].keys() == values.keys()
        for name, value in values.items():
            assert found[row][name] == (None if value is None else pytest.approx(value, rel=1e-9, abs=2e-6)), (
                row,
                name,
            )


@pytest.mark.parametrize("seed", range(8))
def test_every_signal_is_what_plain_python_says(con: duckdb.DuckDBPyConnection, seed: int) -> None:
    delay = [timedelta(0), DAY, 7 * DAY, timedelta(hours=30)][seed % 4]
    chosen = Settings(label_delay=delay, night=(22, 5) if seed % 3 == 0 else (0, 6))
    table = random_table(seed)
    wanted = expected(table, chosen)
    assert_equal(signals(con, table, chosen), wanted)


def test_the_random_tables_show_something_of_every_signal() -> None:
    tables_of = [expected(random_table(seed), Settings(label_delay=DAY)) for seed in range(4)]
    shown = {name for found in tables_of for row in found.values() for name, value in row.items() if value}
    assert shown == {signal.name for signal in SIGNALS}


def test_hand_computed_numbers(con: duckdb.DuckDBPyConnection) -> None:
    """A quiet customer who wakes after sixty days: two test amounts, then large sums to someone new."""
    seoul: dict[str, Any] = {"latitude": 37.5665, "longitude": 126.9780}
    busan: dict[str, Any] = {"latitude": 35.1796, "longitude": 129.0756}
    woken = START + 60 * DAY
    table = [
        Transaction(0, START, amount=100_000, country="KR", **seoul),
        Transaction(1, START + 2 * DAY, amount=300_000, country="KR"),
        Transaction(2, woken, "c", "shop", 1_000, country="US"),
        Transaction(3, woken + HOUR / 4, "c", "shop", 1_000, country="US", **seoul),
        Transaction(4, woken + HOUR / 2, "c", "mule", 9_500_000, country="US", **busan),
        Transaction(5, woken + HOUR / 2, "d", "mule", 9_000_000),
        Transaction(6, woken + HOUR, "c", "mule", 9_900_000, country="US", **busan),
        Transaction(7, START + 50 * DAY, "e", "mule", 5, label=True),
        Transaction(8, START + 52 * DAY, "e", "mule", 5, label=False),
        Transaction(9, START + 55 * DAY, "e", "mule", 5, label=True),
    ]
    found = signals(con, table)
    assert found[0]["count_30d"] == 0
    assert found[0]["amount_to_mean"] is None
    assert found[0]["counterparty_new"] is None
    assert found[1]["amount_to_mean"] == 3
    assert found[1]["amount_z"] is None
    assert found[1]["days_since_previous"] == 2
    assert found[2]["amount_z"] == pytest.approx((1_000 - 200_000) / (200_000 / 2**0.5), abs=1e-6)
    assert found[2]["pause_to_usual"] == 29
    assert found[3]["small_1h"] == 1
    assert found[3]["hour_share"] == 4 / 27
    fourth = found[4]
    assert {name: fourth[name] for name in ("count_1d", "count_30d", "counterparties_1d", "amount_sum_1d")} == {
        "count_1d": 2,
        "count_30d": 2,
        "counterparties_1d": 1,
        "amount_sum_1d": 2_000,
    }
    assert fourth["amount_mean_7d"] == 1_000
    assert fourth["amount_to_max"] == pytest.approx(9_500_000 / 300_000)
    assert fourth["amount_largest"] == 1
    assert fourth["counterparty_new"] == 1
    assert fourth["counterparty_count"] == 0
    assert fourth["new_counterparty_amount"] == pytest.approx(9_500_000 / 100_500)
    assert fourth["structuring_1d"] == 0.95
    assert fourth["dormant_days"] == 58
    assert fourth["small_1h"] == 2
    assert fourth["country_share"] == 3 / 6
    assert fourth["foreign_use"] == 1
    assert fourth["night"] == fourth["night_foreign"] == fourth["night_unusual"] == 0
    assert fourth["travel_speed"] == pytest.approx(325.1 * 4, rel=2e-3)
    assert fourth["payers_7d"] == 1
    assert fourth["new_payers_7d"] == 0
    # Known seven days on: the frauds of days 50 and 52's label, not day 55's. Overall 1 of 2, worth five labels.
    assert fourth["counterparty_frauds_7d"] == 1
    assert fourth["counterparty_risk_7d"] == (1 + 5 * 0.5) / (2 + 5)
    assert fourth["counterparty_frauds_1d"] == 0
    assert fourth["counterparty_risk_1d"] == 0.5
    assert fourth["counterparty_days_since_fraud"] == 10 + 0.5 / 24
    last = found[6]
    assert last["structuring_1d"] == pytest.approx(1.94)
    assert last["structuring_7d"] == pytest.approx(1.94)
    assert last["payers_1d"] == 2
    assert last["new_payers_7d"] == 2
    assert last["new_counterparties_7d"] == 2
    assert last["travel_speed"] == 0
    assert last["weekday_share"] == pytest.approx((3 + 1) / (5 + 7))


@pytest.mark.parametrize(
    ("day", "ratio"), [(date(2018, 8, 1), 0.9), (date(2019, 6, 30), 0.9), (date(2019, 7, 1), None)]
)
def test_reporting_thresholds_are_those_of_the_day(
    con: duckdb.DuckDBPyConnection, day: date, ratio: float | None
) -> None:
    """18 million won was near the 20 million of 2018, and reported once the 10 million were in force."""
    time = START.replace(year=day.year, month=day.month, day=day.day)
    table = [Transaction(0, time, amount=18_000_000)]
    assert signals(con, table)[0]["structuring_1d"] == (ratio or 0)


def test_thresholds_of_another_currency_are_configuration(con: duckdb.DuckDBPyConnection) -> None:
    table = [Transaction(0, START, amount=9_500, currency="USD"), Transaction(1, START, amount=9_500_000)]
    other = Settings(label_delay=DAY, thresholds=(Threshold(date(1970, 10, 26), 10_000, "USD"),))
    found = signals(con, table, other)
    assert found[0]["structuring_1d"] == 0.95
    assert found[1]["structuring_1d"] is None


moments = st.integers(0, 60).map(lambda hours: START + hours * 8 * HOUR)
labels = st.sampled_from([None, True, False])


@st.composite
def tables(draw: st.DrawFn) -> list[Transaction]:
    times = draw(st.lists(moments, min_size=2, max_size=14))
    return [
        Transaction(
            row=row,
            time=time,
            customer=draw(st.sampled_from("ab")),
            counterparty=draw(st.sampled_from("xy")),
            amount=draw(st.sampled_from([1.0, 10.1, 9_000_000.0])),
            country=draw(st.sampled_from(["KR", "US"])),
            latitude=draw(st.sampled_from([None, 37.5])),
            longitude=draw(st.sampled_from([127.0, 128.0])),
            label=draw(labels),
        )
        for row, time in enumerate(times)
    ]


few = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@few
@given(table=tables(), data=st.data())
def test_labels_younger_than_the_delay_change_nothing(
    con: duckdb.DuckDBPyConnection, table: list[Transaction], data: st.DataObject
) -> None:
    judged = data.draw(st.sampled_from(table))
    other = [
        replaced(each, label=data.draw(labels)) if judged.time - each.time <= WEEK.label_delay else each
        for each in table
    ]
    before, after = signals(con, table), signals(con, other)
    for each in table:
        if each.time <= judged.time:
            assert after[each.row] == before[each.row]


@few
@given(table=tables(), data=st.data())
def test_later_rows_change_nothing(
    con: duckdb.DuckDBPyConnection, table: list[Transaction], data: st.DataObject
) -> None:
    """Not their values, not their order among themselves, not their being there."""
    ordered = sorted(table, key=lambda each: (each.time, each.row))
    kept = data.draw(st.integers(1, len(table)))
    earlier, later = ordered[:kept], ordered[kept:]
    strangers = data.draw(tables())
    other = earlier + [
        replaced(
            stranger,
            row=each.row,
            time=each.time,
        )
        for stranger, each in zip(strangers, later, strict=False)
    ]
    before, after = signals(con, table), signals(con, other)
    for each in earlier:
        assert after[each.row] == before[each.row]


def test_an_unripe_label_would_be_seen_if_it_were_used(con: duckdb.DuckDBPyConnection) -> None:
    """What the tests above rest on: the same label, a microsecond older than the delay, does change the judged row."""
    known = [Transaction(row, START + row * HOUR, counterparty="other", label=row == 0) for row in range(2)]
    exactly = START + 20 * DAY
    judged = Transaction(9, exactly + 7 * DAY)
    young = signals(con, [*known, Transaction(2, exactly, label=True), judged])
    ripe = signals(con, [*known, Transaction(2, exactly - timedelta(microseconds=1), label=True), judged])
    assert young[9]["counterparty_frauds_1d"] == 0
    assert ripe[9]["counterparty_frauds_1d"] == 1


def test_fewer_rows_are_given_when_asked_and_computed_from_all(con: duckdb.DuckDBPyConnection) -> None:
    table = random_table(3)
    every = signals(con, table)
    compute(con, WEEK, rows="new")
    assert read(con) == {each.row: every[each.row] for each in table if each.is_new}
    since = sorted(each.time for each in table)[100]
    wanted = {each.row: every[each.row] for each in table if each.is_new or each.time >= since}
    assert 50 < len(wanted) < len(table)
    for same in (since, since.astimezone(timezone(9 * HOUR)), since.replace(tzinfo=None)):
        compute(con, WEEK, rows=same)
        assert read(con) == wanted


@pytest.mark.parametrize("seed", range(6))
def test_leaving_out_what_no_window_holds_changes_nothing(con: duckdb.DuckDBPyConnection, seed: int) -> None:
    """Of the last rows alone, and of one row alone: rows too old, and of other customers, are not even read then."""
    table = random_table(seed)
    delay = Settings(label_delay=[timedelta(0), 3 * DAY][seed % 2])
    every = signals(con, table, delay)
    times = sorted(each.time for each in table)
    for since in (times[75], times[140], times[-1]):
        compute(con, delay, rows=since)
        found = read(con)
        assert all(any(each.row == row and each.time >= since for each in table) or table[row].is_new for row in found)
        assert found == {row: every[row] for row in found}
    for last in sorted(table, key=lambda each: each.time)[-3:]:
        fill(con, [replaced(each, is_new=each.row == last.row) for each in table])
        compute(con, delay, rows="new")
        assert read(con) == {last.row: every[last.row]}


def test_rows_of_one_time_are_in_the_order_of_the_input(con: duckdb.DuckDBPyConnection) -> None:
    """The one below sees the one above and not the other way round; a label of its own time none of them sees."""
    table = [Transaction(row, START, amount=10.0 * (row + 1), label=True) for row in range(3)]
    found = signals(con, table, Settings(label_delay=timedelta(0)))
    assert [found[row]["count_1d"] for row in range(3)] == [0, 1, 2]
    assert [found[row]["amount_sum_1d"] for row in range(3)] == [0, 10, 30]
    assert {found[row]["counterparty_frauds_1d"] for row in range(3)} <= {0, None}
    other = [table[0], replaced(table[1], amount=99.0, customer="d"), replaced(table[2], counterparty="n")]
    assert signals(con, other, Settings(label_delay=timedelta(0)))[0] == found[0]


def test_no_constant_of_a_simulator_is_in_the_declarations() -> None:
    """The shared cards' own rules: amounts above 220, terminals and customers gone bad for 28 and 14 days."""
    plan = stages(Settings(label_delay=timedelta(hours=1)), DUCKDB, Wanted())
    queries = " ".join([*(stage.query() for stage in plan), signals_query(measured(WEEK), joins(plan))])
    found = re.findall(r"(?<![\w.])\d+(?:\.\d+)?(?:e\d+)?(?![\w.])", queries)
    numbers = {float(number) for number in found}
    assert 86_400_000_000 in numbers
    assert 2_592_000_000_000 in numbers
    days = [length * 86_400_000_000.0 for length in (14, 28)]
    assert not numbers & {220.0, 22_000.0, 14.0, 28.0, *days, *(each - 1 for each in days)}


def test_the_documents_show_the_signals_as_they_are() -> None:
    """Written by `python -m tests.localfin.fraud.signals_table`."""
    for language in WORDS:
        assert document(language).read_text(encoding="utf-8") == written(language)


def test_the_table_holds_a_row_and_a_double_a_signal(con: duckdb.DuckDBPyConnection) -> None:
    signals(con, random_table(1))
    described = con.execute("DESCRIBE signals").fetchall()
    assert [(name, kind) for name, kind, *_rest in described] == [
        ("row", "BIGINT"),
        *((signal.name, "DOUBLE") for signal in SIGNALS),
    ]
    left = {name for (name,) in con.execute("SELECT table_name FROM duckdb_tables() WHERE temporary").fetchall()}
    assert left == {"signals", "evidence"}


def test_columns_that_are_missing_give_signals_that_are_not_known(con: duckdb.DuckDBPyConnection) -> None:
    table = [Transaction(row, START + row * HOUR) for row in range(3)]
    unknown = {name for name, value in signals(con, table)[2].items() if value is None}
    assert unknown == {
        *(f"counterparty_{kind}_{days}d" for kind in ("risk", "frauds") for days in (1, 7, 30)),
        "counterparty_days_since_fraud",
        "counterparty_days_since_good",
        "foreign_use",
        "country_share",
        "night_foreign",
        "travel_speed",
    }


def test_identifiers_are_compared_for_equality_only(con: duckdb.DuckDBPyConnection) -> None:
    table = random_table(5)
    names = {
        "a": "'; DROP TABLE transactions; --",
        "b": "이상 없음",
        "c": "zzz",
        "x": "c",
        "y": "a",
        "z": "0",
        "w": "x",
    }
    renamed = [
        replaced(each, customer=names.get(each.customer or ""), counterparty=names.get(each.counterparty or ""))
        for each in table
    ]
    assert signals(con, table) == signals(con, renamed)


def test_sentences_say_the_evidence_and_nothing_else(con: duckdb.DuckDBPyConnection) -> None:
    table = random_table(7)
    found = signals(con, table)
    new = [each.row for each in table if each.is_new]
    measures = evidence(con, [*new, -1])
    assert sorted(measures) == sorted(new)
    said: set[str] = set()
    for row, values in measures.items():
        for signal in SIGNALS:
            assert values.get(signal.name, found[row][signal.name]) == found[row][signal.name]
            if found[row][signal.name] is None:
                continue
            text = signal.say(values)
            figures = signal.figures(values).values()
            allowed = {abs(round(each * scale, 2)) for each in figures if each is not None for scale in (1, 100)}
            for number in re.findall(r"\d[\d,]*(?:\.\d+)?", text):
                assert any(abs(float(number.replace(",", "")) - each) < 0.051 for each in allowed), (signal.name, text)
            said.add(signal.name)
    assert said == {signal.name for signal in SIGNALS}


def test_a_sentence_in_english(con: duckdb.DuckDBPyConnection) -> None:
    table = [Transaction(0, START, amount=1_000_000), Transaction(1, START + HOUR, amount=12_500_000)]
    signals(con, table)
    measures = evidence(con, [1])[1]
    named = {signal.name: signal for signal in SIGNALS}
    assert (
        named["amount_to_mean"].say(measures) == "12,500,000 is 12.5 times the customer's mean of 1,000,000 (1 amounts)"
    )
    assert named["amount_to_mean"].figures(measures) == {
        "amount": 12_500_000,
        "ratio": 12.5,
        "mean": 1_000_000,
        "count": 1,
    }


def test_a_sentence_in_korean(con: duckdb.DuckDBPyConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCALFIN_LANG", "ko")
    table = [Transaction(0, START, amount=1_000_000), Transaction(1, START + HOUR, amount=12_500_000)]
    signals(con, table)
    named = {signal.name: signal for signal in SIGNALS}
    assert named["count_7d"].say(evidence(con, [1])[1]) == "직전 7일 동안 고객의 거래 1건"


@pytest.mark.parametrize("language", ["ko", "en"])
def test_no_sentence_says_what_is_not_known(con: duckdb.DuckDBPyConnection, language: str) -> None:
    """Of every known signal, in tables that lack customers, countries, counterparties, labels or a past."""
    table = random_table(7)
    lacking = [
        {"customer": None},
        {"country": None},
        {"customer": None, "country": "KR"},
        {"customer": None, "country": "US", "counterparty": None},
        {"currency": "USD", "label": None},
        {},
    ]
    said: set[str] = set()
    for gaps in lacking:
        rows = [replaced(each, is_new=True, **gaps) for each in table]
        found = signals(con, rows)
        for row, measures in evidence(con, [each.row for each in rows]).items():
            for signal in SIGNALS:
                if found[row][signal.name] is None:
                    continue
                figures = signal.figures(measures)
                [text] = signal.say_all([list(figures.values())], language)
                kept = next(each for each in signal.sentences if each.fits(figures))
                assert text != signal.name, figures
                pattern = re.sub(r"\\{\w+(?::%)?\\}", r"-?[\\d,.]+%?", re.escape(translated(kept.text, language)))
                assert re.fullmatch(pattern, text), text
                if "abroad" in kept.text:
                    assert found[row]["foreign_use"] == 1
                if "just under" in kept.text or "home country" in kept.text:
                    assert found[row][signal.name] == 0
                said.add(kept.text)
    assert said == {each.text for signal in SIGNALS for each in signal.sentences}


def test_whatever_is_missing_no_sentence_has_a_gap() -> None:
    """Every signal with every part of its evidence missing, those included that no table can lack."""
    for signal in SIGNALS:
        names = list(signal.evidence)
        for known in itertools.product((True, False), repeat=len(names)):
            row = [1.0 if each else None for each in known]
            for language in ("ko", "en"):
                [text] = signal.say_all([row], language)
                assert not re.search(r"-|None|nan|[{}]", text), text
                if not any(known):
                    assert text == signal.name


def test_declarations_are_whole() -> None:
    assert len({signal.name for signal in SIGNALS}) == len(SIGNALS)
    for signal in SIGNALS:
        for sentence in signal.sentences:
            assert {*sentence.fields, *sentence.where} <= signal.evidence.keys()
        assert signal.evidence
        assert signal.unit


def test_the_sql_is_in_words_that_spark_has_too() -> None:
    """Run there by test_cluster. Functions beside the dialect's own are in both manuals, in the same spelling."""
    functions = (
        "abs asin cast coalesce cos count first_value floor greatest lag lead least max min nullif radians round"
    )
    functions += " row_number sin sqrt stddev_samp sum"
    words = "and as by case else from in join on or over select then using when where window"
    both = {*functions.split(), *words.split()}
    for dialect in (DUCKDB, SPARK):
        plan = stages(WEEK, dialect, Wanted())
        queries = [stage.query() for stage in plan]
        queries += [signals_query(measured(WEEK), joins(plan)), evidence_query(measured(WEEK), joins(plan))]
        own = {"epoch_us", "hour", "isodow"} if dialect is DUCKDB else {"unix_micros", "hour", "weekday"}
        called = {name.lower() for query in queries for name in re.findall(r"(\w+)\s*\(", query)}
        assert called - both == own
        assert not any("::" in query or "EXCLUDE" in query or "DISTINCT " + "ON" in query for query in queries)


@pytest.mark.parametrize(
    "wrong",
    [
        {"label_delay": -DAY},
        {"label_delay": DAY, "night": (-1, 6)},
        {"label_delay": DAY, "near": 1.0},
        {"label_delay": DAY, "prior_weight": 0.0},
        {"label_delay": DAY, "thresholds": (Threshold(date(2020, 1, 1), 0),)},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputRefused):
        Settings(**wrong)  # type: ignore[arg-type]
