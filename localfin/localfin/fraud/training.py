"""A scorer learned from a history that was read: what was known on a day, its signals, and then the learning itself.

The command and the library go this one way, so that they cannot differ.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from localfin.fraud.database import ZONE, span
from localfin.fraud.scorer import Scorer
from localfin.fraud.scorer import fit as learn
from localfin.fraud.scorer.thresholds import Policy
from localfin.fraud.scorer.training_rows import utc
from localfin.fraud.signals import Settings, compute
from localfin_models.errors import InputRefused
from localfin_models.language import _
from localfin_models.progress import Watched, unwatched

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from localfin.fraud.cluster import Cluster


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told how far it is. Nobody, if left out."""

    known: Callable[[int, datetime], None] = lambda _rows, _day: None
    """How many transactions there are to learn from, and the day."""
    computing: Callable[[], Watched] = unwatched
    """Open while signals are computed: steps."""
    learning: Callable[[], Watched] = unwatched
    """Open while machines learn: machines."""


def train(
    con: "DuckDBPyConnection",
    *,
    label: str,
    label_delay: timedelta,
    as_of: datetime | None,
    train_days: float | None,
    policy: Policy,
    cluster: "Cluster | None" = None,
    watch: Watch = Watch(),
) -> Scorer:
    """A scorer of the table `transactions` (or of a cluster's history) as it was known at `as_of`, an aware time.

    Without one, just behind the last transaction. Rows whose label was not known then are deleted from the table, and
    only the signals of rows to learn from are computed. Raises InputRefused for a time at which no label was known, or
    from which on none became known any more, and for too few labels; ValueError for a time without an offset.
    """
    until = _known_at(span(con) if cluster is None else cluster.span, as_of, label_delay)
    end = until - label_delay
    since: Literal["all"] | datetime = "all" if train_days is None else end - timedelta(days=train_days)
    if cluster is not None:  # which brings the transactions here
        compute(con, Settings(label_delay), rows=since, cluster=cluster)
    con.execute("DELETE FROM transactions WHERE time >= ?", [utc(end)])
    watch.known(_labelled(con, since), until)
    if cluster is None:
        with watch.computing() as progress:
            compute(con, Settings(label_delay), rows=since, progress=progress)
    with watch.learning() as progress:
        return learn(
            con, as_of=until, label_delay=label_delay, train_days=train_days, label_column=label, policy=policy,
            progress=progress,
        )  # fmt: skip


def _known_at(span: tuple[datetime, datetime], as_of: datetime | None, label_delay: timedelta) -> datetime:
    begins, ends = span
    if as_of is None:
        return ends + timedelta(microseconds=1)
    utc(as_of)  # refuses a time without an offset
    if not begins + label_delay < as_of <= ends + label_delay + timedelta(days=1):
        zone = ZoneInfo(ZONE)
        raise InputRefused(
            _(
                "{day:%Y-%m-%d} lies outside: labels of {first:%Y-%m-%d} to {last:%Y-%m-%d} become known {delay:g} "
                "days later"
            ).format(
                day=as_of.astimezone(zone),
                first=begins.astimezone(zone),
                last=ends.astimezone(zone),
                delay=label_delay / timedelta(days=1),
            )
        )
    return as_of


def _labelled(con: "DuckDBPyConnection", since: Literal["all"] | datetime) -> int:
    start = datetime.min if since == "all" else utc(since)
    [(rows,)] = con.execute(
        "SELECT count(*) FROM transactions WHERE label IS NOT NULL AND time >= ?", [start]
    ).fetchall()
    return int(rows)
