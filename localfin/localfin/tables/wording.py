"""The words of a result, in Korean and English. Every figure in them is one of the call's or of the result's."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from localfin.computed import Value
from localfin.tables.call import Call, Filter, Group, Measure, Scalar
from localfin.tables.table import COLUMN, ITEM, SECTION, VALUE, Table
from localfin_models.language import translated

if TYPE_CHECKING:
    from localfin.tables.running import Figure


def of_figures(
    call: Call,
    table: Table,
    result: tuple[Decimal | date, str],
    of: "Figure",
    against: "Figure | None",
    language: str,
) -> str:
    measured, value = of_measure(call.of, table, language), number(*result, language)
    if against is None or call.against is None:
        return translated("{measure}: {value}.", language).format(measure=measured, value=value)
    sentence = {
        "difference": translated("{a_name}: {a}; {b_name}: {b}. The first less the second: {value}.", language),
        "gap": translated("{a_name}: {a}; {b_name}: {b}. The difference: {value}.", language),
        "growth": translated("{b_name}: {b}; {a_name}: {a}. The change from the one to the other: {value}.", language),
        "ratio": translated("{a_name}: {a}; {b_name}: {b}. The first divided by the second: {value}.", language),
        "share": translated("{a_name}: {a}; {b_name}: {b}. The first in percent of the second: {value}.", language),
    }[call.do]
    return sentence.format(
        a_name=measured,
        a=number(of.value, of.unit, language),
        b_name=of_measure(call.against, table, language),
        b=number(against.value, against.unit, language),
        value=value,
    )


def of_groups(
    call: Call, table: Table, lines: Sequence[tuple[str, Decimal | date]], unit: str, cut: bool, language: str
) -> str:
    assert call.by is not None
    head = translated("{measure}, by {group}", language).format(
        measure=of_measure(call.of, table, language), group=of_group(call.by, language)
    )
    return _listed(_ordered(head, call, language), lines, unit, cut, language)


def of_rows(call: Call, table: Table, lines: Sequence[tuple[str, Decimal | date]], cut: bool, language: str) -> str:
    measure = Measure("value", call.of.column, call.of.where)
    head = of_measure(measure, table, language)
    unit = "" if call.of.column is None else table.column(call.of.column).unit
    return _listed(_ordered(head, call, language), lines, unit, cut, language)


def of_notes(notes: Mapping[str, int], rows: Value | None, language: str) -> str:
    """Sentences on the rows behind a figure, each with a space before it."""
    sentences = {
        "missing": translated("Rows without a number, which were left out: {count}.", language),
        "totals left out": translated("Rows of totals, which were not counted again: {count}.", language),
        "not numbers": translated("Cells of the table that could not be read as numbers: {count}.", language),
        "dashes": translated("Dashes in the table, which count as zero: {count}.", language),
    }
    found = [translated("Rows: {count}.", language).format(count=f"{rows:,}")] if isinstance(rows, int) else []
    found += [sentences[key].format(count=f"{count:,}") for key, count in notes.items()]
    return "".join(f" {sentence}" for sentence in found)


def of_formula(call: Call, table: Table, language: str) -> str:
    """How the figure was computed, in plain words."""
    formulas = {
        "value": translated("read from the rows", language),
        "rows": translated("rows in the order of the figure", language),
        "difference": translated("first figure - second figure", language),
        "gap": translated("larger figure - smaller figure", language),
        "growth": translated("(later - earlier) / earlier x 100, two decimals, half up", language),
        "ratio": translated("first figure / second figure, four decimals, half up", language),
        "share": translated("first figure / second figure x 100, two decimals, half up", language),
    }
    found = formulas[call.do]
    whats = {call.of.what, call.against.what if call.against else call.of.what}
    if "average" in whats:
        found += "; " + translated("average = sum / count, two decimals more than the numbers have, half up", language)
    if "sum" in whats:
        found += "; " + translated("sum of the rows below, exact", language)
    return found


def of_measure(measure: Measure, table: Table, language: str) -> str:
    if table.is_report and measure.column == VALUE:
        return _report_measure(measure, language)
    what = {
        "count": translated("count of rows", language),
        "sum": translated("sum of {column}", language),
        "average": translated("average of {column}", language),
        "minimum": translated("lowest {column}", language),
        "maximum": translated("highest {column}", language),
        "value": "{column}",
    }[measure.what]
    if measure.what == "count" and measure.column is not None:
        what = translated("count of rows with {column}", language)
    found = what.format(column=measure.column)
    where = ", ".join(of_filters(measure.where, table, language))
    return f"{found} ({where})" if where else found


def _report_measure(measure: Measure, language: str) -> str:
    """`average of Total revenue (2018, 2019)`: in a report the names of row and column say it best."""
    named = [rule for rule in measure.where if rule.is_ == "=" and rule.column in (ITEM, COLUMN, SECTION)]
    rows = [" > ".join(_values(r, language) for r in named if r.column == place) for place in (SECTION, ITEM)]
    columns = "; ".join(_values(rule, language) for rule in named if rule.column == COLUMN)
    what = {
        "count": translated("count of figures of {column}", language),
        "sum": translated("sum of {column}", language),
        "average": translated("average of {column}", language),
        "minimum": translated("lowest {column}", language),
        "maximum": translated("highest {column}", language),
        "value": "{column}",
    }[measure.what]
    rest = [rule for rule in measure.where if rule not in named]
    conditions = [columns, *(_condition(rule, language) for rule in rest)]
    where = ", ".join(condition for condition in conditions if condition)
    subject = " > ".join(row for row in rows if row) or translated("all rows", language)
    return what.format(column=subject) + (f" ({where})" if where else "")


def of_filters(where: Sequence[Filter], table: Table, language: str) -> list[str]:
    """Each filter in words; a first and a last day become one."""
    found, done = list[str](), set[int]()
    for place, rule in enumerate(where):
        if place in done:
            continue
        other = next(
            (
                n
                for n, r in enumerate(where)
                if n > place and r.column == rule.column and (rule.is_, r.is_) == (">=", "<")
            ),
            None,
        )
        if isinstance(rule.value, date) and other is not None and isinstance(end := where[other].value, date):
            done.add(other)
            found.append(f"{rule.column}: {_span(rule.value, end)}")
        else:
            found.append(_condition(rule, language))
    return found


def of_group(by: Group, language: str) -> str:
    part = {
        "year": translated("year", language),
        "quarter": translated("quarter", language),
        "month": translated("month", language),
        "day": translated("day", language),
        "value": "",
    }[by.part]
    return f"{by.column} ({part})" if part else by.column


def number(value: Decimal | date, unit: str, language: str) -> str:
    """With separators and its unit: 1,234원, 12.5%, 1,234 (in millions)."""
    if isinstance(value, date):
        return value.isoformat()
    text = f"{value:,f}"
    if "." in text:
        whole, _point, digits = text.partition(".")
        text = f"{whole}.{digits.rstrip('0')}".rstrip(".")
    if unit in ("%", "%p", "원"):
        return text + unit
    return f"{text} ({unit})" if unit else text


def _span(first: date, end: date) -> str:
    last = end - timedelta(days=1)
    if first == last:
        return first.isoformat()
    if first.day == 1 and (last.year, last.month) == (first.year, first.month) and end.day == 1:
        return f"{first:%Y-%m}"
    if (first.month, first.day, last.month, last.day, last.year) == (1, 1, 12, 31, first.year):
        return f"{first:%Y}"
    return f"{first.isoformat()} ~ {last.isoformat()}"


def _ordered(head: str, call: Call, language: str) -> str:
    if call.order is None:
        return head
    order = {"highest": translated("highest first", language), "lowest": translated("lowest first", language)}
    return f"{head}, {order[call.order]}"


def _listed(head: str, lines: Sequence[tuple[str, Decimal | date]], unit: str, cut: bool, language: str) -> str:
    shown = "; ".join(f"{key}: {number(value, unit, language)}" for key, value in lines)
    more = " " + translated("There are more, which are not shown.", language) if cut else ""
    return f"{head} — {shown}.{more}"


def _condition(rule: Filter, language: str) -> str:
    sentence = {
        "=": "{column}: {value}",
        "!=": translated("{column} other than {value}", language),
        "<": translated("{column} less than {value}", language),
        "<=": translated("{column} at most {value}", language),
        ">": translated("{column} more than {value}", language),
        ">=": translated("{column} at least {value}", language),
        "contains": translated("{column} with “{value}”", language),
    }[rule.is_]
    return sentence.format(column=rule.column, value=_values(rule, language))


def _values(rule: Filter, language: str) -> str:
    return ", ".join(_scalar(value, language) for value in rule.values())


def _scalar(value: Scalar, language: str) -> str:
    return value if isinstance(value, str) else number(value, "", language)
