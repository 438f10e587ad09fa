"""From what a question about records says to the one call that it means."""

import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from localfin.tables.asking.dates import Span
from localfin.tables.asking.operations import Operation
from localfin.tables.asking.order import base_of, marked, starts_at
from localfin.tables.asking.understood import Understood, column_name
from localfin.tables.call import Call, Do, Filter, Group, Measure, Order, What
from localfin.tables.table import Stored
from localfin.tables.units import split_unit

Operations = AbstractSet[Operation]
_RATE = re.compile(r"율|률|금리|단가|rate|price|ratio|yield|%", re.IGNORECASE)
_FLOW = re.compile(
    r"(?:액|비|비용|료|금|이자|매출|이익|수익|지출|수입|급|급여|세|손실|건수|수량|대금|포인트|잔액|잔고|평가액)$"
    r"|amount|revenue|sales|cost|expense|spen[dt]|paid|payment|fee|interest|principal|profit|income|gain|loss|units"
    r"|quantity|total|value|balance|debit|credit|withdraw|deposit|budget|tax",
    re.IGNORECASE,
)
_STOCK = re.compile(r"잔액|잔고|누계|누적|balance|cumulative", re.IGNORECASE)
_IN_ORDER = re.compile(r"순|first|order|sort|rank|descend|ascend|상위|하위|많이|적게")
_WHEN = re.compile(
    r"날짜|일자|일시|월|(?:거래|이용|기준|상환|납입|결제|승인)일[자시]?"
    r"|(?:transaction |posting |payment )?date|time|month|회차|no\.?",
    re.IGNORECASE,
)
_CURRENCY = re.compile(r"(?:통화|화폐)(?:\s?(?:코드|단위|구분))?|currency(?: code)?|ccy", re.IGNORECASE)
_RANGE = re.compile(r"⟦\d⟧\s?(?:년|월|분기)?\s?(?:to|through|until|-|~|부터|에서)\s?⟦\d⟧")


def resolved(said: Understood) -> Call | None:
    """None where the parts do not make one computation."""
    measured = _measured(said)
    if measured is None or not _texts_explained(said) or (measured and _of_several_currencies(said)):
        return None
    operations: Operations = set(said.operations)
    if said.asks_rows and not operations and len(measured) < 2:
        return None
    if operations == {"count"} and len(measured) == 1 and _counts_itself(said):
        operations = {"sum"}
    if operations & {"growth", "difference", "gap", "decrease", "ratio", "share"}:
        return _compared(said, measured, operations)
    if len(measured) > 1 or len(said.spans) > 1 or _is_range(said):
        return None
    column = measured[0] if measured else None
    where = _where(said, said.spans)
    if said.grouping is not None:
        return _grouped(said, column, where, operations)
    if operations & {"highest", "lowest"}:
        return _extreme(said, column, where, operations)
    what = _what(operations, column)
    if what is None or said.limit is not None or (said.thresholds and not operations):
        return None  # rows above a figure may be wanted one by one
    if what == "sum" and column is not None and not _adds(said, column, explicit="sum" in operations):
        what = "value"
    if what == "count":
        return Call("value", Measure("count", None, where)) if not measured else None
    return Call("value", Measure(what, column, where)) if column else None


def _counts_itself(said: Understood) -> bool:
    """Whether the column is a count itself: how many units."""
    numbers = {column.name for column in said.table.of_kind("number")}
    named = [n for n in said.columns if column_name(said.table, n) in numbers]
    return any(said.text[: n.start].rstrip().endswith("how many") for n in named)


def _is_range(said: Understood) -> bool:
    """Whether values of one column are the ends of a range, which a filter of the two would miss."""
    return _RANGE.search(marked(said.text, [(n.start, n.end) for n in said.values])) is not None


def _measured(said: Understood) -> list[str] | None:
    """The number columns that are asked about, those named or the one that money means; None where that is open."""
    numbers = {column.name for column in said.table.of_kind("number")}
    named = list(dict.fromkeys(name for n in said.columns if (name := column_name(said.table, n)) in numbers))
    if named:
        return named
    counted = "count" in said.operations and set(said.operations) <= {"count", "sum"}
    return [said.money] if said.money and not counted else []


def _of_several_currencies(said: Understood) -> bool:
    """Whether amounts of different currencies might be added up."""
    ruled = {named.label.column for named in said.values}
    for place, column in enumerate(said.table.columns):
        if column.kind != "text" or column.name in ruled or not _CURRENCY.fullmatch(column.name):
            continue
        if isinstance(said.table.rows, Stored) or len({row[place] for row in said.table.rows}) > 1:
            return True
    return False


def _texts_explained(said: Understood) -> bool:
    """Whether each text column that is named goes with a value, or names the rows because each has its own."""
    ruled = {named.label.column for named in said.values}
    texts = {column.name for column in said.table.of_kind("text")}
    for named in said.columns:
        name = column_name(said.table, named)
        if name not in texts or name in ruled:
            continue
        if not _single(said, name):
            return False
    return True


