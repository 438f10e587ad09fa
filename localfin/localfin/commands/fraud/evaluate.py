"""`localfin fraud evaluate`: how good a scorer is on labelled transactions that came after those it learned from."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from localfin.commands.fraud.shared import COLUMNS, STRICT, Delay, say_read, scorer_of
from localfin.fraud.database import ZONE, database, span
from localfin.text import clean_text
from localfin_models.errors import InputRefused
from localfin_models.language import _

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from localfin.fraud.scorer import Scorer


@click.command(
    "evaluate",
    short_help=_("Measure a scorer on labelled transactions."),
    help=_(
        "Measure a scorer on the transactions of LABELLED that came after those it learned from, week by week: AUC "
        "ROC, average precision, MCC at the review threshold, card precision. LABELLED holds the history before them, "
        "too."
    ),
)
@click.argument("labelled", type=click.Path(path_type=Path, readable=False))
@click.option(
    "--scorer", "scorer_at", type=click.Path(path_type=Path, readable=False), required=True,
    help=_("A scorer of `fraud fit`, or a scorecard (.toml)."),
)  # fmt: skip
@click.option("--label-delay", type=Delay(), help=_("How long until a fraud is known. Default: the scorer's, else 7d."))
@click.option(
    "--from", "begin", type=click.DateTime(("%Y-%m-%d",)),
    help=_("The first day of the test. Default: the day the scorer was learned, or the first one."),
)  # fmt: skip
@click.option(
    "--cards", type=click.IntRange(min=1), default=100, show_default=True,
    help=_("How many customers a day card precision looks at."),
)  # fmt: skip
@click.option(
    "--baselines", is_flag=True,
    help=_("Beside it logistic regression, random forest and gradient boosting, learned from the same rows."),
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help=_("Print one JSON object."))
@click.option("--html", type=click.Path(path_type=Path), help=_("Write a page with plots, too."))
@COLUMNS
@STRICT
def evaluate(
    labelled: Path,
    scorer_at: Path,
    label_delay: timedelta | None,
    begin: datetime | None,
    cards: int,
    baselines: bool,
    as_json: bool,
    html: Path | None,
    columns: Mapping[str, str] | None,
    strict: bool,
) -> None:
    from localfin.fraud.evaluate import tables
    from localfin.fraud.evaluate.comparison import compare
    from localfin.fraud.transactions import read_into

    scorer = scorer_of(scorer_at)
    delay = label_delay or scorer.label_delay
    if html is not None and html.exists():
        raise InputRefused(_("{out} exists; give another name").format(out=html))
    named = {**scorer.label_role, **(columns or {})}
    with database() as con:
        say_read(read_into(con, labelled, is_new=False, columns=named), labelled.name, strict=strict)
        start, end = _window(con, scorer, begin)
        found = compare(
            con, scorer, start=start, end=end, label_delay=delay, k=cards, baselines=baselines,
            say=lambda name: click.echo(_("learned: {name}").format(name=_(name)), err=True),
        )  # fmt: skip
    if found.same_rows is False:
        click.echo(_("note: the baselines learned from other rows than the scorer: its hash is another"), err=True)
    click.echo(json.dumps(tables.data(found), ensure_ascii=False) if as_json else "\n".join(tables.lines(found)))
    if html is not None:
        from localfin.fraud.evaluate.report import report
        from localfin_models.files import write_whole

        write_whole(html, "".join(report(found, scorer)))
        click.echo(clean_text(_("{path} written").format(path=html)), err=True)


def _window(con: "DuckDBPyConnection", scorer: "Scorer", begin: datetime | None) -> tuple[datetime, datetime]:
    """From the first midnight of the desk's zone of which the scorer has seen nothing, to the end of the file.

    Raises InputRefused for a day that the scorer may have learned from, or that lies behind the file.
    """
    zone = ZoneInfo(ZONE)
    first, last = span(con)
    end = last + timedelta(microseconds=1)
    seen = first.astimezone(zone)
    start = seen.replace(hour=0, minute=0, second=0, microsecond=0)
    if scorer.training is not None:
        known = scorer.training.as_of.astimezone(zone)
        midnight = known.replace(hour=0, minute=0, second=0, microsecond=0)
        start = max(start, midnight if midnight == known else midnight + timedelta(days=1))
    if begin is not None:
        asked = begin.replace(tzinfo=zone)
        if scorer.training is not None and asked < start:
            raise InputRefused(
                _(
                    "--from {day:%Y-%m-%d}: the scorer may have learned from transactions before {start:%Y-%m-%d}"
                ).format(day=asked, start=start)
            )
        start = asked
    if start >= end:
        raise InputRefused(
            _("no transaction from {day:%Y-%m-%d} on; what came before may have been learned from").format(day=start)
        )
    return start, end
