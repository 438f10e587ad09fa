"""Amounts of money as people and programs write them: 5,000,000 · ₩5000만 · 1억 2천만원 · $1,234.50 · (300) · 1.5m."""

import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal

LARGEST = Decimal(10) ** 15  # beyond, a double no longer holds a won exactly, and no payment is that large

_NUMBER = r"(?:\d{1,3}(?:,\d{2,3})*,\d{3}|\d{1,3}(?:[ ']\d{3})+|\d+)(?:\.\d+)?|\.\d+"
_PLAIN = re.compile(rf"(?:{_NUMBER})(?:e[+-]?\d{{1,2}})?")
_EUROPEAN = re.compile(r"\d{1,3}(?:\.\d{3})+,\d{1,2}")
_ENGLISH = re.compile(rf"({_NUMBER}) ?(thousand|k|million|mn|m|billion|bn|trillion)")
_ENGLISH_UNITS = {"t": 12, "b": 9, "m": 6, "k": 3}
_LARGE = {"조": 12, "억": 8, "만": 4}
_SMALL = {"천": 3, "백": 2, "십": 1}
_DIGITS = str.maketrans("영공일이삼사오육칠팔구", "00123456789")
_KOREAN_PART = re.compile(rf"({_NUMBER})?([천백십])?")
_FORMULA_GUARD = re.compile(r'="([^"]*)"|\'(.*)')
_CURRENCIES = {
    "₩": "KRW", "\\": "KRW", "원": "KRW", "원정": "KRW", "won": "KRW",
    "$": "USD", "us$": "USD", "달러": "USD", "불": "USD", "dollar": "USD", "dollars": "USD",
    "€": "EUR", "유로": "EUR", "euro": "EUR", "euros": "EUR",
    "£": "GBP", "파운드": "GBP", "¥": "JPY", "엔": "JPY", "yen": "JPY", "元": "CNY", "위안": "CNY",
}  # fmt: skip
_CODES = frozenset(
    [
        "KRW",
        "USD",
        "EUR",
        "JPY",
        "CNY",
        "GBP",
        "HKD",
        "TWD",
        "SGD",
        "THB",
        "VND",
        "PHP",
        "IDR",
        "MYR",
        "INR",
        "AUD",
        "NZD",
        "CAD",
        "CHF",
        "SEK",
        "NOK",
        "DKK",
        "PLN",
        "CZK",
        "HUF",
        "RUB",
        "TRY",
        "AED",
        "SAR",
        "QAR",
        "KWD",
        "BHD",
        "ILS",
        "ZAR",
        "BRL",
        "MXN",
        "ARS",
        "CLP",
        "COP",
        "MNT",
        "KZT",
        "UZS",
        "PKR",
        "BDT",
        "LKR",
        "NPR",
        "MMK",
        "KHR",
        "LAK",
        "EGP",
        "NGN",
        "KES",
        "UAH",
        "RON",
        "BGN",
        "CNH",
        "PEN",
        "MOP",
        "OMR",
        "JOD",
        "MAD",
        "GHS",
        "TZS",
        "UGX",
        "ISK",
        "BND",
        "FJD",
    ]
)
_MARK = "|".join(re.escape(mark) for mark in sorted(_CURRENCIES, key=len, reverse=True))
_CODE = "|".join(sorted(code.lower() for code in _CODES))
_BEFORE = re.compile(rf"({_CODE}|{_MARK}) ?")
_AFTER = re.compile(rf" ?({_CODE}|{_MARK})$")


@dataclass(frozen=True)
class Amount:
    value: Decimal
    currency: str | None  # ISO 4217, where the text names one


