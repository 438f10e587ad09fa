"""The signals on a part of the shared card transactions: labels not yet known and later rows change nothing."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from localfin.fraud.signals import SIGNALS, Settings, compute

CARDS = Path(__file__).parents[4] / "shared" / "data" / "fraud" / "card-transactions.parquet"
pytestmark = pytest.mark.skipif(not CARDS.is_file(), reason="the shared data is not here")

DELAYED = Settings(label_delay=timedelta(days=7))
JUDGED = "TIMESTAMP '2018-05-20 12:00:00'"
BIGGER = "random() * 9e6"


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """Sixty terminals' transactions of two months: their risk is whole, and every customer's own part small."""
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute(
            f"""CREATE TABLE transactions AS SELECT row_number() OVER (ORDER BY TX_DATETIME, TRANSACTION_ID) - 1 AS row,
            TX_DATETIME >= TIMESTAMP '2018-05-20' AS is_new, CAST(TX_DATETIME AS TIMESTAMP) AS time,
            CAST(TX_DATETIME AS TIMESTAMP) AS local_time, CAST(CUSTOMER_ID AS VARCHAR) AS customer,
            CAST(TERMINAL_ID AS VARCHAR) AS counterparty, CAST(TX_AMOUNT AS DOUBLE) AS amount, 'KRW' AS currency,
            CAST(NULL AS VARCHAR) AS country, CAST(NULL AS DOUBLE) AS latitude, CAST(NULL AS DOUBLE) AS longitude,
            TX_FRAUD = 1 AS label
            FROM '{CARDS}' WHERE CAST(TERMINAL_ID AS INTEGER) < 60 AND TX_DATETIME < TIMESTAMP '2018-06-01'"""
        )
        connection.execute("SELECT setseed(0.5)")
        yield connection


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("label = random() < 0.5", f"time >= {JUDGED} - INTERVAL 7 DAY"),
        ("label = NULL", f"time >= {JUDGED} - INTERVAL 7 DAY"),
        (f"amount = {BIGGER}, customer = '1', counterparty = '2'", f"time > {JUDGED}"),
    ],
)
def test_what_is_not_known_yet_changes_nothing(con: duckdb.DuckDBPyConnection, change: str, what: str) -> None:
    compute(con, DELAYED)
    con.execute("CREATE TABLE unchanged AS FROM signals")
    con.execute(
        f"CREATE TABLE before AS SELECT signals.* FROM signals JOIN transactions USING (row) WHERE time <= {JUDGED}"
    )
    con.execute(f"UPDATE transactions SET {change} WHERE {what}")
    compute(con, DELAYED)
    con.execute("CREATE VIEW after AS SELECT signals.* FROM signals WHERE row IN (SELECT row FROM before)")
    assert con.execute("(FROM before EXCEPT FROM after) UNION ALL (FROM after EXCEPT FROM before)").fetchall() == []
    seen = con.execute("SELECT count(*), max(counterparty_frauds_7d) FROM before").fetchone()
    assert seen is not None
    assert seen[0] > 1_000
    assert seen[1] > 0
    later = "EXISTS (FROM (FROM signals EXCEPT FROM unchanged) WHERE row NOT IN (SELECT row FROM before))"
    assert con.execute(f"SELECT {later}").fetchone() == (True,), "the change itself would be seen by later rows"


def test_the_order_of_the_rows_in_the_table_changes_nothing(con: duckdb.DuckDBPyConnection) -> None:
    compute(con, DELAYED)
    con.execute("CREATE TABLE before AS FROM signals")
    con.execute("CREATE OR REPLACE TABLE transactions AS SELECT * FROM transactions ORDER BY random()")
    con.execute("SET threads = 1")
    compute(con, DELAYED)
    assert con.execute("(FROM before EXCEPT FROM signals) UNION ALL (FROM signals EXCEPT FROM before)").fetchall() == []


def test_less_memory_than_the_rows_need_gives_the_same(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """Eighty times the rows: with the stages' measures about twice the 400 MB of memory."""
    names = ", ".join(signal.name for signal in SIGNALS)
    con.execute(
        "CREATE TABLE many AS SELECT * REPLACE (row + 1000000 * copy AS row, customer || '/' || copy AS customer,"
        " counterparty || '/' || copy AS counterparty) FROM transactions, range(80) AS copies(copy)"
    )
    con.execute("ALTER TABLE many DROP COLUMN copy")
    con.execute("ALTER TABLE transactions RENAME TO once")
    con.execute("ALTER TABLE many RENAME TO transactions")
    con.execute(f"SET temp_directory = '{tmp_path}'")
    con.execute("SET memory_limit = '400MB'")
    compute(con, DELAYED)
    found = con.execute(f"SELECT count(*), count(DISTINCT hash({names})) FROM signals").fetchone()
    once = con.execute("SELECT count(*) FROM once").fetchone()
    assert found is not None
    assert once is not None
    assert found[0] == 80 * once[0]
    assert found[1] <= once[0]
