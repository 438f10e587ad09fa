"""The calculators beside independent references: 200 seeded cases each, compared at the last digit shown.

QuantLib and pyxirr are other people's programs; `exact` is arithmetic in fractions, or mpmath with 40 digits where a
power is no fraction, derived here from the definitions, month by month or payment by payment, and not from the closed
formulas that the calculators use. numpy-financial is not asked for rates of return, which it is known to get wrong.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import mpmath
import pyxirr
import QuantLib as ql  # noqa: N813 - its own documentation's name

from localfin import calc
from localfin.calc.bonds import DayCount

CASES = 200
mpmath.mp.dps = 40
Pair = tuple[Any, Any, Decimal]
"""Ours, the reference's, and how far apart the two may be."""


@dataclass(frozen=True)
class Row:
    calculator: str
    value: str
    reference: str
    cases: int
    agree: int
    largest: float
    """The largest difference, in the value's unit."""


def agreement() -> list[Row]:
    """Every comparison, in the order of `COMPARISONS`."""
    return [row for comparison in COMPARISONS for row in compared(comparison)]


def compared(comparison: Callable[[random.Random], dict[tuple[str, str, str], Pair]]) -> list[Row]:
    """One comparison over `CASES` seeded cases."""
    chance = random.Random(comparison.__name__)
    cases = [comparison(chance) for _case in range(CASES)]
    rows = []
    for key in cases[0]:
        pairs = [case[key] for case in cases]
        differences = [abs(Fraction(ours) - _fraction(theirs)) for ours, theirs, _within in pairs]
        agree = sum(
            difference <= Fraction(within) for difference, (_o, _t, within) in zip(differences, pairs, strict=True)
        )
        rows.append(Row(*key, len(pairs), agree, float(max(differences))))
    return rows


def _mpf(value: Fraction) -> mpmath.mpf:
    return mpmath.mpf(value.numerator) / value.denominator


def _fraction(value: Any) -> Fraction:
    if isinstance(value, mpmath.mpf):
        return Fraction(mpmath.nstr(value, 35))
    return Fraction(value)


def annuity(chance: random.Random) -> dict[tuple[str, str, str], Pair]:
    """QuantLib's annuity notionals give the payment; fractions give the whole schedule with its dropped won."""
    principal, rate, months = _principal(chance), _rate(chance), chance.randrange(2, 481)
    found = calc.loan(principal, rate, months)
    notionals = ql.sinkingNotionals(ql.Period(months, ql.Months), ql.Monthly, float(rate) / 100, float(principal))
    payment = notionals[0] * (1 + float(rate) / 1200) - notionals[1]
    monthly = Fraction(rate) / 1200
    # What n payments of one unit are worth today, added up one by one.
    worth, discount = mpmath.mpf(0), mpmath.mpf(1)
    for _month in range(months):
        discount = discount / (1 + _mpf(monthly))
        worth += discount
    exact = principal / worth
    return {
        ("loan (annuity)", "monthly_payment_exact", "QuantLib sinkingNotionals"): (
            found.values["monthly_payment_exact"], payment, Decimal("0.01")
        ),
        ("loan (annuity)", "monthly_payment_exact", "exact"): (
            found.values["monthly_payment_exact"], exact, Decimal("0.005")
        ),
        ("loan (annuity)", "total_interest", "exact, month by month"): (
            found.values["total_interest"], _interest(principal, monthly, [int(exact)] * months), Decimal(0)
        ),
    }  # fmt: skip


def equal_principal(chance: random.Random) -> dict[tuple[str, str, str], Pair]:
    principal, rate, months = _principal(chance), _rate(chance), chance.randrange(2, 481)
    grace = chance.randrange(0, months)
    found = calc.loan(principal, rate, months, "equal_principal", grace)
    monthly, share = Fraction(rate) / 1200, principal // (months - grace)
    owed, total = principal, 0
    for month in range(months):
        total += int(owed * monthly)
        owed -= share if month >= grace else 0
    return {
        ("loan (equal principal, grace)", "total_interest", "exact, month by month"): (
            found.values["total_interest"], total, Decimal(0)
        )
    }  # fmt: skip