def amount(text: str) -> Amount:
    """The amount that `text` writes. Raises ValueError where it writes none, or two readings are usual ("1,5")."""
    text = unicodedata.normalize("NFKC", text).replace("\u2212", "-").strip().lower()
    if guarded := _FORMULA_GUARD.fullmatch(text):  # how spreadsheets are kept from reading a number
        text = (guarded[1] or guarded[2] or "").strip()
    text, negative = _sign(" ".join(text.split()))
    text, currency = _without_currency(text)
    text, inner = _sign(text)
    if negative and inner:
        raise ValueError("two signs")
    value = _magnitude(text)
    if value >= LARGEST:
        raise ValueError("too large")
    return Amount(-value if negative or inner else value, currency)


def currency(text: str) -> str:
    """ISO 4217 for a code, a sign or a Korean name. Raises ValueError for what is none of them."""
    text = unicodedata.normalize("NFKC", text).strip()
    if text.upper() in _CODES:
        return text.upper()
    if known := _CURRENCIES.get(text.lower()):
        return known
    if re.fullmatch(r"[A-Za-z]{3}", text):
        return text.upper()
    raise ValueError(text)


def unit(text: str) -> tuple[Decimal, str | None]:
    """What a header's brackets say of its numbers: (천원) is (1000, KRW), (USD) is (1, USD). ValueError: no unit."""
    text = unicodedata.normalize("NFKC", text).replace("단위", "").strip(" :").lower()
    text, named = _without_currency(text)
    if not text:
        if named is None:
            raise ValueError(text)
        return Decimal(1), named
    if not re.fullmatch("[조억만천백십]+", text):
        raise ValueError(text)
    return _korean(text), named


def _sign(text: str) -> tuple[str, bool]:
    if text.startswith("(") and text.endswith(")"):
        return text[1:-1].strip(), True
    if text[:2] in ("+-", "++", "-+"):
        raise ValueError("two signs")
    if text[:1] in ("-", "△", "▲"):
        return text[1:].strip(), True
    if text.endswith("-"):
        return text[:-1].strip(), True
    return text.removeprefix("+").strip(), False


def _without_currency(text: str) -> tuple[str, str | None]:
    found = None
    for pattern in (_BEFORE, _AFTER):
        match = pattern.match(text) if pattern is _BEFORE else pattern.search(text)
        if match:
            named = match[1].upper() if match[1].upper() in _CODES else _CURRENCIES[match[1]]
            if found not in (None, named):
                raise ValueError("two currencies")
            found = named
            text = (text[: match.start()] + text[match.end() :]).strip()
    return text, found


def _magnitude(text: str) -> Decimal:
    if len(text) > 60:
        raise ValueError("too long")
    if _PLAIN.fullmatch(text):
        return Decimal(re.sub("[ ,']", "", text))
    if _EUROPEAN.fullmatch(text):
        return Decimal(text.replace(".", "").replace(",", "."))
    if english := _ENGLISH.fullmatch(text):
        power = 3 if english[2] == "thousand" else _ENGLISH_UNITS[english[2][0]]
        return Decimal(re.sub("[ ,']", "", english[1])).scaleb(power)
    return _korean(text)


def _korean(text: str) -> Decimal:
    """1억 2천만, 3천5백, 천만, 오천만: large units fall from left to right, and so do the small ones before each."""
    text = re.sub(r"[ ]", "", text.translate(_DIGITS))
    total, last = Decimal(0), 16
    while text:
        place = next((at for at, letter in enumerate(text) if letter in _LARGE), len(text))
        power = _LARGE[text[place]] if place < len(text) else 0
        if power >= last:
            raise ValueError(text)
        section = text[:place]
        if not section and power == 0:
            raise ValueError(text)
        total += (_section(section) if section else Decimal(1)).scaleb(power)
        last, text = power, text[place + 1 :]
    if last == 16:
        raise ValueError("nothing")
    return total


def _section(text: str) -> Decimal:
    total, last = Decimal(0), 4
    while text:
        match = _KOREAN_PART.match(text)
        if match is None or not match[0]:
            raise ValueError(text)
        power = _SMALL[match[2]] if match[2] else 0
        if power >= last:
            raise ValueError(text)
        total += Decimal((match[1] or "1").replace(",", "")).scaleb(power)
        last, text = power, text[match.end() :]
    return total
