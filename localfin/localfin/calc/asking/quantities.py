"""The quantities that a question writes: money, percentages, terms, counts, years. Nothing about what they are for."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from localfin import amounts
from localfin.amounts import LARGEST

Kind = Literal["money", "percent", "months", "days", "number", "date", "other"]
"""money: with a currency, or written in 만 and 억; number: bare; date: a calendar year; other: what is counted."""


@dataclass(frozen=True, slots=True)
class Quantity:
    kind: Kind
    value: Decimal
    start: int
    end: int
    currency: str | None = None
    monthly: bool = False
    """Said to be by the month: `월 50만원`, `500 a month`."""


def normal(question: str) -> str:
    """NFKC, lower case, one space between words: what patterns are matched against."""
    text = unicodedata.normalize("NFKC", question).replace("\u2212", "-").replace("\u2019", "'").lower()
    return " ".join(text.split())


def quantities(text: str) -> list[Quantity]:
    """Those of a `normal` text, from left to right."""
    return list(_found(text))


_NUM = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_KOREAN_SUM = (
    rf"(?:(?:{_NUM} ?[천백십]? ?)+(?:만(?![기약큼족])|[조억]) ?)+"
    rf"(?:{_NUM} ?[천백](?: ?{_NUM} ?[백십])*(?![가-힣]*[분개])|{_NUM}(?= ?원))?"
)
_WORDS = r"[일이삼사오육칠팔구십백천]*[조억만][일이삼사오육칠팔구십백천만]*|[일이삼사오육칠팔구]?[천백]"
_COUNTED = r"(?:명|개(?!월)|건(?!강)|대(?![출비])|주(?![택담식])|번|회(?!사)|곳)"
_CODE = r"krw|usd|eur|jpy|gbp|cny|chf"
_NAME = rf"원|won|dollars?|달러|불|euros?|유로|yen|엔|위안|파운드|pounds?|{_CODE}"
_TOKEN = re.compile(
    rf"(?P<percent>(?<![\d.,])-?{_NUM}) ?(?P<sign>%p|%|퍼센트포인트|퍼센트|프로(?![가-힣])|per ?cent|pct\b)"
    rf"|(?P<years>{_NUM})[ -]?(?:년|years?\b|yrs?\b)(?: ?(?:and )?(?P<and_months>\d{{1,3}}) ?(?:개월|months?\b))?"
    rf"|(?P<months>\d{{1,4}})[ -]?(?:개월|달(?!러)|months?\b)"
    rf"|(?P<days>\d{{1,5}})[ -]?(?:일(?![가-힣]*리)|days?\b)"
    rf"|(?P<korean>(?<!제)(?<!제 )-?{_KOREAN_SUM}) ?(?P<korean_name>{_NAME})?(?P<counted> ?{_COUNTED})?"
    rf"|(?P<small>{_NUM} ?[천백]) ?(?P<small_name>{_NAME})?"
    rf"|(?P<words>(?<![가-힣])(?:{_WORDS})) ?원"
    rf"|(?P<mark>us\$|[$€£¥₩]|(?:{_CODE}) )?(?P<plain>(?<![\w.,)-])-?{_NUM}|(?<=[$€£¥₩]){_NUM})"
    rf"(?: ?(?P<scale>thousand|million|billion|trillion|k|mn?|bn)\b)?(?: ?(?P<name>{_NAME})(?![a-z]))?"
    rf"(?P<unit> ?(?:{_COUNTED}|[세살위조항점](?![가-힣]*억)|times\b|units?\b|shares?\b|people\b|-?of\b))?"
)
_MONTHLY_BEFORE = re.compile(
    r"(?:(?<![가-힣])월|매월|매달|다달이|월급|월세|월 ?(?:납입|상환|원리금|소득|저축)[가-힣]{0,3}|한 ?달에"
    r"|monthly (?:savings?|deposits?|income|instal+ments?|payments?|repayments?)(?: plan)?(?: of| is)?)"
    r"[ 은는이가액을:약]*$"
)
_MONTHLY_AFTER = re.compile(r"^(?: won| dollars)?(?:씩)? ?(?:(?:a|per|each|every) month\b|monthly\b|/ ?mo)")
_A_YEAR_IN_MONTHS = 12


def _found(text: str) -> Iterator[Quantity]:
    for match in _TOKEN.finditer(text):
        try:
            quantity = _quantity(match)
        except ValueError:
            continue
        if quantity is not None:
            monthly = quantity.kind in ("money", "number") and (
                _MONTHLY_BEFORE.search(text[: quantity.start]) is not None
                or _MONTHLY_AFTER.match(text[quantity.end :]) is not None
            )
            yield Quantity(quantity.kind, quantity.value, quantity.start, quantity.end, quantity.currency, monthly)


def _quantity(match: re.Match[str]) -> Quantity | None:
    start, end = match.span()
    if match["percent"]:
        return Quantity(
            "percent" if match["sign"] not in ("%p", "퍼센트포인트") else "other", _number(match["percent"]), start, end
        )
    if match["years"]:
        years = _number(match["years"])
        if 1900 <= years <= 2100:
            return Quantity("date", years, start, end)
        count = years * _A_YEAR_IN_MONTHS + int(match["and_months"] or 0)
        return Quantity("months", count, start, end) if count == count.to_integral_value() else None
    for kind in ("months", "days"):
        if match[kind]:
            return Quantity(kind, Decimal(match[kind]), start, end)
    if match["korean"] or match["words"]:
        return _korean(match)
    if match["small"]:
        if not match["small_name"]:
            return None  # 3천: three thousand, or thirty million as people say it
        return Quantity(
            "money", amounts.amount(match["small"]).value, start, end, amounts.currency(_singular(match["small_name"]))
        )
    return _plain(match)


def _korean(match: re.Match[str]) -> Quantity:
    start, end = match.span()
    if match["words"]:
        return Quantity("money", amounts.amount(match["words"]).value, start, end, "KRW")
    written = match["korean"].strip()
    name = match["korean_name"]
    if re.search(r"억 ?[\d,.]+ ?천$", written) and not name:
        written += "만"  # 2억 5천 is said for 2억 5천만
    value = amounts.amount(written).value
    if match["counted"] and not name:
        return Quantity("other", value, start, end)
    return Quantity("money", value, start, end, amounts.currency(_singular(name)) if name else "KRW")


def _plain(match: re.Match[str]) -> Quantity | None:
    start, end = match.span()
    value = _number(match["plain"])
    if match["scale"]:
        letter = match["scale"][0]
        value *= Decimal(10) ** (3 if match["scale"] in ("thousand", "k") else {"m": 6, "b": 9, "t": 12}[letter])
    if abs(value) >= LARGEST:
        return None
    named = (match["mark"] or "").strip() or match["name"]
    if named:
        return Quantity("money", value, start, end, amounts.currency(_singular(named)))
    if match["unit"] and match["unit"].strip() not in ("of", "-of"):
        return Quantity("other", value, start, end)
    if 1900 <= value <= 2100 and match["plain"].isdigit() and not match["scale"]:
        return Quantity("date", value, start, end)
    return Quantity("number", value, start, end)


def _number(text: str) -> Decimal:
    return Decimal(text.replace(",", ""))


def _singular(name: str) -> str:
    return "GBP" if name in ("pound", "pounds") else name