def bullet(chance: random.Random) -> dict[tuple[str, str, str], Pair]:
    principal, rate, months = _principal(chance), _rate(chance), chance.randrange(1, 481)
    found = calc.loan(principal, rate, months, "bullet")
    each = int(principal * Fraction(rate) / 1200)
    return {
        ("loan (bullet)", "total_interest", "exact"): (found.values["total_interest"], each * months, Decimal(0)),
    }


def deposit(chance: random.Random) -> dict[tuple[str, str, str], Pair]:
    principal, rate, months = _principal(chance), _rate(chance), chance.randrange(1, 121)
    compounding, often = chance.choice(
        [("simple", 0), ("monthly", 12), ("quarterly", 4), ("semiannual", 2), ("annual", 1)]
    )
    found = calc.deposit(principal, rate, months, compounding)  # type: ignore[arg-type]
    exact = _grown(principal, rate, months, often) - principal
    interest = int(mpmath.floor(exact + mpmath.mpf(10) ** -25))
    income = interest * 14 // 1000 * 10  # 14 %, in tens of won
    tax = income + income // 100 * 10
    return {
        ("deposit", "interest", "QuantLib compoundFactor"): (
            found.values["interest"], principal * (_factor(rate, months, often) - 1), Decimal("1.01")
        ),
        ("deposit", "interest", "exact (mpmath)"): (found.values["interest"], interest, Decimal(0)),
        ("deposit", "tax", "exact"): (found.values["tax"], tax, Decimal(0)),
    }  # fmt: skip


def savings(chance: random.Random) -> dict[tuple[str, str, str], Pair]:
    each, rate, months = chance.randrange(1, 500) * 10_000, _rate(chance), chance.randrange(1, 121)
    compounding, often = chance.choice([("simple", 0), ("monthly", 12), ("quarterly", 4), ("annual", 1)])
    found = calc.savings(each, rate, months, compounding)  # type: ignore[arg-type]
    exact = sum((_grown(each, rate, month, often) for month in range(1, months + 1)), mpmath.mpf(0)) - each * months
    quantlib = sum(each * (_factor(rate, month, often) - 1) for month in range(1, months + 1))
    return {
        ("savings", "interest", "QuantLib compoundFactor"): (found.values["interest"], quantlib, Decimal("1.01")),
        ("savings", "interest", "exact (mpmath)"): (
            found.values["interest"], int(mpmath.floor(exact + mpmath.mpf(10) ** -25)), Decimal(0)
        ),
    }  # fmt: skip


def interest(chance: random.Random) -> dict[tuple[str, str, str], Pair]:
    principal, rate, days = _principal(chance), _rate(chance), chance.randrange(1, 3650)
    found = calc.interest(principal, rate, days=days)
    simple = ql.InterestRate(float(rate) / 100, ql.Actual365Fixed(), ql.Simple, ql.Annual)
    return {
        ("interest", "interest", "QuantLib Actual365Fixed"): (
            found.values["interest"], principal * (simple.compoundFactor(days / 365) - 1), Decimal("1.01")
        ),
        ("interest", "interest", "exact"): (
            found.values["interest"], int(principal * Fraction(rate) * days / 36500), Decimal(0)
        ),
    }  # fmt: skip


