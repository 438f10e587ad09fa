"""`localfin fraud`: transactions judged by signals and an additive scorer; a scorer learned from a desk's own labels."""

import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from localfin.text import clean_text
from localfin_models.cores import available_cores
from localfin_models.errors import InputRefused
from localfin_models.language import _

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from localfin.fraud.check import Checked
    from localfin.fraud.scorer import Scorer
    from localfin.fraud.transactions import ReadReport

_ZONE = "Asia/Seoul"
_SHOWN = 10
"""Bad rows that are named; the rest is counted."""


class _Delay(click.ParamType[timedelta]):
    """`7d`, `12h`."""

    name = "delay"

    def convert(self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"(\d{1,4})([dh])", value)
        if match is None:
            self.fail(_("{text} is no delay: write such as 7d or 12h").format(text=value), param, ctx)
        return timedelta(days=int(match[1])) if match[2] == "d" else timedelta(hours=int(match[1]))


class _Columns(click.ParamType[Mapping[str, str]]):
    """`id=…,time=…`."""

    name = "columns"

    def convert(
        self, value: str | Mapping[str, str], param: click.Parameter | None, ctx: click.Context | None
    ) -> Mapping[str, str]:
        from localfin.fraud.transactions import parse_columns

        if not isinstance(value, str):
            return value
        try:
            return parse_columns(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


_COLUMNS = click.option(
    "--columns", type=_Columns(), metavar="ROLE=COLUMN,…",
    help=_("Which column is what, where names and contents do not say: id, time, customer, counterparty, amount, …"),
)  # fmt: skip
_STRICT = click.option("--strict", is_flag=True, help=_("Refuse the whole file where a row cannot be read."))


@click.group(
    short_help=_("Check transactions for fraud."),
    help=_("Transactions are judged by numbers alone; a person decides. Not for credit decisions."),
)
def fraud() -> None:
    """Only a name over the commands below."""


@fraud.command(
    "check",
    short_help=_("Judge new transactions."),
    help=_("Judge each transaction of NEW (CSV, TSV, JSON lines, Parquet, or - for a pipe): verdict, score and reasons."),
)
@click.argument("new", required=False)
@click.option("--tx", metavar="TEXT", help=_("One transaction in words instead of a file, such as '금액: 5000만원, 시간: 새벽 3시'."))
@click.option("--history", type=click.Path(path_type=Path, readable=False), help=_("What the customers did before."))
@click.option(
    "--scorer", "scorer_at", type=click.Path(path_type=Path, readable=False),
    help=_("A scorer of `fraud fit`, or a scorecard (.toml). Default: the scorecard that ships."),
)  # fmt: skip
@click.option("--label-delay", type=_Delay(), help=_("How long until a fraud is known. Default: the scorer's, else 7d."))
@_COLUMNS
@_STRICT
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
    scorer = _scorer(scorer_at)
    delay = label_delay or (scorer.label.delay if scorer.label is not None else timedelta(days=7))
    with _database() as con:
        if history is not None:
            _say(read_into(con, history, is_new=False, columns=columns), history.name, strict=strict)
        if tx is not None:
            read_typed(con, tx)
        else:
            source = sys.stdin.buffer if new == "-" else Path(str(new))
            _say(read_into(con, source, is_new=True, columns=columns), str(new), strict=strict)
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


@fraud.command(
    "fit",
    short_help=_("Learn a scorer from labelled transactions."),
    help=_("Learn an additive scorer from HISTORY, whose column LABEL says which transactions were fraud."),
)
@click.argument("history", type=click.Path(path_type=Path, readable=False))
@click.option("--label", required=True, metavar="COLUMN", help=_("The column that says which were fraud."))
@click.option("--label-delay", type=_Delay(), default="7d", show_default=True, help=_("How long until a fraud is known."))
@click.option("--as-of", type=click.DateTime(("%Y-%m-%d",)), help=_("Learn what was known on that day. Default: the last one."))
@click.option("--train-days", type=click.FloatRange(min=1), help=_("Only of so many days before. Default: all."))
@click.option("--capacity", type=click.FloatRange(min=1), default=100, show_default=True, help=_("Transactions a day that people can look at."))
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help=_("The scorer to write: plain JSON."))
@_COLUMNS
@_STRICT
def fit(
    history: Path,
    label: str,
    label_delay: timedelta,
    as_of: datetime | None,
    train_days: float | None,
    capacity: float,
    out: Path,
    columns: Mapping[str, str] | None,
    strict: bool,
) -> None:
    from localfin.fraud.scorer import Capacity, write
    from localfin.fraud.scorer import fit as learn
    from localfin.fraud.signals import Settings, compute
    from localfin.fraud.transactions import read_into

    if out.exists():
        raise InputRefused(_("{out} exists; give another name").format(out=out))
    with _database() as con:
        report = read_into(con, history, is_new=False, columns={**(columns or {}), "label": label})
        _say(report, history.name, strict=strict)
        compute(con, Settings(label_delay))
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
        return as_of.replace(tzinfo=ZoneInfo(_ZONE))
    [last] = con.execute("SELECT max(time) FROM transactions").fetchall()[0]
    return datetime.fromisoformat(str(last)).replace(tzinfo=UTC) + timedelta(microseconds=1)


def _scorer(path: Path | None) -> "Scorer":
    from localfin.fraud import scorer
    from localfin.fraud.signals import SIGNALS

    known = [signal.name for signal in SIGNALS]
    if path is None:
        return scorer.default_scorecard(known)
    return scorer.read_scorecard(path, known) if path.suffix == ".toml" else scorer.read(path, known)


@contextmanager
def _database() -> "Generator[DuckDBPyConnection]":
    """In memory up to a gigabyte, beyond that in a folder that goes with it."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="localfin-") as folder:
        settings = {"memory_limit": "1GB", "threads": available_cores(), "temp_directory": folder}
        with duckdb.connect(":memory:", config=settings) as con:
            yield con


def _say(report: "ReadReport", name: str, *, strict: bool) -> None:
    """What was read, as what, and which rows were not, on stderr."""
    roles = ", ".join(f"{role}={column}" for role, column in report.columns.items())
    click.echo(clean_text(_("{name}: {rows:,} transactions; {roles}").format(name=name, rows=report.rows, roles=roles)), err=True)
    for note in report.notes:
        click.echo(clean_text(note), err=True)
    for line, reason in report.bad[:_SHOWN]:
        click.echo(clean_text(_("line {line}: {reason}").format(line=line, reason=reason)), err=True)
    if report.bad_count:
        summary = _("{name}: {count:,} rows were kept out").format(name=name, count=report.bad_count)
        if strict:
            raise InputRefused(clean_text(summary))
        click.echo(clean_text(summary), err=True)


def _json(checked: "Checked") -> str:
    facts = {"id": checked.id, "verdict": checked.verdict, "score": round(checked.score, 6)}
    return json.dumps({**facts, "reasons": [asdict(reason) for reason in checked.reasons]}, ensure_ascii=False)


def _line(checked: "Checked") -> str:
    head = f"{_verdict(checked.verdict):<10} {checked.score:>5.3f}  {checked.id}"
    return clean_text("\n".join([head, *(f"    {reason.text}" for reason in checked.reasons if checked.verdict != "normal")]))


def _verdict(verdict: str) -> str:
    return {"normal": _("normal"), "review": _("review"), "suspicious": _("suspicious")}[verdict]
