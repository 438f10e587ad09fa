"""Runs a call over a table's rows. What DuckDB adds up is exact; what is divided is divided here, in Decimal."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any

from localfin.computed import Computed, Value
from localfin.tables import query, wording
from localfin.tables.call import MOST, Call, Measure, call_from, checked
from localfin.tables.opened import Opened, opened
from localfin.tables.table import Column, Table
from localfin.text import clean_text
from localfin_models.errors import InputRefused
from localfin_models.language import _

_EXACT = Context(prec=60)
PERCENT_PLACES = 2
RATIO_PLACES = 4


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure."""

    value: Decimal | date
    rows: int
    missing: int
    """Rows that pass the filters and have no number."""
    unit: str


def run(call: Call | Mapping[str, Any], table: Table, language: str = "en") -> Computed:
    """The call's result, with the query that ran. `call` may be the JSON object that a model wrote under the grammar.

    Raises InputRefused where the call does not fit the table, or has no answer in it: no row passes, one figure was
    asked for and several rows pass, figures of different units, a division by zero.
    """
    asked = checked(call, table) if isinstance(call, Call) else call_from(call, table)
    with opened(table) as rows:
        return run_in(rows, asked, table, language)


def run_in(rows: Opened, call: Call, table: Table, language: str) -> Computed:
    """As `run`, for rows that are open already and a call that was checked."""
    if call.do == "rows":
        return _rows(rows, call, table, language)
    if call.by is not None:
        return _groups(rows, call, table, language)
    return _figures(rows, call, table, language)


def _figures(rows: Opened, call: Call, table: Table, language: str) -> Computed:
    sql = [query.figure(measure, table) for measure in (call.of, call.against) if measure is not None]
    of = _figure(rows, sql[0], call.of, table)
    against = _figure(rows, sql[1], call.against, table) if call.against else None
    result, unit = _combined(call, of, against)
    values: dict[str, Value] = {"result": _plain(result)}
    if against is not None:
        values |= {"of": _plain(of.value), "against": _plain(against.value)}
    values["rows"] = of.rows + (against.rows if against else 0)
    missing = of.missing + (against.missing if against else 0)
    nil = {0, Decimal(0)}.intersection(figure.value for figure in (of, against) if figure is not None)
    summed = call.of.what in ("sum", "average", "minimum", "count")
    notes = _notes(values, missing, table, dashes=bool(nil) or summed)
    text = wording.of_figures(call, table, (result, unit), of, against, language)
    return _computed(
        call, values, text + wording.of_notes(notes, values["rows"], language), ";\n".join(sql), table, language
    )


def _combined(call: Call, of: Figure, against: Figure | None) -> tuple[Decimal | date, str]:
    if against is None:
        return of.value, of.unit
    first, second = of.value, against.value
    if not isinstance(first, Decimal) or not isinstance(second, Decimal):
        raise InputRefused(_("only numbers are compared"))
    if of.unit != against.unit:
        raise InputRefused(_("the two figures have different units: {a} and {b}").format(a=of.unit, b=against.unit))
    if call.do in ("difference", "gap"):
        found = first - second
        return abs(found) if call.do == "gap" else found, "%p" if of.unit == "%" else of.unit
    if second == 0:
        raise InputRefused(_("nothing can be compared with a figure of 0 by division"))
    if call.do == "growth":
        if second < 0 < first:
            raise InputRefused(_("there is no percentage of growth from a negative figure to a positive one"))
        return _divided((first - second) * 100, second, PERCENT_PLACES), "%"
    if call.do == "share":
        return _divided(first * 100, second, PERCENT_PLACES), "%"
    return _divided(first, second, RATIO_PLACES), ""


def _divided(a: Decimal, b: Decimal, places: int) -> Decimal:
    return _EXACT.divide(a, b).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP, _EXACT)


