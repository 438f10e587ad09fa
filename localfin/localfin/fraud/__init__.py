"""The fraud desk: transactions, signals computed from them, a scorer that adds the signals up, and its evaluation.

`read` a file's transactions, `fit` a scorer to labelled ones, `evaluate` it, `check` new ones. Imported when first
named: the command line's `--help` pays for none of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localfin.fraud.evaluation.comparison import Comparison
    from localfin.fraud.evaluation.weeks import Evaluation, Figures
    from localfin.fraud.judging import Checked, Reason
    from localfin.fraud.library import Transaction, check, evaluate, fit, load_scorer, read
    from localfin.fraud.scorer.model import Scorer
    from localfin.fraud.scorer.thresholds import Capacity, Costs
    from localfin.fraud.transactions.report import ReadReport

__all__ = [
    "Capacity",
    "Checked",
    "Comparison",
    "Costs",
    "Evaluation",
    "Figures",
    "ReadReport",
    "Reason",
    "Scorer",
    "Transaction",
    "check",
    "evaluate",
    "fit",
    "load_scorer",
    "read",
]

_HOMES = {
    "Capacity": "scorer.thresholds",
    "Checked": "judging",
    "Comparison": "evaluation.comparison",
    "Costs": "scorer.thresholds",
    "Evaluation": "evaluation.weeks",
    "Figures": "evaluation.weeks",
    "ReadReport": "transactions.report",
    "Reason": "judging",
    "Scorer": "scorer.model",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'library')}"), name)
