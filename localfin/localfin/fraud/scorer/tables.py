"""Signals from DuckDB into columns, scores from columns into DuckDB. It decides nothing."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from localfin.fraud.scorer import arithmetic
from localfin.fraud.scorer.arithmetic import Doubles
from localfin.fraud.scorer.model import Scorer
from localfin_models.errors import InputRefused
from localfin_models.language import _

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_BATCH = 1 << 18
"""Rows at a time: 40 signals of them take 84 MB."""


def signal_names(con: "DuckDBPyConnection") -> tuple[str, ...]:
    """The columns of the table `signals` but `row`, in its order."""
    described = con.execute("describe signals").fetchall()
    return tuple(str(column[0]) for column in described if column[0] != "row")


def score(con: "DuckDBPyConnection", scorer: Scorer, *, only_new: bool = False) -> None:
    """Makes two tables, in place of older ones, from `signals` and, for `only_new`, `transactions.is_new`:

        scores          row BIGINT, log_odds DOUBLE, score DOUBLE, verdict VARCHAR
        contributions   row BIGINT, then one DOUBLE column per contributing signal: log-odds

    `log_odds` is the scorer's intercept and the contributions, added in that order. Raises InputRefused for a signal
    that is not there.
    """
    lacking = sorted(set(scorer.needs) - set(signal_names(con)))
    if lacking:
        raise InputRefused(_("the scorer needs a signal that does not exist here: {name}").format(name=lacking[0]))
    columns = "".join(f', "{name}" double' for name in scorer.signals)
    con.execute(f"create or replace table contributions (row bigint{columns})")
    con.execute("create or replace table scores (row bigint, log_odds double, score double, verdict varchar)")
    wanted = "signals semi join (from transactions where is_new) as wanted using (row)" if only_new else "signals"
    bounds = con.execute(f"select min(row), max(row) from {wanted}").fetchone()
    if bounds is None or bounds[0] is None:
        return
    for start in range(bounds[0], bounds[1] + 1, _BATCH):
        where = f"from {wanted} where row between {start} and {start + _BATCH - 1} order by row"
        rows, signals = fetch(con, scorer.needs, where)
        if len(rows):
            _insert(con, scorer, rows, dict(zip(scorer.needs, signals.T, strict=True)))


def fetch(
    con: "DuckDBPyConnection", names: Sequence[str], rest: str, parameters: Sequence[object] = ()
) -> tuple[NDArray[np.int64], Doubles]:
    """Rows' numbers and signals (rows x names, NaN: not known) of `select row, … {rest}`, which says `from signals`."""
    chosen = ", ".join(f'signals."{name}"::double as s{at}' for at, name in enumerate(names))
    found = con.execute(f"select row{', ' if names else ''}{chosen} {rest}", list(parameters)).fetchnumpy()
    rows = plain(found["row"], np.int64)
    signals = np.empty((len(rows), len(names)), np.float64, order="F")
    for at in range(len(names)):
        column = found.pop(f"s{at}")
        signals[:, at] = np.ma.filled(column.astype(np.float64), np.nan)
        del column  # each column is there twice for a moment, not all of them
    return rows, signals


def plain(column: Any, kind: type[np.generic]) -> NDArray[Any]:
    """A column without NULLs, masked or not, as a plain array."""
    return np.ma.getdata(column).astype(kind, copy=False)


def _insert(con: "DuckDBPyConnection", scorer: Scorer, rows: NDArray[np.int64], signals: dict[str, Doubles]) -> None:
    parts = arithmetic.contributions(scorer, signals)
    raw = arithmetic.log_odds(scorer, parts, len(rows))
    score = arithmetic.scores(scorer.calibration, raw)
    verdict = arithmetic.verdicts(scorer.thresholds, score)
    for table, batch in (
        ("contributions", {"row": rows, **{f"s{at}": parts[name] for at, name in enumerate(scorer.signals)}}),
        ("scores", {"row": rows, "log_odds": raw, "score": score, "verdict": verdict}),
    ):
        con.register("localfin_batch", batch)
        con.execute(f"insert into {table} select * from localfin_batch")
        con.unregister("localfin_batch")
