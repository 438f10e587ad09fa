"""Dates and times as people and programs write them, in Korean and English. What reads two ways needs an order.

A moment without an offset is local: it comes back naive. One with an offset, or an epoch, comes back aware, in UTC.
"""

import re
import unicodedata
from datetime import UTC, datetime, time, timedelta, timezone
from typing import Literal

Order = Literal["ymd", "dmy", "mdy"]
FIRST_YEAR, LAST_YEAR = 1900, 2199

_OFFSET = r"(?P<offset>z|utc|gmt|kst|(?:utc|gmt)?[+-]\d{1,2}(?::?\d{2})?)?"
_CLOCK = (
    r"(?P<part>오전|오후|새벽|아침|낮|저녁|밤|a\.?m\.?|p\.?m\.?)? ?"
    r"(?:(?P<hour>\d{1,2}) ?(?:시|:) ?(?:(?P<half>반)|(?P<minute>\d{1,2})(?: ?분|:|$|(?=[ .,+\-zuagkp]))"
    r"(?: ?(?P<second>\d{1,2})(?:[.,](?P<fraction>\d{1,9}))? ?초?)?)?"
    r"|(?P<oclock>\d{1,2})(?= ?[ap]\.?m)|(?P<digits>\d{3,6})|(?P<word>정오|자정|noon|midnight))"
    r" ?(?P<after>a\.?m\.?|p\.?m\.?)?"
)
_WEEKDAY = r"(?: ?(?:\(?[월화수목금토일](?:요일)?\)|[월화수목금토일]요일))?"
_TAIL = rf"(?:[t ,]? ?{_CLOCK})? ?{_OFFSET}"
_YEAR_FIRST = re.compile(
    rf"(?P<year>\d{{4}}) ?[-./년] ?(?P<month>\d{{1,2}}) ?[-./월] ?(?P<day>\d{{1,2}})(?: ?일|\.)?{_WEEKDAY}{_TAIL}"
)
_COMPACT = re.compile(rf"(?P<year>\d{{4}})(?P<month>\d\d)(?P<day>\d\d)(?:(?P<packed>\d{{4}}|\d{{6}})|{_TAIL})")
_NUMERIC = re.compile(
    rf"(?P<a>\d{{1,2}})(?P<mark>[-./]) ?(?P<b>\d{{1,2}})(?P=mark) ?(?P<c>\d{{4}}|\d\d)\.?{_WEEKDAY}{_TAIL}"
)
_MONTHS = {
    name: at
    for at, name in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)
}
_NAME = r"(?P<name>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_NAMED = (
    re.compile(
        rf"(?:[a-z]{{3,9}},? )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[- ]{_NAME},?[- ](?P<year>\d{{4}}|\d\d),?{_TAIL}"
    ),
    re.compile(rf"(?:[a-z]{{3,9}},? )?{_NAME}[- ](?P<day>\d{{1,2}})(?:st|nd|rd|th)?,?[- ](?P<year>\d{{4}}),?{_TAIL}"),
)
_EPOCH = re.compile(r"(\d{9,10}|\d{12,13}|\d{15,16}|\d{18,19})(\.\d+)?")
_ONLY_CLOCK = re.compile(_CLOCK)


def moment(text: str, order: Order | None = None) -> datetime:
    """The moment that `text` writes; midnight where it gives a date alone.

    `order` reads dates like 03/04/2024 and 24.03.04, which are refused without it unless only one order is possible.
    Raises ValueError for anything else.
    """
    text = _plain(text)
    if len(text) > 80:
        raise ValueError("too long")
    if (match := _COMPACT.fullmatch(text)) and 1900 <= int(match["year"]) < 2100 and 1 <= int(match["month"]) <= 12:
        return _made(int(match["year"]), int(match["month"]), int(match["day"]), match)
    if match := _EPOCH.fullmatch(text):
        return _epoch(match[1], match[2])
    if match := _YEAR_FIRST.fullmatch(text):
        return _made(int(match["year"]), int(match["month"]), int(match["day"]), match)
    for pattern in _NAMED:
        if match := pattern.fullmatch(text):
            return _made(_full_year(match["year"]), _MONTHS[match["name"]], int(match["day"]), match)
    if match := _NUMERIC.fullmatch(text):
        return _numeric(match, order)
    raise ValueError(text)


def clock(text: str) -> time:
    """The time of day in `text`: 15:30, 오후 3시 반, 새벽 3시, 3 pm. Raises ValueError for anything else.

    밤 12시 and 24:00 are 00:00 here: the day they belong to is the caller's to know.
    """
    match = _ONLY_CLOCK.fullmatch(_plain(text))
    if match is None:
        raise ValueError(text)
    return (datetime(2000, 1, 1) + _since_midnight(match)).time()


