"""`localfin fraud fit`: a scorer learned from labelled transactions."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

import click

from localfin.commands.fraud.shared import COLUMNS, ENGINE, STRICT, Delay, history_read
from localfin.fraud.database import ZONE, database, span
from localfin.text import clean_text
from localfin_models.errors import InputRefused, NotFound
from localfin_models.language import _
from localfin_models.progress import ProgressBar

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from localfin.fraud.scorer import Capacity, Costs, Scorer


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
    "--as-of",
    type=click.DateTime(("%Y-%m-%d",)),
    help=_("Learn what was known when that day began. Default: after the last transaction."),
)
@click.option("--train-days", type=click.FloatRange(min=1), help=_("Only of so many days before. Default: all."))
@click.option(
    "--capacity",
    type=click.FloatRange(min=1),
    help=_("Transactions a day that people can look at: sets the thresholds. Default: 100."),
)
@click.option(
    "--cost",
    type=click.FloatRange(min=0, min_open=True),
    metavar="RATIO",
    help=_("Instead: what a missed fraud costs in units of one look, such as 50."),
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
    capacity: float | None,
    cost: float | None,
    out: Path,
    engine: str | None,
    columns: Mapping[str, str] | None,
    strict: bool,
) -> None:
    from localfin.fraud.scorer import fit as learn
    from localfin.fraud.scorer import write
    from localfin.fraud.signals import Settings, compute

    policy = _policy(capacity, cost)
    _refuse_output(out)
    named = {**(columns or {}), "label": label}
    with database() as con, history_read(con, history, engine, columns=named, strict=strict) as cluster:
        until = _day(span(con) if cluster is None else cluster.span, as_of, label_delay)
        since: Literal["all"] | datetime = (
            "all" if train_days is None else until - label_delay - timedelta(days=train_days)
        )
        if cluster is not None:
            compute(con, Settings(label_delay), rows=since, cluster=cluster)  # which brings the transactions here
        learnable = _learnable(con, until - label_delay, train_days)
        _say(_("{rows:,} transactions whose label was known on {day:%Y-%m-%d}").format(rows=learnable, day=until))
        if cluster is None:
            compute(con, Settings(label_delay), rows=since)
        with ProgressBar(_("learning"), unit=_("machines"), of_unit=1) as progress:
            scorer = learn(
                con, as_of=until, label_delay=label_delay, train_days=train_days, label_column=label, policy=policy,
                progress=progress,
            )  # fmt: skip
    write(out, scorer)
    _say_learned(out, scorer)


def _policy(capacity: float | None, cost: float | None) -> "Capacity | Costs":
    from localfin.fraud.scorer import Capacity, Costs

    if capacity is not None and cost is not None:
        raise click.UsageError(_("--capacity and --cost both set the thresholds: give one of them"))
    return Capacity(100 if capacity is None else capacity) if cost is None else Costs(1, cost)


def _refuse_output(out: Path) -> None:
    """Before anything is read."""
    if out.is_symlink() or out.exists():
        raise InputRefused(_("{out} exists; give another name").format(out=out))
    if not out.parent.is_dir():
        raise NotFound(_("{path} does not exist").format(path=out.parent))


def _day(span: tuple[datetime, datetime], as_of: datetime | None, label_delay: timedelta) -> datetime:
    """The beginning of that day in the desk's zone; without one just behind the last transaction.

    Raises InputRefused for a day on which no label was known, or from which on none became known any more.
    """
    begins, ends = span
    zone = ZoneInfo(ZONE)
    if as_of is None:
        return ends + timedelta(microseconds=1)
    day = as_of.replace(tzinfo=zone)
    if not begins + label_delay < day <= ends + label_delay + timedelta(days=1):
        raise InputRefused(
            _(
                "--as-of {day:%Y-%m-%d} lies outside: labels of {first:%Y-%m-%d} to {last:%Y-%m-%d} become known "
                "{delay:g} days later"
            ).format(
                day=day,
                first=begins.astimezone(zone),
                last=ends.astimezone(zone),
                delay=label_delay / timedelta(days=1),
            )
        )
    return day


def _learnable(con: "DuckDBPyConnection", until: datetime, train_days: float | None) -> int:
    """Forgets what happened later, which nothing learned may see; gives the number of rows to learn from."""
    from localfin.fraud.scorer.training_rows import utc

    con.execute("DELETE FROM transactions WHERE time >= ?", [utc(until)])
    since = datetime.min if train_days is None else utc(until) - timedelta(days=train_days)
    [(rows,)] = con.execute(
        "SELECT count(*) FROM transactions WHERE label IS NOT NULL AND time >= ?", [since]
    ).fetchall()
    return int(rows)


def _say(text: str) -> None:
    click.echo(clean_text(text), err=True)


def _say_learned(out: Path, scorer: "Scorer") -> None:
    metrics, limits = scorer.metrics, scorer.thresholds
    if "average_precision" in metrics:
        _say(
            _(
                "held out: {rows:,.0f} later transactions, {frauds:.0f} frauds; AUC ROC {auc:.3f}, average precision "
                "{ap:.3f}"
            ).format(
                rows=metrics["rows"],
                frauds=metrics["frauds"],
                auc=metrics["auc_roc"],
                ap=metrics["average_precision"],
            )
        )
    _say(
        _("{out}: review from a score of {review:.4f}, suspicious from {suspicious:.4f}").format(
            out=out, review=limits.review, suspicious=limits.suspicious
        )
    )
