"""New transactions beside their history: signals, score and verdict, and the reasons, in the input's order.

The verdict is a function of the signals, and these of numbers, times, closed categories and keys that are compared for
equality: no wording reaches it. Sentences are made from the evidence afterwards, and explanations from the sentences.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import numpy as np

from localfin.fraud.scorer.arithmetic import Doubles
from localfin.fraud.scorer.model import Scorer, Verdict
from localfin.fraud.signals import SIGNALS, Settings, Signal, compute
from localfin_models.progress import Progress

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from localfin.fraud.cluster import Cluster

MOST_REASONS = 5
BATCH = 5_000
"""Rows whose evidence is fetched at once."""
_SIGNALS = {signal.name: signal for signal in SIGNALS}


Author = Literal["model", "template"]


@dataclass(frozen=True, slots=True)
class Reason:
    """What one signal adds to a score, and why."""

    signal: str
    contribution: float
    """Log-odds that the signal adds to the score."""
    evidence: Mapping[str, float | None]
    """The numbers behind it, by the names of the sentence's fields; None where not known."""
    text: str
    """In the user's language."""


@dataclass(frozen=True, slots=True)
class Checked:
    """One transaction's verdict with its reasons."""

    row: int
    id: str
    """As in the input, or the line's number."""
    verdict: Verdict
    """normal, review or suspicious."""
    score: float
    """0 to 1, calibrated where the scorer is."""
    reasons: tuple[Reason, ...]
    """What speaks for fraud, the weightiest first, at most `MOST_REASONS`."""
    explanation: str | None = None
    """The reasons in a few words; None where nobody asked for them."""
    explained_by: Author | None = None
    """Who put them so."""


@dataclass(frozen=True, slots=True)
class Explanation:
    text: str
    by: Author


Words = Callable[[Sequence[Checked]], Iterable[Explanation | None]]
"""Explanations of some rows, one for each and in their order; None for a row that needs none."""


def judge(
    con: "DuckDBPyConnection",
    scorer: Scorer,
    label_delay: timedelta,
    *,
    cluster: "Cluster | None" = None,
    progress: Progress = lambda _done, _total: None,
) -> int:
    """Judges the rows of `transactions` that are new, and says how many.

    Makes the tables `signals`, `evidence`, `scores` and `contributions`. Labels younger than `label_delay` at a row's
    time are not looked at. With a `cluster` the history lies there. Raises InputRefused where the scorer
    needs a signal that does not exist. `progress` is told of the signals' steps.
    """
    compute(con, Settings(label_delay), rows="new", cluster=cluster, progress=progress)
    scorer.score(con, only_new=True)
    [(count,)] = con.execute("SELECT count(*) FROM scores").fetchall()
    return int(count)


def judged(
    con: "DuckDBPyConnection", scorer: Scorer, *, after: int = 0, words: Words | None = None
) -> Iterator[Checked]:
    """What `judge` came to, in the input's order; the first `after` rows are passed over. `words` explains them."""
    rows = con.execute(
        'SELECT s."row", t.id, s.verdict, s.score FROM scores AS s JOIN transactions AS t USING ("row") '
        'ORDER BY s."row" OFFSET ?',
        [after],
    ).fetchall()
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        reasons = _reasons(con, scorer, [row for row, *_rest in batch])
        found = [
            Checked(row, name, verdict, score, tuple(each))
            for (row, name, verdict, score), each in zip(batch, reasons, strict=True)
        ]
        if words is None:
            yield from found
        else:
            yield from (
                each if said is None else replace(each, explanation=said.text, explained_by=said.by)
                for each, said in zip(found, words(found), strict=True)
            )


def _reasons(con: "DuckDBPyConnection", scorer: Scorer, rows: Sequence[int]) -> list[list[Reason]]:
    """Of each of the judged rows, which lie side by side. A signal that is not known is no reason, whatever it adds.

    Signal by signal, because that is three times as quick as row by row.
    """
    signals = [_SIGNALS[name] for name in scorer.signals]
    sources = sorted({column for signal in signals for column in signal.evidence.values() if isinstance(column, str)})
    values, parts, evidence = (
        _columns(con, table, columns, rows)
        for table, columns in (("signals", scorer.signals), ("contributions", scorer.signals), ("evidence", sources))
    )
    weights = np.where((parts > 0) & ~np.isnan(values), parts, 0.0)
    ranked = np.argsort(-weights, axis=1, kind="stable")[:, :MOST_REASONS]
    found = list[list[Reason]]([] for _row in rows)
    for chosen, weight in zip(ranked.T, np.take_along_axis(weights, ranked, axis=1).T, strict=True):
        for each in np.unique(chosen[weight > 0]).tolist():
            at = np.flatnonzero((chosen == each) & (weight > 0))
            figures = _figures(signals[each], sources, evidence[at])
            for row, reason in zip(at.tolist(), _worded(signals[each], weight[at].tolist(), figures), strict=True):
                found[row].append(reason)
    return found


def _figures(signal: Signal, sources: Sequence[str], evidence: Doubles) -> list[tuple[float | None, ...]]:
    """What is behind a signal in some rows, in the order of its `evidence`."""
    columns = list[list[float | None]]()
    for source in signal.evidence.values():
        if isinstance(source, str):
            column = evidence[:, sources.index(source)]
            columns.append(
                [
                    value if known else None
                    for value, known in zip(column.tolist(), np.isfinite(column).tolist(), strict=True)
                ]
            )
        else:
            columns.append([float(source)] * len(evidence))
    return list(zip(*columns, strict=True))


def _worded(
    signal: Signal, contributions: Sequence[float], figures: Sequence[tuple[float | None, ...]]
) -> Iterator[Reason]:
    fields = tuple(signal.evidence)
    for contribution, row, text in zip(contributions, figures, signal.say_all(figures), strict=True):
        yield Reason(signal.name, contribution, dict(zip(fields, row, strict=True)), text)


def _columns(con: "DuckDBPyConnection", table: str, names: Sequence[str], rows: Sequence[int]) -> Doubles:
    """DOUBLE columns side by side, NaN where NULL."""
    if not names:
        return np.empty((len(rows), 0))
    listed = ", ".join(f'"{name}"' for name in names)
    found = con.execute(
        f'SELECT {listed} FROM {table} WHERE "row" BETWEEN ? AND ? ORDER BY "row"', [rows[0], rows[-1]]
    ).fetchnumpy()
    return np.column_stack([np.ma.filled(found[name].astype(np.float64), np.nan) for name in names])