def possible_orders(text: str) -> frozenset[Order]:
    """The orders in which `text`, a date of three short numbers, is a date; empty for any other text."""
    match = _NUMERIC.fullmatch(_plain(text))
    if match is None:
        return frozenset()
    a, b, c = int(match["a"]), int(match["b"]), int(match["c"])
    found: set[Order] = set()
    if 1 <= a <= 31 and 1 <= b <= 12:
        found.add("dmy")
    if 1 <= a <= 12 and 1 <= b <= 31:
        found.add("mdy")
    if len(match["c"]) == 2 and 1 <= b <= 12 and 1 <= c <= 31:
        found.add("ymd")
    return frozenset(found)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).replace("\u2212", "-").lower().split()).strip("'\"")


def _numeric(match: re.Match[str], order: Order | None) -> datetime:
    if order is None:
        orders = possible_orders(match[0])
        if len(orders) != 1:
            raise ValueError("day and month could be either")
        (order,) = orders
    a, b, c = match["a"], match["b"], match["c"]
    if order == "ymd":
        if len(c) != 2:
            raise ValueError(match[0])
        return _made(_full_year(a), int(b), int(c), match)
    day, month = (a, b) if order == "dmy" else (b, a)
    return _made(_full_year(c), int(month), int(day), match)


def _full_year(text: str) -> int:
    """Two digits lie within 1970 to 2069, as POSIX has it, a year later."""
    year = int(text)
    return year if len(text) > 2 else year + (2000 if year < 70 else 1900)


def _epoch(whole: str, fraction: str | None) -> datetime:
    """Seconds, milli-, micro- or nanoseconds since 1970, by the number of digits."""
    scale = {9: 6, 10: 6, 12: 3, 13: 3, 15: 0, 16: 0, 18: -3, 19: -3}[len(whole)]
    microseconds = int(whole) * 10**scale if scale >= 0 else int(whole) // 10**-scale
    if fraction and scale > 0:
        microseconds += int(float(fraction) * 10**scale)
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)


def _made(year: int, month: int, day: int, match: re.Match[str]) -> datetime:
    if not FIRST_YEAR <= year <= LAST_YEAR:
        raise ValueError("year")
    made = datetime(year, month, day) + _since_midnight(match)
    offset = match["offset"]
    if not offset:
        return made
    if "packed" in match.groupdict() and match["packed"]:
        raise ValueError("offset")
    return made.replace(tzinfo=_zone(offset)).astimezone(UTC)


def _zone(text: str) -> timezone:
    if text == "kst":
        return timezone(timedelta(hours=9))
    digits = text.removeprefix("utc").removeprefix("gmt")
    if digits in ("", "z"):
        return UTC
    sign, digits = digits[0], digits[1:].replace(":", "")
    hours, minutes = (int(digits), 0) if len(digits) < 3 else (int(digits[:-2]), int(digits[-2:]))
    if hours > 14 or minutes > 59:
        raise ValueError("offset")
    span = timedelta(hours=hours, minutes=minutes)
    return timezone(-span if sign == "-" else span)


def _since_midnight(match: re.Match[str]) -> timedelta:
    groups = match.groupdict()
    digits = groups.get("packed") or groups["digits"]
    if groups["word"]:
        return timedelta(hours=12 if groups["word"] in ("정오", "noon") else 0)
    if digits:
        digits = digits.zfill(4 if len(digits) <= 4 else 6)
        hour, minute, second = int(digits[:2]), int(digits[2:4]), int(digits[4:] or 0)
    else:
        hour = int(groups["hour"] or groups["oclock"] or 0)
        minute = 30 if groups["half"] else int(groups["minute"] or 0)
        second = int(groups["second"] or 0)
    if groups["part"] and groups["after"]:
        raise ValueError("two parts of the day")
    hour = _hour(hour, (groups["part"] or groups["after"] or "").replace(".", ""))
    if hour > 24 or minute > 59 or second > 59 or (hour == 24 and (minute or second)):
        raise ValueError("no time of day")
    microsecond = int((groups["fraction"] or "").ljust(6, "0")[:6])
    return timedelta(hours=hour, minutes=minute, seconds=second, microseconds=microsecond)


def _hour(hour: int, part: str) -> int:
    """The hour of 24 for an hour of 12 in a part of the day; 밤 12시 ends the day."""
    if not part or hour > 12:
        if part in ("am", "오전", "새벽", "아침") and hour > 12:
            raise ValueError("no hour of the morning")
        return hour
    if part in ("am", "오전", "새벽", "아침"):
        return hour % 12
    if part == "밤":
        return 24 if hour == 12 else hour + 12 if hour >= 6 else hour
    if part == "낮":
        return hour if hour >= 10 else hour + 12
    return hour % 12 + 12
