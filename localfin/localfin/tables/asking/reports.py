"""Questions about a report: which row, which columns, which computation."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from localfin.tables.asking.labels import Label, Named, common_tokens, take_labels, years_in
from localfin.tables.asking.operations import Operation, take_operations
from localfin.tables.asking.order import base_of, marked, starts_at
from localfin.tables.asking.periods import RANGED, Columns, take_columns
from localfin.tables.asking.thresholds import Threshold, factor, take_thresholds
from localfin.tables.asking.words import Words, label_pattern
from localfin.tables.call import Call, Do, Filter, Measure, Order, What
from localfin.tables.table import COLUMN, ITEM, SECTION, VALUE, Stored, Table
from localfin.tables.units import unit_of
from localfin.tables.values import is_total

_MONTHS = frozenset(
    {"january", "february", "march", "april", "may", "june", "july", "august"}
    | {"september", "october", "november", "december"}
)

_PART = re.compile(
    r"q[1-4](?: (?:19|20)\d\d)?|(?:(?:19|20)\d\d년? ?)?(?:q[1-4]|[1-4]분기|\d{1,2}월)"
    r"|(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
)
_COUNTS = {"two": "2", "three": "3", "four": "4", "five": "5", "두": "2", "세": "3", "네": "4", "다섯": "5"}


@dataclass(frozen=True)
class _Axes:
    """Which of a report's two sides has the names, and which the years."""

    names: str
    periods: str
    name_labels: tuple[Label, ...]
    period_labels: tuple[Label, ...]

    def plain(self) -> list[Label]:
        """All columns, where every one is a year's and no year has two."""
        years = [min(label.years) for label in self.period_labels if len(label.years) == 1]
        if len(years) == len(self.period_labels) == len(set(years)):
            return list(self.period_labels)
        return (
            list(self.period_labels) if all(_PART.fullmatch(label.text.lower()) for label in self.period_labels) else []
        )


def call_of_report(question: str, table: Table) -> Call | None:
    """The call that a question means; None where it is not understood in full."""
    axes = _axes(table)
    words = Words(question)
    names = _distinct(_without_bare_totals(words, take_labels(words, axes.name_labels)))
    columns = take_columns(words, axes.period_labels)
    if columns is None:
        return None
    thresholds = take_thresholds(words)
    words.take(r"(?:(?:어느|어떤|무슨)\s?)?(?:해|연도|년도|달|월|분기)(?=[은는이가의]|\s?\?|$)")
    everywhere = _take_all(words, axes)

    operations: list[Operation] = [found.operation for found in take_operations(words)]
    if thresholds is None:
        return None
    harmless = _harmless(table, axes)
    sections = _sections(words, table, axes, names)
    if sections is None or words.left(harmless):
        return None
    if everywhere and not columns.chosen:
        columns = Columns(tuple(axes.plain()), ())
    reader = _Reading(words.text, table, axes, names, columns, sections)
    return reader.call(operations, thresholds)


