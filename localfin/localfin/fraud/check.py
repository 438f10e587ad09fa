"""New transactions beside their history: signals, score and verdict, and the reasons, in the input's order.

The verdict is a function of the signals, and these of numbers, times, closed categories and keys that are compared for
equality: no wording reaches it. The sentences are made from the evidence afterwards.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from localfin.fraud.scorer.model import Scorer
from localfin.fraud.scorer.tables import fetch
from localfin.fraud.signals import SIGNALS, Settings, compute, evidence

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MOST_REASONS = 5
_BATCH = 2_000
_SIGNALS = {signal.name: signal for signal in SIGNALS}


@dataclass(frozen=True, slots=True)
class Reason:
    signal: str
    contribution: float
    """Log-odds that the signal adds to the score."""
    evidence: Mapping[str, float | None]
    text: str
    """In the user's language."""


@dataclass(frozen=True, slots=True)
class Checked:
    row: int
    id: str
    verdict: str
    """normal, review or suspicious."""
    score: float
    """0 to 1."""
    reasons: tuple[Reason, ...]
    """What speaks for fraud, the weightiest first, at most `MOST_REASONS`."""


def check(con: "DuckDBPyConnection", scorer: Scorer, label_delay: timedelta) -> Iterator[Checked]:
    """The rows of `transactions` that are new, judged; makes the tables `signals`, `evidence`, `scores`, `contributions`.

    Labels younger than `label_delay` at a row's time are not looked at. Raises InputRefused where the scorer needs a
    signal that does not exist.
    """
    compute(con, Settings(label_delay), rows="new")
    scorer.score(con, only_new=True)
    judged = con.execute(
        "SELECT s.row, t.id, s.verdict, s.score FROM scores AS s JOIN transactions AS t USING (row) ORDER BY s.row"
    ).fetchall()
    for start in range(0, len(judged), _BATCH):
        batch = judged[start : start + _BATCH]
        reasons = _reasons(con, scorer, [row for row, *_rest in batch])
        for row, name, verdict, score in batch:
            yield Checked(row, name, verdict, score, reasons[row])


def _reasons(con: "DuckDBPyConnection", scorer: Scorer, rows: list[int]) -> dict[int, tuple[Reason, ...]]:
    between = "WHERE row BETWEEN ? AND ? ORDER BY row"
    numbers, values = fetch(con, scorer.signals, f"FROM signals {between}", [rows[0], rows[-1]])
    parts = con.execute(f"SELECT * EXCLUDE (row) FROM contributions {between}", [rows[0], rows[-1]]).fetchall()
    measured = evidence(con, rows)
    known = {int(row): at for at, row in enumerate(numbers)}
    found: dict[int, tuple[Reason, ...]] = {}
    for row, contributions in zip(rows, parts, strict=True):
        ranked = sorted(zip(contributions, scorer.signals, strict=True), reverse=True)
        weighty = [
            (part, name)
            for part, name in ranked
            if part > 0 and not math.isnan(values[known[row], scorer.signals.index(name)])
        ]
        found[row] = tuple(_reason(name, part, measured[row]) for part, name in weighty[:MOST_REASONS])
    return found


def _reason(name: str, contribution: float, measured: Mapping[str, float | None]) -> Reason:
    signal = _SIGNALS[name]
    return Reason(name, contribution, signal.figures(measured), signal.say(measured))
