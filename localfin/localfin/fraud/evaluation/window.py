"""Which transactions a scorer may be tested on: those of which it has seen nothing."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from localfin.fraud.database import ZONE, span
from localfin.fraud.scorer.model import Scorer
from localfin.fraud.scorer.training_rows import utc
from localfin_models.errors import InputRefused
from localfin_models.language import _

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TIME = "%Y-%m-%d %H:%M"


def window(con: "DuckDBPyConnection", scorer: Scorer, begin: datetime | None) -> tuple[datetime, datetime]:
    """From `begin`, aware, to the end of the table `transactions`; both in the desk's zone.

    Left out, it begins at the first midnight of that zone of which the scorer has seen nothing. Raises InputRefused
    for a time before that of a scorer that was learned, and for one that lies behind the last transaction.
    """
    first, last = span(con)
    end = (last + timedelta(microseconds=1)).astimezone(ZoneInfo(ZONE))
    start = _unseen(first, scorer)
    if begin is not None:
        utc(begin)  # refuses a time without an offset
        asked = begin.astimezone(ZoneInfo(ZONE))
        if scorer.training is not None and asked < start:
            raise InputRefused(
                _("{day}: the scorer may have learned from transactions before {start}").format(
                    day=asked.strftime(_TIME), start=start.strftime(_TIME)
                )
            )
        start = asked
    if start >= end:
        raise InputRefused(
            _("no transaction from {day:%Y-%m-%d} on; what came before may have been learned from").format(day=start)
        )
    return start, end


def _unseen(first: datetime, scorer: Scorer) -> datetime:
    """The midnight that begins the first transaction's day, or the first one after what the scorer knew."""
    start = _midnight(first)
    if scorer.training is None:
        return start
    known = scorer.training.as_of.astimezone(ZoneInfo(ZONE))
    midnight = _midnight(known)
    return max(start, midnight if midnight == known else midnight + timedelta(days=1))


def _midnight(time: datetime) -> datetime:
    return time.astimezone(ZoneInfo(ZONE)).replace(hour=0, minute=0, second=0, microsecond=0)
