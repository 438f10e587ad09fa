"""`localfin fraud evaluate`: how good a scorer is on labelled transactions that came after those it learned from."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import click

from localfin.commands.fraud.shared import COLUMNS, STRICT, Delay, computing, day, refuse_existing, say_read, scorer_of
from localfin.fraud.database import database
from localfin.text import clean_text
from localfin_models.language import _


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
    from localfin.fraud.evaluation import tables
    from localfin.fraud.evaluation.comparison import compare
    from localfin.fraud.transactions import read_into

    scorer = scorer_of(scorer_at)
    delay = label_delay or scorer.label_delay
    if html is not None:
        refuse_existing(html)
    named = {**scorer.label_role, **(columns or {})}
    with database() as con:
        say_read(read_into(con, labelled, is_new=False, columns=named), labelled.name, strict=strict)
        found = compare(
            con, scorer, begin=day(begin), label_delay=delay, k=cards, baselines=baselines,
            say=lambda name: click.echo(_("learned: {name}").format(name=_(name)), err=True),
            computing=lambda: computing(con),
        )  # fmt: skip
    if found.same_rows is False:
        click.echo(_("note: the baselines learned from other rows than the scorer: its hash is another"), err=True)
    click.echo(json.dumps(tables.data(found), ensure_ascii=False) if as_json else "\n".join(tables.lines(found)))
    if html is not None:
        from localfin.fraud.evaluation.report import report
        from localfin.fraud.output.part import cannot_be_written
        from localfin_models.files import write_whole

        try:
            write_whole(html, "".join(report(found, scorer)))
        except OSError as error:
            raise cannot_be_written(html, error) from None
        click.echo(clean_text(_("{path} written").format(path=html)), err=True)
