"""What may be asked of a table: a small record, held against the table's real columns. Never SQL.

As JSON: {"do": "value", "what": "sum", "column": "금액", "where": [{"column": "분류", "is": "=", "value": "식비"}]},
with `by`, `order` and `limit` for groups and rows, and `against` for the second figure of a comparison.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, cast, get_args

from localfin.tables.table import Column, Table
from localfin_models.errors import InputRefused
from localfin_models.language import _

Do = Literal["value", "difference", "gap", "growth", "ratio", "share", "rows"]
What = Literal["count", "sum", "average", "minimum", "maximum", "value"]
Is = Literal["=", "!=", "<", "<=", ">", ">=", "contains"]
Part = Literal["value", "year", "quarter", "month", "day"]
Order = Literal["highest", "lowest"]
Scalar = Decimal | date | str

MOST = 100
"""Groups or rows that one answer shows."""
_LONGEST = 200
_OF_KIND: Mapping[str, tuple[str, ...]] = {
    "text": ("=", "!=", "contains"),
    "number": ("=", "!=", "<", "<=", ">", ">="),
    "date": ("=", "!=", "<", "<=", ">", ">="),
}


@dataclass(frozen=True, slots=True)
class Filter:
    """Rows whose `column` is so; of several values any will do, which only `=`, `!=` and `contains` take."""

    column: str
    is_: Is
    value: Scalar | tuple[Scalar, ...]

    def values(self) -> tuple[Scalar, ...]:
        return self.value if isinstance(self.value, tuple) else (self.value,)


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure: `what` of a column over the rows that pass every filter."""

    what: What
    column: str | None
    """None for a count of rows."""
    where: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    column: str
    part: Part = "value"
    """Of a date: all of its year, quarter, month or day go together."""


@dataclass(frozen=True, slots=True)
class Call:
    do: Do
    """`value`: `of` alone, for each group where there is one. `difference`: of - against, `gap`: without its sign.
    `growth`: that in percent of against. `ratio`: of / against. `share`: that in percent. `rows`: the rows with the
    highest or lowest figures."""
    of: Measure
    against: Measure | None = None
    by: Group | None = None
    order: Order | None = None
    limit: int | None = None

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"do": self.do, **_measure_json(self.of)}
        if self.against:
            found["against"] = _measure_json(self.against)
        if self.by:
            found["by"] = {"column": self.by.column, "part": self.by.part}
        if self.order:
            found["order"] = self.order
        if self.limit is not None:
            found["limit"] = self.limit
        return found


def call_from(given: object, table: Table) -> Call:
    """The call that a JSON object is. Raises InputRefused where it is none, or not one of this table."""
    if not isinstance(given, Mapping):
        raise InputRefused(_("a call of a table is a JSON object"))
    fields = cast("Mapping[str, Any]", given)
    against, by, limit = fields.get("against"), fields.get("by"), fields.get("limit")
    call = Call(
        _one_of(fields.get("do"), Do),
        _measure(fields, table),
        _measure(against, table) if against is not None else None,
        Group(_text(by, "column"), _one_of(by.get("part", "value"), Part)) if isinstance(by, Mapping) else None,
        _one_of(fields["order"], Order) if fields.get("order") is not None else None,
        int(limit) if isinstance(limit, int | Decimal) and not isinstance(limit, bool) else None,
    )
    return checked(call, table)


def checked(call: Call, table: Table) -> Call:
    """The call, with every value in its column's kind. Raises InputRefused where it does not fit the table."""
    if (call.against is not None) != (call.do in ("difference", "gap", "growth", "ratio", "share")):
        raise InputRefused(_("a comparison needs two figures, and anything else one"))
    if call.do == "rows" and (call.order is None or call.limit is None or call.of.column is None):
        raise InputRefused(_("rows are asked for with a column, an order and a limit"))
    if call.limit is not None and not 1 <= call.limit <= MOST:
        raise InputRefused(_("the limit is 1 to {most}").format(most=MOST))
    if call.by is not None:
        column = _column(call.by.column, table)
        if call.do != "value" or call.of.what == "value":
            raise InputRefused(_("only a count, a sum, an average or an extreme goes by groups"))
        if call.by.part != "value" and column.kind != "date":
            raise InputRefused(_("{column} holds no dates").format(column=column.name))
    against = _fitting(call.against, table) if call.against else None
    return replace(call, of=_fitting(call.of, table, rows=call.do == "rows"), against=against)


