"""`localfin fraud fit`: a scorer learned from labelled transactions."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localfin.commands.fraud.shared import COLUMNS, ENGINE, STRICT, Delay, computing, day, history_read, refuse_existing
from localfin.fraud.database import database
from localfin.text import clean_text
from localfin_models.language import _
from localfin_models.progress import ProgressBar, Watched

if TYPE_CHECKING:
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
    from localfin.fraud.scorer import write
    from localfin.fraud.training import Watch, train

    policy = _policy(capacity, cost)
    refuse_existing(out)
    named = {**(columns or {}), "label": label}
    with database() as con, history_read(con, history, engine, columns=named, strict=strict) as cluster:
        scorer = train(
            con, label=label, label_delay=label_delay, as_of=day(as_of), train_days=train_days, policy=policy,
            cluster=cluster, watch=Watch(_say_known, lambda: computing(con), _learning),
        )  # fmt: skip
    write(out, scorer)
    _say_learned(out, scorer)


def _policy(capacity: float | None, cost: float | None) -> "Capacity | Costs":
    from localfin.fraud.scorer import Capacity, Costs

    if capacity is not None and cost is not None:
        raise click.UsageError(_("--capacity and --cost both set the thresholds: give one of them"))
    return Capacity(100 if capacity is None else capacity) if cost is None else Costs(1, cost)


def _learning() -> Watched:
    return ProgressBar(_("learning"), unit=_("machines"), of_unit=1)


def _say_known(rows: int, day: datetime) -> None:
    _say(_("{rows:,} transactions whose label was known on {day:%Y-%m-%d}").format(rows=rows, day=day))


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
