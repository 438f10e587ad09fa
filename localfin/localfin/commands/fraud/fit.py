"""`localfin fraud fit`: a scorer learned from labelled transactions."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from localfin.commands.fraud.shared import COLUMNS, ENGINE, STRICT, ZONE, Delay, database, history_read
from localfin_models.errors import InputRefused
from localfin_models.language import _

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@click.command(
    "fit",
    short_help=_("Learn a scorer from labelled transactions."),
    help=_("Learn an additive scorer from HISTORY, whose column LABEL says which transactions were fraud."),
)
@click.argument("history")
@click.option("--label", required=True, metavar="COLUMN", help=_("The column that says which were fraud."))
@click.option(
    "--label-delay", type=Delay(), default="7d", show_default=True, help=_("How long until a fraud is known.")
)
@click.option(
    "--as-of", type=click.DateTime(("%Y-%m-%d",)), help=_("Learn what was known on that day. Default: the last one.")
)
@click.option("--train-days", type=click.FloatRange(min=1), help=_("Only of so many days before. Default: all."))
@click.option(
    "--capacity",
    type=click.FloatRange(min=1),
    default=100,
    show_default=True,
    help=_("Transactions a day that people can look at."),
)
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help=_("The scorer to write: plain JSON."))
@ENGINE
@COLUMNS
@STRICT
def fit(
    history: str,
    label: str,
    label_delay: timedelta,
    as_of: datetime | None,
    train_days: float | None,
    capacity: float,
    out: Path,
    engine: str | None,
    columns: Mapping[str, str] | None,
    strict: bool,
) -> None:
    from localfin.fraud.scorer import Capacity, write
    from localfin.fraud.scorer import fit as learn
    from localfin.fraud.signals import Settings, compute

    if out.exists():
        raise InputRefused(_("{out} exists; give another name").format(out=out))
    named = {**(columns or {}), "label": label}
    with database() as con, history_read(con, history, engine, columns=named, strict=strict) as cluster:
        compute(con, Settings(label_delay), cluster=cluster)
        scorer = learn(
            con, as_of=_day(con, as_of), label_delay=label_delay, train_days=train_days, label_column=label,
            policy=Capacity(capacity),
        )  # fmt: skip
    write(out, scorer)
    figures = ", ".join(f"{name} {value:.3f}" for name, value in scorer.metrics.items())
    click.echo(_("{out}: held out, {figures}").format(out=out, figures=figures), err=True)


def _day(con: "DuckDBPyConnection", as_of: datetime | None) -> datetime:
    """The beginning of that day in the desk's zone; without one just behind the last transaction."""
    if as_of is not None:
        return as_of.replace(tzinfo=ZoneInfo(ZONE))
    [last] = con.execute("SELECT max(time) FROM transactions").fetchall()[0]
    return datetime.fromisoformat(str(last)).replace(tzinfo=UTC) + timedelta(microseconds=1)