def _fitting(measure: Measure, table: Table, *, rows: bool = False) -> Measure:
    if measure.column is None and measure.what != "count":
        raise InputRefused(_("{what} needs a column").format(what=measure.what))
    if measure.column is not None:
        column = _column(measure.column, table)
        if measure.what in ("sum", "average", "value") and column.kind != "number":
            raise InputRefused(_("{column} holds no numbers").format(column=column.name))
        if (measure.what in ("minimum", "maximum") or rows) and column.kind == "text":
            raise InputRefused(_("{column} has no order").format(column=column.name))
    return replace(measure, where=tuple(_typed(rule, _column(rule.column, table)) for rule in measure.where))


def _typed(rule: Filter, column: Column) -> Filter:
    if rule.is_ not in _OF_KIND[column.kind]:
        raise InputRefused(_("{column} cannot be compared by {sign}").format(column=column.name, sign=rule.is_))
    values = tuple(_as_kind(value, column) for value in rule.values())
    if not values or (len(values) > 1 and rule.is_ not in ("=", "!=", "contains")):
        raise InputRefused(_("{column} is compared with one value").format(column=column.name))
    return replace(rule, value=values if len(values) != 1 else values[0])


def _as_kind(value: object, column: Column) -> Scalar:
    try:
        if column.kind == "number" and not isinstance(value, date):
            return _finite(Decimal(str(value)))
        if column.kind == "date":
            return value if isinstance(value, date) else date.fromisoformat(str(value))
    except (ValueError, InvalidOperation):
        raise InputRefused(_("{value} is no value of {column}").format(value=value, column=column.name)) from None
    text = str(value)
    if len(text) > _LONGEST:
        raise InputRefused(_("a value of {column} is too long").format(column=column.name))
    return text


def _finite(value: Decimal) -> Decimal:
    if not value.is_finite() or abs(value) >= Decimal(10) ** 25:
        raise ValueError(value)
    return value


def _measure(given: object, table: Table) -> Measure:
    if not isinstance(given, Mapping):
        raise InputRefused(_("a call of a table is a JSON object"))
    fields = cast("Mapping[str, Any]", given)
    rules = fields.get("where") or []
    if not isinstance(rules, list):
        raise InputRefused(_("the filters of a call are a list"))
    where = tuple(_filter(rule) for rule in cast("list[object]", rules))
    column = fields.get("column")
    return Measure(_one_of(fields.get("what", "value"), What), None if column is None else str(column), where)


def _filter(given: object) -> Filter:
    if not isinstance(given, Mapping):
        raise InputRefused(_("the filters of a call are a list"))
    fields = cast("Mapping[str, Any]", given)
    value = fields.get("value", "")
    found: tuple[Any, ...] = tuple(value) if isinstance(value, list) else (value,)
    return Filter(_text(fields, "column"), _one_of(fields.get("is", "="), Is), found)


def _measure_json(measure: Measure) -> dict[str, Any]:
    rules = [
        {"column": rule.column, "is": rule.is_, "value": [str(v) for v in rule.values()]}
        if isinstance(rule.value, tuple)
        else {"column": rule.column, "is": rule.is_, "value": str(rule.value)}
        for rule in measure.where
    ]
    return {"what": measure.what, "column": measure.column, "where": rules}


def _one_of(value: object, kind: Any) -> Any:
    if value not in get_args(kind):
        raise InputRefused(_("{value} is not one of {allowed}").format(value=value, allowed=", ".join(get_args(kind))))
    return value


def _text(given: Mapping[Any, Any], name: str) -> str:
    return str(given.get(name, ""))


def _column(name: str, table: Table) -> Column:
    try:
        return table.column(name)
    except KeyError:
        raise InputRefused(_("the table has no column {column}").format(column=name)) from None
