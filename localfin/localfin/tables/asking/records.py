"""Questions about records: which rows, which column, which computation, by which groups."""

import re
from collections.abc import Callable, Sequence
from decimal import Decimal

from localfin.tables.asking.dates import Span, take_spans
from localfin.tables.asking.grouping import groups_twice, take_grouping
from localfin.tables.asking.labels import Label, aliases, take_labels
from localfin.tables.asking.operations import Operation, compares, take_operations
from localfin.tables.asking.resolving import resolved
from localfin.tables.asking.thresholds import Threshold, factor, take_thresholds
from localfin.tables.asking.understood import Understood, column_name
from localfin.tables.asking.words import Words, is_filler, plain
from localfin.tables.call import Call, Filter, Is
from localfin.tables.table import Column, Table
from localfin.tables.units import split_unit

Values = Callable[[Column, str], Sequence[str]]
"""The different texts of a column that stand in a question."""

_SPENT = re.compile(
    r"\b(?:spent|spend|spending|paid|pay|expenses?|expenditures?|costs?|purchases?d?|charged?)\b"
    r"|(?:지출|사용|결제|소비|이용|납부|출금|인출|지불)(?:한|된|했|하|됐|되)?(?:\s?(?:금액|액|돈))?|(?<![가-힣])쓴(?:\s?(?:돈|금액))?|썼[가-힣]*"
)
_RECEIVED = re.compile(
    r"\b(?:received|earned|income|deposited|credited)\b|(?:수입|입금|수령)(?:한|된|했|하|됐|되)?(?:\s?(?:금액|액|돈))?|받은\s?(?:돈|금액)|번\s?돈"
)
_MONEY = re.compile(r"\b(?:amounts?|how much|values?|sums?|price)\b|금액|액수|얼마|돈(?=[은이을의 ?]|$)")
_SPENT_COLUMN = re.compile(
    r"출금|지출|사용|이용|결제|승인|금액|amount|spent|expense|debit|withdraw|cost|price|paid|charge", re.IGNORECASE
)
_RECEIVED_COLUMN = re.compile(r"입금|수입|income|deposit|credit|received|금액|amount", re.IGNORECASE)
WAYS = "지출 출금 expenses debit withdrawal spending dr 수입 입금 income credit deposit cr"
"""What columns call money that goes and money that comes."""
_SPENDING = re.compile(r"지출|출금|expenses?|debit|withdrawal|spending|dr", re.IGNORECASE)
_INCOME = re.compile(r"수입|입금|income|credit|deposit|cr", re.IGNORECASE)
_ONLY_SPENT = re.compile(r"출금|지출|spent|expense|debit|withdraw|paid", re.IGNORECASE)
_ONLY_RECEIVED = re.compile(r"입금|수입|income|deposit|credit|received", re.IGNORECASE)
_ROWS = re.compile(
    r"\b(?:transactions?|purchases?|payments?|rows?|records?|entries|entry|expenses?)\b"
    r"|거래\s?(?:내역|건)?|내역|결제\s?건|지출\s?건|건(?=은|이|을|의| |\?|$)"
)

_EACH = re.compile(
    r"(?:한|1)?\s?건\s?당|건당|\b(?:per|for each|for every) (?:transaction|purchase|payment|row|record)\b"
)
_COUNTING = re.compile(r"회차|차수|순번|installment|instalment|no\.?")
_TIME_WORD = re.compile(r"월|달|연월|년월|month|분기|quarter|해|연도|년도|year")
_TIMES = re.compile(r"월|달|month", re.IGNORECASE)
_PEOPLE = ("사람", "직원", "사원", "인원")
_ENDS = ("", "은", "이", "의", "을", "는")


