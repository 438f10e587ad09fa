"""What holds for every loan, deposit and rule, drawn by hypothesis; and figures that are known."""

from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localfin import calc
from localfin.calc import rules
from localfin.calc.loans import Method
from localfin_models.errors import InputRefused

METHODS = st.sampled_from(["annuity", "equal_principal", "bullet"])
RATES = st.decimals(0, 60, places=3)
LOANS = settings(max_examples=60, deadline=None)


def test_the_known_loan() -> None:
    found = calc.loan(100_000_000, "4.5", 360)
    assert found.values["monthly_payment_exact"] == Decimal("506685.31")
    assert found.values["monthly_payment"] == 506_685


@given(principal=st.integers(1, 10**12), rate=RATES, months=st.integers(1, 480), method=METHODS, data=st.data())
@LOANS
def test_a_schedule_repays_exactly_the_loan(
    principal: int, rate: Decimal, months: int, method: Method, data: st.DataObject
) -> None:
    grace = data.draw(st.integers(0, months - 1))
    rows = calc.loan_schedule(principal, rate, months, method, grace)
    assert [row.number for row in rows] == list(range(1, months + 1))
    assert rows[-1].balance == 0
    assert sum(row.principal for row in rows) == principal
    assert all(row.payment == row.principal + row.interest for row in rows)
    assert all(row.interest >= 0 and row.principal >= 0 for row in rows)
    balances = [Decimal(principal), *(row.balance for row in rows)]
    assert all(before >= after for before, after in pairwise(balances))
    assert all(before - row.principal == row.balance for before, row in zip(balances, rows, strict=False))
    assert all(row.principal == 0 for row in rows[:grace])


@given(cents=st.integers(1, 10**11), rate=RATES, months=st.integers(1, 240), method=METHODS)
@LOANS
def test_a_schedule_in_cents_repays_exactly_the_loan(cents: int, rate: Decimal, months: int, method: Method) -> None:
    principal = Decimal(cents) / 100
    rows = calc.loan_schedule(principal, rate, months, method, currency="USD")
    assert rows[-1].balance == 0
    assert sum(row.principal for row in rows) == principal
    assert all(row.interest >= 0 and row.principal >= 0 for row in rows)


@given(
    principal=st.integers(10**6, 10**12), rate=RATES, more=st.decimals("0.01", 5, places=2), months=st.integers(2, 479)
)
@LOANS
def test_dearer_or_longer_loans_cost_more(principal: int, rate: Decimal, more: Decimal, months: int) -> None:
    usual = calc.loan(principal, rate, months).values
    dearer = calc.loan(principal, rate + more, months).values
    longer = calc.loan(principal, rate, months + 1).values
    assert dearer["monthly_payment_exact"] >= usual["monthly_payment_exact"]  # type: ignore[operator]
    assert longer["monthly_payment_exact"] <= usual["monthly_payment_exact"]  # type: ignore[operator]


@given(principal=st.integers(10**6, 10**12), rate=st.decimals(1, 15, places=2), months=st.integers(1, 480))
@LOANS
def test_dropping_won_moves_the_total_by_no_more_than_they_grow_to(principal: int, rate: Decimal, months: int) -> None:
    values = calc.loan(principal, rate, months).values
    exact = values["monthly_payment_exact"] * months  # type: ignore[operator]
    monthly = rate / 1200
    grown = ((1 + monthly) ** months - 1) / monthly  # one won dropped each month, with its interest
    assert abs(values["total_payment"] - exact) <= grown + months  # type: ignore[operator]


@given(principal=st.integers(10**6, 10**12), rate=RATES, months=st.integers(2, 480))
@LOANS
def test_who_repays_sooner_pays_less_interest(principal: int, rate: Decimal, months: int) -> None:
    interest = [
        calc.loan(principal, rate, months, method).values["total_interest"]
        for method in ("equal_principal", "annuity", "bullet")
    ]
    # Dropped won may turn equal ones around by as many won as there are months.
    assert interest[0] <= interest[1] + months  # type: ignore[operator]
    assert interest[1] <= interest[2] + months  # type: ignore[operator]


@given(principal=st.integers(1, 10**12), rate=RATES, months=st.integers(1, 240))
@LOANS
def test_tax_takes_what_the_law_says(principal: int, rate: Decimal, months: int) -> None:
    values = {tax: calc.deposit(principal, rate, months, tax=tax).values for tax in ("general", "exempt")}  # type: ignore[arg-type]
    interest, tax = values["general"]["interest"], values["general"]["tax"]
    assert values["exempt"]["tax"] == 0
    assert values["exempt"]["interest"] == interest
    assert isinstance(interest, Decimal)
    assert isinstance(tax, Decimal)
    assert tax % 10 == 0
    assert 0 <= interest * Decimal("0.154") - tax < 30


def test_several_rates_of_return_are_all_said() -> None:
    found = calc.irr([-100, 230, -132])  # 10 % and 20 %
    assert (found.values["irr_percent_1"], found.values["irr_percent_2"]) == (10, 20)
    assert "irr_percent" not in found.values
    assert "2 rates" in found.text


def test_no_rate_of_return_is_said() -> None:
    with pytest.raises(InputRefused, match="no rate"):
        calc.irr([100, -100, 100])


OWN = """
[[rule]]
kind = "dsr"
scope = "bank"
from = 2027-01-01
percent = 35
body = "our bank"
"""


def test_own_rules_win_from_their_day(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(OWN, encoding="utf-8")
    known = rules.with_own(path)
    before = calc.dsr("6천만", "2200만", on="2026-12-31", rules=known)
    after = calc.dsr("6천만", "2200만", on="2027-01-01", rules=known)
    assert (before.values["cap_percent"], before.values["within_cap"]) == (40, "yes")
    assert (after.values["cap_percent"], after.values["within_cap"]) == (35, "no")
    assert "our bank (2027-01-01)" in after.source


@pytest.mark.parametrize(
    ("day", "stress"),
    [("2024-02-25", 0), ("2024-02-26", "0.38"), ("2024-09-01", "1.2"), ("2025-07-01", "1.5"), ("2025-10-16", 3)],
)  # fmt: skip
def test_the_stress_rate_is_the_days(day: str, stress: str | int) -> None:
    found = calc.dsr("6천만", loan="3억", rate_percent=4, months="30년", rate_type="floating", on=day)
    assert found.values["stress_percent"] == Decimal(stress)


@pytest.mark.parametrize(
    "text",
    [
        "", "x = 1", "[[rule]]", OWN.replace("35", "-1"), OWN.replace("35", '"a"'), OWN.replace("2027-01-01", '"soon"'),
        OWN.replace("dsr", "dsx"), OWN.replace('body = "our bank"', ""), "\x00",
        OWN.replace('"our bank"', "{ ko = '가' }"),
    ],
)  # fmt: skip
def test_wrong_rules_are_refused_with_the_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputRefused, match=r"rules\.toml"):
        rules.with_own(path)


def test_every_shipped_rule_names_its_body_in_both_languages() -> None:
    for rule in rules.shipped():
        assert rule.body["ko"]
        assert rule.body["en"]
        assert date(2014, 1, 1) < rule.since < date(2026, 1, 1)
