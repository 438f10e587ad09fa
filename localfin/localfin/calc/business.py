"""A seller's figures: margin, break-even, and amounts in another currency."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from pathlib import Path

from localfin.calc import inputs
from localfin.calc.inputs import Number
from localfin.calc.result import Argument, Result
from localfin.calc.wording import Language, Texts, money, number, percent, plain
from localfin.computed import Computed
from localfin_models.errors import InputRefused
from localfin_models.language import _

_LARGEST_TABLE = 1 << 20


def margin(cost: Number, price: Number, currency: str = "KRW", language: Language = "en") -> Computed:
    """What is earned on one sale: margin = (price - cost) / price, markup = (price - cost) / cost.

    In percent, rounded half up to 0.01. Source: Horngren, Datar, Rajan, Cost Accounting. Raises InputRefused.
    """
    currency = inputs.currency(currency)
    spent, asked = inputs.money("cost", cost, least="0.01"), inputs.money("price", price, least="0.01")
    with inputs.exactly():
        on_price, on_cost = (inputs.nearest((asked - spent) / each * 100, 2) for each in (asked, spent))
    result = Result("margin", language, {"cost": plain(spent), "price": plain(asked), "currency": currency}, currency)
    result.values |= {"profit": asked - spent, "margin_percent": on_price, "markup_percent": on_cost}
    result.say(
        _MARGIN, cost=spent, price=asked, profit=asked - spent, margin=percent(on_price), markup=percent(on_cost)
    )  # fmt: skip
    return result.computed(_MARGIN_FORMULA, _ACCOUNTING)


def break_even(
    fixed: Number, price: Number, variable: Number, currency: str = "KRW", language: Language = "en"
) -> Computed:
    """How many units pay for the fixed costs: fixed / (price - variable cost of a unit), rounded up to a whole unit.

    Source as in `margin`. Raises InputRefused, also where a unit does not pay for itself.
    """
    currency = inputs.currency(currency)
    costs, asked = inputs.money("fixed", fixed), inputs.money("price", price)
    spent = inputs.money("variable", variable)
    if asked <= spent:
        raise InputRefused(_("price: a unit sold for no more than its variable cost never breaks even"))
    with inputs.exactly():
        exact = costs / (asked - spent)
        units = exact.to_integral_value(ROUND_CEILING)
    call: dict[str, Argument] = {
        "fixed": plain(costs), "price": plain(asked), "variable": plain(spent), "currency": currency,
    }  # fmt: skip
    result = Result("break_even", language, call, currency)
    result.values |= {"contribution": asked - spent, "units": units, "sales": inputs.nearest(units * asked, 2)}
    result.say(
        _BREAK_EVEN, fixed=costs, price=asked, variable=spent, contribution=asked - spent, units=number(units),
        sales=inputs.nearest(units * asked, 2),
    )  # fmt: skip
    return result.computed(_BREAK_EVEN_FORMULA, _ACCOUNTING)


def exchange(
    amount: Number, source: str, target: str, rate: Number, units: Number = 1, language: Language = "en"
) -> Computed:
    """An amount in another currency at a given rate; fees and spreads are not in it.

    `rate` is the price of `units` (1, or 100 as yen are quoted) of the foreign currency in won; between two foreign
    currencies, of `units` of `source` in `target`. Rounded as in `localfin.calc.inputs.rounded`. Raises InputRefused.
    """
    given, wanted = inputs.currency(source), inputs.currency(target)
    if given == wanted:
        raise InputRefused(_("{currency} into itself").format(currency=given))
    value, quote = inputs.money("amount", amount), inputs.money("rate", rate, least="0.000001")
    count = inputs.whole("units", units, least=1, most=1000)
    with inputs.exactly():
        found = inputs.rounded(value * count / quote if given == "KRW" else value * quote / count, wanted)
    call: dict[str, Argument] = {
        "amount": plain(value), "source": given, "target": wanted, "rate": plain(quote), "units": count,
    }  # fmt: skip
    result = Result("exchange", language, call)
    result.values["converted"] = found
    foreign, priced = (wanted, given) if given == "KRW" else (given, wanted)
    result.say(
        _EXCHANGE, amount=money(value, given, language), converted=money(found, wanted, language),
        unit=money(Decimal(count), foreign, language), rate=money(quote, priced, language),
    )  # fmt: skip
    return result.computed(_EXCHANGE_FORMULA, _GIVEN_RATE)


@dataclass(frozen=True, slots=True)
class Quote:
    """The price in won of `units` of a currency, as banks post it."""

    units: int
    won: Decimal
    since: str
    """The day it is of, as the table writes it; empty where it does not."""


def read_quotes(path: Path) -> dict[str, Quote]:
    """A user's table of exchange rates: CSV with the columns currency, units, won and, if you like, date.

    Raises InputRefused, naming the line.
    """
    try:
        if path.stat().st_size > _LARGEST_TABLE:
            raise InputRefused(_("{path}: larger than a table of exchange rates is").format(path=path))
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputRefused(f"{path}: {error}") from None
    rows = csv.DictReader(lines)
    if not {"currency", "won"} <= set(rows.fieldnames or []):
        raise InputRefused(_("{path}: the columns currency, units and won were expected").format(path=path))
    found = {}
    for row in rows:
        try:
            won = inputs.money("won", row["won"] or "", least="0.000001")
            units = inputs.whole("units", row.get("units") or 1, least=1, most=1000)
            found[inputs.currency(row["currency"] or "")] = Quote(units, won, (row.get("date") or "").strip())
        except InputRefused as error:
            raise InputRefused(
                _("{path}, line {line}: {error}").format(path=path, line=rows.line_num, error=error)
            ) from None
    return found


def quoted(quotes: Mapping[str, Quote], source: str, target: str) -> tuple[Decimal, int]:
    """The `rate` and `units` of `exchange`; between two foreign currencies through won, to 12 digits.

    Raises InputRefused.
    """
    absent = next((one for one in (source, target) if one != "KRW" and one not in quotes), None)
    if absent:
        raise InputRefused(_("the table of exchange rates has no {currency}").format(currency=absent))
    if "KRW" in (source, target):
        quote = quotes[target if source == "KRW" else source]
        return quote.won, quote.units
    one, other = quotes[source], quotes[target]
    with inputs.exactly():
        return inputs.nearest(one.won / one.units / (other.won / other.units), 12), 1


_MARGIN: Texts = {
    "en": "Cost {cost}, price {price}: the profit is {profit}, a margin of {margin} on the price (a markup of "
    "{markup} on the cost).",
    "ko": "원가 {cost}, 판매가 {price}: 이익은 {profit}, 판매가 대비 마진율은 {margin}(원가 대비 {markup})입니다.",
}
_MARGIN_FORMULA: Texts = {
    "en": "Margin = (price − cost) ÷ price; markup = (price − cost) ÷ cost; to 0.01%.",
    "ko": "마진율 = (판매가 − 원가) ÷ 판매가; 원가 대비 = (판매가 − 원가) ÷ 원가(0.01%까지).",
}
_BREAK_EVEN: Texts = {
    "en": "Fixed costs {fixed}, price {price}, variable cost {variable}: each unit contributes {contribution}, and "
    "{units} units "
    "break even, with sales of {sales}.",
    "ko": "고정비 {fixed}, 판매가 {price}, 개당 변동비 {variable}: 개당 공헌이익은 {contribution}, 손익분기점은 "
    "{units}개, 이때 매출은 "
    "{sales}입니다.",
}
_BREAK_EVEN_FORMULA: Texts = {
    "en": "Units = fixed costs ÷ (price − variable cost), rounded up.",
    "ko": "판매량 = 고정비 ÷ (판매가 − 개당 변동비), 소수는 올림.",
}
_ACCOUNTING: Texts = {
    "en": "Cost-volume-profit analysis (Horngren, Datar, Rajan, Cost Accounting)",
    "ko": "원가·조업도·이익 분석(Horngren·Datar·Rajan, Cost Accounting)",
}
_EXCHANGE: Texts = {
    "en": "{amount} is {converted}, at {rate} for {unit}. Fees and the bank's spread are not in it.",
    "ko": "{amount}의 환산 금액은 {converted}입니다(환율: {unit} = {rate}). 수수료와 환전 마진은 포함되지 않았습니다.",
}
_EXCHANGE_FORMULA: Texts = {
    "en": "Amount × rate ÷ units, or out of won: amount ÷ rate × units; below 1 won or yen is dropped, else the "
    "nearest cent.",
    "ko": "금액 × 환율 ÷ 단위, 원화를 외화로 바꿀 때는 금액 ÷ 환율 × 단위; 원·엔 미만은 버리고 다른 통화는 센트에서 "
    "반올림.",
}
_GIVEN_RATE: Texts = {"en": "the exchange rate that was given", "ko": "주어진 환율"}
