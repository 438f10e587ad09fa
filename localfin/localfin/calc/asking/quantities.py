"""The quantities that a question writes: money, percentages, terms, counts, years. Nothing about what they are for."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from localfin import amounts
from localfin.amounts import LARGEST

Kind = Literal["money", "percent", "months", "days", "number", "date", "other"]
"""money: with a currency, or written in 만 and 억; number: bare; date: a day or year; other: what is counted."""


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
    text = _WORD_TERM.sub(lambda match: f"{_WORD_NUMBERS[match[1]]} {match[2]}", " ".join(text.split()))
    return _HALF_YEAR.sub("6개월", _WORD_YEAR.sub("1년", text))


_WORD_NUMBERS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10,
    "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30,
}  # fmt: skip
_WORD_TERM = re.compile(rf"\b({'|'.join(_WORD_NUMBERS)})[ -](years?|months?|days?)\b")
_WORD_YEAR, _HALF_YEAR = re.compile(r"(?<![가-힣])일 ?년(?!도)"), re.compile(r"(?<![가-힣])반 ?년(?!도)")


def quantities(text: str) -> list[Quantity]:
    """Those of a `normal` text, from left to right."""
    found = list(_found(text))
    # 2000 is a number among numbers: 1,000, 1,500, 2000.
    return [
        replace(each, kind="number") if each.kind == "date" and _listed(text, found, place) else each
        for place, each in enumerate(found)
    ]


def _listed(text: str, found: list[Quantity], place: int) -> bool:
    """Whether the one at `place` stands in a list with a bare number."""
    pairs = [(place - 1, place), (place, place + 1)]
    return any(
        "number" in (found[one].kind, found[other].kind) and text[found[one].end : found[other].start].strip() == ","
        for one, other in pairs
        if one >= 0 and other < len(found)
    )


_NUM = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_KOREAN_SUM = (
    rf"(?:(?:{_NUM} ?[천백십]? ?)+(?:만(?![기약큼족])|[조억]) ?)+"
    rf"(?:{_NUM} ?[천백](?: ?{_NUM} ?[백십])*(?![가-힣]*[분개])|{_NUM}(?= ?원))?"
)
_WORDS = r"[일이삼사오육칠팔구십백천]*[조억만][일이삼사오육칠팔구십백천만]*|[일이삼사오육칠팔구]?[천백]"
_COUNTED = r"(?:명|개(?!월)|건(?!강)|대(?![출비])|주(?![택담식])|번|회(?!사)|곳)"
_CODE = r"krw|usd|eur|jpy|gbp|cny|chf"
_NAME = rf"원|won|dollars?|달러|불|euros?|유로|yen|엔|위안|파운드|pounds?|{_CODE}"
_MONTH_NAMES = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_TOKEN = re.compile(
    rf"(?P<day>\b(?:{_MONTH_NAMES})[a-z]* \d{{1,2}}(?:st|nd|rd|th)?(?:,? \d{{4}})?(?![\d,.]*\d)"
    r"|(?<!\d)\d{1,2}월(?: ?\d{1,2}일)?)"
    rf"|(?P<percent>(?<![\d.,])-?{_NUM}) ?(?P<sign>%p|%|퍼센트포인트|퍼센트|프로(?![가-힣])|per ?cent|pct\b)"
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
    r"(?:(?<![가-힣])월|매월|매달|다달이|월급|월세|월 ?(?:납입|상환|원리금|소득|저축)[가-힣]{0,3}"
    r"|(?:매달|매월|다달이|한 ?달에)[가-힣 ]{0,14}"
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
    if match["day"]:
        return Quantity("date", Decimal(0), start, end)
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
        if not match["small_name"]:  # 3천: three thousand, or thirty million as people say it
            return Quantity("other", amounts.amount(match["small"]).value, start, end)
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
