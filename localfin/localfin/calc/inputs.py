"""What calculators take: checked, bounded, and read from text as people write it. Everything else is refused in one
line.

The bounds keep every calculation short and every result exact in 50 digits, whoever asks: a person, a script or a
model.
"""

import re
import unicodedata
from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import date
from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal, InvalidOperation, localcontext
from typing import TypeVar

from localfin import amounts
from localfin_models.errors import InputRefused
from localfin_models.language import _

Number = Decimal | int | str
"""Text is read as people write it: `1억 2천만원`, `4.5%`, `30년`. Binary fractions are not taken: 0.1 is none."""

LARGEST = amounts.LARGEST
MONTHS = 1200
NUMBERS = 1000
RATE = Decimal(1000)
_VAST = Decimal(10) ** 24
_T = TypeVar("_T", bound=str)
_TERM = re.compile(
    r"(?:(\d{1,3}(?:\.5)?) ?(?:년|years?|yrs?|y))?(?: ?(?:and )?(\d{1,4}) ?(?:개월|달|months?|mos?|m))?", re.IGNORECASE
)
_WON = Decimal(1)
_CENT = Decimal("0.01")
_WITHOUT_CENTS = frozenset({"KRW", "JPY", "VND", "CLP", "ISK"})


def exactly() -> AbstractContextManager[Context]:
    """Arithmetic with 50 digits: what is rounded to money afterwards is right in its last digit."""
    return localcontext(Context(prec=50))


def money(name: str, value: Number, *, least: Number = 0) -> Decimal:
    """An amount of at least `least`. Raises InputRefused."""
    found = number(name, value)
    if found < Decimal(least):
        raise InputRefused(_("{name}: {value} is less than {least}").format(name=name, value=value, least=least))
    return found


def number(name: str, value: Number) -> Decimal:
    """Any number smaller than 10^15 with up to 12 decimals. Raises InputRefused."""
    try:
        found = amounts.amount(value).value if isinstance(value, str) else Decimal(value)
    except (ValueError, InvalidOperation):
        raise InputRefused(_("{name}: {value} is no amount").format(name=name, value=value)) from None
    exponent = found.as_tuple().exponent
    if not isinstance(exponent, int) or abs(found) >= LARGEST or exponent < -12:
        raise InputRefused(_("{name}: {value} is too large or too long").format(name=name, value=value))
    return found + 0


def percent(name: str, value: Number, *, least: Number = 0, most: Number = RATE) -> Decimal:
    """A rate in percent: 4.5 and "4.5%" are four and a half percent. Raises InputRefused."""
    text = re.sub(r" ?(?:%|퍼센트|프로|percent)$", "", str(value).strip())
    try:
        found = number(name, Decimal(text.replace(",", "")))
    except InvalidOperation:
        raise InputRefused(_("{name}: {value} is no percentage").format(name=name, value=value)) from None
    if not Decimal(least) <= found <= Decimal(most):
        reason = _("{name}: {value} lies outside {least} to {most} percent")
        raise InputRefused(reason.format(name=name, value=value, least=least, most=most))
    return found


def months(name: str, value: Number, *, least: int = 1) -> int:
    """`30년`, `2년 6개월`, `18 months`, or a number of months; at most 1,200. Raises InputRefused."""
    text = unicodedata.normalize("NFKC", str(value)).strip()
    found = _TERM.fullmatch(text)
    if text.isascii() and text.isdigit() and len(text) <= 4:
        count = Decimal(text)
    elif found and (found[1] or found[2]):
        count = Decimal(found[1] or 0) * 12 + int(found[2] or 0)
    else:
        raise InputRefused(_("{name}: {value} is no term in years and months").format(name=name, value=value))
    if not least <= count <= MONTHS:
        reason = _("{name}: {value} lies outside {least} to {most} months")
        raise InputRefused(reason.format(name=name, value=value, least=least, most=MONTHS))
    return int(count)


def whole(name: str, value: Number, *, least: int, most: int) -> int:
    """A whole number. Raises InputRefused."""
    found = number(name, value)
    if found != found.to_integral_value() or not least <= found <= most:
        reason = _("{name}: {value} is no whole number from {least} to {most}")
        raise InputRefused(reason.format(name=name, value=value, least=least, most=most))
    return int(found)


def one_of(name: str, value: str, choices: Iterable[_T]) -> _T:
    """The choice that `value` names. Raises InputRefused."""
    among = list(choices)
    for choice in among:
        if choice == value:
            return choice
    reason = _("{name}: {value} is none of {choices}")
    raise InputRefused(reason.format(name=name, value=value, choices=", ".join(among)))


def numbers(name: str, values: Iterable[Number], *, least: int = 1) -> list[Decimal]:
    """From `least` to 1,000 numbers. Raises InputRefused."""
    found = [number(name, value) for value, _place in zip(values, range(NUMBERS + 1), strict=False)]
    if not least <= len(found) <= NUMBERS:
        reason = _("{name}: between {least} and {most} numbers are needed")
        raise InputRefused(reason.format(name=name, least=least, most=NUMBERS))
    return found


def day(name: str, value: date | str) -> date:
    """A date as 2026-11-25. Raises InputRefused."""
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value.strip().replace(".", "-").replace("/", "-"))
    except ValueError:
        raise InputRefused(_("{name}: {value} is no date like 2026-11-25").format(name=name, value=value)) from None


def currency(value: str) -> str:
    """ISO 4217. Raises InputRefused."""
    try:
        return amounts.currency(value)
    except ValueError:
        raise InputRefused(_("{value} names no currency").format(value=value)) from None


def rounded(value: Decimal, currency: str) -> Decimal:
    """As banks book it: in won (and yen) what is below one is dropped, else the hundredth is rounded half up.
    Raises InputRefused for what nobody books: 10^24 and more.
    """
    _refuse_vast(value)
    if currency in _WITHOUT_CENTS:
        return value.quantize(_WON, ROUND_DOWN)
    return value.quantize(_CENT, ROUND_HALF_UP)


def smallest(currency: str) -> Decimal:
    """The smallest amount that is booked: 1 won, 0.01 dollars."""
    return _WON if currency in _WITHOUT_CENTS else _CENT


def nearest(value: Decimal, digits: int) -> Decimal:
    """Rounded half up to so many decimals: rates and ratios. Raises InputRefused from 10^24."""
    _refuse_vast(value)
    with exactly():
        return value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)


def _refuse_vast(value: Decimal) -> None:
    if abs(value) >= _VAST:
        raise InputRefused(_("the result is too large to be an amount"))
