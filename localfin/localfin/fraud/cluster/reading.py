"""From a history's columns, as Spark finds them, to typed ones: SQL for the usual shapes, Python for all others.

The same readers as for files on this machine (`localfin.fraud.transactions`): what SQL cannot read is sent here once
for each distinct text, and its reading goes back as a table to join.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from localfin import amounts
from localfin.fraud.transactions import moments, values

READ = "localfin_read"
"""The view of what Python read: role, x (the text), number, whole, flag, text, extra, wrong."""
_KEY = "'^[!-~가-힣]+( [!-~가-힣]+)*$'"
_NO_VALUE = ", ".join(f"'{word}'" for word in sorted(values.MISSING - {"\\n"}))
_EPOCH = datetime(1970, 1, 1)
_NANOSECONDS = 10**17
"""From here on a whole number is a time in nanoseconds: 1973; in milliseconds it would be the year three million."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One role: `value` is SQL, and NULL where it cannot read `text`; then Python's `read` does."""

    kind: str
    """number, whole, flag or text: the column of READ that holds it."""
    text: str
    value: str
    read: Callable[[str], tuple[Any, str | None]]


def readings(roles: Mapping[str, str], types: Mapping[str, str]) -> dict[str, Reading]:
    """Of the roles that signals need. `types` are Spark's types by the column's name."""
    made: dict[str, Reading] = {}
    for role, name in roles.items():
        column, kind = quoted(name), types[name]
        if role == "time":
            made[role] = _time(column, kind)
        elif role in ("amount", "debit", "credit"):
            made[role] = _amount(column, kind)
        elif role in ("customer", "counterparty"):
            text = as_text(column, kind)
            usual = f"length({text}) <= {values.LONGEST} AND {text} RLIKE {_KEY} AND lower({text}) NOT IN ({_NO_VALUE})"
            made[role] = Reading("text", text, f"CASE WHEN {usual} THEN {text} END", _alone(values.key))
        elif role in ("country", "currency"):
            reader = values.country if role == "country" else _currency
            made[role] = Reading("text", as_text(column, kind), "CAST(NULL AS STRING)", _alone(reader))
        elif role == "label":
            text = as_text(column, kind)
            value = f"CASE {text} WHEN '0' THEN FALSE WHEN '1' THEN TRUE END"
            made[role] = Reading("flag", text, column if kind == "boolean" else value, _alone(values.label))
    return made


def as_text(column: str, kind: str) -> str:
    """A column as text; whole numbers held as doubles (a column with gaps, from pandas) lose their `.0`."""
    if kind in ("double", "float"):
        whole = f"{column} = floor({column}) AND abs({column}) < 1e18"
        return f"CASE WHEN {whole} THEN CAST(CAST({column} AS BIGINT) AS STRING) ELSE CAST({column} AS STRING) END"
    return f"trim(CAST({column} AS STRING))"


def sampled(column: str, kind: str, *, is_time: bool) -> str:
    """A column's text as the recognition of columns knows it: nanoseconds are shown as the time that they are."""
    if kind == "bigint" and is_time:
        shown = f"CAST(timestamp_micros({column} DIV 1000) AS STRING)"
        return f"CASE WHEN {column} >= {_NANOSECONDS} THEN {shown} ELSE CAST({column} AS STRING) END"
    return f"CAST({column} AS STRING)"


def quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"


def _time(column: str, kind: str) -> Reading:
    """Microseconds since 1970; `extra` (and `instant_of`) tells whether in UTC or by the clock on the wall."""
    if kind.startswith("timestamp") or kind == "date":
        return Reading("whole", "''", f"unix_micros(CAST({column} AS TIMESTAMP))", _moment)
    text = as_text(column, kind)
    shape = r"'^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}$'"
    value = f"CASE WHEN {text} RLIKE {shape} THEN unix_micros(try_cast({text} AS TIMESTAMP))"
    if kind == "bigint":
        value += f" WHEN {column} >= {_NANOSECONDS} THEN {column} DIV 1000"
    return Reading("whole", text, f"{value} END", _moment)


def _amount(column: str, kind: str) -> Reading:
    if kind in ("double", "float") or kind.startswith(("decimal", "bigint", "int", "smallint", "tinyint")):
        value = f"CAST({column} AS DOUBLE)"
        return Reading("number", "''", f"CASE WHEN NOT isnan({value}) THEN {value} END", _money)
    text = as_text(column, kind)
    plain, grouped = r"'^[+-]?[0-9]{1,15}([.][0-9]{1,9})?$'", r"'^[+-]?[0-9]{1,3}(,[0-9]{3}){1,4}([.][0-9]{1,9})?$'"
    value = (
        f"CASE WHEN {text} RLIKE {plain} THEN try_cast({text} AS DOUBLE) "
        f"WHEN {text} RLIKE {grouped} THEN try_cast(replace({text}, ',', '') AS DOUBLE) END"
    )
    return Reading("number", text, value, _money)


def _alone(read: Callable[[str], Any]) -> Callable[[str], tuple[Any, str | None]]:
    return lambda text: (read(text), None)


def _currency(text: str) -> str | None:
    return None if values.missing(text) else amounts.currency(text)


def _money(text: str) -> tuple[float | None, str | None]:
    if values.missing(text):
        return None, None
    found = amounts.amount(text)
    return float(found.value), found.currency


def _moment(text: str) -> tuple[int, str | None]:
    """Days written as 03/04/2024 are refused: which is the month would have to be asked of all rows."""
    found = moments.moment(text)
    aware = found.tzinfo is not None
    naive = found.astimezone(UTC).replace(tzinfo=None) if aware else found
    return (naive - _EPOCH) // timedelta(microseconds=1), "utc" if aware else None