def _where(said: Understood, spans: Sequence[Span], without: str | None = None) -> tuple[Filter, ...]:
    """The filters of values, times and thresholds; values of one column go together."""
    found: list[Filter] = []
    by_column: dict[str, list[str]] = {}
    for named in said.values:
        texts = by_column.setdefault(named.label.column, [])
        if named.label.text not in texts:
            texts.append(named.label.text)
    for column, texts in by_column.items():
        if column != without:
            found.append(Filter(column, "=", tuple(texts) if len(texts) > 1 else texts[0]))
    for span in spans:
        assert said.date_column is not None
        found += span.filters(said.date_column)
    return (*found, *said.filters())


def _what(operations: Operations, column: str | None) -> What | None:
    """The figure that is asked for; a plain `how much` is a sum."""
    if operations == {"count"} or operations == {"count", "sum"}:
        return "count" if operations == {"count"} or column is None else None
    if operations in ({"average"}, {"average", "sum"}):
        return "average" if operations == {"average"} else None
    return "sum" if operations in ({"sum"}, set()) else None


def _grouped(said: Understood, column: str | None, where: tuple[Filter, ...], operations: Operations) -> Call | None:
    grouping = said.grouping
    assert grouping is not None
    if any(named.label.column == grouping.group.column for named in said.values):
        return None
    order: Order | None = "highest" if "highest" in operations else "lowest" if "lowest" in operations else None
    rest = operations - {"highest", "lowest"}
    what = _what(rest, column)
    if what is None or (grouping.which and order is None) or {"highest", "lowest"} <= operations:
        return None
    if what == "average" and grouping.group.part != "value":
        return None  # the mean of a month's rows, or of the months' sums?
    if what == "count":
        column = None
    elif column is None:
        return None
    if order and not rest and not grouping.which and not said.limit and not _IN_ORDER.search(said.text):
        # The highest of each group is one row's figure, in whatever order the groups stand.
        extreme: What = "maximum" if order == "highest" else "minimum"
        return Call("value", Measure(extreme, column, where), by=grouping.group) if column is not None else None
    if not rest and column is not None and not _adds_up(said, column, grouping.group):
        return None
    single = _single(said, grouping.group.column)
    if what == "sum" and column is not None and not single and not _summable(said, column):
        return None
    if what == "sum" and column is not None and single and not _summable(said, column):
        what = "maximum"
    if grouping.last and not single and not re.search("많|적은", said.text):
        return None
    limit = said.limit or (1 if order and (grouping.which or said.limit) else None)
    return Call("value", Measure(what, column, where), by=grouping.group, order=order, limit=limit)


def _adds_up(said: Understood, column: str, group: Group) -> bool:
    """Whether a group's figure without a word of how it is made can be but its sum."""
    return _summable(said, column) or _single(said, group.column)


def _adds(said: Understood, column: str, *, explicit: bool) -> bool:
    """Whether a figure that is asked for without a word on how is a sum; never for what has no sum."""
    return _summable(said, column) and (explicit or bool(_FLOW.search(split_unit(column)[0])))


def _summable(said: Understood, column: str) -> bool:
    """Whether adding a column up means something: no rates, no balance of one account day after day."""
    dated = any(_WHEN.fullmatch(other.name.split("(")[0].strip()) for other in said.table.columns)
    if said.table.column(column).unit == "%":
        return False
    return not _RATE.search(column) and not (_STOCK.search(column) and dated)


def _single(said: Understood, name: str) -> bool:
    """Whether each value of a column stands in one row."""
    if isinstance(said.table.rows, Stored):
        return False
    place = [column.name for column in said.table.columns].index(name)
    values = [row[place] for row in said.table.rows]
    return len(set(values)) == len(values)


def _extreme(said: Understood, column: str | None, where: tuple[Filter, ...], operations: Operations) -> Call | None:
    if len(operations) > 1 or column is None:
        return None
    order: Order = "highest" if "highest" in operations else "lowest"
    if said.limit or said.asks_rows or _asks_which(said):
        return Call("rows", Measure("value", column, where), order=order, limit=said.limit or 1)
    return Call("value", Measure("maximum" if order == "highest" else "minimum", column, where))


def _asks_which(said: Understood) -> bool:
    texts = {column.name for column in said.table.of_kind("text", "date")}
    named = any(column_name(said.table, n) in texts for n in said.columns)
    named = named or said.names_rows
    return named or bool(re.search(r"\b(?:which|who|where|when)\b|어디|무엇|뭐|누구|언제|어느|어떤", said.text))