class _Reading:
    """A question of which every word is known."""

    def __init__(
        self,
        text: str,
        table: Table,
        axes: _Axes,
        names: Sequence[Named],
        columns: Columns,
        sections: Sequence[str | None],
    ) -> None:
        self._text, self._table, self._axes = text, table, axes
        self._names, self._columns, self._sections = names, columns, sections

    def call(self, operations: Sequence[Operation], thresholds: Sequence[Threshold]) -> Call | None:
        kinds = set(operations)
        if thresholds:
            return self._counted(thresholds) if kinds == {"count"} else None
        if kinds == {"growth"}:
            return self._change("growth")
        if kinds in ({"difference"}, {"decrease"}, {"gap"}, {"gap", "sum"}, {"difference", "sum"}):
            return self._change("gap" if "gap" in kinds else "difference", down="decrease" in kinds)
        if kinds in ({"average"}, {"sum"}):
            return self._over("average" if kinds == {"average"} else "sum")
        if kinds in ({"share"}, {"share", "sum"}, {"ratio"}):
            return self._divided("ratio" if kinds == {"ratio"} else "share")
        if kinds == {"count"} and self._counts_itself():
            return self._looked_up()
        if kinds in ({"highest"}, {"lowest"}):
            return self._extreme("highest" if kinds == {"highest"} else "lowest")
        return self._looked_up() if not kinds else None

    def _measure(self, name: int, columns: Sequence[Label], what: What = "value") -> Measure:
        rules = [Filter(self._axes.names, "=", self._names[name].label.text)]
        if (section := self._sections[name]) is not None:
            rules.insert(0, Filter(SECTION, "=", section))
        if columns:
            texts = tuple(dict.fromkeys(label.text for label in columns))
            rules.append(Filter(self._axes.periods, "=", texts if len(texts) != 1 else texts[0]))
        return Measure(what, VALUE, tuple(rules))

    def _change(self, do: Do, *, down: bool = False) -> Call | None:
        chosen = list(self._columns.chosen)
        if len(self._names) == 2 and do in ("difference", "gap"):
            columns = chosen or self._only_column()
            if len(columns) != 1:
                return None
            return Call(do, self._measure(0, columns), self._measure(1, columns))
        if len(self._names) != 1:
            return None
        if len(chosen) == 1 and chosen[0].years:
            chosen = self._before(chosen[0])
        chosen = chosen or self._axes.plain()
        if len(chosen) != 2:
            return None
        first, last = self._in_time(chosen)
        if down:
            first, last = last, first
        return Call(do, self._measure(0, [last]), self._measure(0, [first]))

    def _before(self, column: Label) -> list[Label]:
        """The column with the one of the year before, where there is one like it."""
        before = frozenset({max(column.years) - 1})
        others = [label for label in self._alike(column) if label.years == before]
        return [others[0], column] if len(others) == 1 else []

    def _in_time(self, chosen: Sequence[Label]) -> tuple[Label, Label]:
        """(start, end): as the question says, else the earlier year first, else as they stand in it."""
        start = starts_at(marked(self._text, self._columns.spans)) if len(self._columns.spans) == 2 else None
        if start is not None:
            return chosen[start], chosen[1 - start]
        a, b = chosen
        return (b, a) if a.years and b.years and min(a.years) > min(b.years) else (a, b)

    def _over(self, what: What) -> Call | None:
        """A sum or an average over columns of one row, or over rows of one column."""
        chosen = list(self._columns.chosen)
        if self._columns.ranged and len(chosen) == 2:
            chosen = self._between(*chosen)
            if not chosen:
                return None
        if len(self._names) == 1:
            columns = chosen or (self._axes.plain() if what == "average" else [])
            return Call("value", self._measure(0, columns, what)) if len(columns) > 1 else None
        columns = chosen or self._only_column()
        if len(self._names) < 2 or len(columns) != 1 or any(self._sections):
            return None
        rows = self._rows_named()
        if not rows:
            return None
        rules = (Filter(self._axes.names, "=", rows), Filter(self._axes.periods, "=", columns[0].text))
        return Call("value", Measure(what, VALUE, rules))

    def _rows_named(self) -> tuple[str, ...]:
        """The rows that are named, those between two ends of a range of months too; empty where these are not known."""
        labels = [name.label for name in self._names]
        if not RANGED.search(marked(self._text, [(name.start, name.end) for name in self._names])):
            return tuple(label.text for label in labels)
        if len(labels) != 2:
            return ()
        first, last = labels
        return tuple(label.text for label in self._between_parts(first, last, self._axes.name_labels))

    def _between(self, a: Label, b: Label) -> list[Label]:
        """All columns of one kind from year to year; empty where a year is missing."""
        low, high = sorted((min(a.years, default=0), min(b.years, default=0)))
        if not low:
            return self._between_parts(a, b)
        found = [label for label in self._alike(a) if low <= min(label.years) <= high]
        return found if {min(label.years) for label in found} == set(range(low, high + 1)) else []

    def _between_parts(self, a: Label, b: Label, among: Sequence[Label] = ()) -> list[Label]:
        """All columns from one quarter or month to another, as they stand; empty where others stand between."""
        labels = list(among or self._axes.period_labels)
        first, last = sorted((labels.index(a), labels.index(b)))
        found = labels[first : last + 1]
        return found if all(_PART.fullmatch(label.text.lower()) for label in found) else []

    def _alike(self, column: Label) -> list[Label]:
        """The columns that differ from this one by their year and day only; all where each year has just one."""
        dated = [label for label in self._axes.period_labels if len(label.years) == 1]
        years = [min(label.years) for label in dated]
        if len(set(years)) == len(years):
            return dated
        kind = _kind(column)
        return [label for label in dated if _kind(label) == kind]

    def _only_column(self) -> list[Label]:
        return list(self._axes.period_labels) if len(self._axes.period_labels) == 1 else []

    def _divided(self, do: Do) -> Call | None:
        columns = list(self._columns.chosen) or self._only_column()
        if len(self._names) == 1 and len(columns) == 2:
            base = base_of(marked(self._text, self._columns.spans))
            if base is None or len(self._columns.spans) != 2:
                return None
            return Call(do, self._measure(0, [columns[1 - base]]), self._measure(0, [columns[base]]))
        if len(self._names) != 2 or len(columns) != 1:
            return None
        base = base_of(marked(self._text, [(name.start, name.end) for name in self._names]))
        if base is None:
            return None
        return Call(do, self._measure(1 - base, columns), self._measure(base, columns))

    def _extreme(self, order: Order) -> Call | None:
        if len(self._names) != 1:
            return None
        chosen = list(self._columns.chosen)
        if self._columns.ranged and len(chosen) == 2:
            chosen = self._between(*chosen)
            if not chosen:
                return None
        columns = chosen or self._axes.plain()
        if len(columns) < 2:
            return None
        return Call("rows", self._measure(0, columns), order=order, limit=1)

    def _counted(self, thresholds: Sequence[Threshold]) -> Call | None:
        """How many years a row was over a figure."""
        columns = list(self._columns.chosen) or self._axes.plain()
        if len(self._names) != 1 or len(columns) < 2:
            return None
        measure = self._measure(0, columns, "count")
        percents = {rule[3] == "%" for rule in self._cells(self._names[0].label.text)}
        scale = factor(self._table.column(VALUE).unit)
        rules: list[Filter] = []
        for threshold in thresholds:
            if percents != {threshold.percent} or (scale is None and not threshold.percent and not threshold.scaled):
                return None
            if scale is not None and scale != 1 and not threshold.percent and not threshold.scaled:
                return None
            value = (
                threshold.value if threshold.percent else threshold.stated if scale is None else threshold.value / scale
            )
            rules.append(Filter(VALUE, threshold.is_, value))
        return Call("value", replace(measure, where=(*measure.where, *rules)))

    def _cells(self, text: str) -> list[tuple[object, ...]]:
        assert not isinstance(self._table.rows, Stored)
        place = 1 if self._axes.names == ITEM else 2
        return [row for row in self._table.rows if row[place] == text]

    def _counts_itself(self) -> bool:
        """Whether the row itself is a count: how many new accounts were there."""
        return len(self._names) == 1 and self._text[: self._names[0].start].rstrip().endswith("how many")

    def _looked_up(self) -> Call | None:
        columns = list(self._columns.chosen) or self._only_column()
        if len(self._names) != 1 or len(columns) != 1:
            return None
        return Call("value", self._measure(0, columns))


