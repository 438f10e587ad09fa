"""From a question to its answer: recognised in full and computed, or nothing."""

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import date

from localfin.computed import Computed
from localfin.tables.asking.records import Values, call_of_records
from localfin.tables.asking.reports import call_of_report
from localfin.tables.call import Call, checked
from localfin.tables.opened import Opened, opened
from localfin.tables.query import ROWS, literal, name
from localfin.tables.running import run, run_in
from localfin.tables.table import Column, Stored, Table
from localfin_models.errors import InputRefused

LONGEST = 400
"""Characters of a question that is looked at."""
_LONGEST_VALUE = 80
_MOST_VALUES = 200


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
            return _answered(call_of_records(question, table, *_look_up(table, rows)), table, spoken, rows)
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


def _look_up(table: Table, rows: Opened) -> tuple[Values, Callable[[str], tuple[int, int]]]:
    def values(column: Column, question: str) -> list[str]:
        text, bare = name(column.name), "regexp_replace(lower({}), '\\W+', '', 'g')"
        sql = (
            f"SELECT DISTINCT {text} FROM {ROWS} WHERE length({text}) BETWEEN 2 AND {_LONGEST_VALUE} "
            f"AND contains({literal(_bare(question))}, {bare.format(text)}) LIMIT {_MOST_VALUES}"
        )
        return [str(row[0]) for row in rows.all(sql)]

    def years(column: str) -> tuple[int, int]:
        [(first, last)] = rows.all(f"SELECT min(year({name(column)})), max(year({name(column)})) FROM {ROWS}")
        return (first or 0, last or 0)

    return values, years


def _bare(text: str) -> str:
    """Without blanks and marks, to see quickly whether a question may name a value."""
    return re.sub(r"\W+", "", text.lower())
