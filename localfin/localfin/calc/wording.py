"""How figures are written in the sentences of a result, in Korean and English. Every figure is written out in full, so
that it can be found again among the values; in Korean no particle follows a figure whose sound would decide it."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

Language = Literal["ko", "en"]
Texts = Mapping[Language, str]
"""One sentence, formula or source in both languages, with the same fields."""

_KOREAN = {"KRW": "원", "USD": "달러", "EUR": "유로", "JPY": "엔", "GBP": "파운드", "CNY": "위안"}


def money(value: Decimal, currency: str, language: Language) -> str:
    """`506,685원`, `1,234.50달러`, `100 CHF`; in English `506,685 won`, `1,234.50 USD`."""
    digits = f"{value:,.0f}" if value == value.to_integral_value() else f"{value:,f}"
    if currency == "XXX":  # ISO 4217: none
        return digits
    if language == "ko":
        return f"{digits}{_KOREAN[currency]}" if currency in _KOREAN else f"{digits} {currency}"
    return f"{digits} won" if currency == "KRW" else f"{digits} {currency}"


def number(value: Decimal | int) -> str:
    """Grouped, without zeros at the end: `4.5`, `1,385.5`."""
    text = f"{Decimal(value):,f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def percent(value: Decimal) -> str:
    return f"{number(value)}%"


def term(months: int, language: Language) -> str:
    """`360개월`, `1 month`: in months, as in the call."""
    if language == "ko":
        return f"{months:,}개월"
    return f"{months:,} month" if months == 1 else f"{months:,} months"


def plain(value: Decimal) -> str:
    """A number as a call writes it: no grouping, no exponent, no zeros at the end."""
    text = f"{value:f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text
