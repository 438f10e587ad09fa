"""Windows that end before a row, in SQL that every engine has. `stages` says what is measured in them.

A window is the difference of two running totals: all rows before, less all rows that are too old. Both frames end
at or before the row, so that no later row can matter, and rows of equal time are exact, which RANGE alone cannot do
(its frames treat them as one). The totals are whole numbers (amounts in hundredths) below 2**53, hence exact in DOUBLE,
whatever the order in which an engine adds them.

Distinct values in a window are counted the same way, without COUNT(DISTINCT) OVER, which Spark lacks and which keeps a
tree per frame in DuckDB: of each value in the window count the first occurrence. `since_pair` and `until_pair` tell how
far the same pair's transactions before and after are. A row is a repetition within the window when the one before is
closer than the window is long; where that one is already too old, so is the repetition's share, and is taken off
through `until_pair` of the older row. (`until_pair` looks forward from a row that is older than the window by less than
the window's length: not past the row that is judged.)
"""

from localfin.fraud.signals.stage import Wanted

DAYS = (1, 7, 30)
"""The windows' lengths."""
HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US
HUNDREDTHS = 100


def before(partition: str) -> str:
    """All rows before, in the order of time and, of one time, of `row`."""
    return f"{partition} ORDER BY t, row ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING"


def older_than(partition: str, length: int) -> str:
    """All rows that are at least so many microseconds older."""
    return f"{partition} ORDER BY t RANGE BETWEEN UNBOUNDED PRECEDING AND {length} PRECEDING"


def older(partition: str, lengths: tuple[int, ...] = DAYS) -> dict[str, str]:
    """What lies behind windows of so many days, by the windows' names."""
    return {f"older_{days}d": older_than(partition, days * DAY_US) for days in lengths}


def counted(sql: str) -> str:
    """A count in four bytes, of which there are many a row."""
    return f"CAST({sql} AS INTEGER)"


def summed(value: str, too_old: str) -> str:
    """The sum of a window: of all rows before less those that are too old."""
    return f"coalesce(sum({value}) OVER before, 0) - coalesce(sum({value}) OVER {too_old}, 0)"


def number_of(condition: str, too_old: str) -> str:
    """How many rows of a window fulfil a condition."""
    those = f"count(CASE WHEN {condition} THEN 1 END)"
    return counted(f"{those} OVER before - {those} OVER {too_old}")


def distinct(column: str, days: int, wanted: Wanted, longest: int) -> str:
    """How many values of `column` a window of days holds, in a stage that reads rows `within` the longest window."""
    fresh = f"count(CASE WHEN {column} IS NOT NULL AND {{gap}} THEN 1 END)"
    # A pair's row before that this stage does not read is none for it.
    unread = "" if wanted.first_us is None else f" OR t - since_pair < {wanted.first_us - longest}"
    back = fresh.format(gap=f"coalesce(since_pair >= {days * DAY_US}{unread}, TRUE)")
    ahead = fresh.format(gap=f"coalesce(until_pair >= {days * DAY_US}, TRUE)")
    return counted(f"{back} OVER before - {ahead} OVER older_{days}d")
