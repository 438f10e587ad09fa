"""What people would use instead, learned from the same rows and signals: for comparison, never for a verdict."""

from collections.abc import Generator
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from localfin.fraud.scorer.arithmetic import Doubles
from localfin.fraud.scorer.tables import fetch
from localfin.fraud.scorer.training_rows import TrainingRows, utc
from localfin_models.errors import InputRefused
from localfin_models.language import _

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_THREADS = 2


def score_baselines(
    con: "DuckDBPyConnection", rows: TrainingRows, *, start: datetime, end: datetime, seed: int = 0
) -> Generator[str]:
    """Learns each baseline in turn, puts its scores for `start <= time < end` into `scores`, and gives its name.

    So the same `evaluate` judges it. Afterwards it holds the last one's. Signals that do not vary
    over the training rows are left out.
    """
    if rows.labels.all() or not rows.labels.any():
        raise InputRefused(_("baselines need frauds and other transactions to learn from"))
    varying = [at for at, column in enumerate(rows.signals.T) if len(np.unique(column[~np.isnan(column)])) > 1]
    rows = replace(rows, names=tuple(rows.names[at] for at in varying), signals=rows.signals[:, varying])
    tested, signals = fetch(
        con,
        rows.names,
        "from signals semi join (from transactions where time >= ? and time < ?) using (row) order by row",
        [utc(start), utc(end)],
    )
    for name, model in _models(seed).items():
        score = _score(model, rows, signals)
        con.register("localfin_batch", {"row": tested, "score": score})
        con.execute("create or replace table scores as select row, score from localfin_batch")
        con.unregister("localfin_batch")
        yield name


def _models(seed: int) -> dict[str, Any]:
    """With the settings that scikit-learn gives them; the linear one needs filled, scaled columns."""
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return {
        "logistic regression": make_pipeline(
            SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
            StandardScaler(),
            LogisticRegression(max_iter=1000, random_state=seed),
        ),
        "random forest": RandomForestClassifier(random_state=seed, n_jobs=_THREADS),
        "gradient boosting": HistGradientBoostingClassifier(random_state=seed),
    }


def _score(model: Any, rows: TrainingRows, signals: Doubles) -> Doubles:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # where the cores are taken, OpenMP's threads spend minutes waiting for each other
        model.fit(rows.signals, rows.labels.astype(np.int64))
        return np.asarray(model.predict_proba(signals)[:, 1], np.float64) if len(signals) else np.empty(0)
