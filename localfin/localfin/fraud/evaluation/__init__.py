"""How good a scorer is, on transactions whose labels it could not have known, beside models that people would use."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localfin.fraud.evaluation.baselines import score_baselines
    from localfin.fraud.evaluation.weeks import Evaluation, Figures, evaluate

__all__ = ["Evaluation", "Figures", "evaluate", "score_baselines"]

_HOMES = {"Evaluation": "weeks", "Figures": "weeks", "evaluate": "weeks", "score_baselines": "baselines"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
