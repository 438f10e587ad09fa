"""What a series of payments is worth, and at what rate: NPV, IRR and XIRR."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from localfin.calc import inputs
from localfin.calc.inputs import Number
from localfin.calc.result import Argument, Result
from localfin.calc.roots import discounted, rates
from localfin.calc.wording import Language, Texts, number, percent, plain
from localfin.computed import Computed
from localfin_models.errors import InputRefused
from localfin_models.language import _

_SHOWN = 12
"""Flows that a sentence lists; of more it gives the number."""


def npv(rate_percent: Number, flows: Iterable[Number], language: Language = "en") -> Computed:
    """Net present value: the sum of f_t / (1 + r)^t, the first flow now (t = 0), r the rate of one period in percent.

    Rounded half up to 0.01. Source: Brealey, Myers, Allen, Principles of Corporate Finance. Raises InputRefused.
    """
    rate = inputs.percent("rate_percent", rate_percent, least="-99")
    paid = inputs.numbers("flows", flows)
    found = inputs.nearest(discounted(paid, _whole_times(paid), rate), 2)
    result = Result("npv", language, {"rate_percent": plain(rate), "flows": [plain(flow) for flow in paid]})
    result.values |= {"npv": found, "count": len(paid)}
    result.say(_NPV, flows=_listed(paid, language), rate=percent(rate), npv=number(found))
    return result.computed(_NPV_FORMULA, _SOURCE)


def irr(flows: Iterable[Number], language: Language = "en") -> Computed:
    """Internal rate of return: the rate of one period at which the flows, one a period, are worth nothing.

    In percent, rounded half up to 0.0001; all of them where there are several. Not seen are rates below -99 % and
    above
    100,000 %, and a rate at which the value only touches nothing. Source as in `npv`. Raises InputRefused, also where
    no
    rate does it.
    """
    paid = _two_signs(inputs.numbers("flows", flows, least=2))
    result = Result("irr", language, {"flows": [plain(flow) for flow in paid]})
    return _with_rates(result, "irr_percent", paid, _whole_times(paid), _listed(paid, language), _IRR)


def xirr(flows: Iterable[Number], days: Iterable[date | str], language: Language = "en") -> Computed:
    """The yearly rate at which flows on given days are worth nothing: the sum of f / (1 + r)^((day - first day) /
    365).

    Rounding and limits as in `irr`. No day may be before the first. Source: the definition of spreadsheets' XIRR.
    Raises
    InputRefused.
    """
    paid = _two_signs(inputs.numbers("flows", flows, least=2))
    when = [inputs.day("days", one) for one, _place in zip(days, range(inputs.NUMBERS + 1), strict=False)]
    if len(when) != len(paid):
        raise InputRefused(_("{flows} flows, but {days} days").format(flows=len(paid), days=len(when)))
    if any(one < when[0] for one in when):
        raise InputRefused(_("days: none may be before the first"))
    if all(one == when[0] for one in when):
        raise InputRefused(_("days: all the same"))
    call: dict[str, Argument] = {
        "flows": [plain(flow) for flow in paid], "days": [one.isoformat() for one in when],
    }  # fmt: skip
    result = Result("xirr", language, call)
    times = [Decimal((one - when[0]).days) / 365 for one in when]
    return _with_rates(result, "xirr_percent", paid, times, _listed(paid, language), _XIRR)


def _with_rates(
    result: Result, name: str, flows: Sequence[Decimal], times: Sequence[Decimal], listed: str, texts: Texts
) -> Computed:
    found = rates(flows, times)
    if not found:
        raise InputRefused(_("no rate from -99 to 100,000 percent makes these flows worth nothing"))
    result.values["count"] = len(flows)
    if len(found) == 1:
        result.values[name] = found[0]
        result.say(texts, flows=listed, rate=percent(found[0]))
    else:
        result.values |= {f"{name}_{place}": rate for place, rate in enumerate(found, start=1)}
        result.values["rates"] = len(found)
        result.say(_SEVERAL, flows=listed, rates=", ".join(percent(rate) for rate in found), count=str(len(found)))
    return result.computed(_XIRR_FORMULA if result.name == "xirr" else _IRR_FORMULA, _SOURCE)


def _two_signs(flows: list[Decimal]) -> list[Decimal]:
    if not (any(flow > 0 for flow in flows) and any(flow < 0 for flow in flows)):
        raise InputRefused(_("a rate of return needs payments made (negative) and received (positive)"))
    return flows


def _whole_times(flows: Sequence[Decimal]) -> list[Decimal]:
    return [Decimal(place) for place in range(len(flows))]


def _listed(flows: Sequence[Decimal], language: Language) -> str:
    if len(flows) <= _SHOWN:
        return "; ".join(number(flow) for flow in flows)
    return f"{len(flows):,}건" if language == "ko" else f"{len(flows):,} flows"


_NPV: Texts = {
    "en": "Cash flows {flows}, discounted at {rate} a period (the first is paid now): NPV is {npv}.",
    "ko": "현금흐름 {flows}, 기간당 할인율 {rate}(첫 번째는 현재 시점): NPV는 {npv}입니다.",
}
_IRR: Texts = {
    "en": "Cash flows {flows}: the internal rate of return is {rate} a period.",
    "ko": "현금흐름 {flows}: 내부수익률(IRR)은 기간당 {rate}입니다.",
}
_XIRR: Texts = {
    "en": "Cash flows {flows} on the given days: the yearly rate of return (XIRR) is {rate}.",
    "ko": "지정한 날짜의 현금흐름 {flows}: 연간 수익률(XIRR)은 {rate}입니다.",
}
_SEVERAL: Texts = {
    "en": "Cash flows {flows}: {count} rates make them worth nothing, {rates}. None of them alone says what the "
    "investment "
    "yields; judge it by its NPV.",
    "ko": "현금흐름 {flows}: 조건을 만족하는 수익률이 {count}개입니다({rates}). 어느 하나만으로 수익성을 말할 수 "
    "없으니 "
    "NPV로 판단하세요.",
}
_NPV_FORMULA: Texts = {"en": "NPV = Σ f_t ÷ (1 + r)^t, to 0.01.", "ko": "NPV = Σ f_t ÷ (1 + r)^t(0.01까지)."}
_IRR_FORMULA: Texts = {
    "en": "The r at which Σ f_t ÷ (1 + r)^t = 0; all between −99% and 100,000%, to 0.0001%.",
    "ko": "Σ f_t ÷ (1 + r)^t = 0이 되는 r(−99%에서 100,000% 사이 모두, 0.0001%까지).",
}
_XIRR_FORMULA: Texts = {
    "en": "The r at which Σ f ÷ (1 + r)^(days since the first ÷ 365) = 0, to 0.0001%.",
    "ko": "Σ f ÷ (1 + r)^(첫날부터의 일수 ÷ 365) = 0이 되는 r(0.0001%까지).",
}
_SOURCE: Texts = {
    "en": "Discounted cash flows (Brealey, Myers, Allen, Principles of Corporate Finance)",
    "ko": "현금흐름 할인(Brealey·Myers·Allen, Principles of Corporate Finance)",
}
