"""The few words in which DuckDB's SQL and Spark's differ; everything else in the signals is written in both.

Times are ordered as microseconds in a BIGINT, so that a frame is `RANGE BETWEEN 86400000000 PRECEDING ...` in every
dialect: interval literals and their arithmetic are where engines differ most.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Dialect:
    name: str
    microseconds: str
    """A TIMESTAMP as microseconds since 1970."""
    hour: str
    """The hour of a TIMESTAMP, 0 to 23."""
    weekday: str
    """The weekday of a TIMESTAMP: 1 is Monday, 7 Sunday."""


DUCKDB = Dialect(
    name="duckdb",
    microseconds="epoch_us({time})",
    hour="hour({time})",
    weekday="isodow({time})",
)
SPARK = Dialect(
    name="spark",
    microseconds="unix_micros({time})",
    hour="hour({time})",
    weekday="(weekday({time}) + 1)",
)
