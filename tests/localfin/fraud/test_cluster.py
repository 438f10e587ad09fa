"""Spark gives the same numbers as DuckDB: every signal, all evidence, and the history's rows as they are read."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest
from tests.localfin.fraud.signals_oracle import DAY, START, Transaction
from tests.localfin.fraud.test_signals import fill, random_table, replaced

from localfin.fraud.signals import SIGNALS, Settings, compute
from localfin.fraud.transactions import read_into
from localfin_models.errors import InputRefused, NotFound

if TYPE_CHECKING:
    from localfin.fraud.cluster import Cluster

CARDS = Path(__file__).parents[4] / "shared" / "data" / "fraud" / "card-transactions.parquet"
pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(900),
    pytest.mark.skipif(importlib.util.find_spec("pyspark") is None, reason="no pyspark: pip install -e '.[cluster]'"),
    pytest.mark.skipif(
        shutil.which("java") is None and "JAVA_HOME" not in os.environ, reason="Spark needs Java 17 or later"
    ),
    # Spark names versions of pandas, which is not used here, and opens pipes that it leaves to the collector.
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::ResourceWarning", "ignore::DeprecationWarning"),
]
WEEK = Settings(label_delay=7 * DAY)
CLOSE = 1e-9
"""Sines and cosines differ in the last bit between Java and C; all other numbers are the same bit by bit."""
ROUNDED = {"amount_z": 1.1e-6, "travel_speed": 1e-6}
"""Rounded to six decimals; and below a micrometre the angle between two points is lost."""


@pytest.fixture(scope="module")
def cluster() -> "Iterator[Cluster]":
    from localfin.fraud.cluster import connect

    with connect("local[2]") as connected:
        yield connected


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 2}) as connection:
        yield connection


def hostile_rows() -> list[Transaction]:
    """Tables crowded with ties, gaps and zeros; one customer of all; the same rows twice; a label at the very delay."""
    parts = [random_table(seed, 300) for seed in range(4)]
    parts.append([replaced(each, customer="only", counterparty="one") for each in random_table(9, 200)])
    parts.append([replaced(each, customer=f"{each.customer}!", amount=0.0) for each in random_table(10, 100)])
    parts.append([*random_table(11, 100), *random_table(11, 100)])
    edge = START + 20 * DAY
    parts.append(
        [
            Transaction(0, edge, "e", "edge", label=True),
            Transaction(1, edge - timedelta(microseconds=1), "e", "edge", label=True),
            Transaction(2, edge + WEEK.label_delay, "e", "edge", 9_999_999.99),
            Transaction(3, edge + WEEK.label_delay, "e", "edge", -0.01),
        ]
    )
    rows = [each for part in parts for each in part]
    return [replaced(each, row=row, is_new=row % 3 == 0) for row, each in enumerate(rows)]


def history_and_new(con: duckdb.DuckDBPyConnection, rows: list[Transaction], folder: Path) -> Path:
    """The history as Parquet, in two files; `transactions` with the new rows alone, and `every` with all of them."""
    fill(con, rows)
    con.execute(
        "CREATE TABLE every AS SELECT * REPLACE (row_number() OVER (ORDER BY is_new, row) - 1 AS row) FROM transactions"
    )
    folder.mkdir()
    [history] = con.execute("SELECT count(*) FROM every WHERE NOT is_new").fetchall()[0]
    for name, where in (("a", "< 500"), ("b", ">= 500")):
        con.execute(
            "COPY (SELECT local_time AS time, customer, counterparty, amount, currency, country, latitude, longitude, "
            f"label AS fraud FROM every WHERE NOT is_new AND row {where} ORDER BY row) TO '{folder / name}.parquet'"
        )
    con.execute("DROP TABLE transactions")
    con.execute(
        f"CREATE TABLE transactions AS SELECT row - {history} AS row, CAST(row AS VARCHAR) AS id, NULL AS channel, "
        "NULL AS category, * EXCLUDE (row) FROM every WHERE is_new"
    )
    return folder


def assert_same(con: duckdb.DuckDBPyConnection, table: str, rows: int) -> None:
    """Row by row and number by number, of what `compute` made here (`here_TABLE`) and there (TABLE)."""
    assert con.execute(f"SELECT count(*) FROM {table}").fetchone() == (rows,)
    assert con.execute(f"SELECT count(*) FROM {table} JOIN here_{table} USING (row)").fetchone() == (rows,)
    names = [name for name, *_rest in con.execute(f"DESCRIBE here_{table}").fetchall()]
    assert names == [name for name, *_rest in con.execute(f"DESCRIBE {table}").fetchall()]
    for name in names[1:]:
        margin = f"greatest({CLOSE} * abs(here.{name}), {ROUNDED.get(name, 0.0)})"
        different = con.execute(
            f"SELECT row, here.{name}, there.{name} FROM here_{table} AS here JOIN {table} AS there USING (row) WHERE "
            f"(here.{name} IS NULL) <> (there.{name} IS NULL) OR abs(here.{name} - there.{name}) > {margin} LIMIT 3"
        ).fetchall()
        assert not different, (name, different)


def test_every_number_of_every_signal_is_the_same(
    cluster: "Cluster", con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    rows = hostile_rows()
    history = history_and_new(con, rows, tmp_path / "history")
    [older] = con.execute("SELECT count(*) FROM every WHERE NOT is_new").fetchall()[0]
    con.execute("ALTER TABLE transactions RENAME TO new_rows")
    con.execute("ALTER TABLE every RENAME TO transactions")
    compute(con, WEEK)
    for name in ("signals", "evidence"):
        con.execute(f"CREATE TABLE here_{name} AS SELECT row - {older} AS row, * EXCLUDE (row) FROM {name}")
    con.execute("ALTER TABLE transactions RENAME TO every")
    con.execute("ALTER TABLE new_rows RENAME TO transactions")
    report = cluster.read(str(history))
    assert (report.rows, report.bad_count) == (older, 0)
    compute(con, WEEK, rows="all", cluster=cluster)
    assert_same(con, "signals", len(rows))
    assert_same(con, "evidence", len(rows) - older)
    shown = con.execute(f"SELECT {', '.join(f'count(nullif({signal.name}, 0))' for signal in SIGNALS)} FROM signals")
    assert all(shown.fetchall()[0]), "each signal is more than 0 somewhere"
    brought = con.execute("SELECT count(*), count(*) FILTER (row < 0) FROM transactions").fetchone()
    assert brought == (len(rows), older)
    con.execute("DELETE FROM transactions WHERE row < 0")
    con.execute("DELETE FROM here_signals WHERE row < 0")
    compute(con, WEEK, rows="new", cluster=cluster)
    assert_same(con, "signals", len(rows) - older)
    assert_same(con, "evidence", len(rows) - older)


def test_a_history_is_read_as_it_is_on_this_machine(
    cluster: "Cluster", con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    con.execute(
        r"""COPY (SELECT * FROM (VALUES
          ('2024-03-05 15:30:00', ' 110-1234 ', '스타벅스', '1,234,500', '국내', '예'),
          ('2024.3.5 오후 3:31', '110-1234', 'cafe' || chr(769), '₩2만 5천원', '해외', '정상'),
          ('2024-03-05T06:32:00Z', 'N/A', '가맹점' || chr(7), 'US$ 12.50', 'Japan', '0'),
          ('2024년 3월 5일 15시 33분', '110-1234', '', '100', NULL, NULL),
          ('언제', '110-1234', 'x', '100', '한국', '1'),
          ('2024-03-05 15:34:00', '110-1234', 'x', '많이', '한국', '1'),
          (NULL, '110-1234', 'x', '5', '한국', '1')
        ) AS t(거래일시, 계좌번호, 가맹점, 거래금액, 국가, 사기여부)) TO '""" + f"{tmp_path}/text.parquet'"
    )  # fmt: skip
    con.execute(f"COPY (SELECT TIMESTAMP_NS '2024-03-05 15:30:00' AS time, 1 AS amount) TO '{tmp_path}/nano.parquet'")
    columns = "row, time, local_time, customer, counterparty, amount, currency, country, latitude, longitude, label"
    for name, bad in (("text", 3), ("nano", 0)):
        con.execute("DROP TABLE IF EXISTS transactions")
        path = tmp_path / f"{name}.parquet"
        here = read_into(con, path, is_new=False)
        wanted = con.execute(f"SELECT {columns} FROM transactions ORDER BY row").fetchall()
        con.execute("DELETE FROM transactions")
        there = cluster.read(str(path))
        compute(con, WEEK, cluster=cluster)
        [taken] = con.execute(f"SELECT count(*) FROM '{path}'").fetchall()[0]
        found = con.execute(f"SELECT {columns} FROM transactions ORDER BY row").fetchall()
        assert found == [(row - taken, *rest) for row, *rest in wanted]
        assert (there.rows, there.bad, there.bad_count) == (here.rows, here.bad, here.bad_count)
        assert there.bad_count == bad
        assert there.columns == {role: column for role, column in here.columns.items() if role in there.columns}


