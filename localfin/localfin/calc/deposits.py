"""Deposits, savings and plain interest: what the bank pays, before and after Korean tax on interest."""

from collections.abc import Mapping
from decimal import ROUND_DOWN, Decimal
from typing import Literal, get_args

from localfin.calc import inputs
from localfin.calc.inputs import Number
from localfin.calc.wording import Language, Texts, money, percent, plain, term
from localfin.computed import Computed
from localfin_models.errors import InputRefused
from localfin_models.language import _

Compounding = Literal["simple", "monthly", "quarterly", "semiannual", "annual"]
"""단리, 월복리, 분기·반기·연복리."""
Tax = Literal["general", "exempt", "preferential", "cooperative"]
"""일반과세 15.4 %, 비과세, 세금우대 9.5 %, 조합원 저율과세 1.4 %."""

_A_YEAR: Mapping[Compounding, int] = {"monthly": 12, "quarterly": 4, "semiannual": 2, "annual": 1}
_RATES: Mapping[Tax, tuple[Decimal, Decimal]] = {
    "general": (Decimal(14), Decimal("1.4")),
    "exempt": (Decimal(0), Decimal(0)),
    "preferential": (Decimal(9), Decimal("0.5")),
    "cooperative": (Decimal(0), Decimal("1.4")),
}
"""Income tax, and what is levied beside it (local income tax or the special tax for rural development), in percent."""
_TENS = Decimal(10)


def deposit(
    principal: Number, rate_percent: Number, months: Number, compounding: Compounding = "simple", tax: Tax = "general",
    currency: str = "KRW", language: Language = "en",
) -> Computed:  # fmt: skip
    """One sum left for `months` (예금). `rate_percent` is the nominal rate a year.

    simple: P r m / 12; else P ((1 + r/k)^(k m / 12) - 1) with k periods a year. The interest drops what is below 1 won
    (other currencies: nearest cent); each tax on it drops what is below 10 won.
    Source: Income Tax Act art. 129 (14 %), Local Tax Act art. 103-13 (a tenth of it); Management of the National Funds
    Act art. 47 (10 won). Raises InputRefused.
    """
    currency = inputs.currency(currency)
    sum_in = inputs.money("principal", principal, least=inputs.smallest(currency))
    plan = _Plan(rate_percent, months, compounding, tax, currency)
    with inputs.exactly():
        interest = sum_in * plan.growth() if plan.periods else sum_in * plan.rate * plan.months / 12
    call = {"calculator": "deposit", "principal": plain(sum_in), **plan.call(language)}
    return plan.computed("deposit", call, sum_in, sum_in, interest, language)


def savings(
    monthly: Number, rate_percent: Number, months: Number, compounding: Compounding = "simple", tax: Tax = "general",
    currency: str = "KRW", language: Language = "en",
) -> Computed:  # fmt: skip
    """The same sum at the beginning of each of `months` (적금). `rate_percent` is the nominal rate a year.

    simple: A (r / 12) m (m + 1) / 2; else the sum of A ((1 + r/k)^(k j / 12) - 1) for j = 1 … m. Rounding, tax and
    sources as
    in `deposit`. Raises InputRefused.
    """
    currency = inputs.currency(currency)
    each = inputs.money("monthly", monthly, least=inputs.smallest(currency))
    plan = _Plan(rate_percent, months, compounding, tax, currency)
    with inputs.exactly():
        if plan.periods:
            month = (1 + plan.rate / plan.periods) ** (Decimal(plan.periods) / 12)
            interest = each * (sum((month**j for j in range(1, plan.months + 1)), Decimal(0)) - plan.months)
        else:
            interest = each * plan.rate / 12 * plan.months * (plan.months + 1) / 2
    call = {"calculator": "savings", "monthly": plain(each), **plan.call(language)}
    return plan.computed("savings", call, each, each * plan.months, interest, language)


