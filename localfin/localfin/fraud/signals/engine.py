"""Computes the signals of the table `transactions` in DuckDB, which spills to disk what does not fit its memory."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from localfin.fraud.signals.declared import SIGNALS
from localfin.fraud.signals.dialect import DUCKDB
from localfin.fraud.signals.settings import Settings
from localfin.fraud.signals.stage import Stage, Wanted
from localfin.fraud.signals.stages import stages
from localfin.fraud.signals.windows import DAY_US
from localfin_models.progress import Progress

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from localfin.fraud.cluster import Cluster

_TABLE = "CREATE OR REPLACE TEMP TABLE"
_EARTH_KM = 6371.0
"""The mean radius: distances are great circles of a sphere, right to half a percent."""


def compute(
    con: "DuckDBPyConnection",
    settings: Settings,
    *,
    rows: Literal["all", "new"] | datetime = "all",
    cluster: "Cluster | None" = None,
    progress: Progress = lambda _done, _total: None,
) -> None:
    """Makes `signals` (row BIGINT and a DOUBLE a signal, NULL where not known) and `evidence`.

    `signals` has every row of `transactions`; with "new" those to be judged; with a time those, and all from then on
    (UTC unless it says otherwise). Whatever is asked for is computed from all rows. `evidence` has the rows to be
    judged: row and, as DOUBLE, what the signals' evidence names. Both are temporary tables of the connection, and take
    the place of those of a call before. With a `cluster` the history lies there, and the same declarations run there.
    `progress` is told the steps done here; a cluster shows its own.
    """
    if cluster is not None:
        cluster.compute(con, settings, rows)
        return
    chosen = chosen_rows(rows)
    [first] = con.execute(f"SELECT epoch_us(min(time)) FROM transactions WHERE {chosen}").fetchall()[0]
    plan = stages(settings, DUCKDB, Wanted(chosen, first))
    joined, named = joins(plan), measured(settings)
    last = {"signals": signals_query(named, joined), "evidence": evidence_query(named, joined)}
    steps = len(plan) + len(last)
    for done, stage in enumerate(plan):
        progress(done, steps)
        con.execute(_created(con, stage))
    for done, (table, query) in enumerate(last.items(), len(plan)):
        progress(done, steps)
        con.execute(f"{_TABLE} {table} AS {query}")
    progress(steps, steps)
    for stage in reversed(plan):
        con.execute(f"DROP {'VIEW' if stage.name == 'moments' else 'TABLE'} {stage.name}")


def evidence(con: "DuckDBPyConnection", rows: Sequence[int]) -> dict[int, dict[str, float | None]]:
    """What `Signal.figures` and `Signal.say` read, of those of `rows` that were to be judged."""
    found = con.execute("SELECT * FROM evidence WHERE row IN (SELECT unnest(?::BIGINT[]))", [list(rows)])
    names = [column[0] for column in found.description or ()]
    return {int(values[0]): dict(zip(names[1:], values[1:], strict=True)) for values in found.fetchall()}


def measured(settings: Settings) -> Mapping[str, str]:
    """What signals and evidence are written in, beyond the stages' measures: name -> SQL over those."""
    home = ", ".join("'" + name.replace("'", "''") + "'" for name in settings.home)
    foreign = f"CASE WHEN country IN ({home}) THEN 0 WHEN country IS NOT NULL THEN 1 END" if home else "NULL"
    half = "sin(radians({to} - {start}) / 2)"
    latitudes = half.format(to="latitude", start="from_latitude")
    longitudes = half.format(to="longitude", start="from_longitude")
    cosines = "cos(radians(latitude)) * cos(radians(from_latitude))"
    return {
        "prior_weight": repr(float(settings.prior_weight)),
        "abroad": foreign,
        "past_spread": "CASE WHEN past_amounts > 1 THEN greatest(past_deviation, 1e-2 * abs(past_mean)) END",
        "usual_us": "(t - since_previous - first_t) / nullif(past_count - 1e0, 0)",
        "usual_days": f"(t - since_previous - first_t) / nullif(past_count - 1e0, 0) / {DAY_US}e0",
        # greatest and least pass over NULL, which is why they need a condition here.
        "travel_km": f"CASE WHEN travel_us IS NOT NULL THEN {2 * _EARTH_KM} * asin(sqrt(least(1e0, "
        f"{latitudes} * {latitudes} + {cosines} * {longitudes} * {longitudes}))) END",
        "travel_minutes": "travel_us / 6e7",
    }


def joins(plan: Sequence[Stage]) -> str:
    """All measures of a row side by side."""
    beside = [stage.name for stage in plan if stage.name not in ("moments", "paired")]
    return "paired " + " ".join(f"LEFT JOIN {name} USING (row)" for name in beside)


def signals_query(named: Mapping[str, str], joined: str) -> str:
    expressions = {signal.name: signal.expression for signal in SIGNALS}
    return _numbers(expressions, named, joined, "wanted")


def evidence_query(named: Mapping[str, str], joined: str) -> str:
    signals = {signal.name: signal.expression for signal in SIGNALS}
    sources = {source for signal in SIGNALS for source in signal.evidence.values() if isinstance(source, str)}
    return _numbers({name: signals.get(name, name) for name in sorted(sources)}, named, joined, "is_new")


def _numbers(expressions: Mapping[str, str], named: Mapping[str, str], joined: str, where: str) -> str:
    beyond = ", ".join(f"{sql} AS {name}" for name, sql in named.items())
    columns = ",\n  ".join(f"CAST({sql} AS DOUBLE) AS {name}" for name, sql in expressions.items())
    return f"SELECT row,\n  {columns}\nFROM (SELECT *, {beyond} FROM {joined} WHERE {where}) AS measured"


def chosen_rows(rows: Literal["all", "new"] | datetime) -> str:
    """SQL over `transactions`."""
    if isinstance(rows, datetime):
        since = rows if rows.tzinfo is None else rows.astimezone(UTC).replace(tzinfo=None)
        return f"is_new OR time >= TIMESTAMP '{since.isoformat(sep=' ')}'"
    return "TRUE" if rows == "all" else "is_new"


def _created(con: "DuckDBPyConnection", stage: Stage) -> str:
    if stage.name == "moments":  # read once
        return f"CREATE OR REPLACE TEMP VIEW moments AS {stage.query()}"
    query = stage.query()
    if stage.needs is not None:
        some = con.execute(f"SELECT 1 FROM transactions WHERE {stage.needs} IS NOT NULL LIMIT 1").fetchone()
        if some is None:
            query = f"SELECT * FROM ({query}) AS absent LIMIT 0"
    return f"{_TABLE} {stage.name} AS {query}"
