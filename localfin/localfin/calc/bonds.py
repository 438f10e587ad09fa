"""Bonds with a fixed coupon: price from yield, and yield from price."""

import calendar
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal, get_args

from localfin.calc import inputs
from localfin.calc.inputs import Number
from localfin.calc.result import Argument, Result
from localfin.calc.roots import bisected, proved
from localfin.calc.wording import Language, Texts, number, percent, plain
from localfin.computed import Computed
from localfin_models.errors import InputRefused
from localfin_models.language import _

DayCount = Literal["act/act", "30/360", "act/365", "act/360"]
"""ICMA's actual/actual, the bond basis, and actual days over a fixed year."""
Convention = Literal["compound", "korea"]
"""How the time to the next coupon is discounted: compounded as everywhere, or simple, as Korean markets quote."""

_DIGITS = 6
_FREQUENCIES = (1, 2, 4, 12)


def bond_price(
    coupon_percent: Number, yield_percent: Number, months: Number = 0, settlement: date | str | None = None,
    maturity: date | str | None = None, face: Number = 100, frequency: Number = 1, day_count: DayCount = "act/act",
    convention: Convention = "compound", language: Language = "en",
) -> Computed:  # fmt: skip
    """Clean price, accrued interest and their sum (the dirty price, which is paid) of a bond with fixed coupons.

    The time is `months` in whole coupon periods, or two dates; coupon days are counted back from maturity. With f
    coupons a
    year, w periods to the next one and the yield y: dirty = the sum of payment_k / (1 + y/f)^(w + k - 1); in the
    Korean
    convention the first part of a period is simple: / (1 + w y/f) / (1 + y/f)^(k - 1). Rounded half up to 0.000001.
    Source: ICMA rule 251; the usage of the Korean bond market. Raises InputRefused.
    """
    bond = _Bond.of(coupon_percent, months, settlement, maturity, face, frequency, day_count, convention)
    wanted = inputs.percent("yield_percent", yield_percent, least="-50")
    dirty, accrued = bond.dirty(wanted), bond.accrued()
    result = Result("bond_price", language, {**bond.call(), "yield_percent": plain(wanted)})
    result.values |= {
        "dirty_price": inputs.nearest(dirty, _DIGITS), "accrued": inputs.nearest(accrued, _DIGITS),
        "clean_price": inputs.nearest(dirty - accrued, _DIGITS),
    }  # fmt: skip
    bond.say(result, _PRICE, yield_percent=percent(wanted))
    return result.computed(_FORMULAS[bond.convention], _SOURCE)


def bond_yield(
    coupon_percent: Number, price: Number, months: Number = 0, settlement: date | str | None = None,
    maturity: date | str | None = None, face: Number = 100, frequency: Number = 1, day_count: DayCount = "act/act",
    convention: Convention = "compound", language: Language = "en",
) -> Computed:  # fmt: skip
    """The yearly yield to maturity at a clean `price`, in percent, rounded half up to 0.0001. The rest as in
    `bond_price`.

    Raises InputRefused, also where no yield from -50 to 1,000 percent gives the price.
    """
    bond = _Bond.of(coupon_percent, months, settlement, maturity, face, frequency, day_count, convention)
    clean = inputs.money("price", price, least="0.000001")
    accrued = bond.accrued()
    found = _solved(bond, clean + accrued)
    result = Result("bond_yield", language, {**bond.call(), "price": plain(clean)})
    result.values |= {
        "yield_percent": found, "accrued": inputs.nearest(accrued, _DIGITS),
        "dirty_price": inputs.nearest(clean + accrued, _DIGITS), "clean_price": clean,
    }  # fmt: skip
    bond.say(result, _YIELD, yield_percent=percent(found))
    return result.computed(_FORMULAS[bond.convention], _SOURCE)


def _solved(bond: "_Bond", dirty: Decimal) -> Decimal:
    """The yield in percent at which a bond is worth `dirty`. Raises InputRefused where there is none."""
    payments = bond.payments()
    rough = [(float(paid), float(time)) for paid, time in payments]
    low, high = Decimal(-50), inputs.RATE

    def above(yield_percent: Decimal) -> Decimal:
        with inputs.exactly():
            worth: Decimal = _worth(payments, yield_percent / 100 / bond.frequency, bond.convention)
            return worth - dirty

    if above(low) < 0 or above(high) > 0:
        raise InputRefused(_("no yield from -50 to 1,000 percent gives this price"))
    found = bisected(
        lambda rate: _worth(rough, rate, bond.convention) - float(dirty), -0.5 / bond.frequency, 10 / bond.frequency
    )
    return proved(above, Decimal(repr(found * bond.frequency * 100)))