def effective_and_nominal(chance: random.Random) -> dict[tuple[str, str, str], Pair]:
    rate, (often, frequency) = _rate(chance), chance.choice([(12, ql.Monthly), (4, ql.Quarterly), (2, ql.Semiannual)])
    quoted = ql.InterestRate(float(rate) / 100, ql.Actual365Fixed(), ql.Compounded, frequency)
    paid = ql.InterestRate(float(rate) / 100, ql.Actual365Fixed(), ql.Compounded, ql.Annual)
    effective = quoted.equivalentRate(ql.Compounded, ql.Annual, 1.0).rate() * 100
    nominal = paid.equivalentRate(ql.Compounded, frequency, 1.0).rate() * 100
    grown = Fraction(1)
    for _period in range(often):
        grown *= 1 + Fraction(rate) / 100 / often
    within = Decimal("0.00005000001")
    return {
        ("effective_rate", "effective_percent", "QuantLib equivalentRate"): (
            calc.effective_rate(rate, often).values["effective_percent"], effective, within
        ),
        ("effective_rate", "effective_percent", "exact"): (
            calc.effective_rate(rate, often).values["effective_percent"], (grown - 1) * 100, Decimal("0.00005")
        ),
        ("nominal_rate", "nominal_percent", "QuantLib equivalentRate"): (
            calc.nominal_rate(rate, often).values["nominal_percent"], nominal, within
        ),
    }  # fmt: skip


def returns(chance: random.Random) -> dict[tuple[str, str, str], Pair]:
    """Payments a year apart, which QuantLib's SimpleDayCounter counts as whole years."""
    flows = _flows(chance)
    rate = _rate(chance)
    days = [date(2020 + year, 1, 1) for year in range(len(flows))]
    ours, today = calc.irr(flows).values["irr_percent"], calc.npv(rate, flows).values["npv"]
    theirs = _quantlib_rate(flows, days, ql.SimpleDayCounter())
    worth = sum((Fraction(flow) / (1 + Fraction(rate) / 100) ** year for year, flow in enumerate(flows)), Fraction(0))
    return {
        ("irr", "irr_percent", "QuantLib CashFlows.yieldRate"): (ours, theirs, Decimal("0.000051")),
        ("irr", "irr_percent", "pyxirr"): (ours, pyxirr.irr(flows) * 100, Decimal("0.000051")),
        ("irr", "irr_percent", "mpmath"): (ours, _mpmath_rate(flows, range(len(flows)), ours), Decimal("0.00005")),
        ("npv", "npv", "pyxirr"): (today, pyxirr.npv(float(rate) / 100, flows), Decimal("0.0051")),
        ("npv", "npv", "exact"): (today, worth, Decimal("0.005")),
    }  # fmt: skip


def dated_returns(chance: random.Random) -> dict[tuple[str, str, str], Pair]:
    flows = _flows(chance)
    start = date(2015, 1, 1) + timedelta(chance.randrange(2000))
    days = [start, *sorted(start + timedelta(chance.randrange(1, 4000)) for _flow in flows[1:])]
    ours = calc.xirr(flows, days).values["xirr_percent"]
    times = [mpmath.mpf((day - start).days) / 365 for day in days]
    # A yearly rate of thousands of percent, where little time passes, has fewer digits in binary floating point.
    within = Decimal("0.000051") + abs(Decimal(str(ours))) * Decimal("1e-9")
    return {
        ("xirr", "xirr_percent", "QuantLib CashFlows.yieldRate"): (
            ours, _quantlib_rate(flows, days, ql.Actual365Fixed()), within
        ),
        ("xirr", "xirr_percent", "pyxirr"): (ours, pyxirr.xirr(days, flows) * 100, within),
        ("xirr", "xirr_percent", "mpmath"): (ours, _mpmath_rate(flows, times, ours), Decimal("0.00005")),
    }  # fmt: skip


