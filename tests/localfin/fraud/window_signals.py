"""A few plain signals over card transactions, enough to fit a scorer on, and transactions made up for it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np

DELAY = timedelta(days=7)
TOP = Path(__file__).parents[3]
CARDS = TOP.parent / "shared" / "data" / "fraud" / "card-transactions.parquet"


def _windows() -> str:
    def over(name: str, partition: str, days: int, back: int) -> str:
        newest = f"interval {back} days" if back else "interval 1 microsecond"
        oldest = f"interval {back + days} days"
        frame = f"range between {oldest} preceding and {newest} preceding"
        return f"{name} as (partition by {partition} order by time {frame})"

    named = [over(f"c{days}", "customer", days, 0) for days in (1, 7, 30, 3650)]
    named += [over(f"r{days}", "customer", days, 7) for days in (7, 30)]
    named += [over(f"t{days}", "counterparty", days, 7) for days in (1, 7, 30)]
    return ",\n".join(named)


def make_signals(con: duckdb.DuckDBPyConnection, prior: float = 0.008) -> None:
    """The table `signals`, from `transactions`; labels older than seven days only."""
    counts = [
        f"count(*) over c{days} as count_{days}d, avg(amount) over c{days} as mean_{days}d" for days in (1, 7, 30)
    ]
    risks = [
        f"count(label) over t{days} as labels_{days}d, coalesce(sum(label::int) over t{days}, 0) as frauds_{days}d, "
        f"(coalesce(sum(label::int) over t{days}, 0) + {prior} * 5) / (count(label) over t{days} + 5) as risk_{days}d"
        for days in (1, 7, 30)
    ]
    con.execute(f"""
create or replace table signals as
select row, amount,
  {", ".join(counts)},
  amount / nullif(avg(amount) over c3650, 0) as amount_to_mean,
  amount / nullif(max(amount) over c3650, 0) as amount_to_max,
  (amount - avg(amount) over c30) / nullif(stddev_samp(amount) over c30, 0) as amount_z,
  (max(amount) over c7) / nullif(avg(amount) over c3650, 0) as max_7d_to_mean,
  {", ".join(risks)},
  date_diff('second', max(case when label then time end) over t30, time) / 86400.0 as since_fraud,
  date_diff('second', max(case when not label then time end) over t30, time) / 86400.0 as since_good,
  coalesce(sum(label::int) over r7, 0) as card_frauds_7d,
  coalesce(sum(label::int) over r30, 0) as card_frauds_30d,
  hour(local_time)::double as hour
from transactions
window {_windows()}""")
    columns = [name for name, *_ in con.execute("describe signals").fetchall() if name != "row"]
    con.execute(f"alter table signals rename to raw; create table signals as select row, "
                f"{', '.join(f'{name}::double as {name}' for name in columns)} from raw; drop table raw")  # fmt: skip


def read_cards(con: duckdb.DuckDBPyConnection, path: Path = CARDS) -> None:
    """The shared card transactions as `transactions`. Their times are taken as UTC."""
    con.execute(f"""
create or replace table transactions as
select row_number() over (order by TX_DATETIME, TRANSACTION_ID) - 1 as row, false as is_new,
  TRANSACTION_ID::varchar as id, TX_DATETIME::timestamp as time, TX_DATETIME::timestamp as local_time,
  CUSTOMER_ID::varchar as customer, TERMINAL_ID::varchar as counterparty, TX_AMOUNT::double as amount,
  'KRW' as currency, null::varchar as channel, null::varchar as category, null::varchar as country,
  null::double as latitude, null::double as longitude, (TX_FRAUD = 1) as label
from '{path}'""")


def make_transactions(con: duckdb.DuckDBPyConnection, days: int = 40, customers: int = 60, seed: int = 1) -> datetime:
    """Made-up card transactions with frauds of two kinds; gives the time of their end."""
    random = np.random.default_rng(seed)
    start = datetime(2024, 3, 1)
    rows = days * customers * 2
    seconds = np.sort(random.integers(0, days * 86_400, rows))
    customer = random.integers(0, customers, rows)
    terminal = random.integers(0, 80, rows)
    amount = np.round(random.gamma(3, 10 + customer), 2)
    day = seconds // 86_400
    stolen = (customer * 7 % days <= day) & (day <= customer * 7 % days + 3) & (random.random(rows) < 0.3)
    amount[stolen] *= 5
    skimmed = (terminal % 10 == 0) & (terminal // 2 % days <= day) & (day < terminal // 2 % days + 20)
    label = stolen | (skimmed & (random.random(rows) < 0.8))
    con.register("made", {
        "row": np.arange(rows), "seconds": seconds, "customer": customer, "terminal": terminal, "amount": amount,
        "label": label,
    })  # fmt: skip
    con.execute(f"""
create or replace table transactions as
select row, false as is_new, row::varchar as id,
  timestamp '{start}' + to_seconds(seconds) as time, timestamp '{start}' + to_seconds(seconds) as local_time,
  'c' || customer as customer, 't' || terminal as counterparty, amount, label from made""")
    con.unregister("made")
    return (start + timedelta(days=days)).replace(tzinfo=UTC)
