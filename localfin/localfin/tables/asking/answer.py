"""From a question to its answer: recognised in full and computed, or nothing."""

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from typing import Any

from localfin.computed import Computed
from localfin.tables.asking.records import WAYS, Values, call_of_records
from localfin.tables.asking.reports import call_of_report
from localfin.tables.call import Call, checked
from localfin.tables.opened import Opened, opened
from localfin.tables.query import ROWS, literal, name
from localfin.tables.running import run, run_in
from localfin.tables.table import Column, Stored, Table
from localfin.tables.values import cleaned
from localfin_models.errors import InputRefused

LONGEST = 400
"""Characters of a question that is looked at."""
_LONGEST_VALUE = 80


def asked(question: str, table: Table, language: str | None = None) -> Computed | None:
    """The answer to an ordinary question in Korean or English, without any model.

    None where the question is not understood in full, or has no answer in the table: silence is better than a wrong
    figure. The words come in `language`, or in the question's.
    """
    if not question.strip() or len(question) > LONGEST:
        return None
    spoken = language or ("ko" if re.search("[가-힣]", question) else "en")
    if isinstance(table.rows, Stored):
        with opened(table) as rows:
            return _answered(call_of_records(question, table, *_look_up(table, rows, question)), table, spoken, rows)
    if table.is_report:
        return _answered(call_of_report(question, table), table, spoken)
    found = _answered(call_of_records(question, table, *_in_memory(table)), table, spoken)
    if found is None and table.cells is not None:
        return _answered(call_of_report(question, table.cells), table.cells, spoken)
    return found


def _answered(call: Call | None, table: Table, language: str, rows: Opened | None = None) -> Computed | None:
    if call is None:
        return None
    with suppress(InputRefused):
        call = checked(call, table)
        return run(call, table, language) if rows is None else run_in(rows, call, table, language)
    return None


def _in_memory(table: Table) -> tuple[Values, Callable[[str], tuple[int, int]]]:
    assert not isinstance(table.rows, Stored)
    rows, places = table.rows, {column.name: place for place, column in enumerate(table.columns)}

    def values(column: Column, question: str) -> list[str]:
        texts = {str(row[places[column.name]]) for row in rows if row[places[column.name]] is not None}
        return [text for text in texts if 1 < len(text) <= _LONGEST_VALUE and _bare(text) in _bare(question)]

    def years(name: str) -> tuple[int, int]:
        found = [day.year for row in rows if isinstance(day := row[places[name]], date)]
        return (min(found), max(found)) if found else (0, 0)

    return values, years


def _look_up(table: Table, rows: Opened, question: str) -> tuple[Values, Callable[[str], tuple[int, int]]]:
    """In one pass over the file."""
    texts, dates = table.of_kind("text"), table.of_kind("date")
    bare = literal(f"{question} {WAYS}".lower().replace(" ", ""))
    wanted = [
        f"list(DISTINCT {name(c.name)}) FILTER (WHERE length({name(c.name)}) BETWEEN 2 AND {_LONGEST_VALUE} "
        f"AND contains({bare}, replace(lower({name(c.name)}), ' ', '')))"
        for c in texts
    ]
    wanted += [f"{extreme}(year({name(c.name)}))" for c in dates for extreme in ("min", "max")]
    found: Sequence[Any] = rows.all(f"SELECT {', '.join(wanted)} FROM {ROWS}")[0] if wanted else []
    values = {c.name: [v for v in found[n] or () if cleaned(v) == v] for n, c in enumerate(texts)}
    years = {c.name: found[len(texts) + 2 * n : len(texts) + 2 * n + 2] for n, c in enumerate(dates)}
    return (
        lambda column, _question: values[column.name],
        lambda column: (years[column][0] or 0, years[column][1] or 0),
    )


def _bare(text: str) -> str:
    """Without blanks and marks, to see quickly whether a question may name a value."""
    return re.sub(r"\W+", "", text.lower())
