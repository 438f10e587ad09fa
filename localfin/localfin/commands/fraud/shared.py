"""What the fraud commands share: their options, the database they work in, the scorer named, and what was read."""

import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from localfin.fraud.database import ZONE
from localfin.text import clean_text
from localfin_models.errors import InputRefused, NotFound
from localfin_models.language import _
from localfin_models.progress import Progress, ProgressBar, unwatched

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from localfin.fraud.cluster import Cluster
    from localfin.fraud.scorer import Scorer
    from localfin.fraud.transactions import ReadReport

_SHOWN = 10
"""Bad rows that are named; the rest is counted."""
_MANY = 100_000
"""Transactions from which on their signals take seconds."""


class Delay(click.ParamType[timedelta]):
    """`7d`, `12h`."""

    name = "delay"

    def convert(self, value: str | timedelta, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        match = re.fullmatch(r"(\d{1,4})([dh])", value)
        if match is None:
            self.fail(_("{text} is no delay: write such as 7d or 12h").format(text=value), param, ctx)
        return timedelta(days=int(match[1])) if match[2] == "d" else timedelta(hours=int(match[1]))


class Columns(click.ParamType[Mapping[str, str]]):
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


class Master(click.ParamType[str]):
    """`spark://host:7077`, `local[2]`."""

    name = "master"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from localfin.fraud.cluster import is_master

        if not is_master(value):
            self.fail(_("{text} is no Spark master: write such as spark://host:7077").format(text=value), param, ctx)
        return value


COLUMNS = click.option(
    "--columns", type=Columns(), metavar="ROLE=COLUMN,…",
    help=_("Which column is what, where names and contents do not say: id, time, customer, counterparty, amount, …"),
)  # fmt: skip
ENGINE = click.option(
    "--engine", type=Master(), metavar="MASTER",
    help=_("Read HISTORY (Parquet) and compute on Spark: spark://HOST:7077, yarn, local[4]. Default: on this machine."),
)  # fmt: skip
STRICT = click.option("--strict", is_flag=True, help=_("Refuse the whole file where a row cannot be read."))


def scorer_of(path: Path | None) -> "Scorer":
    """The scorer in a file, or the scorecard that ships. Raises NotFound, InputRefused."""
    from localfin.fraud.library import load_scorer

    return load_scorer(path)


@contextmanager
def history_read(
    con: "DuckDBPyConnection",
    history: str | None,
    engine: str | None,
    *,
    columns: Mapping[str, str] | None = None,
    strict: bool = False,
) -> "Generator[Cluster | None]":
    """The history in `transactions`; or, with an engine, on the cluster that this gives, for the time of the block."""
    from localfin.fraud.transactions import read_into

    if history is None:
        yield None
    elif engine is None:
        path = Path(history)
        say_read(read_into(con, path, is_new=False, columns=columns), path.name, strict=strict)
        yield None
    else:
        from localfin.fraud.cluster import connect

        with connect(engine) as cluster:
            say_read(cluster.read(history, columns=columns, zone=ZONE), history, strict=strict)
            yield cluster


def refuse_existing(out: Path) -> None:
    """Before anything is read. Raises InputRefused for what exists, NotFound for a folder that is not there."""
    if out.is_symlink() or out.exists():
        raise InputRefused(_("{out} exists; give another name").format(out=out))
    if not out.parent.is_dir():
        raise NotFound(_("{path} does not exist").format(path=out.parent))


def day(named: datetime | None) -> datetime | None:
    """The beginning of a day in the desk's zone."""
    return None if named is None else named.replace(tzinfo=ZoneInfo(ZONE))


@contextmanager
def computing(con: "DuckDBPyConnection") -> Generator[Progress]:
    """How far the signals are, on stderr, where the transactions are many."""
    [(count,)] = con.execute("SELECT count(*) FROM transactions").fetchall()
    watched = ProgressBar(_("signals"), unit=_("steps"), of_unit=1) if count >= _MANY else unwatched()
    with watched as progress:
        yield progress


def say_read(report: "ReadReport", name: str, *, strict: bool) -> None:
    """What was read, as what, and which rows were not, on stderr."""
    roles = ", ".join(f"{role}={column}" for role, column in report.columns.items())
    click.echo(
        clean_text(_("{name}: {rows:,} transactions; {roles}").format(name=name, rows=report.rows, roles=roles)),
        err=True,
    )
    for note in report.notes:
        click.echo(clean_text(note), err=True)
    for line, reason in report.bad[:_SHOWN]:
        click.echo(clean_text(_("line {line}: {reason}").format(line=line, reason=reason)), err=True)
    if report.bad_count:
        summary = _("{name}: {count:,} rows were kept out").format(name=name, count=report.bad_count)
        if strict:
            raise InputRefused(clean_text(summary))
        click.echo(clean_text(summary), err=True)
