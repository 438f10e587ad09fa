"""`localfin fraud check`: each new transaction's verdict, score and reasons, in the input's order."""

import json
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from localfin.commands.fraud.shared import COLUMNS, STRICT, Delay, database, say_read, scorer_of
from localfin.text import clean_text
from localfin_models.language import _

if TYPE_CHECKING:
    from localfin.fraud.check import Checked


@click.command(
    "check",
    short_help=_("Judge new transactions."),
    help=_(
        "Judge each transaction of NEW (CSV, TSV, JSON lines, Parquet, or - for a pipe): verdict, score and reasons."
    ),
)
@click.argument("new", required=False)
@click.option(
    "--tx",
    metavar="TEXT",
    help=_("One transaction in words instead of a file, such as '금액: 5000만원, 시간: 새벽 3시'."),
)
@click.option("--history", type=click.Path(path_type=Path, readable=False), help=_("What the customers did before."))
@click.option(
    "--scorer", "scorer_at", type=click.Path(path_type=Path, readable=False),
    help=_("A scorer of `fraud fit`, or a scorecard (.toml). Default: the scorecard that ships."),
)  # fmt: skip
@click.option("--label-delay", type=Delay(), help=_("How long until a fraud is known. Default: the scorer's, else 7d."))
@COLUMNS
@STRICT
@click.option("--json", "as_json", is_flag=True, help=_("One JSON object a line."))
def check(
    new: str | None,
    tx: str | None,
    history: Path | None,
    scorer_at: Path | None,
    label_delay: timedelta | None,
    columns: Mapping[str, str] | None,
    strict: bool,
    as_json: bool,
) -> None:
    from localfin.fraud.check import check as judge
    from localfin.fraud.transactions import read_into, read_typed

    if (new is None) == (tx is None):
        raise click.UsageError(_("name a file of transactions (- for a pipe), or one transaction with --tx"))
    scorer = scorer_of(scorer_at)
    delay = label_delay or (scorer.label.delay if scorer.label is not None else timedelta(days=7))
    with database() as con:
        if history is not None:
            say_read(read_into(con, history, is_new=False, columns=columns), history.name, strict=strict)
        if tx is not None:
            read_typed(con, tx)
        else:
            source = sys.stdin.buffer if new == "-" else Path(str(new))
            say_read(read_into(con, source, is_new=True, columns=columns), str(new), strict=strict)
        counts = Counter[str]()
        for checked in judge(con, scorer, delay):
            counts[checked.verdict] += 1
            click.echo(_json(checked) if as_json else _line(checked))
    click.echo(
        _("{normal} normal, {review} to review, {suspicious} suspicious").format(
            normal=counts["normal"], review=counts["review"], suspicious=counts["suspicious"]
        ),
        err=True,
    )


def _json(checked: "Checked") -> str:
    facts = {"id": checked.id, "verdict": checked.verdict, "score": round(checked.score, 6)}
    return json.dumps({**facts, "reasons": [asdict(reason) for reason in checked.reasons]}, ensure_ascii=False)


def _line(checked: "Checked") -> str:
    head = f"{_verdict(checked.verdict):<10} {checked.score:>5.3f}  {checked.id}"
    return clean_text(
        "\n".join([head, *(f"    {reason.text}" for reason in checked.reasons if checked.verdict != "normal")])
    )


def _verdict(verdict: str) -> str:
    return {"normal": _("normal"), "review": _("review"), "suspicious": _("suspicious")}[verdict]
