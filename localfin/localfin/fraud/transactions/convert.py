"""From raw columns to typed ones, in SQL; what SQL cannot read goes through Python once for each distinct value.

SQL reads the usual shapes (123.45, 2024-03-05 15:30:00), Python all others, and the two agree where both can read.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

from localfin import amounts
from localfin.fraud.transactions import moments, values
from localfin.fraud.transactions.columns import Columns
from localfin.fraud.transactions.time_sql import time_sql
from localfin.text import clean_text
from localfin_models.language import _

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

RAW, STAGED, FINAL = "localfin_raw", "localfin_staged", "localfin_final"
CLOSED = 1000  # values that a closed category may have
_BATCH = 20_000  # distinct values read in Python at once
_EPOCH = datetime(1970, 1, 1)
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_KEY = "'[!-~가-힣]+( [!-~가-힣]+)*'"
_NO_VALUE = ", ".join(f"'{word}'" for word in sorted(values.MISSING))


@dataclass(frozen=True)
class _Fast:
    """How SQL reads a role's text: `value` is NULL where it can't, and Python's `read` gets what is left."""

    text: str
    value: str
    read: Callable[[str], tuple[Any, str | None]]
    kind: str = "VARCHAR"


class Conversion:
    """One file's raw columns, being read. `origin` is what to select from: line, place and r_ROLE for each role.

    Two passes: all rows through SQL into STAGED, where a text that SQL can't read stays beside as x_ROLE; then the
    distinct ones of these through Python, and the join of both is FINAL.
    """

    def __init__(
        self, con: "DuckDBPyConnection", origin: str, columns: Columns, kinds: Mapping[str, str], notes: list[str]
    ) -> None:
        self.con, self.origin, self.columns, self.kinds, self.notes = con, origin, columns, kinds, notes
        self._selected: list[str] = []  # of STAGED
        self._fast: dict[str, _Fast] = {}

    def run(self) -> None:
        """Make FINAL: line, place, the typed columns and `reason`, NULL for a good row."""
        self._times()
        for role in ("amount", "debit", "credit"):
            self._amount(role)
        for role in ("id", "customer", "counterparty", "memo"):
            self._key(role)
        for role in ("channel", "category", "country", "currency"):
            self._closed(role)
        self._label()
        self._place()
        for role, fast in self._fast.items():
            self._selected.append(f"{fast.value} AS v_{role}")
            left = f"v_{role} IS NULL AND {fast.text} <> ''"
            self._selected.append(f"CASE WHEN {left} THEN {fast.text} END AS x_{role}")
        self.con.execute(
            f"CREATE OR REPLACE TABLE {STAGED} AS SELECT line, place, {', '.join(self._selected)} FROM {self.origin}"
        )
        joins = {f"m_{role}": self._mapped(role, fast) for role, fast in self._fast.items()}
        self._finish({table: join for table, join in joins.items() if join})

    def _finish(self, mapped: Mapping[str, str]) -> None:
        values_of = {role: self._value(role, mapped) for role in _TYPES}
        faults = [
            f"WHEN m_{role}.wrong THEN '{role}' || chr(31) || left(x_{role}, 60)"
            for role in self._fast
            if f"m_{role}" in mapped
        ]
        local, instant = "local_given", "utc_given"
        if "m_time" in mapped:
            local = "coalesce(local_given, CASE WHEN m_time.extra IS NULL THEN make_timestamp(m_time.value) END)"
            instant = "coalesce(utc_given, CASE WHEN m_time.extra = 'utc' THEN make_timestamp(m_time.value) END)"
        amount, named = self._amount_of(values_of, mapped)
        years = f"year(coalesce({local}, {instant})) BETWEEN {moments.FIRST_YEAR} AND {moments.LAST_YEAR}"
        faults += [
            f"WHEN coalesce({local}, {instant}) IS NULL THEN 'no time'",
            f"WHEN NOT ({years}) THEN 'time' || chr(31) || CAST(coalesce({local}, {instant}) AS VARCHAR)",
            f"WHEN {amount} IS NULL THEN 'no amount'",
            f"WHEN NOT isfinite({amount}) OR abs({amount}) >= 1e15 "
            f"THEN 'amount' || chr(31) || CAST({amount} AS VARCHAR)",
        ]
        kept = [f"{value} AS {role}" for role, value in values_of.items() if role not in ("amount", "debit", "credit")]
        self.con.execute(
            f"CREATE OR REPLACE {'TABLE' if mapped else 'VIEW'} {FINAL} AS SELECT line, place, {local} AS local_given, "
            f"{instant} AS utc_given, {amount} AS amount, {named} AS named_currency, latitude, longitude, "
            f"{', '.join(kept)}, CASE {' '.join(faults)} END AS reason FROM {STAGED} {' '.join(mapped.values())}"
        )

    def _value(self, role: str, mapped: Mapping[str, str]) -> str:
        if role not in self._fast:
            return f"NULL::{_TYPES[role]}"
        return f"coalesce(v_{role}, m_{role}.value)" if f"m_{role}" in mapped else f"v_{role}"

    def _amount_of(self, values_of: Mapping[str, str], mapped: Mapping[str, str]) -> tuple[str, str]:
        if "amount" in self._fast:
            value = values_of["amount"]
        else:
            # What leaves the account counts as it stands, what comes in with a minus, as a refund does.
            value = (
                f"coalesce(nullif({values_of['debit']}, 0), -nullif({values_of['credit']}, 0), "
                f"{values_of['debit']}, {values_of['credit']})"
            )
            if "credit" in self._fast:
                self.notes.append(_("what comes in is counted as a negative amount"))
        extras = [f"m_{role}.extra" for role in ("amount", "debit", "credit") if f"m_{role}" in mapped]
        named = f"coalesce({', '.join(extras)}, NULL)" if extras else "NULL::VARCHAR"
        return (value if self.columns.scale == 1 else f"({value}) * {self.columns.scale}"), named

    def _mapped(self, role: str, fast: _Fast) -> str:
        """Read the distinct texts that SQL left into a table m_ROLE, in batches; the join to it, or nothing."""
        con, table, leftovers = self.con, f"localfin_m_{role}", "localfin_left"
        con.execute(
            f"CREATE OR REPLACE TABLE {leftovers} AS SELECT DISTINCT x_{role} AS v FROM {STAGED} "
            f"WHERE x_{role} IS NOT NULL"
        )
        count = cast("tuple[int]", con.execute(f"SELECT count(*) FROM {leftovers}").fetchone())[0]
        if count:
            con.execute(f"CREATE OR REPLACE TABLE {table} (v VARCHAR, value {fast.kind}, extra VARCHAR, wrong BOOLEAN)")
        for start in range(0, count, _BATCH):
            texts = con.execute(
                f"SELECT v FROM {leftovers} WHERE rowid >= ? AND rowid < ?", [start, start + _BATCH]
            ).fetchall()
            read = [(value, *_attempt(fast.read, value)) for (value,) in texts]
            con.execute(
                f"INSERT INTO {table} SELECT unnest($1::VARCHAR[]), unnest($2::{fast.kind}[]), "
                "unnest($3::VARCHAR[]), unnest($4::BOOLEAN[])",
                [list(column) for column in zip(*read, strict=True)],
            )
        con.execute(f"DROP TABLE {leftovers}")
        return f"LEFT JOIN {table} AS m_{role} ON m_{role}.v = x_{role}" if count else ""

    def drop(self) -> None:
        """Leave nothing behind in the connection but the transactions."""
        for kind in ("VIEW", "TABLE"):
            found = self.con.execute(
                "SELECT 1 FROM information_schema.tables WHERE table_name = ? AND table_type = ?",
                [FINAL, "VIEW" if kind == "VIEW" else "BASE TABLE"],
            ).fetchone()
            if found:
                self.con.execute(f"DROP {kind} {FINAL}")
        for name in (STAGED, "localfin_left", *(f"localfin_m_{role}" for role in self._fast)):
            self.con.execute(f"DROP TABLE IF EXISTS {name}")

    # -- what SQL reads of each role

    def _text(self, role: str) -> str:
        """The raw column as text; whole numbers held as doubles (a column with gaps, from pandas) lose their `.0`."""
        column, kind = f"r_{role}", self.kinds[role]
        if kind == "VARCHAR":
            return f"trim({column})"
        if kind in ("DOUBLE", "FLOAT"):
            whole = f"isfinite({column}) AND {column} = trunc({column}) AND abs({column}) < 1e18"
            return (
                f"CASE WHEN {whole} THEN CAST(CAST({column} AS BIGINT) AS VARCHAR) ELSE CAST({column} AS VARCHAR) END"
            )
        return f"CAST({column} AS VARCHAR)"

    def _times(self) -> None:
        local, instant, kind = "NULL::TIMESTAMP", "NULL::TIMESTAMP", self.kinds.get("time", "VARCHAR")
        if kind == "DATE" or kind.startswith("TIMESTAMP"):
            given = "CAST(r_time AS TIMESTAMP)" if "ZONE" not in kind else "make_timestamp(epoch_us(r_time))"
            given = f"CASE WHEN isfinite(r_time) THEN {given} END"
            local, instant = (local, given) if "ZONE" in kind else (given, instant)
        else:
            text = self._text("time") if "time" in self.kinds else self._day_and_clock()
            order = self._order(text)
            local, instant = time_sql(text, order)
            fast = _Fast(
                text, "coalesce(local_given, utc_given)", lambda v: _microseconds(moments.moment(v, order)), "BIGINT"
            )
            self._fast["time"] = fast
        self._selected += [f"{local} AS local_given", f"CASE WHEN local_given IS NULL THEN {instant} END AS utc_given"]

    def _day_and_clock(self) -> str:
        # A spreadsheet writes a date's midnight beside the clock of the next column.
        day = rf"regexp_replace({self._text('date')}, '[ T]0?0:00(:00(\.0+)?)?$', '')"
        return f"trim({day} || ' ' || coalesce({self._text('clock')}, ''))"

    def _order(self, text: str) -> moments.Order | None:
        """The order of day, month and year that reads most of a column's short dates; said where two read as many."""
        pattern = r"'^(\d{1,2})[-./] ?(\d{1,2})[-./] ?(\d{4}|\d{2})(\D|$)'"
        parts = ", ".join(
            f"TRY_CAST(regexp_extract(v, {pattern}, {at}) AS INTEGER) AS {name}" for at, name in enumerate("abc", 1)
        )
        row = self.con.execute(
            f"SELECT count(*) FILTER (a <= 31 AND b <= 12), count(*) FILTER (a <= 12 AND b <= 31), "
            f"count(*) FILTER (c < 100 AND b <= 12 AND c <= 31) FROM (SELECT v, {parts} FROM "
            f"(SELECT {text} AS v FROM {self.origin}) WHERE v[2:3] SIMILAR TO '.*[-./].*')"
        ).fetchone()
        dmy, mdy, ymd = cast("tuple[int, int, int]", row)
        counts: dict[moments.Order, int] = {"ymd": ymd, "mdy": mdy, "dmy": dmy}
        most = max(counts.values())
        if not most:
            return None
        best: list[moments.Order] = [order for order, count in counts.items() if count == most]
        if len(best) > 1:
            names = {"ymd": _("year, month, day"), "mdy": _("month, day, year"), "dmy": _("day, month, year")}
            self.notes.append(
                _("the dates read as {others} too; {order} was assumed").format(
                    order=names[best[0]], others=" / ".join(names[order] for order in best[1:])
                )
            )
        return best[0]

    def _amount(self, role: str) -> None:
        if role not in self.kinds:
            return
        kind, text = self.kinds[role], self._text(role)
        if kind in (*_NUMBERS, "DOUBLE", "FLOAT") or kind.startswith("DECIMAL"):
            value = f"CAST(r_{role} AS DOUBLE)"  # NaN is how pandas writes a gap
            self._fast[role] = _Fast("''", f"CASE WHEN NOT isnan({value}) THEN {value} END", _amount, "DOUBLE")
            return
        value = (
            rf"CASE WHEN regexp_full_match({text}, '[+-]?\d{{1,15}}(\.\d{{1,9}})?') THEN TRY_CAST({text} AS DOUBLE) "
            rf"WHEN regexp_full_match({text}, '[+-]?\d{{1,3}}(,\d{{3}}){{1,4}}(\.\d{{1,9}})?') "
            rf"THEN TRY_CAST(replace({text}, ',', '') AS DOUBLE) END"
        )
        self._fast[role] = _Fast(text, value, _amount, "DOUBLE")

    def _key(self, role: str) -> None:
        if role not in self.kinds:
            return
        text = self._text(role)
        value = (
            f"CASE WHEN length({text}) <= {values.LONGEST} AND regexp_full_match({text}, {_KEY}) "
            f"AND lower({text}) NOT IN ({_NO_VALUE}) THEN {text} END"
        )
        whole = self.kinds[role] in _NUMBERS
        self._fast[role] = _Fast(text, text if whole else value, _memo if role == "memo" else _alone(values.key))

    def _closed(self, role: str) -> None:
        if role not in self.kinds:
            return
        text = self._text(role)
        row = self.con.execute(f"SELECT approx_count_distinct({text}) FROM {self.origin}").fetchone()
        if row is None or row[0] > CLOSED:
            self.notes.append(
                _("{column} has too many values for a category and is left out").format(column=self.columns.roles[role])
            )
            return
        read = {"country": values.country, "currency": _currency}.get(role, values.category)
        self._fast[role] = _Fast(text, "NULL::VARCHAR", _alone(read))

    def _label(self) -> None:
        if "label" not in self.kinds:
            return
        if self.kinds["label"] == "BOOLEAN":
            self._fast["label"] = _Fast("''", "r_label", _alone(values.label), "BOOLEAN")
            return
        text = self._text("label")
        value = f"CASE {text} WHEN '0' THEN false WHEN '1' THEN true END"
        self._fast["label"] = _Fast(text, value, _alone(values.label), "BOOLEAN")

    def _place(self) -> None:
        if "latitude" not in self.kinds:
            self._selected += ["NULL::DOUBLE AS latitude", "NULL::DOUBLE AS longitude"]
            return
        north, east = (f"TRY_CAST(r_{role} AS DOUBLE)" for role in ("latitude", "longitude"))
        # 0, 0 is where a form without coordinates puts everybody.
        there = f"abs({north}) <= 90 AND abs({east}) <= 180 AND NOT ({north} = 0 AND {east} = 0)"
        for role, value in (("latitude", north), ("longitude", east)):
            self._selected.append(f"CASE WHEN {there} THEN {value} END AS {role}")