def interest(
    principal: Number, rate_percent: Number, months: Number = 0, days: Number = 0, currency: str = "KRW",
    language: Language = "en",
) -> Computed:  # fmt: skip
    """Plain interest on a sum for so many months or days (one of the two): P r m / 12, or P r d / 365.

    What is below 1 won is dropped (other currencies: nearest cent). Source: simple interest; a year of 365 days
    is the usage of Korean banks. Raises InputRefused.
    """
    currency = inputs.currency(currency)
    owed = inputs.money("principal", principal, least=inputs.smallest(currency))
    rate = inputs.percent("rate_percent", rate_percent)
    count = inputs.months("months", months, least=0)
    counted = inputs.whole("days", days, least=0, most=36500)
    if (count == 0) == (counted == 0):
        raise InputRefused(_("interest runs for months or for days: give one of the two"))
    with inputs.exactly():
        found = inputs.rounded(owed * rate / 100 * (Decimal(count) / 12 if count else Decimal(counted) / 365), currency)
    time = term(count, language) if count else _days(counted, language)
    text = _INTEREST[language].format(
        principal=money(owed, currency, language), rate=percent(rate), time=time,
        interest=money(found, currency, language),        total=money(owed + found, currency, language),
    )  # fmt: skip
    call = {
        "calculator": "interest", "principal": plain(owed), "rate_percent": plain(rate), "months": count,
        "days": counted, "currency": currency, "language": language,
    }  # fmt: skip
    values = {"interest": found, "total": owed + found}
    return Computed("interest", call, values, text, _INTEREST_FORMULA[language], _INTEREST_SOURCE[language])


class _Plan:
    """What deposits and savings share: rate, time, compounding and tax. Raises InputRefused."""

    def __init__(
        self, rate_percent: Number, months: Number, compounding: Compounding, tax: Tax, currency: str
    ) -> None:  # fmt: skip
        self.rate_percent = inputs.percent("rate_percent", rate_percent)
        self.rate = self.rate_percent / 100
        self.months = inputs.months("months", months)
        self.compounding: Compounding = inputs.one_of("compounding", compounding, get_args(Compounding))
        self.tax: Tax = inputs.one_of("tax", tax, get_args(Tax))
        self.currency = currency
        self.periods = _A_YEAR.get(self.compounding, 0)

    def growth(self) -> Decimal:
        return (1 + self.rate / self.periods) ** (Decimal(self.periods * self.months) / 12) - 1

    def call(self, language: Language) -> dict[str, str | int]:
        return {
            "rate_percent": plain(self.rate_percent), "months": self.months, "compounding": self.compounding,
            "tax": self.tax, "currency": self.currency, "language": language,
        }  # fmt: skip

    def computed(
        self, name: str, call: Mapping[str, str | int], each: Decimal, paid: Decimal, exact: Decimal, language: Language
    ) -> Computed:
        interest = inputs.rounded(exact, self.currency)
        income_percent, beside_percent = _RATES[self.tax]
        income_tax = self._levied(interest * income_percent / 100)
        # A tenth of the income tax that was levied, where there is one; else its own rate on the interest.
        beside = income_tax / 10 if self.tax == "general" else interest * beside_percent / 100
        other_tax = self._levied(beside)
        tax = income_tax + other_tax
        values = {
            "paid_in": paid, "interest": interest, "tax_percent": income_percent + beside_percent,
            "income_tax": income_tax, "other_tax": other_tax, "tax": tax, "interest_after_tax": interest - tax,
            "maturity": paid + interest, "maturity_after_tax": paid + interest - tax,
        }  # fmt: skip
        shown = {key: money(value, self.currency, language) for key, value in values.items()}
        text = _TEXTS[name][language].format(
            each=money(each, self.currency, language), rate=percent(self.rate_percent),
            months=term(self.months, language), compounding=_COMPOUNDING[self.compounding][language], **shown,
        )  # fmt: skip
        after = "exempt" if self.tax == "exempt" else "taxed"
        text += " " + _AFTER[after][language].format(
            tax_name=_TAX[self.tax][language], percent=percent(values["tax_percent"]), **shown
        )
        formula = _FORMULAS[name, "compound" if self.periods else "simple"][language].format(k=self.periods)
        return Computed(name, call, values, text, f"{formula} {_ROUNDING[language]}", _SOURCE[language])

    def _levied(self, tax: Decimal) -> Decimal:
        if self.currency != "KRW":
            return inputs.rounded(tax, self.currency)
        return (tax / _TENS).quantize(Decimal(1), ROUND_DOWN) * _TENS


def _days(count: int, language: Language) -> str:
    if language == "ko":
        return f"{count:,}일"
    return f"{count:,} day" if count == 1 else f"{count:,} days"


