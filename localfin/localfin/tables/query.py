"""A call as SQL, exactly as it runs: names and values stand in it only as quoted names and literals."""

from datetime import date
from decimal import Decimal

from localfin.tables.call import MOST, Call, Filter, Group, Measure, Scalar
from localfin.tables.table import UNIT, Stored, Table

ROWS = '"rows"'
_FORMATS = {"year": "%Y", "month": "%Y-%m", "day": "%Y-%m-%d"}
_OTHER_COLUMNS = 4
"""Columns shown beside the figure of a row."""


def name(text: str) -> str:
    """A column's name as SQL writes it."""
    return '"' + text.replace('"', '""') + '"'


def literal(value: Scalar) -> str:
    """A value as SQL writes it; in DuckDB's plain strings a backslash is a backslash."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    return "'" + value.replace("'", "''") + "'"


def figure(measure: Measure, table: Table) -> str:
    """One row: the figure's parts, how many rows it stands on, how many of those have no number, and their unit."""
    column = "*" if measure.column is None else name(measure.column)
    shown = {
        "count": f"count({column})",
        "sum": f"sum({column})",
        "average": f"sum({column})",
        "minimum": f"min({column})",
        "maximum": f"max({column})",
        "value": f"any_value({column})",
    }[measure.what]
    unit = f"list(DISTINCT coalesce({name(UNIT)}, ''))" if table.is_report else "NULL"
    return (
        f"SELECT {shown} AS figure, count({column}) AS counted, count(*) AS rows, {unit} AS units "
        f"FROM {ROWS}{conditions(measure.where)}"
    )


def groups(call: Call) -> str:
    """A row a group: its name, the figure's parts, the rows; the first `limit`, and those equal to the last."""
    assert call.by is not None
    measure, column = call.of, "*" if call.of.column is None else name(call.of.column)
    shown = {
        "count": f"count({column})",
        "minimum": f"min({column})",
        "maximum": f"max({column})",
    }.get(measure.what, f"sum({column})")
    rank = f"{shown} / count({column})" if measure.what == "average" else shown
    key = _key(call.by)
    order = f"{rank} {'ASC' if call.order == 'lowest' else 'DESC'} NULLS LAST" if call.order else "1"
    ties = f" QUALIFY rank() OVER (ORDER BY {order}) <= {call.limit}" if call.order and call.limit else ""
    last = f"{order}, 1" if call.order else "1"
    return (
        f"SELECT {key} AS name, {shown} AS figure, count({column}) AS counted, count(*) AS rows FROM {ROWS}"
        f"{conditions((*measure.where,), present=call.by.column)} GROUP BY 1 HAVING count({column}) > 0{ties} "
        f"ORDER BY {last} LIMIT {MOST + 1}"
    )


def rows(call: Call, table: Table) -> tuple[str, list[str]]:
    """(SQL, the columns it shows, the figure first): the rows with the highest or lowest figures, ties with them."""
    assert call.of.column is not None
    others = [column.name for column in table.columns if column.name not in (call.of.column, UNIT)]
    ruled = {rule.column for rule in call.of.where if rule.is_ == "=" and not isinstance(rule.value, tuple)}
    free = [other for other in others if other not in ruled] or others
    texts = [other for other in free if table.column(other).kind != "number"] or free
    shown = [call.of.column, *texts[:_OTHER_COLUMNS]]
    column = name(call.of.column)
    order = f"{column} {'ASC' if call.order == 'lowest' else 'DESC'}"
    ties = ", ".join(map(name, shown[1:])) if isinstance(table.rows, Stored) else "rowid"
    return (
        f"SELECT {', '.join(map(name, shown))} FROM {ROWS}{conditions(call.of.where, present=call.of.column)} "
        f"QUALIFY rank() OVER (ORDER BY {order}) <= {call.limit} ORDER BY {', '.join(filter(None, (order, ties)))} "
        f"LIMIT {MOST + 1}",
        shown,
    )


def conditions(where: tuple[Filter, ...], present: str | None = None) -> str:
    rules = [_condition(rule) for rule in where]
    if present is not None:
        rules.append(f"{name(present)} IS NOT NULL")
    return f" WHERE {' AND '.join(rules)}" if rules else ""


def _condition(rule: Filter) -> str:
    column, values = name(rule.column), rule.values()
    if rule.is_ == "contains":
        found = [f"contains(lower({column}), lower({literal(value)}))" for value in values]
        return found[0] if len(found) == 1 else f"({' OR '.join(found)})"
    listed = ", ".join(literal(value) for value in values)
    if rule.is_ == "!=":
        return f"({column} IS NULL OR {column} NOT IN ({listed}))"
    if len(values) > 1:
        return f"{column} IN ({listed})"
    return f"{column} {rule.is_} {listed}"


def _key(by: Group) -> str:
    column = name(by.column)
    if by.part == "quarter":
        return f"strftime({column}, '%Y') || '-Q' || quarter({column})"
    return f"strftime({column}, '{_FORMATS[by.part]}')" if by.part in _FORMATS else f"CAST({column} AS VARCHAR)"