_TYPES = {
    "amount": "DOUBLE", "debit": "DOUBLE", "credit": "DOUBLE", "id": "VARCHAR", "customer": "VARCHAR",
    "counterparty": "VARCHAR", "memo": "VARCHAR", "channel": "VARCHAR", "category": "VARCHAR", "country": "VARCHAR",
    "currency": "VARCHAR", "label": "BOOLEAN",
}  # fmt: skip


def _alone(read: Callable[[str], object]) -> Callable[[str], tuple[Any, str | None]]:
    return lambda text: (read(text), None)


def _amount(text: str) -> tuple[float | None, str | None]:
    if values.missing(text):
        return None, None
    found = amounts.amount(text)
    return float(found.value), found.currency


def _memo(text: str) -> tuple[str | None, str | None]:
    return values.key(text[: values.LONGEST]), None


def _attempt(read: Callable[[str], tuple[Any, str | None]], value: str) -> tuple[Any, str | None, bool]:
    try:
        return (*read(value), False)
    except (ValueError, OverflowError):
        return None, None, True


def _currency(text: str) -> str | None:
    return None if values.missing(text) else amounts.currency(text)


def _microseconds(moment: datetime) -> tuple[int, str | None]:
    aware = moment.tzinfo is not None
    naive = moment.astimezone(UTC).replace(tzinfo=None) if aware else moment
    return (naive - _EPOCH) // timedelta(microseconds=1), "utc" if aware else None


def reason_text(coded: str) -> str:
    """The sentence for a `reason` of STAGED."""
    code, _separator, value = coded.partition("\x1f")
    if code in ("no time", "no amount"):
        return _("has no time") if code == "no time" else _("has no amount")
    texts = {
        "time": _("{value!r} is no time"),
        "amount": _("{value!r} is no amount"),
        "label": _("{value!r} is no label"),
        "currency": _("{value!r} is no currency"),
    }
    value = clean_text(value).replace("\n", " ")
    if code in texts:
        return texts[code].format(value=value)
    return _("{role} is longer than {limit} characters").format(role=code, limit=values.LONGEST)