def call_of_records(
    question: str, table: Table, values: Values, years: Callable[[str], tuple[int, int]]
) -> Call | None:
    """The call that a question means; None where it is not understood in full.

    `values` gives what of a column stands in the question, `years` the first and last year of a column of dates.
    """
    words = Words(question)
    shared = words.take(r"\b(?:what|which)\s+(?:percentage\s+)?share(?=\s+of\b)") is not None
    named = take_labels(words, _labels(table, values, words.text))
    dates = [column.name for column in table.of_kind("date")]
    spans = _take_times(words, dates[0], years) if len(dates) == 1 else []
    places = _take_places(words, table)
    thresholds = take_thresholds(words)
    limit = _limit(words)
    columns = [name for name in named if not name.label.column]
    grouping = take_grouping(words, table, columns)
    if groups_twice(words, table, columns) or len(re.findall(r"평균|\baverage\b|\bmean\b", words.text)) > 1:
        return None
    spent, received = words.take(_SPENT), words.take(_RECEIVED)
    operations: list[Operation] = [found.operation for found in take_operations(words)]
    if shared:
        operations.append("share")
    known = _take_what_goes_with(words, table, operations, listed=grouping is not None and not grouping.which)
    money, rows = words.take(_MONEY), words.take(_ROWS)
    called = _called(table)
    if thresholds is None or spans is None or not known or words.left(called):
        return None
    understood = Understood(
        words.text, table, [name for name in named if name.label.column], columns, spans,
        dates[0] if len(dates) == 1 else None, grouping, operations, asks_rows=bool(rows), limit=limit, places=places,
    )  # fmt: skip
    understood.names_rows = any(word in called for word in re.findall(r"[^\W_]+", words.rest))
    way = _SPENDING if spent else _INCOME if received else None
    if way is not None and (rule := _way(table, way, understood, values)) is not None:
        understood.places.append(rule)
    understood.money = _money_column(table, bool(spent), bool(received), bool(money))
    return resolved(understood) if _placed(understood, thresholds) else None


def _take_times(words: Words, column: str, years: Callable[[str], tuple[int, int]]) -> list[Span] | None:
    """As `take_spans`, with the verb that goes with a time: started after May, 3월에 입사한."""
    spans = take_spans(words, years(column), apart=compares(words))
    if spans:
        words.take(_said_of_dates(column))
    return spans


def _take_what_goes_with(words: Words, table: Table, operations: Sequence[Operation], *, listed: bool) -> bool:
    """Words that add nothing to the computation they stand with; False where they change what is counted."""
    if "average" in operations:
        words.take(_EACH)
    if listed:
        words.take(r"추이|현황|\btrend\b")
    if "highest" in operations or "lowest" in operations:
        words.take(r"\bsingle\b")
    if "count" in operations:
        if not any(_TIMES.fullmatch(column.name) for column in table.of_kind("text")):
            return not re.search(
                r"몇\s?(?:달|개월|해|년)|how many (?:month|year|day)", words.text
            )  # rows are not months
        words.take(r"(?:달|개월|월|\bmonths?\b)(?=[은이]|\s|\?|$)")
    return True


def _said_of_dates(name: str) -> str:
    """What a column of dates says as a verb: started of `Start Date`, 입사한 of 입사일."""
    stem = re.sub(r"\s*(?:일자|일시|날짜|일|date|day|time)$", "", plain(name))
    if not stem or not re.fullmatch(r"[a-z]+|[가-힣]+", stem):
        return r"(?!)"
    if stem.isascii():
        return rf"\b{stem}(?:e?d|ing|s)?\b"
    return rf"(?<![가-힣]){stem}(?:한|된|인|하는|되는|일)?(?![가-힣])"


def _way(table: Table, way: re.Pattern[str], understood: Understood, values: Values) -> Filter | None:
    """What was spent leaves the rows of income out, where a column says which is which."""
    named = {value.label.column for value in understood.values}
    for column in table.of_kind("text"):
        found = sorted(value for value in values(column, WAYS) if way.fullmatch(value))
        if found and column.name not in named:
            return Filter(column.name, "=", tuple(found) if len(found) > 1 else found[0])
    return None


def _take_places(words: Words, table: Table) -> list[Filter]:
    """`3회차`, `installment 3`: rows by the number that a column counts them with."""
    found: list[Filter] = []
    for column in table.of_kind("number"):
        name = plain(split_unit(column.name)[0])
        if column.scale or not _COUNTING.fullmatch(name):
            continue
        match = words.take(
            rf"(?<![\d.,])(\d{{1,4}})\s?{re.escape(name)}(까지|부터)?|\b{re.escape(name)}\s(\d{{1,4}})\b"
        )
        if match:
            sign: Is = "<=" if match[2] == "까지" else ">=" if match[2] == "부터" else "="
            found.append(Filter(column.name, sign, Decimal(match[1] or match[3])))
    return found