def _take_all(words: Words, axes: _Axes) -> bool:
    """Whether the question says that it means every year: `across all 3 years`, `for both fiscal years`, `3년간`."""
    match = words.take(
        r"\b(?:across|over|for|in|during|between|of)\s+(?:all|both|the)\s+(?:the\s+)?(?:(\d|two|three|four|five)[- ]?)?"
        r"(?:fiscal\s+)?(?:years?|fys|periods?)(?:\s+period)?\b"
        r"|(?:지난|최근)?\s?(\d|두|세|네|다섯)\s?(?:개년|년|해)(?:\s?(?:간|동안|치)|(?=\s?평균))"
    )
    if match is None:
        return False
    count = match[1] or match[2]
    return count is None or _COUNTS.get(count, count) == str(len(axes.period_labels))


def _axes(table: Table) -> _Axes:
    assert not isinstance(table.rows, Stored)
    items = tuple(Label(text) for text in dict.fromkeys(str(row[1]) for row in table.rows))
    columns = tuple(Label(text) for text in dict.fromkeys(str(row[2]) for row in table.rows))
    dated = sum(bool(label.years) for label in items)
    if dated > len(items) / 2 and not any(label.years for label in columns):
        return _Axes(COLUMN, ITEM, columns, items)
    return _Axes(ITEM, COLUMN, items, columns)


def _without_bare_totals(words: Words, names: Sequence[Named]) -> list[Named]:
    """Without a row `Total` where the word belongs to a name beside it: total operating leases, 출장비 합계."""
    starts, ends = {name.start for name in names}, {name.end for name in names}
    found: list[Named] = []
    for name in names:
        rest = re.match(r"(?:\s|the\b)*", words.text[name.end :])
        before = len(words.text[: name.start].rstrip())
        beside = rest is not None and name.end + rest.end() in starts
        if is_total(name.label.text) and (beside or before in ends):
            words.put_back(name.start, name.end)
        else:
            found.append(name)
    return found


def _distinct(names: Sequence[Named]) -> list[Named]:
    """Each row once, where the question names it first."""
    found: dict[str, Named] = {}
    for name in names:
        found.setdefault(name.label.text, name)
    return list(found.values())


def _sections(words: Words, table: Table, axes: _Axes, names: Sequence[Named]) -> list[str | None] | None:
    """The section to look in for each name, None where there is one row of that name; None where that stays open."""
    assert not isinstance(table.rows, Stored)
    found: list[str | None] = []
    if axes.names != ITEM:
        return [None for _name in names]
    for name in names:
        sections = list(dict.fromkeys(row[0] for row in table.rows if row[1] == name.label.text))
        said = [section for section in sections if section and _says(words, str(section))]
        if len(sections) > 1 and len(said) != 1:
            return None
        found.append(str(said[0]) if len(sections) > 1 else None)
    return found


def _says(words: Words, section: str) -> bool:
    """Whether the question has the section's name, which is understood then."""
    pattern = label_pattern(section)
    return pattern is not None and words.take(pattern) is not None


def _harmless(table: Table, axes: _Axes) -> set[str]:
    """Words that add nothing: months, units, what all columns have in common."""
    found = {*_MONTHS, "thousand", "million", "billion", "thousands", "millions", "billions", "ended", "and", "end"}
    found |= {str(day) for day in range(1, 32)} if any(label.years for label in axes.period_labels) else set()
    found |= common_tokens(list(axes.period_labels))
    return found | set(unit_of(table.column(VALUE).unit).lower().split())


def _kind(label: Label) -> str:
    return " ".join(
        token for token in label.tokens if not years_in(token) and token not in _MONTHS and not token.isdigit()
    )
