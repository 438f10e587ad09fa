"""What a Python program calls: `read`, `fit`, `evaluate` and `check` on files, without the command line.

Nothing is printed. Rows that cannot be read are kept out; `ReadReport` counts them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from localfin.fraud.database import ZONE, database
from localfin.fraud.evaluation.comparison import Comparison, compare
from localfin.fraud.judging import Checked, Words, judge, judged
from localfin.fraud.scorer import Capacity, Scorer, default_scorecard, read_scorecard
from localfin.fraud.scorer import read as read_scorer
from localfin.fraud.scorer.model import WEEK
from localfin.fraud.scorer.thresholds import Policy
from localfin.fraud.signals import SIGNALS
from localfin.fraud.training import train
from localfin.fraud.transactions import ReadReport, read_into

_CAPACITY = Capacity()
_FETCHED = 10_000


@dataclass(frozen=True, slots=True)
class Transaction:
    """One row that was read. What the file does not say is None."""

    id: str
    """As in the file, or the line's number."""
    time: datetime
    """Aware, in the desk's zone."""
    amount: Decimal
    currency: str
    """ISO 4217; KRW where none is given."""
    customer: str | None
    counterparty: str | None
    channel: str | None
    category: str | None
    country: str | None
    latitude: float | None
    """Degrees."""
    longitude: float | None
    label: bool | None
    """Known fraud, known to be none, or not known."""


def read(
    path: str | Path, *, columns: Mapping[str, str] | None = None, zone: str = ZONE
) -> tuple[ReadReport, Iterator[Transaction]]:
    """The transactions of a CSV, TSV, JSON lines or Parquet file in its order, and what reading it came to.

    `columns` maps roles (id, time, customer, counterparty, amount, …) to columns where names and contents do not say.
    `zone` is that of times without an offset. Raises NotFound, InputRefused, NotEnough (disk), ValueError (no such
    role).
    """
    reports = list[ReadReport]()
    rows = _read(path, columns, zone, reports)
    first = next(rows)  # reads the file; one without a transaction is refused
    return reports[0], chain([first], rows)


def fit(
    history: str | Path,
    *,
    label: str,
    label_delay: timedelta = WEEK,
    as_of: datetime | None = None,
    train_days: float | None = None,
    policy: Policy = _CAPACITY,
    columns: Mapping[str, str] | None = None,
) -> Scorer:
    """A scorer learned from the history's column `label`, as it was known at `as_of`, aware; by default at its end.

    A label counts when its transaction is older than `label_delay`; `train_days` keeps the last days of those. `policy`
    sets the thresholds: `Capacity` in transactions a day, or `Costs`. Raises NotFound, InputRefused (also where there
    are too few frauds to learn from, or `as_of` lies outside the history), ValueError (a time without an offset).
    """
    with database() as con:
        read_into(con, history, is_new=False, columns={**(columns or {}), "label": label}, zone=ZONE)
        return train(con, label=label, label_delay=label_delay, as_of=as_of, train_days=train_days, policy=policy)


def check(
    new: str | Path,
    *,
    history: str | Path | None = None,
    scorer: Scorer | str | Path | None = None,
    label_delay: timedelta | None = None,
    columns: Mapping[str, str] | None = None,
    words: Words | None = None,
) -> Iterator[Checked]:
    """Verdict, score and reasons of each transaction of `new`, in its order.

    `scorer`: one of `fit`, a scorer's file, or a scorecard (.toml); None is the scorecard that ships. `label_delay` is
    the scorer's where left out, else seven days. Labels are read from the history alone, or from `new` where there is
    none, and only those older than the delay count. `words` explains the rows. Raises NotFound, InputRefused.
    """
    chosen = scorer if isinstance(scorer, Scorer) else load_scorer(scorer)
    given = dict(columns or {})
    with database() as con:
        if history is not None:
            read_into(con, history, is_new=False, columns={**chosen.label_role, **given}, zone=ZONE)
            given["label"] = ""
        read_into(con, new, is_new=True, columns=given, zone=ZONE)
        judge(con, chosen, label_delay or chosen.label_delay)
        yield from judged(con, chosen, words=words)


def evaluate(
    labelled: str | Path,
    *,
    scorer: Scorer | str | Path,
    label_delay: timedelta | None = None,
    since: datetime | None = None,
    cards: int = 100,
    baselines: bool = False,
    columns: Mapping[str, str] | None = None,
) -> Comparison:
    """How good a scorer is on the transactions of `labelled` that came after those it learned from, week by week.

    The file holds the history before them, too. The test begins at `since`, aware; left out, at the first midnight
    of the desk's zone of which the scorer has seen nothing. `cards` is how many customers a day card precision looks
    at. `baselines` measures beside it three models learned from the same rows. Raises NotFound, InputRefused (also for
    a `since` that the scorer may have learned from), ValueError (a time without an offset).
    """
    chosen = scorer if isinstance(scorer, Scorer) else load_scorer(scorer)
    with database() as con:
        read_into(con, labelled, is_new=False, columns={**chosen.label_role, **(columns or {})}, zone=ZONE)
        return compare(
            con, chosen, begin=since, label_delay=label_delay or chosen.label_delay, k=cards, baselines=baselines
        )


def load_scorer(path: str | Path | None = None) -> Scorer:
    """The scorer in a file, a scorecard where it ends in .toml; without a path the scorecard that ships.

    Raises NotFound, InputRefused.
    """
    known = [signal.name for signal in SIGNALS]
    if path is None:
        return default_scorecard(known)
    path = Path(path)
    return read_scorecard(path, known) if path.suffix == ".toml" else read_scorer(path, known)


def _read(
    path: str | Path, columns: Mapping[str, str] | None, zone: str, reports: list[ReadReport]
) -> Iterator[Transaction]:
    place = ZoneInfo(zone)
    with database() as con:
        reports.append(read_into(con, path, is_new=False, columns=columns, zone=zone))
        con.execute(
            "SELECT id, time, amount, currency, customer, counterparty, channel, category, country, latitude, "
            'longitude, label FROM transactions ORDER BY "row"'
        )
        while rows := con.fetchmany(_FETCHED):
            yield from (_transaction(row, place) for row in rows)


def _transaction(row: tuple[Any, ...], place: ZoneInfo) -> Transaction:
    name, time, amount, *others = row
    return Transaction(name, time.replace(tzinfo=UTC).astimezone(place), Decimal(repr(amount)), *others)