def bonds(chance: random.Random) -> dict[tuple[str, str, str], Pair]:
    """Clean price, accrued interest and yield of fixed-rate bonds, all day counts and frequencies."""
    coupon, wanted = _rate(chance), _rate(chance)
    often, frequency = chance.choice([(1, ql.Annual), (2, ql.Semiannual), (4, ql.Quarterly)])
    settlement = date(2026, 1, 1) + timedelta(chance.randrange(800))
    maturity = settlement + timedelta(chance.randrange(30, 11_000))
    name: DayCount = chance.choice(["act/act", "30/360", "act/365", "act/360"])
    found = calc.bond_price(
        coupon, wanted, settlement=settlement, maturity=maturity, frequency=often, day_count=name
    )  # fmt: skip
    price = round(chance.uniform(0.8, 1.2) * float(str(found.values["clean_price"])), 3)
    clean, accrued, yielded = _quantlib_bond(coupon, wanted, price, settlement, maturity, frequency, name)
    back = calc.bond_yield(
        coupon, str(price), settlement=settlement, maturity=maturity, frequency=often, day_count=name
    )  # fmt: skip
    return {
        ("bond_price", "clean_price", "QuantLib FixedRateBond"): (
            found.values["clean_price"], clean, Decimal("0.000001")
        ),
        ("bond_price", "accrued", "QuantLib FixedRateBond"): (found.values["accrued"], accrued, Decimal("0.000001")),
        ("bond_yield", "yield_percent", "QuantLib bondYield"): (
            back.values["yield_percent"], yielded, Decimal("0.000051")
        ),
    }  # fmt: skip


