"""Groups that a question asks for: which month, 분류별, by category."""

import re
from dataclasses import dataclass

from localfin.tables.asking.labels import Named, aliases
from localfin.tables.asking.words import Words
from localfin.tables.call import Group, Part
from localfin.tables.table import Table
from localfin.tables.units import split_unit

_WHICH = r"(?:어느|어떤|무슨|which|what)"
_MOST = r"(?:(?<=은 )|(?<=큰 )|(?<=긴 )|(?<=싼 )|(?<=쓴 )|(?<=한 ))"
_PARTS: tuple[tuple[Part, str, str], ...] = (
    ("month", r"(?:달|월|month)", r"(?:월별|달마다|매달|매월|다달이|monthly|(?:by|per|for each|each|every) month)"),
    ("quarter", r"(?:분기|quarter)", r"(?:분기별|분기마다|quarterly|(?:by|per|for each|each|every) quarter)"),
    (
        "year",
        r"(?:해|연도|년도|year)",
        r"(?:연도별|년도별|연별|해마다|매년|yearly|annually|(?:by|per|for each|each|every) year)",
    ),
    ("day", r"(?:날짜|날|일자|day|date)", r"(?:일별|날짜별|날마다|매일|daily|(?:by|per|for each|each|every) day)"),
)
_TIME_COLUMN = {
    "month": re.compile("월|달|month"),
    "year": re.compile("연도|년도|year"),
    "quarter": re.compile("분기|quarter"),
}


@dataclass(frozen=True, slots=True)
class Grouping:
    group: Group
    which: bool
    """Whether one group is asked for, not all."""
    last: bool = False
    """Whether it stands behind what it is the most of: 보험료가 가장 비싼 상품."""


def take_grouping(words: Words, table: Table, columns: list[Named]) -> Grouping | None:
    """The grouping of a question; a column that is named for it leaves `columns`."""
    for part, one, each in _PARTS:
        group = _time_group(table, part)
        if group is None:
            continue
        if words.take(each):
            return Grouping(group, False)
        which = rf"{_WHICH}\s?{one}|{one}(?=[은이] (?:언제|어느|무엇))|{_MOST}{one}(?=[은이]?\s?(?:\?|$))"
        if words.take(which):
            return Grouping(group, True)
    for named in columns:
        column = _text_column(table, named)
        dated = _date_group(table, named)
        before, after = words.rest[: named.start], words.rest[named.end :]
        asked = re.search(rf"\b{_WHICH}\s?$|{_WHICH}\s$", before)
        last = re.search(_MOST + "$", before) and re.match(r"[은이]?\s?(?:\?|$)", after)
        listed = re.match(r"\s?(?:별|마다)", after)
        over = re.search(r"\b(?:by|per|for each|each|every)\s$", before)
        if (column is None and (dated is None or not (listed or over))) or not (asked or listed or over or last):
            continue
        columns.remove(named)
        for match in (asked, over):
            if match:
                words.cut(*match.span())
        if listed:
            words.cut(named.end, named.end + listed.end())
        group = dated if column is None else Group(column)
        assert group is not None
        return Grouping(group, not (listed or over), bool(last and not asked))
    return None


def _time_group(table: Table, part: Part) -> Group | None:
    dates = table.of_kind("date")
    if len(dates) == 1:
        return None if part == "day" and dates[0].monthly else Group(dates[0].name, part)
    if dates or part not in _TIME_COLUMN:
        return None
    named = [c.name for c in table.of_kind("text") if _TIME_COLUMN[part].fullmatch(split_unit(c.name)[0].lower())]
    return Group(named[0]) if len(named) == 1 else None


def _text_column(table: Table, named: Named) -> str | None:
    found = [c.name for c in table.of_kind("text") if named.label.text in aliases(c.name)]
    return found[0] if len(found) == 1 else None


def _date_group(table: Table, named: Named) -> Group | None:
    """By a column of dates: a group a day, or a month where it holds months."""
    found = [column for column in table.of_kind("date") if named.label.text in aliases(column.name)]
    return Group(found[0].name, "month" if found[0].monthly else "day") if len(found) == 1 else None


def groups_twice(words: Words, table: Table, columns: list[Named]) -> bool:
    """Whether a second grouping is asked for, which is not computed: by region and month."""
    if re.search(r"\b(?:and|by|per|each|every)\s(?:months?|quarters?|years?|days?|dates?)\b", words.rest):
        return True
    numbers = {column.name for column in table.of_kind("number")}
    return any(
        re.search(r"\b(?:and|by|per|each|every)\s$", words.rest[: named.start])
        for named in columns
        if not any(named.label.text in aliases(number) for number in numbers)
    )