def test_what_is_no_history_is_refused(cluster: "Cluster", con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        cluster.read(str(tmp_path / "absent.parquet"))
    (tmp_path / "text.csv").write_text("time,amount\n2024-01-01 00:00:00,5\n")
    with pytest.raises(InputRefused, match="Spark cannot read"):
        cluster.read(str(tmp_path / "text.csv"))
    con.execute(f"COPY (SELECT 'a' AS b) TO '{tmp_path}/letters.parquet'")
    with pytest.raises(InputRefused, match="no column holds times"):
        cluster.read(str(tmp_path / "letters.parquet"))
    con.execute(f"COPY (SELECT 'never' AS time, 5 AS amount) TO '{tmp_path}/never.parquet'")
    with pytest.raises(InputRefused, match="line 1"):
        cluster.read(str(tmp_path / "never.parquet"), columns={"time": "time", "amount": "amount"})


def test_the_command_says_the_same_of_shared_cards_on_a_cluster(tmp_path: Path) -> None:
    if not CARDS.is_file():
        pytest.skip("the shared data is not here")
    with duckdb.connect() as con:
        cards = f"(SELECT * FROM '{CARDS}' WHERE CAST(TERMINAL_ID AS INTEGER) < 100 ORDER BY TX_DATETIME)"
        con.execute(f"COPY (FROM {cards} WHERE TX_DATETIME < '2018-08-01') TO '{tmp_path}/history.parquet'")
        con.execute(f"COPY (FROM {cards} WHERE TX_DATETIME >= '2018-08-01') TO '{tmp_path}/new.csv'")
    line = [sys.executable, "-m", "localfin", "fraud", "check", str(tmp_path / "new.csv"), "--json"]
    line += ["--history", str(tmp_path / "history.parquet")]
    here = subprocess.run(line, capture_output=True, text=True, check=True)
    there = subprocess.run([*line, "--engine", "local[2]"], capture_output=True, text=True, check=True)
    assert "not sealed" in there.stderr
    assert "not sealed" not in here.stderr
    ours, theirs = (
        [json.loads(each, parse_float=lambda text: round(float(text), 9)) for each in run.stdout.splitlines()]
        for run in (here, there)
    )
    assert len(ours) > 500
    assert ours == theirs
