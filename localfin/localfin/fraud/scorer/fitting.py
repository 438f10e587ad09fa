"""Learns an additive scorer from labelled transactions: an Explainable Boosting Machine's main effects, as plain data.

    rows whose label was known at `as_of`
      -> learn from the earlier four fifths, calibrate, measure and set the thresholds on the later fifth
      -> learn again from all of them

The second model keeps the first one's calibration: recent rows are worth more to a scorer than a figure about them.
scikit-learn and interpret are imported here alone; scoring needs neither.
"""

import warnings
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from localfin.fraud.evaluate.metrics import auc_roc, average_precision, mcc
from localfin.fraud.scorer import arithmetic
from localfin.fraud.scorer.arithmetic import Doubles
from localfin.fraud.scorer.calibrating import calibration
from localfin.fraud.scorer.model import Calibration, Label, Scorer, Term, Thresholds, Training
from localfin.fraud.scorer.thresholds import Capacity, Policy, thresholds
from localfin.fraud.scorer.training_rows import TrainingRows, training_rows
from localfin_models.errors import InputRefused
from localfin_models.language import _

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LEAST_FRAUDS = 10
_HELD_OUT = 0.2
_THREADS = 2
_BAGS = 8
_CAPACITY = Capacity()
_LEAVES = 3
_RATE = 0.05


def fit(
    con: "DuckDBPyConnection",
    *,
    as_of: datetime,
    label_delay: timedelta,
    train_days: float | None = None,
    label_column: str = "label",
    policy: Policy = _CAPACITY,
    seed: int = 0,
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
    calibrated, limits, metrics = _held_out(rows, policy, seed)
    intercept, terms = _learn(rows.names, rows.signals, rows.labels, seed)
    return Scorer(
        kind="additive",
        intercept=intercept,
        terms=terms,
        thresholds=limits,
        calibration=calibrated,
        label=Label(label_column, label_delay),
        training=Training(
            as_of.astimezone(UTC), rows.first, rows.last, len(rows.labels), frauds, rows.sha256(), seed
        ),
        metrics=metrics,
        versions={name: version(name) for name in ("localfin", "interpret-core", "numpy")},
    )  # fmt: skip


def _held_out(rows: TrainingRows, policy: Policy, seed: int) -> tuple[Calibration, Thresholds, Mapping[str, float]]:
    """What the later fifth of the rows says of a scorer that has learned from the earlier ones."""
    cut = int(len(rows.labels) * (1 - _HELD_OUT))
    early, late = rows.labels[:cut], rows.labels[cut:]
    rate = float(rows.labels.mean())
    if min(early.sum(), (~early).sum()) < 2:  # nothing to learn from
        return Calibration(), Thresholds(rate, max(rate, 0.5)), {}
    intercept, terms = _learn(rows.names, rows.signals[:cut], early, seed)
    learned = Scorer("additive", intercept, terms, Thresholds(1, 1))
    parts = arithmetic.contributions(learned, dict(zip(rows.names, rows.signals[cut:].T, strict=True)))
    raw = arithmetic.log_odds(learned, parts, len(late))
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


def _learn(
    names: tuple[str, ...], signals: Doubles, labels: NDArray[np.bool_], seed: int
) -> tuple[float, tuple[Term, ...]]:
    """Intercept and one term a signal."""
    learned = ebm(names, signals, labels, seed)
    terms = tuple(_as_term(name, learned.bins_[at][0], learned.term_scores_[at]) for at, name in enumerate(names))
    return float(np.ravel(learned.intercept_)[0]), terms


def ebm(names: tuple[str, ...], signals: Doubles, labels: NDArray[np.bool_], seed: int) -> Any:
    """The learned machine. Two threads of this process: others would be started by a fork that the seal may refuse."""
    from interpret.glassbox import ExplainableBoostingClassifier
    from joblib import parallel_config

    machine = ExplainableBoostingClassifier(
        feature_names=list(names),
        feature_types=["continuous"] * len(names),
        interactions=0,
        outer_bags=_BAGS,
        learning_rate=_RATE,
        max_leaves=_LEAVES,
        random_state=seed,
        n_jobs=_THREADS,
    )
    with parallel_config(backend="threading"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Missing values detected", UserWarning)  # its own plots lack them, a Term not
        return machine.fit(signals, labels.astype(np.int64))


def _as_term(name: str, cuts: NDArray[np.float64], scores: NDArray[np.float64]) -> Term:
    """The machine's scores: for missing values, for each bin, and for unseen ones, which numbers never are."""
    steps = tuple(float(each) for each in scores[1:-1])
    return Term(name, tuple(float(each) for each in cuts), steps, float(scores[0]))
