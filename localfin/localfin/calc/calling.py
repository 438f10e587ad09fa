"""A calculation as JSON, from a model or a script: what may be asked, the grammar a model is held to, and running it.

Nothing but the calculators below can be called; each is a pure function of a few bounded numbers and names, so that
whatever
a document made a model ask for, the worst is a calculation that nobody wanted.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from importlib import import_module
from typing import Any, Literal, get_args

from localfin.calc.rules import Rule
from localfin.calc.wording import Language
from localfin.computed import Computed
from localfin_models.errors import InputRefused
from localfin_models.language import _

Kind = Literal["money", "signed", "percent", "months", "count", "numbers", "day", "days", "currency"]
_CURRENCIES = ("KRW", "USD", "EUR", "JPY", "GBP", "CNY")
_LONGEST = 40
_MOST = 1000
_METHODS = ("annuity", "equal_principal", "bullet")
_COMPOUNDINGS = ("simple", "monthly", "quarterly", "semiannual", "annual")
_TAXES = ("general", "exempt", "preferential", "cooperative")
_ZONES = ("regulated", "first_home", "elsewhere")
_AREAS = ("capital", "elsewhere", "credit")
_RATE_TYPES = (
    "floating", "mixed_5", "mixed_9", "mixed_15", "periodic_5", "periodic_9", "periodic_15", "fixed",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Calculator:
    """What can be called by one name."""

    where: str
    """Its module and function."""
    needs: Mapping[str, Kind | tuple[str, ...]]
    takes: Mapping[str, Kind | tuple[str, ...]]
    """What may be left out. A tuple lists the names that are allowed."""


_DEPOSITED: Mapping[str, Kind | tuple[str, ...]] = {
    "compounding": _COMPOUNDINGS, "tax": _TAXES, "currency": "currency",
}  # fmt: skip
_BOND: Mapping[str, Kind | tuple[str, ...]] = {
    "months": "months", "settlement": "day", "maturity": "day", "face": "money", "frequency": "count",
    "day_count": ("act/act", "30/360", "act/365", "act/360"), "convention": ("compound", "korea"),
}  # fmt: skip
CALCULATORS: Mapping[str, Calculator] = {
    "loan": Calculator(
        "loans.loan", {"principal": "money", "rate_percent": "percent", "months": "months"},
        {"method": _METHODS, "grace_months": "months", "currency": "currency"},
    ),
    "deposit": Calculator(
        "deposits.deposit", {"principal": "money", "rate_percent": "percent", "months": "months"}, _DEPOSITED
    ),
    "savings": Calculator(
        "deposits.savings", {"monthly": "money", "rate_percent": "percent", "months": "months"}, _DEPOSITED
    ),
    "interest": Calculator(
        "deposits.interest", {"principal": "money", "rate_percent": "percent"},
        {"months": "months", "days": "count", "currency": "currency"},
    ),
    "effective_rate": Calculator("rates.effective_rate", {"nominal_percent": "percent", "periods": "count"}, {}),
    "nominal_rate": Calculator("rates.nominal_rate", {"effective_percent": "percent", "periods": "count"}, {}),
    "dsr": Calculator(
        "debt.dsr", {"income": "money"},
        {"repayment": "money", "loan": "money", "rate_percent": "percent", "months": "months", "method": _METHODS,
         "area": _AREAS, "rate_type": _RATE_TYPES, "lender": ("bank", "other"), "on": "day"},
    ),
    "ltv": Calculator("debt.ltv", {"loan": "money", "value": "money"}, {"zone": _ZONES, "on": "day"}),
    "dti": Calculator(
        "debt.dti", {"income": "money", "mortgage_repayment": "money"},
        {"other_interest": "money", "zone": _ZONES, "on": "day"},
    ),
    "npv": Calculator("returns.npv", {"rate_percent": "percent", "flows": "numbers"}, {}),
    "irr": Calculator("returns.irr", {"flows": "numbers"}, {}),
    "xirr": Calculator("returns.xirr", {"flows": "numbers", "days": "days"}, {}),
    "bond_price": Calculator("bonds.bond_price", {"coupon_percent": "percent", "yield_percent": "percent"}, _BOND),
    "bond_yield": Calculator("bonds.bond_yield", {"coupon_percent": "percent", "price": "money"}, _BOND),
    "margin": Calculator("business.margin", {"cost": "money", "price": "money"}, {"currency": "currency"}),
    "break_even": Calculator(
        "business.break_even", {"fixed": "money", "price": "money", "variable": "money"}, {"currency": "currency"}
    ),
    "exchange": Calculator(
        "business.exchange", {"amount": "money", "source": "currency", "target": "currency", "rate": "money"},
        {"units": "count"},
    ),
    "total": Calculator("arithmetic.total", {"numbers": "numbers"}, {}),
    "mean": Calculator("arithmetic.mean", {"numbers": "numbers"}, {}),
    "percent_of": Calculator("arithmetic.percent_of", {"percent": "percent", "of": "signed"}, {}),
    "ratio": Calculator("arithmetic.ratio", {"part": "signed", "whole": "signed"}, {}),
    "change": Calculator("arithmetic.change", {"before": "signed", "after": "signed"}, {}),
    "growth": Calculator("arithmetic.growth", {"before": "money", "after": "money", "years": "money"}, {}),
}  # fmt: skip


def run(
    call: Mapping[str, Any], language: Language | None = None, rules: Sequence[Rule] | None = None
) -> Computed:  # fmt: skip
    """What a call such as {"calculator": "loan", "principal": 100000000, …} comes to.

    In the call's own `language` where it names one and `language` does not. `rules` are the lending rules; the
    shipped ones
    if left out. Raises InputRefused for a calculator, a name or a value that there is none of.
    """
    name = call.get("calculator")
    if not isinstance(name, str) or name not in CALCULATORS:
        raise InputRefused(_("there is no calculator {name}").format(name=repr(name)[:_LONGEST]))
    calculator = CALCULATORS[name]
    known: dict[str, Kind | tuple[str, ...]] = {**calculator.needs, **calculator.takes}
    given = {key: value for key, value in call.items() if key not in ("calculator", "language")}
    if strange := next((key for key in given if key not in known), None):
        raise InputRefused(_("{name} takes no {argument}").format(name=name, argument=repr(strange)[:_LONGEST]))
    if absent := next((key for key in calculator.needs if key not in given), None):
        raise InputRefused(_("{name} needs {argument}").format(name=name, argument=absent))
    arguments = {key: _argument(key, value, known[key]) for key, value in given.items()}
    module, _dot, function = calculator.where.partition(".")
    if name in ("dsr", "ltv", "dti"):
        arguments["rules"] = rules
    found = getattr(import_module(f"localfin.calc.{module}"), function)
    computed = found(**arguments, language=language or _language(call.get("language", "en")))
    assert isinstance(computed, Computed)
    return computed


def grammar() -> str:
    """A GBNF grammar of the calls that `run` takes: one JSON object, its names in a fixed order, its values bounded."""
    rules = ["root ::= " + " | ".join(name.replace("_", "-") for name in CALCULATORS)]
    for name, calculator in CALCULATORS.items():
        parts = [rf'"{{\"calculator\": \"{name}\""']
        parts += [_pair(key, kind) for key, kind in calculator.needs.items()]
        parts += [f"({_pair(key, kind)})?" for key, kind in calculator.takes.items()]
        rules.append(f'{name.replace("_", "-")} ::= {" ".join(parts)} "}}"')
    return "\n".join([*rules, *(f"{name} ::= {rule}" for name, rule in _VALUES.items())]) + "\n"


_VALUES: Mapping[str, str] = {
    "money": r'[0-9]{1,15} ("." [0-9]{1,4})?',
    "signed": r'"-"? money',
    "percent": r'"-"? [0-9]{1,3} ("." [0-9]{1,6})?',
    "months": "[0-9]{1,4}",
    "count": "[0-9]{1,5}",
    "numbers": r'"[" signed (", " signed){0,59} "]"',
    "day": r'"\"" [12] [0-9]{3} "-" [01] [0-9] "-" [0-3] [0-9] "\""',
    "days": r'"[" day (", " day){0,59} "]"',
    "currency": " | ".join(rf'"\"{code}\""' for code in _CURRENCIES),
}


def _pair(key: str, kind: Kind | tuple[str, ...]) -> str:
    value = kind if isinstance(kind, str) else "(" + " | ".join(rf'"\"{choice}\""' for choice in kind) + ")"
    return rf'", \"{key}\": " {value}'


def _argument(key: str, value: object, kind: Kind | tuple[str, ...]) -> object:
    """A JSON value as the calculators take it; what it means they check themselves."""
    if kind in ("numbers", "days"):
        if not isinstance(value, list | tuple) or len(value) > _MOST:
            raise InputRefused(_("{name}: a list of at most {most} was expected").format(name=key, most=_MOST))
        return [_text(key, each) if kind == "days" else _scalar(key, each) for each in value]
    return _text(key, value) if isinstance(kind, tuple) or kind in ("currency", "day") else _scalar(key, value)


def _text(key: str, value: object) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise InputRefused(_("{name}: a short text was expected").format(name=key))
    return value


def _scalar(key: str, value: object) -> Decimal | int | str:
    if isinstance(value, str) and len(value) <= _LONGEST:
        return value
    if isinstance(value, Decimal) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18):
        return value
    if isinstance(value, float):  # JSON's numbers; their shortest decimal is what was written
        return Decimal(repr(value))
    raise InputRefused(_("{name}: a number or a short text was expected").format(name=key))


def _language(value: object) -> Language:
    for language in get_args(Language):
        if value == language:
            return language  # type: ignore[no-any-return]
    raise InputRefused(_("the language is ko or en"))