_COMPOUNDING: Mapping[Compounding, Texts] = {
    "simple": {"en": "simple interest", "ko": "단리"},
    "monthly": {"en": "compounded monthly", "ko": "월복리"},
    "quarterly": {"en": "compounded quarterly", "ko": "분기복리"},
    "semiannual": {"en": "compounded twice a year", "ko": "반기복리"},
    "annual": {"en": "compounded yearly", "ko": "연복리"},
}
_TAX: Mapping[Tax, Texts] = {
    "general": {"en": "Korean tax on interest", "ko": "일반과세"},
    "exempt": {"en": "no tax", "ko": "비과세"},
    "preferential": {"en": "the preferential tax", "ko": "세금우대"},
    "cooperative": {"en": "the low tax for members of cooperatives", "ko": "조합원 저율과세"},
}
_TEXTS: Mapping[str, Texts] = {
    "deposit": {
        "en": "{each} deposited for {months} at {rate} a year, {compounding}: interest before tax is {interest}, "
        "{maturity} with the deposit.",
        "ko": "예치금 {each}, 연 {rate}, {months}, {compounding}: 세전 이자는 {interest}, 원금을 더하면 "
        "{maturity}입니다.",
    },
    "savings": {
        "en": "{each} a month for {months} at {rate} a year, {compounding}: {paid_in} is paid in, interest before "
        "tax is "
        "{interest}, together {maturity}.",
        "ko": "매월 {each}, 연 {rate}, {months}, {compounding}: 납입 원금은 {paid_in}, 세전 이자는 {interest}, "
        "합계는 {maturity}입니다.",
    },
}
_AFTER: Mapping[str, Texts] = {
    "taxed": {
        "en": "After {tax_name} of {percent} ({tax}), the interest is {interest_after_tax} and the whole "
        "{maturity_after_tax}.",
        "ko": "{tax_name}({percent}) 세금은 {tax}이므로 세후 이자는 {interest_after_tax}, 세후 수령액은 "
        "{maturity_after_tax}입니다.",
    },
    "exempt": {"en": "No tax is taken from it.", "ko": "비과세이므로 세금은 없습니다."},
}
_FORMULAS: Mapping[tuple[str, str], Texts] = {
    ("deposit", "simple"): {"en": "Interest = P × r × months ÷ 12.", "ko": "이자 = P × r × 개월 수 ÷ 12."},
    ("deposit", "compound"): {
        "en": "Interest = P × ((1 + r ÷ {k})^({k} × months ÷ 12) − 1).",
        "ko": "이자 = P × ((1 + r ÷ {k})^({k} × 개월 수 ÷ 12) − 1).",
    },
    ("savings", "simple"): {
        "en": "Interest = A × r ÷ 12 × n × (n + 1) ÷ 2, each A paid at the beginning of a month.",
        "ko": "이자 = A × r ÷ 12 × n × (n + 1) ÷ 2, 매월 초에 A를 납입.",
    },
    ("savings", "compound"): {
        "en": "Interest = sum over j = 1 … n of A × ((1 + r ÷ {k})^({k} × j ÷ 12) − 1), each A paid at the beginning "
        "of a month.",
        "ko": "이자 = j = 1 … n에 대한 A × ((1 + r ÷ {k})^({k} × j ÷ 12) − 1)의 합, 매월 초에 A를 납입.",
    },
}
_ROUNDING: Texts = {
    "en": "Interest drops what is below 1 won, each tax what is below 10 won (other currencies: nearest cent).",
    "ko": "이자는 원 미만, 세금은 각각 10원 미만을 버립니다(다른 통화는 센트에서 반올림).",
}
_SOURCE: Texts = {
    "en": "Tax: Income Tax Act art. 129 (14%) and Local Tax Act art. 103-13 (a tenth of it); 10 won: Management of "
    "the National "
    "Funds Act art. 47. Exempt, preferential and low rates: Restriction of Special Taxation Act art. 88-2, 89, 89-3. "
    "As of 2025.",
    "ko": "세금: 소득세법 제129조(14%), 지방세법 제103조의13(소득세의 10%); 10원 미만: 국고금 관리법 제47조; "
    "비과세·세금우대·저율과세: "
    "조세특례제한법 제88조의2, 제89조, 제89조의3. 2025년 기준.",
}
_INTEREST: Texts = {
    "en": "{principal} at {rate} a year for {time}: the interest is {interest}, together {total}.",
    "ko": "원금 {principal}, 연 {rate}, {time}: 이자는 {interest}, 원금을 더하면 {total}입니다.",
}
_INTEREST_FORMULA: Texts = {
    "en": "Interest = P × r × months ÷ 12, or P × r × days ÷ 365; what is below 1 won is dropped (other currencies: "
    "nearest cent).",
    "ko": "이자 = P × r × 개월 수 ÷ 12 또는 P × r × 일수 ÷ 365; 원 미만은 버립니다(다른 통화는 센트에서 반올림).",
}
_INTEREST_SOURCE: Texts = {
    "en": "Simple interest; a year of 365 days is the usage of Korean banks.",
    "ko": "단리 계산; 1년을 365일로 보는 것은 국내 은행의 관행입니다.",
}
