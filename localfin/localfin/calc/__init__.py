"""Calculators: pure functions from a few numbers to a result with its formula and its source. Nothing is guessed.

Each gives a `Computed`. `asked` finds a calculation in an ordinary question, `run` takes one as JSON, which a model
writes
within `grammar()`. Imported when first named: the command line's `--help` pays for none of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localfin.calc.arithmetic import change, growth, mean, percent_of, ratio, total
    from localfin.calc.asking import Missing, asked
    from localfin.calc.bonds import bond_price, bond_yield
    from localfin.calc.business import break_even, exchange, margin
    from localfin.calc.calling import grammar, run
    from localfin.calc.debt import dsr, dti, ltv
    from localfin.calc.deposits import deposit, interest, savings
    from localfin.calc.loans import Instalment, loan, loan_schedule
    from localfin.calc.rates import effective_rate, nominal_rate
    from localfin.calc.returns import irr, npv, xirr

__all__ = [
    "Instalment",
    "Missing",
    "asked",
    "bond_price",
    "bond_yield",
    "break_even",
    "change",
    "deposit",
    "dsr",
    "dti",
    "effective_rate",
    "exchange",
    "grammar",
    "growth",
    "interest",
    "irr",
    "loan",
    "loan_schedule",
    "ltv",
    "margin",
    "mean",
    "nominal_rate",
    "npv",
    "percent_of",
    "ratio",
    "run",
    "savings",
    "total",
    "xirr",
]

_HOMES = {
    "Instalment": "loans",
    "Missing": "asking",
    "asked": "asking",
    "bond_price": "bonds",
    "bond_yield": "bonds",
    "break_even": "business",
    "change": "arithmetic",
    "deposit": "deposits",
    "dsr": "debt",
    "dti": "debt",
    "effective_rate": "rates",
    "exchange": "business",
    "grammar": "calling",
    "growth": "arithmetic",
    "interest": "deposits",
    "irr": "returns",
    "loan": "loans",
    "loan_schedule": "loans",
    "ltv": "debt",
    "margin": "business",
    "mean": "arithmetic",
    "nominal_rate": "rates",
    "npv": "returns",
    "percent_of": "arithmetic",
    "ratio": "arithmetic",
    "run": "calling",
    "savings": "deposits",
    "total": "arithmetic",
    "xirr": "returns",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
