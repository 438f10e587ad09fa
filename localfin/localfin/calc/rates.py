"""Nominal rates, which are quoted, and effective rates, which are paid."""

from decimal import Decimal

from localfin.calc import inputs
from localfin.calc.inputs import Number
from localfin.calc.result import Result
from localfin.calc.wording import Language, Texts, number, percent, plain
from localfin.computed import Computed


def effective_rate(nominal_percent: Number, periods: Number, language: Language = "en") -> Computed:
    """The yearly rate that a nominal one comes to when it is compounded `periods` times a year: (1 + i/k)^k - 1.

    In percent, rounded half up to 0.0001. Source: any textbook; Brealey, Myers, Allen, Principles of Corporate
    Finance.
    Raises InputRefused.
    """
    nominal, count = inputs.percent("nominal_percent", nominal_percent), _periods(periods)
    with inputs.exactly():
        found = inputs.nearest(((1 + nominal / 100 / count) ** count - 1) * 100, 4)
    result = Result("effective_rate", language, {"nominal_percent": plain(nominal), "periods": count})
    result.values["effective_percent"] = found
    fields = {"nominal": percent(nominal), "effective": percent(found), "count": number(count)}
    result.say(_EFFECTIVE, **fields)
    return result.computed(_EFFECTIVE_FORMULA, _SOURCE)


def nominal_rate(effective_percent: Number, periods: Number, language: Language = "en") -> Computed:
    """The nominal rate that, compounded `periods` times a year, comes to an effective one: k ((1 + e)^(1/k) - 1).

    In percent, rounded half up to 0.0001. Source as in `effective_rate`. Raises InputRefused.
    """
    effective, count = inputs.percent("effective_percent", effective_percent), _periods(periods)
    with inputs.exactly():
        found = inputs.nearest(((1 + effective / 100) ** (Decimal(1) / count) - 1) * count * 100, 4)
    result = Result("nominal_rate", language, {"effective_percent": plain(effective), "periods": count})
    result.values["nominal_percent"] = found
    result.say(_NOMINAL, nominal=percent(found), effective=percent(effective), count=number(count))
    return result.computed(_NOMINAL_FORMULA, _SOURCE)


def _periods(value: Number) -> int:
    return inputs.whole("periods", value, least=1, most=366)


_EFFECTIVE: Texts = {
    "en": "{nominal} nominal, compounded {count} times a year, is an effective rate of {effective} a year.",
    "ko": "명목금리 연 {nominal}, 연 {count}회 복리: 실효금리는 연 {effective}입니다.",
}
_NOMINAL: Texts = {
    "en": "An effective rate of {effective} a year is {nominal} nominal, compounded {count} times a year.",
    "ko": "실효금리 연 {effective}, 연 {count}회 복리: 명목금리는 연 {nominal}입니다.",
}
_EFFECTIVE_FORMULA: Texts = {
    "en": "Effective = (1 + nominal ÷ k)^k − 1, to 0.0001%.",
    "ko": "실효금리 = (1 + 명목금리 ÷ k)^k − 1(0.0001%까지).",
}
_NOMINAL_FORMULA: Texts = {
    "en": "Nominal = k × ((1 + effective)^(1 ÷ k) − 1), to 0.0001%.",
    "ko": "명목금리 = k × ((1 + 실효금리)^(1 ÷ k) − 1)(0.0001%까지).",
}
_SOURCE: Texts = {
    "en": "Compound interest (Brealey, Myers, Allen, Principles of Corporate Finance)",
    "ko": "복리 계산(Brealey·Myers·Allen, Principles of Corporate Finance)",
}
