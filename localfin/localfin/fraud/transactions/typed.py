"""One transaction typed in, in Korean or English: `금액: 5000만원, 시간: 새벽 3시, 위치: 해외`, or without the names.

It becomes one row of the same table as a file's, through the same conversion.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from localfin import amounts
from localfin.fraud.database import ZONE
from localfin.fraud.transactions import moments, values
from localfin.fraud.transactions.columns import ROLES, Columns, roles_of
from localfin.fraud.transactions.convert import RAW
from localfin.fraud.transactions.read import Loaded, cleared, insert, zone_named
from localfin.fraud.transactions.report import ReadReport
from localfin.text import clean_text
from localfin_models.errors import InputRefused
from localfin_models.language import _

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

LONGEST = 2000  # characters of a transaction typed in
_MARKS = re.compile("[:=：＝]")
_WORD = "[0-9.,억만천백십조]"
_FREE_AMOUNT = re.compile(
    rf"(?:[₩￦$€£]\s?[-\d]{_WORD}*|-?\d{_WORD}*(?:\s?\d{_WORD}*)*?\s?(?:원|달러|유로|엔|won|krw|usd|eur|dollars?)"
    rf"|-?\d{_WORD}*[억만]|(?:krw|usd|eur)\s?-?\d{_WORD}*)",
    re.IGNORECASE,
)
_CLOCK = (
    r"(?:(?:오전|오후|새벽|아침|낮|저녁|밤) ?)?"
    r"\d{1,2}(?:시(?: ?\d{1,2}분|반| 반)?|:\d{2}(?::\d{2})?)(?: ?[ap]\.?m\.?)?"
    r"|\d{1,2} ?[ap]\.?m\.?|정오|자정|noon|midnight"
)
_DAY = r"\d{4} ?[-./년] ?\d{1,2} ?[-./월] ?\d{1,2}일?"
_FREE_TIME = re.compile(rf"{_DAY}(?:[ T]+(?:{_CLOCK}))?|{_CLOCK}", re.IGNORECASE)
_RELATIVE = {"오늘": 0, "어제": 1, "그제": 2, "그저께": 2, "today": 0, "yesterday": 1}
_MONTH_DAY = re.compile(r"(\d{1,2}) ?월 ?(\d{1,2}) ?일(?: (.+))?")


@dataclass(frozen=True)
class Typed:
    """What a text says: for each role its words, and for the time a moment."""

    fields: Mapping[str, str]
    notes: list[str]


def parse(text: str, now: datetime) -> Typed:
    """The fields of one transaction; `now`, naive and local, dates a time of day: the last time it was that late.

    Raises InputRefused where there is no amount, or a part cannot be read.
    """
    if len(text) > LONGEST:
        raise InputRefused(_("a transaction typed in has at most {limit} characters").format(limit=LONGEST))
    text = unicodedata.normalize("NFC", text).strip()
    notes: list[str] = []
    fields = _named_fields(text) or _free_fields(text)
    if "amount" not in fields:
        raise InputRefused(
            _("no amount found; write for example: {example}").format(example=_("amount: ₩50,000, time: 3 am"))
        )
    try:
        amounts.amount(fields["amount"])
    except ValueError:
        raise InputRefused(_("{value!r} is no amount").format(value=clean_text(fields["amount"]))) from None
    if "date" in fields:
        fields["time"] = f"{fields.pop('date')} {fields.pop('clock', '')}".strip()
    fields["time"] = _when(fields.pop("clock", "") or fields.get("time", ""), now, notes)
    return Typed(fields, notes)


def read_typed(con: "DuckDBPyConnection", text: str, *, now: datetime | None = None, zone: str = ZONE) -> ReadReport:
    """Append the transaction that `text` describes to `transactions`, to be judged. Raises InputRefused as `parse`."""
    place = zone_named(zone)
    typed = parse(text, now or datetime.now(place).replace(tzinfo=None))
    roles = list(typed.fields)
    with cleared(con):
        con.execute(
            f"CREATE OR REPLACE TABLE {RAW} AS SELECT 1::BIGINT AS line, 0::BIGINT AS place, "
            + ", ".join(f"${at}::VARCHAR AS r_{role}" for at, role in enumerate(roles, 1)),
            list(typed.fields.values()),
        )
        loaded = Loaded(Columns({role: role for role in roles}), dict.fromkeys(roles, "VARCHAR"))
        return insert(con, loaded, place, typed.notes, shown=_("the text"), is_new=True)


def _named_fields(text: str) -> dict[str, str]:
    """`name: value` parts. A name counts where it is a column's; anything else belongs to the value before it."""
    found: list[tuple[str, int, int]] = []  # a name, where it begins, and where its value does
    for mark in _MARKS.finditer(text):
        begin = found[-1][2] if found else 0
        words = list(re.finditer(r"[^\s,;/]+", text[begin : mark.start()]))[-3:]
        for at in range(len(words)):  # the longest name that is known
            name = text[begin + words[at].start() : mark.start()].strip()
            if not re.search("[,;/\n]", name) and roles_of(name):
                found.append((name, begin + words[at].start(), mark.end()))
                break
    ends = [start for _name, start, _value in found[1:]] + [len(text)] * bool(found)
    fields: dict[str, str] = {}
    for (name, _start, begin), end in zip(found, ends, strict=True):
        value = text[begin:end].strip(" ,;/\n\t")
        role = _role(name, value)
        if role in fields:
            raise InputRefused(_("{role} is given twice").format(role=role))
        if value:
            fields[role] = value
    return fields