def _called(table: Table) -> set[str]:
    """What the rows are called: the words of the table's name, people where there is a column of names."""
    found = {word.removesuffix("s") for word in re.findall(r"[a-z]+|[가-힣]+", plain(table.name))}
    if any(re.fullmatch(r"(?:이름|성명|성함|name|employee)", plain(column.name)) for column in table.columns):
        found |= {"employee", "people", "person", "staff", *(f"{who}{end}" for who in _PEOPLE for end in _ENDS)}
    return found | {word + "s" for word in found if word.isascii()}


def _labels(table: Table, values: Values, text: str) -> list[Label]:
    found: list[Label] = []
    dated = len(table.of_kind("date")) == 1
    for column in table.columns:
        # `by month` asks for months, also where the column of dates is called so.
        if not (dated and column.kind == "date" and _TIME_WORD.fullmatch(plain(column.name))):
            found += [Label(alias) for alias in aliases(column.name)]
        if column.kind == "text":
            found += [Label(value, column.name) for value in values(column, text) if _sayable(value)]
    return found


def _sayable(value: str) -> bool:
    """Whether a value means itself where it stands in a question: no bare number but a year, no word such as `in`."""
    text = plain(value)
    if re.fullmatch(r"[\d.,]+", text):
        return bool(re.fullmatch(r"(?:19|20)\d\d", text))
    return len(text) > 1 and (not is_filler(text) or text in ("usd", "krw"))


def _limit(words: Words) -> int | None:
    counters = r"(?:개|건|명|곳|위|가지|달|개월)"
    for pattern in (
        rf"(?:상위|하위|top|bottom)\s?(\d{{1,2}})\s?{counters}?",
        r"(\d{1,2})(?=\s(?:largest|highest|biggest|smallest|lowest|most expensive|cheapest))",
        rf"(?<=[가-힣\s])(\d{{1,2}})\s?{counters}(?=를|을|은|는|의| |\?|$)",
    ):
        match = re.search(pattern, words.rest)
        if match:
            words.cut(*match.span(1))
            return int(match[1])
    return None


def _money_column(table: Table, spent: bool, received: bool, money: bool) -> str | None:
    numbers = table.of_kind("number")
    if spent and received:
        return None
    if len(numbers) == 1:
        return numbers[0].name
    pattern = _SPENT_COLUMN if spent or (money and not received) else _RECEIVED_COLUMN if received else None
    other = _ONLY_RECEIVED if spent else _ONLY_SPENT if received else None
    found = [
        column.name
        for column in numbers
        if pattern is not None and pattern.search(column.name) and not (other and other.search(column.name))
    ]
    return found[0] if len(found) == 1 else None


def _placed(understood: Understood, thresholds: Sequence[Threshold]) -> bool:
    """Gives each threshold its column: the one named before it, else the one that money means."""
    numbers = {column.name: column for column in understood.table.of_kind("number")}
    for threshold in thresholds:
        before = [
            name
            for name in understood.columns
            if name.end <= threshold.start and column_name(understood.table, name) in numbers
        ]
        near = [name for name in before if threshold.start - name.end <= 6]
        name = column_name(understood.table, near[-1]) if near else _single(understood, numbers)
        if name is None:
            return False
        column = numbers[name]
        if threshold.percent != (column.unit == "%"):
            return False
        if factor(column.unit) not in (None, 1) and not threshold.scaled and not threshold.percent:
            return False
        understood.thresholds.append((threshold, name))
        if near:
            understood.columns.remove(near[-1])
    return True


def _single(understood: Understood, numbers: dict[str, Column]) -> str | None:
    named = {column_name(understood.table, name) for name in understood.columns}.intersection(numbers)
    return named.pop() if len(named) == 1 else understood.money if not named else None
