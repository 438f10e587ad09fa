"""Plain arithmetic over numbers: sums, means, shares, changes and growth."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from localfin.calc import inputs, wording
from localfin.calc.inputs import Number
from localfin.calc.result import Result
from localfin.calc.wording import Language, Texts, number, plain
from localfin.computed import Computed
from localfin_models.errors import InputRefused
from localfin_models.language import _

_SHOWN = 12


def total(numbers: Iterable[Number], language: Language = "en") -> Computed:
    """The sum of up to 1,000 numbers, exact, and how many there are. Raises InputRefused."""
    found = inputs.numbers("numbers", numbers)
    with inputs.exactly():
        summed = sum(found, Decimal(0))
    return _over("total", found, summed, _TOTAL, _TOTAL_FORMULA, language)


def mean(numbers: Iterable[Number], language: Language = "en") -> Computed:
    """The arithmetic mean, rounded half up to 0.0001. Raises InputRefused."""
    found = inputs.numbers("numbers", numbers)
    with inputs.exactly():
        middle = inputs.nearest(sum(found, Decimal(0)) / len(found), 4)
    return _over("mean", found, middle, _MEAN, _MEAN_FORMULA, language)


def percent_of(percent: Number, of: Number, language: Language = "en") -> Computed:
    """So many percent of a number, rounded half up to 0.0001. Raises InputRefused."""
    part, whole = inputs.percent("percent", percent, least="-1000", most="100000"), inputs.number("of", of)
    with inputs.exactly():
        found = inputs.nearest(whole * part / 100, 4)
    result = Result("percent_of", language, {"percent": plain(part), "of": plain(whole)})
    return _told(result, found, _PERCENT_OF, _PERCENT_OF_FORMULA, percent=wording.percent(part), of=number(whole))


def ratio(part: Number, whole: Number, language: Language = "en") -> Computed:
    """What share a part is of the whole, in percent, rounded half up to 0.01.

    Raises InputRefused where the whole is 0.
    """
    some, every = inputs.number("part", part), _not_zero("whole", whole)
    with inputs.exactly():
        found = inputs.nearest(some / every * 100, 2)
    result = Result("ratio", language, {"part": plain(some), "whole": plain(every)})
    return _told(result, found, _RATIO, _RATIO_FORMULA, part=number(some), whole=number(every))


def change(before: Number, after: Number, language: Language = "en") -> Computed:
    """By how many percent a number changed, (after - before) / |before|, rounded half up to 0.01.

    Raises InputRefused.
    """
    first, last = _not_zero("before", before), inputs.number("after", after)
    with inputs.exactly():
        found = inputs.nearest((last - first) / abs(first) * 100, 2)
    result = Result("change", language, {"before": plain(first), "after": plain(last)})
    result.values["difference"] = last - first
    fields = {"before": number(first), "after": number(last), "difference": number(last - first)}
    return _told(result, found, _CHANGE, _CHANGE_FORMULA, **fields)


def growth(before: Number, after: Number, years: Number, language: Language = "en") -> Computed:
    """The compound annual growth rate (CAGR): (after / before)^(1 / years) - 1, in percent, rounded half up to 0.01.

    Both numbers are positive. Source: CFA Institute, Quantitative Methods. Raises InputRefused.
    """
    first, last = (inputs.money(name, value, least="0.0001") for name, value in (("before", before), ("after", after)))
    time = inputs.money("years", years, least="0.01")
    if time > 1000:
        raise InputRefused(_("years: {years} are more than 1,000").format(years=years))
    with inputs.exactly():
        found = inputs.nearest(((last / first) ** (1 / time) - 1) * 100, 2)
    result = Result("growth", language, {"before": plain(first), "after": plain(last), "years": plain(time)})
    fields = {"before": number(first), "after": number(last), "years": number(time)}
    return _told(result, found, _GROWTH, _GROWTH_FORMULA, **fields)


def _over(
    name: str, found: Sequence[Decimal], value: Decimal, texts: Texts, formula: Texts, language: Language
) -> Computed:
    result = Result(name, language, {"numbers": [plain(each) for each in found]})
    result.values |= {name: value, "count": len(found)}
    listed = "; ".join(number(each) for each in found) if len(found) <= _SHOWN else "…"
    result.say(texts, numbers=listed, count=number(len(found)), result=number(value))
    return result.computed(formula, _SOURCE)


def _told(result: Result, found: Decimal, texts: Texts, formula: Texts, **fields: str) -> Computed:
    in_percent = result.name != "percent_of"
    result.values["result_percent" if in_percent else "result"] = found
    result.say(texts, result=wording.percent(found) if in_percent else number(found), **fields)
    return result.computed(formula, _SOURCE)


def _not_zero(name: str, value: Number) -> Decimal:
    found = inputs.number(name, value)
    if found == 0:
        raise InputRefused(_("{name}: nothing can be measured by 0").format(name=name))
    return found


_TOTAL: Texts = {
    "en": "The sum of {count} numbers ({numbers}) is {result}.",
    "ko": "{count}개 수({numbers})의 합계는 {result}입니다.",
}
_MEAN: Texts = {
    "en": "The mean of {count} numbers ({numbers}) is {result}.",
    "ko": "{count}개 수({numbers})의 평균은 {result}입니다.",
}
_PERCENT_OF: Texts = {"en": "{percent} of {of} is {result}.", "ko": "{of}의 {percent}: {result}입니다."}
_RATIO: Texts = {"en": "{part} is {result} of {whole}.", "ko": "{whole} 중 {part}의 비율은 {result}입니다."}
_CHANGE: Texts = {
    "en": "From {before} to {after} is a change of {difference}, or {result}.",
    "ko": "{before}에서 {after}: 변화는 {difference}, 변화율은 {result}입니다.",
}
_GROWTH: Texts = {
    "en": "From {before} to {after} in {years} years is a compound growth of {result} a year.",
    "ko": "{years}년 동안 {before}에서 {after}: 연평균 성장률(CAGR)은 {result}입니다.",
}
_TOTAL_FORMULA: Texts = {"en": "Sum of the numbers.", "ko": "모든 수의 합."}
_MEAN_FORMULA: Texts = {"en": "Sum ÷ count, to 0.0001.", "ko": "합계 ÷ 개수(0.0001까지)."}
_PERCENT_OF_FORMULA: Texts = {"en": "Number × percent ÷ 100, to 0.0001.", "ko": "수 × 퍼센트 ÷ 100(0.0001까지)."}
_RATIO_FORMULA: Texts = {"en": "Part ÷ whole × 100, to 0.01%.", "ko": "부분 ÷ 전체 × 100(0.01%까지)."}
_CHANGE_FORMULA: Texts = {
    "en": "(after − before) ÷ |before| × 100, to 0.01%.",
    "ko": "(나중 − 처음) ÷ |처음| × 100(0.01%까지).",
}
_GROWTH_FORMULA: Texts = {
    "en": "(after ÷ before)^(1 ÷ years) − 1, to 0.01%.",
    "ko": "(나중 ÷ 처음)^(1 ÷ 연수) − 1(0.01%까지).",
}
_SOURCE: Texts = {"en": "arithmetic", "ko": "산술 계산"}