def _worth(payments: Sequence[tuple[Any, Any]], rate: Any, convention: Convention) -> Any:
    """What payments after so many periods are worth at the rate of one period: all in Decimal, or all in float."""
    simple = convention == "korea"
    first = payments[0][1] if simple else 0 * rate
    worth = 0 * rate
    for paid, time in payments:
        worth = worth + paid / (1 + rate) ** (time - first)
    return worth / (1 + first * rate)


@dataclass(frozen=True, slots=True)
class _Bond:
    coupon_percent: Decimal
    face: Decimal
    frequency: int
    day_count: DayCount
    convention: Convention
    months: int
    """0 where dates are given."""
    settlement: date | None
    days: tuple[date, ...]
    """The coupon day at or before settlement, and all after it; empty where months are given."""

    @classmethod
    def of(
        cls, coupon_percent: Number, months: Number, settlement: date | str | None, maturity: date | str | None,
        face: Number, frequency: Number, day_count: DayCount, convention: Convention,
    ) -> "_Bond":  # fmt: skip
        often = inputs.whole("frequency", frequency, least=1, most=12)
        if often not in _FREQUENCIES:
            raise InputRefused(_("frequency: coupons are paid 1, 2, 4 or 12 times a year"))
        count = inputs.months("months", months, least=0)
        if (count > 0) == (settlement is not None and maturity is not None):
            raise InputRefused(_("a bond needs months to maturity, or settlement and maturity as dates"))
        if count % (12 // often):
            raise InputRefused(_("months: {count} months are no whole coupon periods; give dates").format(count=count))
        days: tuple[date, ...] = ()
        settled = None
        if settlement is not None and maturity is not None:
            settled = inputs.day("settlement", settlement)
            days = _coupon_days(settled, inputs.day("maturity", maturity), 12 // often)
        return cls(
            inputs.percent("coupon_percent", coupon_percent), inputs.money("face", face, least="0.01"), often,
            inputs.one_of("day_count", day_count, get_args(DayCount)),
            inputs.one_of("convention", convention, get_args(Convention)), count, settled, days,
        )  # fmt: skip

    def call(self) -> dict[str, Argument]:
        found: dict[str, Argument] = {
            "coupon_percent": plain(self.coupon_percent), "face": plain(self.face), "frequency": self.frequency,
            "day_count": self.day_count, "convention": self.convention,
        }  # fmt: skip
        if self.settlement is None:
            return {**found, "months": self.months}
        return {**found, "settlement": self.settlement.isoformat(), "maturity": self.days[-1].isoformat()}

    def payments(self) -> list[tuple[Decimal, Decimal]]:
        """Each payment and the coupon periods until it."""
        with inputs.exactly():
            if self.settlement is None:
                count = self.months * self.frequency // 12
                times = [Decimal(place) for place in range(1, count + 1)]
                coupons = [self._coupon(Decimal(1))] * count
            else:
                # What is left of the period after what accrued: days of 30/360 do not add up otherwise.
                whole = self._periods(self.days[0], self.days[1], *self.days[:2])
                first = whole - self._periods(self.days[0], self.settlement, *self.days[:2])
                spans = list(zip(self.days[1:], self.days[2:], strict=False))
                times, coupons = [first], [self._coupon(whole)]
                for start, end in spans:
                    times.append(times[-1] + self._periods(start, end, start, end))
                    coupons.append(self._coupon(self._periods(start, end, start, end)))
            coupons[-1] += self.face
            return list(zip(coupons, times, strict=True))

    def dirty(self, yield_percent: Decimal) -> Decimal:
        with inputs.exactly():
            worth: Decimal = _worth(self.payments(), yield_percent / 100 / self.frequency, self.convention)
            return worth

    def accrued(self) -> Decimal:
        with inputs.exactly():
            if self.settlement is None:
                return Decimal(0)
            return self._coupon(self._periods(self.days[0], self.settlement, self.days[0], self.days[1]))

    def say(self, result: Result, texts: Texts, yield_percent: str) -> None:
        values = result.values
        shown = {name: number(Decimal(str(values[name]))) for name in ("dirty_price", "clean_price", "accrued")}
        if self.settlement is None:
            time = _MONTHS[result.language].format(months=f"{self.months:,}")
        else:
            time = _DATES[result.language].format(
                settlement=self.settlement.isoformat(), maturity=self.days[-1].isoformat()
            )
        result.say(
            texts, face=number(self.face), coupon=percent(self.coupon_percent), time=time, often=str(self.frequency),
            yield_percent=yield_percent, **shown,
        )  # fmt: skip

    def _coupon(self, periods: Decimal) -> Decimal:
        return self.face * self.coupon_percent / 100 / self.frequency * periods

    def _periods(self, start: date, end: date, from_day: date, to_day: date) -> Decimal:
        """The coupon periods from `start` to `end`, which lie between two coupon days."""
        if self.day_count == "act/act":
            return Decimal((end - start).days) / (to_day - from_day).days
        if self.day_count == "30/360":
            return Decimal(_days_360(start, end) * self.frequency) / 360
        return Decimal((end - start).days * self.frequency) / (365 if self.day_count == "act/365" else 360)


def _coupon_days(settlement: date, maturity: date, months: int) -> tuple[date, ...]:
    """From the last one at or before settlement to maturity. Raises InputRefused."""
    if settlement >= maturity or maturity.year - settlement.year > 100:
        raise InputRefused(_("maturity: {day} is not within 100 years after settlement").format(day=maturity))
    days = [maturity]
    while days[-1] > settlement:
        back = maturity.year * 12 + maturity.month - 1 - months * len(days)
        if back < 12:
            raise InputRefused(_("settlement: {day} is too early").format(day=settlement))
        year, month = divmod(back, 12)
        days.append(date(year, month + 1, min(maturity.day, calendar.monthrange(year, month + 1)[1])))
    return tuple(reversed(days))


def _days_360(start: date, end: date) -> int:
    """Bond basis (ISDA 2006, 4.16 f): a 31st counts as the 30th, at the end only after a 30th or 31st."""
    first = min(start.day, 30)
    last = 30 if end.day == 31 and first == 30 else end.day
    return (end.year - start.year) * 360 + (end.month - start.month) * 30 + last - first


_MONTHS: Texts = {"en": "{months} months to maturity", "ko": "만기까지 {months}개월"}
_DATES: Texts = {"en": "settled on {settlement}, due on {maturity}", "ko": "결제일 {settlement}, 만기일 {maturity}"}
_PRICE: Texts = {
    "en": "A bond with a face of {face}, a coupon of {coupon} ({often} a year), {time}, at a yield of "
    "{yield_percent}: the clean "
    "price is {clean_price}; with accrued interest of {accrued}, {dirty_price} is paid.",
    "ko": "액면 {face}, 표면금리 {coupon}(연 {often}회 지급), {time}, 수익률 {yield_percent}인 채권: 이자를 뺀 "
    "가격(clean)은 "
    "{clean_price}, 경과이자는 {accrued}, 실제로 치르는 가격(dirty)은 {dirty_price}입니다.",
}
_YIELD: Texts = {
    "en": "A bond with a face of {face}, a coupon of {coupon} ({often} a year), {time}, at a clean price of "
    "{clean_price} (accrued "
    "interest {accrued}, dirty price {dirty_price}): it yields {yield_percent} a year to maturity.",
    "ko": "액면 {face}, 표면금리 {coupon}(연 {often}회 지급), {time}, 이자를 뺀 가격(clean) {clean_price}(경과이자 "
    "{accrued}, dirty "
    "{dirty_price})인 채권: 만기수익률은 연 {yield_percent}입니다.",
}
_FORMULAS: dict[Convention, Texts] = {
    "compound": {
        "en": "Dirty price = Σ payment_k ÷ (1 + y ÷ f)^(periods until it); clean = dirty − accrued; to 0.000001, "
        "yields to 0.0001%.",
        "ko": "dirty = Σ 지급액_k ÷ (1 + y ÷ f)^(지급까지의 기간 수); clean = dirty − 경과이자(0.000001까지, "
        "수익률은 0.0001%까지).",
    },
    "korea": {
        "en": "Dirty price = Σ payment_k ÷ (1 + y ÷ f)^(k − 1) ÷ (1 + w × y ÷ f), w the part of a period to the next "
        "coupon; clean "
        "= dirty − accrued; to 0.000001, yields to 0.0001%.",
        "ko": "dirty = Σ 지급액_k ÷ (1 + y ÷ f)^(k − 1) ÷ (1 + w × y ÷ f), w는 다음 이자 지급일까지의 기간 비율; "
        "clean = dirty − "
        "경과이자(0.000001까지, 수익률은 0.0001%까지).",
    },
}
_SOURCE: Texts = {
    "en": "ICMA rule 251 (yields and accrued interest); the usage of the Korean bond market for its convention",
    "ko": "ICMA 규칙 251(수익률과 경과이자); 국내 채권시장의 관행적 방식",
}