def _figure(rows: Opened, sql: str, measure: Measure, table: Table) -> Figure:
    [(figure, counted, count, units)] = rows.all(sql)
    if measure.what == "count":
        return Figure(Decimal(counted), count, count - counted, "")
    if not counted:
        raise InputRefused(_("no row of the table has that figure"))
    if measure.what == "value" and counted > 1:
        raise InputRefused(_("{count} rows of the table have that figure").format(count=counted))
    if units is not None and len(units) > 1:
        raise InputRefused(_("percentages and amounts are not counted together"))
    column = table.column(measure.column or "")
    unit = (units[0] if units else "") or column.unit
    if measure.what == "average":
        figure = averaged(figure, counted, column.scale)
    return Figure(figure, count, count - counted, unit)


def averaged(total: Decimal, count: int, scale: int) -> Decimal:
    """The mean with two digits more than the numbers have, half up."""
    return _divided(total, Decimal(count), scale + 2)


def _groups(rows: Opened, call: Call, table: Table, language: str) -> Computed:
    sql = query.groups(call)
    found = rows.all(sql)
    if not found:
        raise InputRefused(_("no row of the table has that figure"))
    column = table.column(call.of.column) if call.of.column else None
    values: dict[str, Value] = {}
    lines: list[tuple[str, Decimal | date]] = []
    for key, figure, counted, _count in found[:MOST]:
        value = averaged(figure, counted, column.scale if column else 0) if call.of.what == "average" else figure
        value = Decimal(value) if isinstance(value, int) else value
        monthly = call.by is not None and call.by.part == "value" and table.column(call.by.column).monthly
        lines.append((str(key)[: len("2024-03")] if monthly else clean_text(str(key)), value))
        values[lines[-1][0]] = _plain(value)
    if call.order:
        values = {"result": ", ".join(key for key, _value in lines), **values} if call.limit == 1 else values
    notes = _notes(values, sum(row[3] - row[2] for row in found), table)
    unit = column.unit if column and call.of.what != "count" else ""
    text = wording.of_groups(call, table, lines, unit, len(found) > MOST, language)
    return _computed(call, values, text + wording.of_notes(notes, None, language), sql, table, language)


def _rows(rows: Opened, call: Call, table: Table, language: str) -> Computed:
    sql, shown = query.rows(call, table)
    found = rows.all(sql)
    if not found:
        raise InputRefused(_("no row of the table has that figure"))
    lines: list[tuple[str, Decimal | date]] = []
    values: dict[str, Value] = {}
    for figure, *others in found[:MOST]:
        named = zip(shown[1:], others, strict=True)
        label = ", ".join(_label(other, table.column(at)) for at, other in named if other is not None) or shown[0]
        key, number = label, 1
        while key in values:
            number += 1
            key = f"{label} ({number})"
        lines.append((key, figure))
        values[key] = _plain(figure)
    if call.limit == 1:
        values = {"result": ", ".join(key for key, _value in lines), **values}
    notes = _notes(values, 0, table)
    text = wording.of_rows(call, table, lines, len(found) > MOST, language)
    return _computed(call, values, text + wording.of_notes(notes, None, language), sql, table, language)


def _label(value: object, column: Column) -> str:
    """A cell as a customer wrote it: a month without the day that stands for it."""
    return f"{value:%Y-%m}" if column.monthly and isinstance(value, date) else clean_text(str(value))


def _notes(values: dict[str, Value], missing: int, table: Table, *, dashes: bool = False) -> dict[str, int]:
    """What a customer must know of the rows; its figures join the values."""
    notes = {
        "missing": missing,
        "totals left out": table.totals,
        "not numbers": table.not_numbers if missing else 0,
        "dashes": table.dashes if dashes else 0,
    }
    notes = {key: count for key, count in notes.items() if count}
    values.update(notes)
    return notes


def _plain(value: Decimal | date) -> Value:
    """Without zeros at the end of a fraction."""
    if isinstance(value, date):
        return value.isoformat()
    return value.quantize(Decimal(1)) if value == value.to_integral_value() else Decimal(f"{value:f}".rstrip("0"))


def _computed(call: Call, values: Mapping[str, Value], text: str, sql: str, table: Table, language: str) -> Computed:
    return Computed(
        "table", call.as_json(), values, text, f"{wording.of_formula(call, table, language)}\n{sql}", table.source
    )