def _compared(said: Understood, measured: list[str], operations: Operations) -> Call | None:
    """Two times, two values of one column, two columns, or a part of the whole."""
    do = _do(operations)
    if do is None or said.grouping is not None or said.limit is not None or said.asks_rows:
        return None
    average = "average" in operations
    if "count" in operations or (average and do == "growth"):
        return None
    whats: dict[str, What] = {column: _compared_as(said, column, operations) for column in measured}
    if not whats or len(set(whats.values())) > 1:
        return None
    what = whats[measured[0]]
    if len(said.spans) == 2 and len(measured) == 1:
        return _two_times(said, do, what, measured[0])
    if len(said.spans) > 1:
        return None
    several = [
        c
        for c in {n.label.column for n in said.values}
        if len({n.label.text for n in said.values if n.label.column == c}) == 2
    ]
    if len(measured) == 2 and not several:
        return _two_columns(said, do, what, measured)
    if len(measured) != 1:
        return None
    if len(several) == 1:
        return _two_values(said, do, what, measured[0], several[0])
    columns = list(dict.fromkeys(named.label.column for named in said.values))
    part = do == "share" and len(columns) == 1 and not several and not average and not said.thresholds
    if part and _summable(said, measured[0]):
        of = Measure("sum", measured[0], _where(said, said.spans))
        return Call("share", of, Measure("sum", measured[0], _where(said, said.spans, without=columns[0])))
    return None


def _compared_as(said: Understood, column: str, operations: Operations) -> What:
    """What of a column is compared: its mean, its sum, or the one figure of what has no sum."""
    if "average" in operations:
        return "average"
    return "sum" if _adds(said, column, explicit="sum" in operations) else "value"


def _do(operations: Operations) -> Do | None:
    rest = operations - {"average", "sum"}
    if rest == {"growth"}:
        return "growth"
    if rest == {"gap"}:
        return "gap"
    if rest in ({"difference"}, {"decrease"}):
        return "difference"
    if rest == {"ratio"}:
        return "ratio"
    return "share" if rest == {"share"} else None


def _two_times(said: Understood, do: Do, what: What, column: str) -> Call | None:
    if do in ("share", "ratio"):
        base = base_of(marked(said.text, [(span.at, span.until) for span in said.spans]))
    else:
        base = starts_at(marked(said.text, [(span.at, span.until) for span in said.spans]))
        if base is None:
            starts = [span.start for span in said.spans]
            first, second = starts
            base = None if first is None or second is None else 0 if first < second else 1
    if base is None:
        return None
    if "decrease" in said.operations:
        base = 1 - base
    of, against = said.spans[1 - base], said.spans[base]
    return Call(do, Measure(what, column, _where(said, [of])), Measure(what, column, _where(said, [against])))


def _two_values(said: Understood, do: Do, what: What, column: str, of: str) -> Call | None:
    named = [n for n in said.values if n.label.column == of]
    spans = [(n.start, n.end) for n in named]
    times = [_time(n.label.text) for n in named]
    if do in ("growth", "difference") and len(times) == 2 and all(times):
        base = starts_at(marked(said.text, spans))
        if base is None:
            base = 0 if times[0] <= times[1] else 1
        if "decrease" in said.operations:
            base = 1 - base
    else:
        base = _base(said, do, spans)
    if base is None or len(named) != 2:
        return None
    measures = [
        Measure(what, column, (Filter(of, "=", n.label.text), *_where(said, said.spans, without=of))) for n in named
    ]
    return Call(do, measures[1 - base], measures[base])


def _time(text: str) -> tuple[int, ...]:
    """The numbers of the year, quarter or month that a value names, to put two in order; empty for anything else."""
    if not re.fullmatch(
        r"(?:(?:fy ?)?(?:19|20)\d\d(?:년도?)?)?[ -]*(?:q?[1-4]\s?분기|q[1-4]|\d{1,2}월)?", text.lower()
    ):
        return ()
    return tuple(int(number) for number in re.findall(r"\d+", text))


def _two_columns(said: Understood, do: Do, what: What, measured: Sequence[str]) -> Call | None:
    numbers = {column.name: column for column in said.table.of_kind("number")}
    named = [n for n in said.columns if column_name(said.table, n) in numbers]
    base = _base(said, do, [(n.start, n.end) for n in named])
    if base is None or len(named) != 2 or numbers[measured[0]].unit != numbers[measured[1]].unit:
        return None
    where = _where(said, said.spans)
    return Call(do, Measure(what, measured[1 - base], where), Measure(what, measured[base], where))


def _base(said: Understood, do: Do, spans: Sequence[tuple[int, int]]) -> int | None:
    """Which of two things is subtracted or divided by; a difference is the first less the second."""
    if len(spans) != 2:
        return None
    text = marked(said.text, spans)
    if do in ("difference", "gap"):
        if "decrease" in said.operations:
            return None
        start = starts_at(text)
        return 1 if start is None else start
    return base_of(text) if do != "growth" else None
