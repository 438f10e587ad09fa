"""What people would use instead, learned from the same rows and signals: for comparison, never for a verdict."""

from collections.abc import Generator
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from localfin.fraud.scorer.arithmetic import Doubles
from localfin.fraud.scorer.tables import fetch, signal_names
from localfin.fraud.scorer.training_rows import TrainingRows, training_rows, utc
from localfin_models.errors import InputRefused
from localfin_models.language import _

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_THREADS = 2


def score_baselines(
    con: "DuckDBPyConnection",
    *,
    as_of: datetime,
    label_delay: timedelta,
    train_days: float | None = None,
    start: datetime,
    end: datetime,
    seed: int = 0,
) -> Generator[str]:
    """Learns each baseline in turn, puts its scores for `start <= time < end` into `scores`, and gives its name.

    So the same `evaluate` judges it. The rows are those that `fit` takes for the same arguments. Afterwards `scores`
    holds the last baseline's.
    """
    rows = training_rows(con, as_of=as_of, label_delay=label_delay, train_days=train_days)
    if rows is None or rows.labels.all() or not rows.labels.any():
        raise InputRefused(_("baselines need frauds and other transactions to learn from"))
    tested, signals = fetch(
        con,
        signal_names(con),
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
    model.fit(rows.signals, rows.labels.astype(np.int64))
    return np.asarray(model.predict_proba(signals)[:, 1], np.float64) if len(signals) else np.empty(0)