def _role(name: str, value: str) -> str:
    """The role a name proposes: 시간 is a clock before 새벽 3시, and a time before 2024-03-05 03:00."""
    proposed = roles_of(name)
    if "clock" in proposed:
        try:
            moments.clock(value)
        except ValueError:
            return "time"
        return "clock"
    return next(role for role in ("date", "time", *ROLES) if role in proposed)


def _free_fields(text: str) -> dict[str, str]:
    """새벽 3시에 해외에서 5000만원: amount, time and place found by how they look."""
    fields: dict[str, str] = {}
    if match := _FREE_AMOUNT.search(text):
        fields["amount"] = match[0].strip(" ,")
        text = f"{text[: match.start()]} {text[match.end() :]}"
    if match := _FREE_TIME.search(text):
        fields["time"] = match[0]
    for day in _RELATIVE:
        if day in text.lower():
            fields["time"] = f"{day} {fields.get('time', '')}".strip()
            break
    for word in re.findall(r"[^\W\d_]+", text):
        stem = re.sub(r"(?:에서|으로|에|로)$", "", word)
        if values.country(stem) in (values.FOREIGN, "KR") or (len(stem) > 2 and values.country(stem) != stem.upper()):
            fields["country"] = stem
            break
    return fields


def _when(text: str, now: datetime, notes: list[str]) -> str:
    """The time as the conversion reads it."""
    text = " ".join(text.split())
    if not text:
        notes.append(_("no time given; now was assumed"))
        return now.isoformat(" ", "seconds")
    for word, days in _RELATIVE.items():
        if text.lower().startswith(word):
            rest = text[len(word) :].strip()
            day = (now - timedelta(days=days)).date()
            return f"{day} {_clock(rest)}" if rest else f"{day} 00:00:00"
    if match := _MONTH_DAY.fullmatch(text):
        year = now.year if (int(match[1]), int(match[2])) <= (now.month, now.day) else now.year - 1
        return f"{year}-{int(match[1]):02}-{int(match[2]):02} {_clock(match[3]) if match[3] else '00:00:00'}"
    try:
        moment = moments.moment(text)
    except (ValueError, OverflowError):
        clock = _clock(text)
        moment = datetime.combine(now.date(), datetime.strptime(clock, "%H:%M:%S").time())
        if moment > now:
            moment -= timedelta(days=1)
        notes.append(_("no date given; {date} was assumed").format(date=moment.date()))
    return moment.isoformat(" ")


def _clock(text: str) -> str:
    try:
        return moments.clock(text).isoformat("seconds")
    except ValueError:
        raise InputRefused(_("{value!r} is no time").format(value=clean_text(text))) from None
