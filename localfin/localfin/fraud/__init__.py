"""The fraud desk: transactions, signals computed from them, a scorer that adds the signals up, and its evaluation.

`read` a file's transactions, `fit` a scorer to labelled ones, `check` new ones. Imported when first named: the command
line's `--help` pays for none of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localfin.fraud.judging import Checked, Reason
    from localfin.fraud.library import Transaction, check, fit, load_scorer, read
    from localfin.fraud.scorer.model import Scorer
    from localfin.fraud.scorer.thresholds import Capacity, Costs
    from localfin.fraud.transactions.report import ReadReport

__all__ = [
    "Capacity",
    "Checked",
    "Costs",
    "ReadReport",
    "Reason",
    "Scorer",
    "Transaction",
    "check",
    "fit",
    "load_scorer",
    "read",
]

_HOMES = {
    "Capacity": "scorer.thresholds",
    "Checked": "judging",
    "Costs": "scorer.thresholds",
    "ReadReport": "transactions.report",
    "Reason": "judging",
    "Scorer": "scorer.model",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'library')}"), name)
