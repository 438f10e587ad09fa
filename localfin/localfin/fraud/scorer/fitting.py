"""Learns an additive scorer from labelled transactions, as plain data.

    rows whose label was known at `as_of`
      -> learn from the earlier four fifths, calibrate, measure and set the thresholds on the later fifth
      -> learn again from all of them

The second model keeps the first one's calibration: recent rows are worth more to a scorer than a figure about them.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np

from localfin.fraud.evaluation.metrics import auc_roc, average_precision, mcc
from localfin.fraud.scorer import arithmetic
from localfin.fraud.scorer.calibrating import calibration
from localfin.fraud.scorer.learning import MACHINES, machine
from localfin.fraud.scorer.model import Calibration, Label, Scorer, Thresholds, Training
from localfin.fraud.scorer.thresholds import Capacity, Policy, thresholds
from localfin.fraud.scorer.training_rows import TrainingRows, training_rows
from localfin_models.errors import InputRefused
from localfin_models.language import _
from localfin_models.progress import Progress

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LEAST_FRAUDS = 10
_HELD_OUT = 0.2
_CAPACITY = Capacity()


def fit(
    con: "DuckDBPyConnection",
    *,
    as_of: datetime,
    label_delay: timedelta,
    train_days: float | None = None,
    label_column: str = "label",
    policy: Policy = _CAPACITY,
    seed: int = 0,
    progress: Progress | None = None,
) -> Scorer:
    """A scorer learned from the tables `transactions` and `signals` as they were known at `as_of`, an aware time.

    A label counts when its transaction is older than `label_delay`; `train_days` keeps the last days of those.
    `label_column` is remembered, not read: labels stand in `transactions.label`. The same tables, seed and versions
    give the same scorer. Raises InputRefused where frauds or other rows are too few to learn from.
    """
    rows = training_rows(con, as_of=as_of, label_delay=label_delay, train_days=train_days)
    if rows is None or min(frauds := int(rows.labels.sum()), len(rows.labels) - frauds) < LEAST_FRAUDS:
        raise InputRefused(
            _("too few labelled transactions to learn from: at least {n} frauds and {n} others are needed").format(
                n=LEAST_FRAUDS
            )
        )
    calibrated, limits, metrics = _held_out(rows, policy, seed, _part(progress, 0))
    learned = machine(rows.names, rows.signals, rows.labels, seed, _part(progress, 1)).learned(rows.signals)
    return Scorer(
        kind="additive",
        intercept=learned.intercept,
        terms=learned.terms,
        thresholds=limits,
        calibration=calibrated,
        label=Label(label_column, label_delay),
        training=Training(
            as_of.astimezone(UTC), rows.first, rows.last, len(rows.labels), frauds, rows.sha256(), seed
        ),
        metrics=metrics,
        versions={name: version(name) for name in ("localfin", "scikit-learn", "numpy")},
    )  # fmt: skip


def _held_out(
    rows: TrainingRows, policy: Policy, seed: int, progress: Progress | None
) -> tuple[Calibration, Thresholds, Mapping[str, float]]:
    """What the later fifth of the rows says of a scorer that has learned from the earlier ones."""
    cut = int(len(rows.labels) * (1 - _HELD_OUT))
    early, late = rows.labels[:cut], rows.labels[cut:]
    rate = float(rows.labels.mean())
    if min(early.sum(), (~early).sum()) < 2:  # nothing to learn from
        return Calibration(), Thresholds(rate, max(rate, 0.5)), {}
    learned = machine(rows.names, rows.signals[:cut], early, seed, progress).learned(rows.signals[:cut])
    scorer = Scorer("additive", learned.intercept, learned.terms, Thresholds(1, 1))
    parts = arithmetic.contributions(scorer, dict(zip(rows.names, rows.signals[cut:].T, strict=True)))
    raw = arithmetic.log_odds(scorer, parts, len(late))
    found = calibration(raw, late)
    score = arithmetic.scores(found, raw)
    limits = thresholds(policy, score, len(np.unique(rows.days[cut:])), rate)
    metrics = {
        "rows": float(len(late)),
        "frauds": float(late.sum()),
        "auc_roc": auc_roc(late, score),
        "average_precision": average_precision(late, score),
        "mcc_at_review": mcc(late, score >= limits.review),
        "mcc_at_suspicious": mcc(late, score >= limits.suspicious),
    }
    return found, limits, {name: value for name, value in metrics.items() if np.isfinite(value)}


def _part(progress: Progress | None, before: int) -> Progress | None:
    """The progress of one of the two times that machines are learned."""
    if progress is None:
        return None
    return lambda done, total: progress(before * MACHINES + done, 2 * total)