def korean_bonds(chance: random.Random) -> dict[tuple[str, str, str], Pair]:
    """The Korean convention, in fractions: payment by payment, the part of a period with simple interest."""
    coupon, wanted, often = _rate(chance), _rate(chance), chance.choice([1, 2, 4])
    maturity = date(chance.randrange(2027, 2040), chance.randrange(1, 13), chance.randrange(1, 29))
    settlement = date(2026, 6, 1) + timedelta(chance.randrange(200))
    found = calc.bond_price(
        coupon, wanted, settlement=settlement, maturity=maturity, frequency=often, convention="korea", face=10_000
    )  # fmt: skip
    days = [maturity]
    while days[0] > settlement:
        month = days[0].year * 12 + days[0].month - 1 - 12 // often
        days.insert(0, maturity.replace(year=month // 12, month=month % 12 + 1))
    rate, each = Fraction(wanted) / 100 / often, 10_000 * Fraction(coupon) / 100 / often
    worth = Fraction(0)
    for place in range(len(days) - 1, 0, -1):  # from the last payment back to the next one
        worth = (worth / (1 + rate) if place < len(days) - 1 else Fraction(10_000)) + each
    worth /= 1 + rate * Fraction((days[1] - settlement).days, (days[1] - days[0]).days)
    return {
        ("bond_price (korea)", "dirty_price", "exact"): (found.values["dirty_price"], worth, Decimal("0.0000005")),
    }


def debt(chance: random.Random) -> dict[tuple[str, str, str], Pair]:
    income, paid, loan = chance.randrange(1, 2000) * 100_000, chance.randrange(1, 900) * 100_000, _principal(chance)
    home = _principal(chance)
    rate, months = _rate(chance), chance.randrange(12, 481)
    tested = Fraction(rate) + 3  # 2025-10-16, the capital area, a floating rate
    monthly, worth = tested / 1200, mpmath.mpf(0)
    for month in range(1, months + 1):
        worth += 1 / (1 + _mpf(monthly)) ** month
    total = loan + _interest(loan, monthly, [int(loan / worth)] * months)
    stressed = calc.dsr(
        income, paid, loan, rate, months, rate_type="floating", on="2025-12-01"
    )  # fmt: skip
    return {
        ("dsr", "dsr_percent", "exact"): (
            calc.dsr(income, paid).values["dsr_percent"], _nearest(Fraction(paid, income) * 100), Decimal(0)
        ),
        ("dsr (stress)", "dsr_percent", "exact, month by month"): (
            stressed.values["dsr_percent"],
            _nearest(Fraction(paid + int(Fraction(total) * 12 / months), income) * 100), Decimal(0)
        ),
        ("ltv", "ltv_percent", "exact"): (
            calc.ltv(loan, home).values["ltv_percent"], _nearest(Fraction(loan, home) * 100), Decimal(0)
        ),
        ("dti", "dti_percent", "exact"): (
            calc.dti(income, paid, loan).values["dti_percent"], _nearest(Fraction(paid + loan, income) * 100),
            Decimal(0)
        ),
    }  # fmt: skip


def trade(chance: random.Random) -> dict[tuple[str, str, str], Pair]:
    cost, price = chance.randrange(1, 10**6), chance.randrange(1, 10**6)
    fixed, variable = chance.randrange(10**9), chance.randrange(price)
    amount, rate = chance.randrange(1, 10**6), Fraction(chance.randrange(50_000, 200_000), 100)
    units = -(-fixed // (price - variable))
    return {
        ("margin", "margin_percent", "exact"): (
            calc.margin(cost, price).values["margin_percent"], _nearest(Fraction(price - cost, price) * 100), Decimal(0)
        ),
        ("break_even", "units", "exact"): (calc.break_even(fixed, price, variable).values["units"], units, Decimal(0)),
        ("exchange", "converted", "exact"): (
            calc.exchange(amount, "USD", "KRW", str(float(rate))).values["converted"], int(amount * rate), Decimal(0)
        ),
        ("exchange (out of won)", "converted", "exact"): (
            calc.exchange(amount, "KRW", "USD", str(float(rate))).values["converted"],
            _nearest(amount / rate), Decimal(0)
        ),
    }  # fmt: skip


def arithmetic(chance: random.Random) -> dict[tuple[str, str, str], Pair]:
    numbers = [Fraction(chance.randrange(-(10**9), 10**9), 100) for _number in range(chance.randrange(2, 40))]
    texts = [f"{float(each):.2f}" for each in numbers]
    first, last, years = chance.randrange(1, 10**9), chance.randrange(1, 10**9), chance.randrange(1, 30)
    grown = (mpmath.root(mpmath.mpf(last) / first, years) - 1) * 100
    return {
        ("total", "total", "exact"): (calc.total(texts).values["total"], sum(numbers), Decimal(0)),
        ("mean", "mean", "exact"): (calc.mean(texts).values["mean"], sum(numbers) / len(numbers), Decimal("0.00005")),
        ("percent_of", "result", "exact"): (
            calc.percent_of("12.5", first).values["result"], Fraction(first, 8), Decimal("0.00005")
        ),
        ("ratio", "result_percent", "exact"): (
            calc.ratio(first, last).values["result_percent"], _nearest(Fraction(first, last) * 100), Decimal(0)
        ),
        ("change", "result_percent", "exact"): (
            calc.change(first, last).values["result_percent"], _nearest(Fraction(last - first, first) * 100), Decimal(0)
        ),
        ("growth", "result_percent", "mpmath"): (
            calc.growth(first, last, years).values["result_percent"], grown, Decimal("0.005")
        ),
    }  # fmt: skip


COMPARISONS = (
    annuity, equal_principal, bullet, deposit, savings, interest, effective_and_nominal, returns, dated_returns, bonds,
    korean_bonds, debt, trade, arithmetic,
)  # fmt: skip


def _principal(chance: random.Random) -> int:
    return chance.randrange(1, 100_000) * 10_000 + chance.choice([0, chance.randrange(10_000)])


def _flows(chance: random.Random) -> list[int]:
    """An outlay, and what comes back of it: between half and five times as much."""
    back = [chance.randrange(100, 40_000) for _year in range(chance.randrange(2, 30))]
    return [-int(sum(back) / chance.uniform(0.5, 5)), *back]


def _rate(chance: random.Random) -> Decimal:
    return Decimal(chance.randrange(1, 2_500)) / 100


def _interest(principal: int, monthly: Fraction, payments: list[int]) -> int:
    """The interest of a loan in won: what is below 1 won dropped each month, the rest settled with the last payment."""
    owed, total = principal, 0
    for place, payment in enumerate(payments):
        dropped = int(owed * monthly)
        total += dropped
        owed = 0 if place == len(payments) - 1 else owed - (payment - dropped)
    return total


def _grown(principal: int, rate: Decimal, months: int, often: int) -> mpmath.mpf:
    yearly = mpmath.mpf(str(rate)) / 100
    if not often:
        return principal * (1 + yearly * months / 12)
    return principal * mpmath.exp(mpmath.log1p(yearly / often) * often * months / 12)


def _factor(rate: Decimal, months: int, often: int) -> float:
    frequency = {0: ql.Annual, 12: ql.Monthly, 4: ql.Quarterly, 2: ql.Semiannual, 1: ql.Annual}[often]
    kind = ql.Compounded if often else ql.Simple
    found = ql.InterestRate(float(rate) / 100, ql.Actual365Fixed(), kind, frequency).compoundFactor(months / 12)
    return float(found)


def _quantlib_day(day: date) -> Any:
    return ql.Date(day.day, day.month, day.year)


def _quantlib_rate(flows: list[int], days: list[date], counter: Any) -> float:
    leg = [ql.SimpleCashFlow(flow, _quantlib_day(day)) for flow, day in zip(flows[1:], days[1:], strict=True)]
    start = _quantlib_day(days[0])
    found = ql.CashFlows.yieldRate(
        leg, -flows[0], counter, ql.Compounded, ql.Annual, False, start, start, 1e-14, 1000, 0.1
    )
    return float(found) * 100


def _mpmath_rate(flows: list[int], times: Any, near: Decimal) -> mpmath.mpf:
    """In 40 digits, between two rates around `near`; the flows have one change of sign, hence one root."""

    def worth(grown: mpmath.mpf) -> mpmath.mpf:
        logarithm = mpmath.log(grown)
        return mpmath.fsum(
            flow * mpmath.exp(-time * logarithm) for flow, time in zip(flows, times, strict=True)
        )  # fmt: skip

    grown = 1 + mpmath.mpf(str(near)) / 100
    found = mpmath.findroot(worth, (grown * 0.99, grown * 1.01), solver="ridder", tol=1e-30, maxsteps=200)
    return (found - 1) * 100


def _quantlib_bond(
    coupon: Decimal, wanted: Decimal, price: float, settlement: date, maturity: date, frequency: Any, name: str
) -> tuple[float, float, float]:  # fmt: skip
    """Clean price and accrued interest at the yield that is wanted, and the yield at a clean price."""
    settled, due = _quantlib_day(settlement), _quantlib_day(maturity)
    ql.Settings.instance().evaluationDate = settled
    schedule = ql.Schedule(
        due - ql.Period(40, ql.Years), due,
        ql.Period(frequency), ql.NullCalendar(), ql.Unadjusted, ql.Unadjusted, ql.DateGeneration.Backward, False,
    )  # fmt: skip
    counter = {
        "act/act": ql.ActualActual(ql.ActualActual.ISMA, schedule), "30/360": ql.Thirty360(ql.Thirty360.BondBasis),
        "act/365": ql.Actual365Fixed(), "act/360": ql.Actual360(),
    }[name]  # fmt: skip
    bond = ql.FixedRateBond(0, 100.0, schedule, [float(coupon) / 100], counter)
    clean = ql.BondFunctions.cleanPrice(bond, float(wanted) / 100, counter, ql.Compounded, frequency, settled)
    found = ql.BondFunctions.bondYield(
        bond, ql.BondPrice(price, ql.BondPrice.Clean), counter, ql.Compounded, frequency, settled, 1e-13, 1000
    )  # fmt: skip
    return float(clean), float(bond.accruedAmount(settled)), float(found) * 100


def _nearest(value: Fraction) -> Decimal:
    """Half up to 0.01, in whole numbers."""
    scaled = abs(value) * 100
    whole = int(scaled) + (1 if scaled - int(scaled) >= Fraction(1, 2) else 0)
    return Decimal(whole if value >= 0 else -whole).scaleb(-2)
