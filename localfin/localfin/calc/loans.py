"""Loans: what is paid each month, and how it divides into interest and principal."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, get_args

from localfin.calc import inputs
from localfin.calc.inputs import Number
from localfin.calc.wording import Language, Texts, money, percent, plain, term
from localfin.computed import Computed
from localfin_models.errors import InputRefused
from localfin_models.language import _

Method = Literal["annuity", "equal_principal", "bullet"]
"""원리금균등, 원금균등, 만기일시."""


@dataclass(frozen=True, slots=True)
class Instalment:
    """One month of a loan, in its currency."""

    number: int
    payment: Decimal
    interest: Decimal
    principal: Decimal
    balance: Decimal
    """What is owed afterwards."""


def loan(
    principal: Number, rate_percent: Number, months: Number, method: Method = "annuity", grace_months: Number = 0,
    currency: str = "KRW", language: Language = "en",
) -> Computed:  # fmt: skip
    """The payments of a loan at a fixed rate.

    `rate_percent` is the nominal rate a year; a month bears a twelfth of it. `months` is the whole term, of which the
    first `grace_months` bear interest only (거치). With r = rate / 12 and n = months - grace:
    annuity: P r / (1 - (1 + r)^-n) each month; equal_principal: P / n each month and the interest on what is owed;
    bullet: interest each month, P at the end. In won, interest and payments drop what is below 1 won; the last payment
    settles what is left. Banks that count days (actual/365) differ by a few won a month.
    Source: Brealey, Myers, Allen, Principles of Corporate Finance, on annuities; rounding as Korean banks book it.
    Raises InputRefused.
    """
    terms = _terms(principal, rate_percent, months, method, grace_months, currency)
    rows = list(terms.rows())
    paying = rows[0].interest if terms.method == "bullet" else rows[terms.grace].payment
    values: dict[str, Decimal] = {
        "monthly_payment": paying,
        "monthly_payment_exact": inputs.nearest(terms.exact_payment(), 2),
        "last_payment": rows[-1].payment,
        "total_interest": sum((row.interest for row in rows), Decimal(0)),
        "total_payment": sum((row.payment for row in rows), Decimal(0)),
    }
    if terms.grace:
        values["grace_payment"] = rows[0].payment
    shown = {name: money(value, terms.currency, language) for name, value in values.items()}
    text = _TEXTS[terms.method][language].format(
        principal=money(terms.principal, terms.currency, language), rate=percent(terms.rate_percent),
        months=term(terms.months, language), **shown,
    )  # fmt: skip
    if terms.grace:
        grace = term(terms.grace, language)
        text += " " + _GRACE[language].format(grace=grace, grace_payment=shown["grace_payment"])
    return Computed("loan", terms.call(language), values, text, _FORMULAS[terms.method][language], _SOURCE[language])


def loan_schedule(
    principal: Number, rate_percent: Number, months: Number, method: Method = "annuity", grace_months: Number = 0,
    currency: str = "KRW",
) -> list[Instalment]:  # fmt: skip
    """The same loan month by month, rounded as in `loan`: the principals add up to the loan, the last balance is 0.
    Raises InputRefused.
    """
    return list(_terms(principal, rate_percent, months, method, grace_months, currency).rows())


def _terms(
    principal: Number, rate_percent: Number, months: Number, method: Method, grace_months: Number, currency: str
) -> "_Terms":
    currency = inputs.currency(currency)
    smallest = inputs.smallest(currency)
    owed = inputs.money("principal", principal, least=smallest)
    if owed % smallest:
        raise InputRefused(_("principal: {value} has a fraction of {unit}").format(value=principal, unit=smallest))
    count = inputs.months("months", months)
    grace = inputs.months("grace_months", grace_months, least=0)
    if grace >= count:
        raise InputRefused(
            _("grace_months: {grace} leaves nothing of {months} months").format(grace=grace, months=count)
        )
    rate = inputs.percent("rate_percent", rate_percent)
    return _Terms(owed, rate, count, inputs.one_of("method", method, get_args(Method)), grace, currency)


@dataclass(frozen=True, slots=True)
class _Terms:
    principal: Decimal
    rate_percent: Decimal
    months: int
    method: Method
    grace: int
    currency: str

    def exact_payment(self) -> Decimal:
        """The first payment after the grace, before rounding."""
        with inputs.exactly():
            rate, count = self.rate_percent / 1200, self.months - self.grace
            if self.method == "bullet":
                return self.principal * rate
            if self.method == "equal_principal":
                return self.principal / count + self.principal * rate
            if rate == 0:
                return self.principal / count
            return self.principal * rate / (1 - (1 + rate) ** -count)

    def rows(self) -> Iterator[Instalment]:
        payment = inputs.rounded(self.exact_payment(), self.currency)
        with inputs.exactly():
            share = inputs.rounded(self.principal / (self.months - self.grace), self.currency)
            owed = self.principal
            for number in range(1, self.months + 1):
                interest = inputs.rounded(owed * self.rate_percent / 1200, self.currency)
                if number == self.months:
                    repaid = owed
                elif number <= self.grace or self.method == "bullet":
                    repaid = Decimal(0)
                else:
                    repaid = min(owed, share if self.method == "equal_principal" else payment - interest)
                owed -= repaid
                yield Instalment(number, interest + repaid, interest, repaid, owed)

    def call(self, language: Language) -> dict[str, str | int]:
        return {
            "calculator": "loan", "principal": plain(self.principal), "rate_percent": plain(self.rate_percent),
            "months": self.months, "method": self.method, "grace_months": self.grace, "currency": self.currency,
            "language": language,
        }  # fmt: skip


_TEXTS: dict[Method, Texts] = {
    "annuity": {
        "en": "{principal} at {rate} a year over {months}, repaid in equal instalments (principal and interest "
        "together): "
        "{monthly_payment} a month. Interest in total: {total_interest}; paid in total: {total_payment}. "
        "The last payment is {last_payment}.",
        "ko": "원금 {principal}, 연 {rate}, {months} 원리금균등상환: 매월 상환액은 {monthly_payment}입니다. "
        "총이자는 {total_interest}, 총상환액은 {total_payment}이며 마지막 달 상환액은 {last_payment}입니다.",
    },
    "equal_principal": {
        "en": "{principal} at {rate} a year over {months}, repaid in equal parts of principal: the first of these "
        "payments is "
        "{monthly_payment}, and each is smaller than the one before, down to {last_payment}. "
        "Interest in total: {total_interest}; paid in total: {total_payment}.",
        "ko": "원금 {principal}, 연 {rate}, {months} 원금균등상환: 원금을 갚기 시작하는 달의 상환액은 "
        "{monthly_payment}이고, "
        "매월 줄어 마지막 달 상환액은 {last_payment}입니다. 총이자는 {total_interest}, 총상환액은 "
        "{total_payment}입니다.",
    },
    "bullet": {
        "en": "{principal} at {rate} a year over {months}, the principal repaid at the end: {monthly_payment} of "
        "interest a "
        "month, and {last_payment} in the last month. Interest in total: {total_interest}; paid in total: "
        "{total_payment}.",
        "ko": "원금 {principal}, 연 {rate}, {months} 만기일시상환: 매월 이자는 {monthly_payment}이고, 원금을 더한 "
        "마지막 달 "
        "상환액은 {last_payment}입니다. 총이자는 {total_interest}, 총상환액은 {total_payment}입니다.",
    },
}
_GRACE: Texts = {
    "en": "In the first {grace} only interest is paid: {grace_payment} a month.",
    "ko": "거치기간인 처음 {grace} 동안은 이자만 내며, 매월 이자는 {grace_payment}입니다.",
}
_ROUNDING: Texts = {
    "en": "Interest of a month = balance × r. In won, what is below 1 won is dropped (other currencies: nearest "
    "cent); "
    "the last payment settles what is left.",
    "ko": "매월 이자 = 남은 원금 × r. 원 미만은 버리고(다른 통화는 센트에서 반올림), 남은 차액은 마지막 회차에 "
    "정산합니다.",
}
_FORMULAS: dict[Method, Texts] = {
    "annuity": {
        "en": "Payment = P × r ÷ (1 − (1 + r)^−n), r = yearly rate ÷ 12, n = months after the grace. "
        + _ROUNDING["en"],
        "ko": "월 상환액 = P × r ÷ (1 − (1 + r)^−n), r = 연이율 ÷ 12, n = 거치 후 개월 수. " + _ROUNDING["ko"],
    },
    "equal_principal": {
        "en": "Payment = P ÷ n + balance × r, r = yearly rate ÷ 12, n = months after the grace. " + _ROUNDING["en"],
        "ko": "월 상환액 = P ÷ n + 남은 원금 × r, r = 연이율 ÷ 12, n = 거치 후 개월 수. " + _ROUNDING["ko"],
    },
    "bullet": {
        "en": "Payment = P × r each month, and P in the last; r = yearly rate ÷ 12. " + _ROUNDING["en"],
        "ko": "매월 P × r, 마지막 달에 P를 더함; r = 연이율 ÷ 12. " + _ROUNDING["ko"],
    },
}
_SOURCE: Texts = {
    "en": "Present value of an annuity (Brealey, Myers, Allen, Principles of Corporate Finance). Banks that count "
    "days "
    "(actual/365) or round otherwise differ by a few won.",
    "ko": "연금의 현재가치 공식(Brealey·Myers·Allen, Principles of Corporate Finance). 실제 일수(365일)로 계산하거나 "
    "끝수 처리가 "
    "다른 은행과는 몇 원 차이가 날 수 있습니다.",
}
