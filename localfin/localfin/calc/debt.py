"""What a household owes beside what it earns and owns: DSR, LTV and DTI, with the caps of the day."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Literal, get_args

from localfin.calc import inputs
from localfin.calc.inputs import Number
from localfin.calc.loans import Method, loan_schedule
from localfin.calc.result import Argument, Result
from localfin.calc.rules import Kind, Rule, rule, shipped
from localfin.calc.wording import Language, Texts, percent, plain
from localfin.computed import Computed
from localfin_models.errors import InputRefused
from localfin_models.language import _

Lender = Literal["bank", "other"]
Area = Literal["capital", "elsewhere", "credit"]
"""capital: a mortgage in the capital area or a regulated area; elsewhere: any other; credit: an unsecured loan."""
RateType = Literal[
    "floating", "mixed_5", "mixed_9", "mixed_15", "periodic_5", "periodic_9", "periodic_15", "fixed"
]  # fmt: skip
"""How much of the stress rate counts: floating all, fixed none; mixed and periodic by the years that are fixed."""
Zone = Literal["regulated", "first_home", "elsewhere"]

_STRESSED: dict[RateType, int] = {
    "floating": 100, "mixed_5": 80, "mixed_9": 60, "mixed_15": 40, "periodic_5": 40, "periodic_9": 30,
    "periodic_15": 20,    "fixed": 0,
}  # fmt: skip
"""Percent of the stress rate: stress DSR stage 3, a loan of thirty years."""


def dsr(
    income: Number, repayment: Number = 0, loan: Number = 0, rate_percent: Number = 0, months: Number = 0,
    method: Method = "annuity", area: Area = "capital", rate_type: RateType = "fixed", lender: Lender = "bank",
    on: date | str | None = None, language: Language = "en", rules: Sequence[Rule] | None = None,
) -> Computed:  # fmt: skip
    """The debt service ratio in percent: yearly principal and interest of all loans / yearly income, in won.

    `repayment` is what the loans that exist take in a year. A new `loan` (with `rate_percent` and `months`) adds the
    yearly
    mean of its payments, at its rate plus the stress rate of `area` that holds `on` that day (today if left out), of
    which
    `rate_type` takes a part. The result is rounded half up to 0.01 and compared with the cap of `lender` on that day.
    Not covered: unsecured loans count over five years whatever their term (give 60 months), and exempt loans.
    Source: Financial Services Commission, Regulation on Supervision of Banking Business, and the rules that the result
    names. Raises InputRefused.
    """
    earned, paid, new = _income(income), inputs.money("repayment", repayment), inputs.money("loan", loan)
    if not paid and not new:
        raise InputRefused(_("DSR needs what is repaid in a year, or a new loan"))
    day = inputs.day("on", on) if on else date.today()
    inputs.one_of("lender", lender, get_args(Lender))
    known = shipped() if rules is None else rules
    result = Result("dsr", language, {"income": plain(earned), "repayment": plain(paid)})
    result.say(_INCOME, income=earned)
    if paid:
        result.say(_REPAID, repayment=paid)
    stress = None
    if new:
        rate = inputs.percent("rate_percent", rate_percent)
        yearly, stress = _new_loan(result, new, rate, months, method, area, rate_type, day, known)
        paid += yearly
    result.call |= {"lender": lender, "on": day.isoformat()}
    result.values |= {"total_repayment": paid, "dsr_percent": _ratio(paid, earned)}
    result.say(_DSR, total=paid, dsr=percent(_ratio(paid, earned)))
    cap = rule(known, "dsr", lender, day)
    return _against(result, cap, _ratio(paid, earned), *([stress] if stress else []))


def ltv(
    loan: Number, value: Number, zone: Zone | Literal[""] = "", on: date | str | None = None, language: Language = "en",
    rules: Sequence[Rule] | None = None,
) -> Computed:  # fmt: skip
    """The loan-to-value ratio in percent: what is borrowed on a home / the home's value, in won.

    Rounded half up to 0.01. With a `zone` it is compared with the cap that holds `on` that day (today if left out).
    Not covered: deductions for tenants' deposits, caps by price, owners of several homes. Source: Financial Services
    Commission, Regulation on Supervision of Banking Business. Raises InputRefused.
    """
    owed, worth = inputs.money("loan", loan, least=1), inputs.money("value", value, least=1)
    result = Result("ltv", language, {"loan": plain(owed), "value": plain(worth)})
    found = _ratio(owed, worth)
    result.values["ltv_percent"] = found
    result.say(_LTV, loan=owed, value=worth, ltv=percent(found))
    return _zoned(result, "ltv", zone, on, found, rules)


def dti(
    income: Number, mortgage_repayment: Number, other_interest: Number = 0, zone: Zone | Literal[""] = "",
    on: date | str | None = None, language: Language = "en", rules: Sequence[Rule] | None = None,
) -> Computed:  # fmt: skip
    """The debt-to-income ratio in percent: (yearly principal and interest of mortgages + yearly interest of other
    loans) /
    yearly income, in won. Rounded half up to 0.01; caps as in `ltv`.

    Source: Financial Services Commission, Regulation on Supervision of Banking Business. Raises InputRefused.
    """
    earned = _income(income)
    mortgage = inputs.money("mortgage_repayment", mortgage_repayment, least=1)
    other = inputs.money("other_interest", other_interest)
    given: dict[str, Argument] = {
        "income": plain(earned),
        "mortgage_repayment": plain(mortgage),
        "other_interest": plain(other),
    }
    result = Result("dti", language, given)
    found = _ratio(mortgage + other, earned)
    result.values |= {"total": mortgage + other, "dti_percent": found}
    result.say(_DTI, income=earned, mortgage=mortgage, other=other, total=mortgage + other, dti=percent(found))
    zone_cap: Zone | Literal[""] = "elsewhere" if zone == "first_home" else zone
    return _zoned(result, "dti", zone_cap, on, found, rules)


def _against(result: Result, cap: Rule | None, found: Decimal, *rest_on: Rule) -> Computed:
    """Beside the cap of the day, if there is one; `rest_on` are the rules that went into the result."""
    if cap is not None:
        within = found <= cap.percent
        since = cap.since.isoformat()
        result.values |= {"cap_percent": cap.percent, "cap_since": since, "within_cap": "yes" if within else "no"}
        result.say(_WITHIN if within else _BEYOND, cap=percent(cap.percent), since=since)
        if cap.above is not None:
            result.values["cap_above"] = cap.above
            result.say(_ABOVE, above=cap.above)
    bodies = [f"{each.body[result.language]} ({each.since})" for each in (*rest_on, cap) if each is not None]
    return result.computed(_FORMULAS[result.name], _SOURCE, *bodies)


def _new_loan(
    result: Result, owed: Decimal, rate: Decimal, months: Number, method: Method, area: Area, rate_type: RateType,
    day: date,
    rules: Sequence[Rule],
) -> tuple[Decimal, Rule | None]:  # fmt: skip
    """What a new loan takes in a year, at its stressed rate, and the rule of that rate."""
    count = inputs.months("months", months)
    stress = rule(rules, "stress", inputs.one_of("area", area, get_args(Area)), day)
    part = _STRESSED[inputs.one_of("rate_type", rate_type, get_args(RateType))]
    added = stress.percent * part / 100 if stress else Decimal(0)
    paid = sum((row.payment for row in loan_schedule(owed, rate + added, count, method)), Decimal(0))
    yearly = inputs.rounded(paid * 12 / max(count, 12), "KRW")
    result.call |= {
        "loan": plain(owed), "rate_percent": plain(rate), "months": count, "method": method, "area": area,
        "rate_type": rate_type,
    }  # fmt: skip
    result.values |= {"stress_percent": added, "tested_rate_percent": rate + added, "new_repayment": yearly}
    result.say(_NEW, loan=owed, rate=percent(rate), stress=percent(added), tested=percent(rate + added), yearly=yearly)
    return yearly, stress if part else None


def _zoned(
    result: Result, kind: Kind, zone: Zone | Literal[""], on: date | str | None, found: Decimal,
    rules: Sequence[Rule] | None,
) -> Computed:  # fmt: skip
    if not zone:
        return _against(result, None, found)
    day = inputs.day("on", on) if on else date.today()
    result.call |= {"zone": inputs.one_of("zone", zone, get_args(Zone)), "on": day.isoformat()}
    return _against(result, rule(shipped() if rules is None else rules, kind, zone, day), found)


def _income(value: Number) -> Decimal:
    return inputs.money("income", value, least=1)


def _ratio(part: Decimal, whole: Decimal) -> Decimal:
    with inputs.exactly():
        return inputs.nearest(part / whole * 100, 2)


_INCOME: Texts = {"en": "Yearly income: {income}.", "ko": "연소득은 {income}입니다."}
_REPAID: Texts = {
    "en": "Yearly principal and interest of the loans: {repayment}.",
    "ko": "기존 대출의 연간 원리금 상환액은 {repayment}입니다.",
}
_NEW: Texts = {
    "en": "The new loan of {loan} is tested at {tested} ({rate} and a stress rate of {stress}) and takes {yearly} a "
    "year.",
    "ko": "새 대출 {loan}에는 심사 금리 {tested}(대출 금리 {rate} + 스트레스 금리 {stress})를 적용하며 연간 원리금은 "
    "{yearly}입니다.",
}
_DSR: Texts = {
    "en": "DSR is {dsr}: {total} a year, of the income.",
    "ko": "연소득 대비 연간 원리금 {total}의 비율인 DSR은 {dsr}입니다.",
}
_LTV: Texts = {
    "en": "A loan of {loan} on a home worth {value}: LTV is {ltv}.",
    "ko": "주택 가격 {value}, 대출금 {loan}: LTV는 {ltv}입니다.",
}
_DTI: Texts = {
    "en": "Yearly income {income}; principal and interest of mortgages {mortgage}, interest of other loans {other}, "
    "together "
    "{total}: DTI is {dti}.",
    "ko": "연소득 {income}, 주택담보대출 연간 원리금 {mortgage}, 기타 대출 연간 이자 {other}(합계 {total}): DTI는 "
    "{dti}입니다.",
}
_WITHIN: Texts = {
    "en": "That is within the cap of {cap} in force since {since}.",
    "ko": "{since}부터 적용된 한도 {cap} 이내입니다.",
}
_BEYOND: Texts = {
    "en": "That is above the cap of {cap} in force since {since}.",
    "ko": "{since}부터 적용된 한도 {cap}보다 높습니다.",
}
_ABOVE: Texts = {
    "en": "The cap is for loans of more than {above} in all.",
    "ko": "이 한도는 총대출이 {above}보다 많을 때 적용됩니다.",
}
_FORMULAS: dict[str, Texts] = {
    "dsr": {
        "en": "DSR = yearly principal and interest of all loans ÷ yearly income × 100, to 0.01%. A new loan counts "
        "with the mean "
        "of its yearly payments at its rate plus the stress rate.",
        "ko": "DSR = 모든 대출의 연간 원리금 ÷ 연소득 × 100(소수 둘째 자리까지). 새 대출은 대출 금리에 스트레스 "
        "금리를 더해 구한 "
        "연평균 상환액으로 계산합니다.",
    },
    "ltv": {
        "en": "LTV = loan ÷ value of the home × 100, to 0.01%.",
        "ko": "LTV = 대출금 ÷ 주택 가격 × 100(소수 둘째 자리까지).",
    },
    "dti": {
        "en": "DTI = (yearly principal and interest of mortgages + yearly interest of other loans) ÷ yearly income × "
        "100, to 0.01%.",
        "ko": "DTI = (주택담보대출 연간 원리금 + 기타 대출 연간 이자) ÷ 연소득 × 100(소수 둘째 자리까지).",
    },
}
_SOURCE: Texts = {
    "en": "Financial Services Commission, Regulation on Supervision of Banking Business; rules as known in December "
    "2025",
    "ko": "금융위원회 은행업감독규정; 2025년 12월까지 알려진 규정 기준",
}
