"""What a desk looks at: the judged transactions of a file, as they come, kept on the disk and read a few at a time.

In memory a row takes some 30 bytes; its words and reasons lie in a temporary file that goes with the process.
"""

import json
import tempfile
import threading
import weakref
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from localfin.fraud.database import database
from localfin.text import clean_text
from localfin_models.progress import Progress

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from localfin.fraud.scorer.model import Scorer, Verdict
    from localfin.fraud.transactions import ReadReport

BATCH = 5_000
VERDICTS: "tuple[Verdict, ...]" = ("normal", "review", "suspicious")
_DETAILS = 'SELECT local_time, customer, counterparty, amount, currency FROM transactions WHERE is_new ORDER BY "row"'


class Why(NamedTuple):
    """What one signal adds to a score."""

    signal: str
    contribution: float
    """Log-odds."""
    text: str
    """The evidence in the language of the check."""


@dataclass(frozen=True, slots=True)
class Row:
    """One judged transaction; its texts are cleaned, each on one line."""

    place: int
    """In the file, whatever history it was compared with."""
    id: str
    verdict: "Verdict"
    score: float
    time: datetime
    """By the desk's clock."""
    customer: str
    counterparty: str
    amount: float
    currency: str
    reasons: tuple[Why, ...]


class Rows:
    """A sequence of rows that grows on one thread while another reads it."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="localfin-")  # noqa: SIM115 - goes with the rows
        weakref.finalize(self, self._file.close)
        self._lock = threading.Lock()
        self._starts = array("q", [0])
        self.places = array("q")
        self.scores = array("d")
        self.verdicts = bytearray()
        """Indices into VERDICTS."""

    def __len__(self) -> int:
        return len(self._starts) - 1

    def add(self, rows: Sequence[Row]) -> None:
        lines = [_encoded(row) for row in rows]
        with self._lock:
            self._file.seek(0, 2)
            self._file.write(b"".join(lines))
            self.places.extend(row.place for row in rows)
            self.scores.extend(row.score for row in rows)
            self.verdicts.extend(VERDICTS.index(row.verdict) for row in rows)
            at = self._starts[-1]
            for line in lines:
                at += len(line)
                self._starts.append(at)

    def __getitem__(self, at: int) -> Row:
        with self._lock:
            start, end = self._starts[at], self._starts[at + 1]
            self._file.seek(start)
            line = self._file.read(end - start)
            place, score, verdict = self.places[at], self.scores[at], VERDICTS[self.verdicts[at]]
        name, time, customer, counterparty, amount, currency, reasons = json.loads(line)
        whys = tuple(Why(*reason) for reason in reasons)
        when = datetime.fromisoformat(time)
        return Row(place, name, verdict, score, when, customer, counterparty, amount, currency, whys)


def look(
    new: Path, history: Path | None, scorer: Path | None, *, progress: Progress
) -> "Iterator[ReadReport | list[Row]]":
    """First what reading `new` came to, then its transactions, judged, in batches and in their order.

    `scorer`: as `load_scorer` takes it. `progress` is told of the signals' steps and may raise to stop. Raises
    NotFound, InputRefused.
    """
    from localfin.fraud.judging import judge
    from localfin.fraud.library import load_scorer
    from localfin.fraud.transactions import read_into

    chosen = load_scorer(scorer)
    with database() as con:
        if history is not None:
            read_into(con, history, is_new=False, columns=chosen.label_role)
        start = _count_before(con) if history is not None else 0
        yield read_into(con, new, is_new=True, columns={} if history is None else {"label": ""})
        judge(con, chosen, chosen.label_delay, progress=progress)
        batch = list[Row]()
        for row in _rows(con, chosen, start):
            batch.append(row)
            if len(batch) == BATCH:
                yield batch
                batch = []
        yield batch


def _count_before(con: "DuckDBPyConnection") -> int:
    [(count,)] = con.execute('SELECT coalesce(max("row") + 1, 0) FROM transactions').fetchall()
    return int(count)


def _rows(con: "DuckDBPyConnection", scorer: "Scorer", start: int) -> Iterator[Row]:
    from localfin.fraud.judging import judged

    details = con.cursor().execute(_DETAILS)
    kept: Iterable[tuple[datetime, str | None, str | None, float, str]] = iter(details.fetchone, None)
    for checked, (time, customer, counterparty, amount, currency) in zip(judged(con, scorer), kept, strict=True):
        yield Row(
            checked.row - start,
            one_line(checked.id),
            checked.verdict,
            checked.score,
            time,
            one_line(customer or ""),
            one_line(counterparty or ""),
            amount,
            one_line(currency),
            tuple(Why(reason.signal, reason.contribution, one_line(reason.text)) for reason in checked.reasons),
        )


def one_line(text: str) -> str:
    return " ".join(clean_text(text).split())


def _encoded(row: Row) -> bytes:
    facts = (row.id, row.time.isoformat(), row.customer, row.counterparty, row.amount, row.currency, row.reasons)
    return json.dumps(facts, ensure_ascii=False).encode() + b"\n"
