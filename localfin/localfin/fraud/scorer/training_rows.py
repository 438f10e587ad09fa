"""The rows that a scorer may learn from: their labels were known on the day, and nothing else is looked at."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from localfin.fraud.scorer.arithmetic import Doubles
from localfin.fraud.scorer.tables import fetch, plain, signal_names

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class TrainingRows:
    """In the order of time."""

    names: tuple[str, ...]
    signals: Doubles
    """rows x names, NaN where not known."""
    labels: NDArray[np.bool_]
    days: NDArray[np.int64]
    """In the desk's zone, since 1970."""
    first: datetime
    last: datetime

    def sha256(self) -> str:
        """Of the names, the values row by row as little-endian doubles (one NaN for all), and the labels."""
        found = hashlib.sha256("\n".join(self.names).encode())
        for start in range(0, len(self.labels), 1 << 16):
            block = np.ascontiguousarray(self.signals[start : start + (1 << 16)], "<f8").copy()
            block[np.isnan(block)] = np.nan
            found.update(block.tobytes())
        found.update(self.labels.astype(np.uint8).tobytes())
        return found.hexdigest()


def utc(time: datetime) -> datetime:
    """As DuckDB's TIMESTAMP columns hold it. Raises ValueError for a time without an offset."""
    if time.utcoffset() is None:
        raise ValueError("a time needs its offset from UTC")
    return time.astimezone(UTC).replace(tzinfo=None)


def training_rows(
    con: "DuckDBPyConnection",
    *,
    as_of: datetime,
    label_delay: timedelta,
    train_days: float | None = None,
    names: Sequence[str] | None = None,
) -> TrainingRows | None:
    """Labelled rows before `as_of - label_delay`, of the last `train_days` of that. None without any."""
    end = utc(as_of) - label_delay
    start = datetime.min if train_days is None else end - timedelta(days=train_days)
    names = signal_names(con) if names is None else tuple(names)
    con.execute(
        "create or replace temp table localfin_training as select row, label, time, "
        "date_diff('day', date '1970-01-01', local_time::date) as day "
        "from transactions where label is not null and time >= ? and time < ?",
        [start, end],
    )
    try:
        rest = "from signals join localfin_training using (row) order by time, row"
        _, signals = fetch(con, names, rest)
        found = con.execute("select label, day from localfin_training order by time, row").fetchnumpy()
        first, last = con.execute("select min(time), max(time) from localfin_training").fetchall()[0]
    finally:
        con.execute("drop table localfin_training")
    if first is None:
        return None
    labels, days = plain(found["label"], np.bool_), plain(found["day"], np.int64)
    return TrainingRows(tuple(names), signals, labels, days, first.replace(tzinfo=UTC), last.replace(tzinfo=UTC))
