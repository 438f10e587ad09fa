"""Times in DuckDB's SQL: texts of the usual shapes, and a zone's offsets from UTC. `moments` reads the other texts."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from localfin.fraud.transactions import moments

_ISO = r"'\d{4}-\d{1,2}-\d{1,2}([ T]\d{1,2}:\d{2}(:\d{2}(\.\d{1,6})?)?)?'"
_SHORT = r"'^(\d{1,2})[-./](\d{1,2})[-./](\d{4})( |$)'"
_KOREAN = (
    r"'^(\d{4})(?:[-./]|년) ?(\d{1,2})(?:[-./]|월) ?(\d{1,2})(?:일|\.)? ?(오전|오후)? ?"
    r"(\d{1,2})(?::|시 ?)(\d{1,2})(?::|분 ?)"
    r"(\d{1,2})초?$'"
)
_ORDERED = {"dmy": r"'\3-\2-\1\4'", "mdy": r"'\3-\1-\2\4'"}


def time_sql(text: str, order: moments.Order | None) -> tuple[str, str]:
    """SQL for the local time and for the instant in a text; NULL for what only Python reads."""
    iso = rf"regexp_replace({text}, '^(\d{{4}})[./](\d{{1,2}})[./](\d{{1,2}})', '\1-\2-\3')"
    if order in _ORDERED:
        iso = f"regexp_replace({iso}, {_SHORT}, {_ORDERED[order]})"
    korean = f"regexp_replace({text}, {_KOREAN}, '\\1-\\2-\\3 \\5:\\6:\\7 \\4')"
    half_day = f"replace(replace({korean}, '오전', 'AM'), '오후', 'PM')"
    years = f"BETWEEN {moments.FIRST_YEAR} AND {moments.LAST_YEAR}"
    local = (
        f"CASE WHEN length({text}) = 19 AND {text}[5:5] = '-' AND {text}[14:14] = ':' AND {text}[17:17] = ':' "
        f"AND year(TRY_CAST({text} AS TIMESTAMP)) {years} THEN TRY_CAST({text} AS TIMESTAMP) "
        f"WHEN regexp_full_match({iso}, {_ISO}) AND year(TRY_CAST({iso} AS TIMESTAMP)) {years} "
        f"THEN TRY_CAST({iso} AS TIMESTAMP) "
        rf"WHEN regexp_full_match({text}, '(19|20)\d{{12}}') THEN try_strptime({text}, '%Y%m%d%H%M%S') "
        rf"WHEN regexp_full_match({text}, '(19|20)\d{{6}} \d{{6}}') THEN try_strptime({text}, '%Y%m%d %H%M%S') "
        f"WHEN contains({text}, '오') THEN try_strptime({half_day}, '%Y-%m-%d %I:%M:%S %p') "
        f"WHEN contains({text}, '시') THEN try_strptime(trim({korean}), '%Y-%m-%d %H:%M:%S') END"
    )
    seconds = f"TRY_CAST({text} AS BIGINT)"
    offset = r"'\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})'"
    instant = (
        rf"CASE WHEN regexp_full_match({text}, '\d{{9,10}}') THEN make_timestamp({seconds} * 1000000) "
        rf"WHEN regexp_full_match({text}, '\d{{13}}') THEN make_timestamp({seconds} * 1000) "
        f"WHEN regexp_full_match({text}, {offset}) AND year(TRY_CAST(left({text}, 10) AS DATE)) {years} "
        f"THEN make_timestamp(epoch_us(TRY_CAST({text} AS TIMESTAMPTZ))) END"
    )
    return local, instant


def offset_sql(expression: str, zone: ZoneInfo, first: int, last: int, *, local: bool) -> str:
    """The zone's offset from UTC, as an INTERVAL, at a TIMESTAMP of the years `first` to `last`, local or UTC.

    DuckDB's own zones need its ICU extension, which a build may lack; these come from Python's. A local time that
    occurs twice is the first, one that is skipped reads as if the clock had not moved.
    """
    changes = _changes(zone, datetime(first, 1, 1) - timedelta(days=2), datetime(last, 12, 31) + timedelta(days=2))
    (_start, base), *later = changes
    cases = [
        f"WHEN {expression} >= TIMESTAMP '{(at + max(before, offset) if local else at).isoformat(' ')}' "
        f"THEN {_interval(offset)}"
        for (at, offset), (_at, before) in zip(later, changes, strict=False)
    ]
    if not cases:
        return _interval(base)
    return f"CASE {' '.join(reversed(cases))} ELSE {_interval(base)} END"


def _interval(offset: timedelta) -> str:
    return f"INTERVAL '{int(offset.total_seconds())}' SECOND"


def _changes(zone: ZoneInfo, start: datetime, end: datetime) -> Sequence[tuple[datetime, timedelta]]:
    """(UTC from which an offset holds, the offset) within a span, to the minute."""

    def offset(at: datetime) -> timedelta:
        return at.replace(tzinfo=UTC).astimezone(zone).utcoffset() or timedelta()

    found = [(start, offset(start))]
    at = start
    while at < end:
        after = at + timedelta(days=7)
        if offset(after) != found[-1][1]:
            before, low, high = found[-1][1], 0, 7 * 24 * 60
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset(at + timedelta(minutes=middle)) == before else (low, middle)
            changed = at + timedelta(minutes=high)
            found.append((changed, offset(changed)))
        at = after
    return found
