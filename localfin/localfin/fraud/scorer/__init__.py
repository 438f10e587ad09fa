"""Scorers: signals in, a score from 0 to 1, a verdict and each signal's exact share of it out.

`read` and `write` handle the file, `scorecard` the expert's points, `fit` learns from labelled transactions. They are
imported when first named: only `fit` pays for scikit-learn.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localfin.fraud.scorer.file import read, write
    from localfin.fraud.scorer.fitting import fit
    from localfin.fraud.scorer.model import Scorer, Thresholds, Verdict
    from localfin.fraud.scorer.scorecard import default_scorecard, read_scorecard
    from localfin.fraud.scorer.thresholds import Capacity, Costs

__all__ = [
    "Capacity",
    "Costs",
    "Scorer",
    "Thresholds",
    "Verdict",
    "default_scorecard",
    "fit",
    "read",
    "read_scorecard",
    "write",
]

_HOMES = {
    "Capacity": "thresholds",
    "Costs": "thresholds",
    "Scorer": "model",
    "Thresholds": "model",
    "Verdict": "model",
    "default_scorecard": "scorecard",
    "fit": "fitting",
    "read": "file",
    "read_scorecard": "scorecard",
    "write": "file",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
