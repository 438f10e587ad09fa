"""Evaluation week by week: each week of labelled transactions is a test of its own, as the published figures are made.

Left out of a day's test are cards with a fraud whose label was known before that day: no desk looks for them any more.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from localfin.fraud.evaluation.metrics import CardPrecision, auc_roc, average_precision, card_precision, mcc
from localfin.fraud.scorer.calibrating import reliability
from localfin.fraud.scorer.model import ReliabilityBin, Thresholds
from localfin.fraud.scorer.tables import plain
from localfin.fraud.scorer.training_rows import utc

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TEST_ROWS = """
create or replace temp table localfin_test as
with compromised as (
    select customer, min(time) as first_fraud from transactions
    where label and customer is not null and time >= ? group by customer
), tested as (
    select row, coalesce(customer, 'row ' || row) as card, customer, label, time,
        time - (local_time - date_trunc('day', local_time)) as midnight,
        date_diff('day', date '1970-01-01', local_time::date) as day
    from transactions where label is not null and time >= ? and time < ?
)
select row, card, label, time, day from tested left join compromised using (customer)
where first_fraud is null or first_fraud >= midnight - ?
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Of a stretch of days."""

    first_day: date
    """In the desk's zone."""
    rows: int
    frauds: int
    auc_roc: float
    average_precision: float
    mcc_at_review: float
    mcc_at_suspicious: float
    card_precision: CardPrecision


@dataclass(frozen=True, slots=True)
class Evaluation:
    by_week: tuple[Figures, ...]
    by_day: tuple[Figures, ...]
    reliability: tuple[ReliabilityBin, ...]

    @property
    def mean(self) -> Mapping[str, float]:
        """Over weeks; a week that cannot give a figure is left out of that figure."""
        of: dict[str, Callable[[Figures], float]] = {
            "auc_roc": lambda each: each.auc_roc,
            "average_precision": lambda each: each.average_precision,
            "mcc_at_review": lambda each: each.mcc_at_review,
            "mcc_at_suspicious": lambda each: each.mcc_at_suspicious,
            "card_precision": lambda each: each.card_precision.reached,
            "perfect_card_precision": lambda each: each.card_precision.perfect,
        }
        values = {name: np.array([get(each) for each in self.by_week]) for name, get in of.items()}
        return {
            name: float(np.mean(each[np.isfinite(each)]))
            for name, each in values.items() if np.isfinite(each).any()
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Rows:
    cards: NDArray[Any]
    labels: NDArray[np.bool_]
    days: NDArray[np.int64]
    scores: NDArray[np.float64]

    def where(self, kept: NDArray[np.bool_]) -> "_Rows":
        return _Rows(self.cards[kept], self.labels[kept], self.days[kept], self.scores[kept])


def evaluate(
    con: "DuckDBPyConnection",
    thresholds: Thresholds,
    *,
    start: datetime,
    end: datetime,
    label_delay: timedelta,
    known_from: datetime | None = None,
    k: int = 100,
) -> Evaluation:
    """Of the tables `transactions` (labels: the whole truth) and `scores`, for `start <= time < end`, aware times.

    A card is left out from the day on at whose start a fraud of it was older than `label_delay`; frauds before
    `known_from` leave none out (the published figures count from the first training day).
    """
    known = datetime.min if known_from is None else utc(known_from)
    con.execute(_TEST_ROWS, [known, utc(start), utc(end), label_delay])
    try:
        weeks: list[Figures] = []
        by_day: list[Figures] = []
        bins: list[_Rows] = []
        at = start
        while at < end:
            rows = _fetch(con, at, min(at + timedelta(days=7), end))
            if len(rows.labels):
                weeks.append(_figures(rows, thresholds, k))
                by_day += [_figures(rows.where(rows.days == day), thresholds, k) for day in np.unique(rows.days)]
                bins.append(rows)
            at += timedelta(days=7)
    finally:
        con.execute("drop table localfin_test")
    scores, labels = (np.concatenate([getattr(rows, name) for rows in bins] or [[]]) for name in ("scores", "labels"))
    return Evaluation(tuple(weeks), tuple(by_day), reliability(scores, labels.astype(np.bool_)))


def _fetch(con: "DuckDBPyConnection", start: datetime, end: datetime) -> _Rows:
    found = con.execute(
        "select card, label, day, score from localfin_test join scores using (row) "
        "where time >= ? and time < ? order by row",
        [utc(start), utc(end)],
    ).fetchnumpy()
    return _Rows(
        plain(found["card"], np.object_),
        plain(found["label"], np.bool_),
        plain(found["day"], np.int64),
        plain(found["score"], np.float64),
    )


def _figures(rows: _Rows, thresholds: Thresholds, k: int) -> Figures:
    labels, scores = rows.labels, rows.scores
    return Figures(
        first_day=date(1970, 1, 1) + timedelta(days=int(rows.days.min())),
        rows=len(labels),
        frauds=int(labels.sum()),
        auc_roc=auc_roc(labels, scores),
        average_precision=average_precision(labels, scores),
        mcc_at_review=mcc(labels, scores >= thresholds.review),
        mcc_at_suspicious=mcc(labels, scores >= thresholds.suspicious),
        card_precision=card_precision(rows.days, rows.cards, labels, scores, k),
    )
