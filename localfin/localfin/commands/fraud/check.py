"""`localfin fraud check`: each new transaction's verdict, score and reasons, in the input's order."""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from localfin.commands.fraud.explain import EXPLAIN, LANGUAGE, MODEL, explainer
from localfin.commands.fraud.shared import COLUMNS, ENGINE, STRICT, Delay, computing, history_read, say_read, scorer_of
from localfin.fraud.database import database
from localfin.fraud.output import forms
from localfin.fraud.output.lines import json_line, verdict_word
from localfin.fraud.output.part import fingerprint, open_part, refuse_output
from localfin.text import clean_text
from localfin_models.files import file_sha256
from localfin_models.language import _, ui_language
from localfin_models.progress import ProgressBar, unwatched

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from localfin.fraud.explain import Language, Which
    from localfin.fraud.judging import Checked

_MANY = 1000
"""Rows from which on it is told how far they are, and after how many again."""


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
@click.option("--history", metavar="PATH", help=_("What the customers did before."))
@click.option(
    "--scorer", "scorer_at", type=click.Path(path_type=Path, readable=False),
    help=_("A scorer of `fraud fit`, or a scorecard (.toml). Default: the scorecard that ships."),
)  # fmt: skip
@click.option("--label-delay", type=Delay(), help=_("How long until a fraud is known. Default: the scorer's, else 7d."))
@ENGINE
@COLUMNS
@STRICT
@EXPLAIN
@LANGUAGE
@MODEL
@click.option("--json", "as_json", is_flag=True, help=_("One JSON object a line."))
@click.option(
    "-o", "--out", type=click.Path(path_type=Path),
    help=_("Write a file: .jsonl, .csv, .parquet, or .html, a report for people."),
)  # fmt: skip
@click.option("--force", is_flag=True, help=_("Replace the output where it exists."))
@click.option("--resume", is_flag=True, help=_("Go on where a killed run of the same check stopped."))
def check(
    new: str | None,
    tx: str | None,
    history: str | None,
    scorer_at: Path | None,
    label_delay: timedelta | None,
    engine: str | None,
    columns: Mapping[str, str] | None,
    strict: bool,
    which: "Which | Literal['none']",
    language: "Language | None",
    model: str | None,
    as_json: bool,
    out: Path | None,
    force: bool,
    resume: bool,
) -> None:
    from localfin.fraud.judging import judge, judged

    _refuse_usage(new, tx, history, engine, out, resume=resume)
    inputs = [Path(path) for path in (new, history, scorer_at) if path is not None and path != "-"]
    if out is not None:
        refuse_output(out, inputs, force=force)
    scorer = scorer_of(scorer_at)
    delay = label_delay or scorer.label_delay
    named = {**scorer.label_role, **(columns or {})}
    with (
        explainer(which, language, model) as words,
        database() as con,
        history_read(con, history, engine, columns=named, strict=strict) as cluster,
    ):
        _read(con, new, tx, columns or {}, alone=history is None, strict=strict)
        with computing(con) if cluster is None else unwatched() as progress:
            count = judge(con, scorer, delay, cluster=cluster, progress=progress)
        if out is None:
            counts = _print(judged(con, scorer, words=words), count, as_json=as_json)
        else:
            facts = {"tx": tx, "delay": delay.total_seconds(), "columns": columns, "history": history}
            spoken = {"ui": ui_language(), "words": None if words is None else dict(words.made_from)}
            with open_part(out, _made_from(inputs, {**facts, **spoken}), resume=resume) as part:
                counts = part.counts
                after = counts.total()
                for checked in _shown(judged(con, scorer, after=after, words=words), count, after):
                    counts[checked.verdict] += 1
                    part.write(json_line(checked))
            forms.finish(con, scorer, out, part.path)
    _say_counts(counts)


def _refuse_usage(
    new: str | None, tx: str | None, history: str | None, engine: str | None, out: Path | None, *, resume: bool
) -> None:
    if (new is None) == (tx is None):
        raise click.UsageError(_("name a file of transactions (- for a pipe), or one transaction with --tx"))
    if engine is not None and history is None:
        raise click.UsageError(_("--engine says where --history is read; name one"))
    if resume and (out is None or new == "-"):
        raise click.UsageError(_("--resume needs a file to read, and an output (-o)"))
    if out is not None:
        try:
            forms.form_of(out)
        except ValueError as error:
            raise click.UsageError(str(error)) from None


def _made_from(inputs: Sequence[Path], facts: Mapping[str, object]) -> str:
    """What decides about every line of the output."""
    hashes = [file_sha256(path) for path in inputs if path.is_file()]
    return fingerprint({"version": 1, "inputs": hashes, **facts})


def _print(found: "Iterable[Checked]", count: int, *, as_json: bool) -> Counter[str]:
    counts = Counter[str]()
    for checked in _shown(found, count):
        counts[checked.verdict] += 1
        sys.stdout.write((json_line(checked) if as_json else _lines(checked)) + "\n")
    return counts


def _shown(found: "Iterable[Checked]", count: int, done: int = 0) -> "Iterator[Checked]":
    """The rows as they come, and how far they are on stderr, where they are many."""
    if count < _MANY:
        yield from found
        return
    with ProgressBar(_("judged"), unit=_("transactions"), of_unit=1) as progress:
        progress(done, count)
        for at, checked in enumerate(found, done + 1):
            yield checked
            if at % _MANY == 0 or at == count:
                progress(at, count)


def _read(
    con: "DuckDBPyConnection",
    new: str | None,
    tx: str | None,
    columns: Mapping[str, str],
    *,
    alone: bool,
    strict: bool,
) -> None:
    """The new rows into `transactions`. Their labels are read only where the file stands `alone`, without a history."""
    from localfin.fraud.transactions import read_into, read_typed

    if tx is not None:
        for note in read_typed(con, tx).notes:
            click.echo(clean_text(note), err=True)
        return
    # Alone, a file is its own history, and its labels are as old as its rows.
    columns = columns if alone else {**columns, "label": ""}
    source = sys.stdin.buffer if new == "-" else Path(str(new))
    say_read(read_into(con, source, is_new=True, columns=columns), Path(str(new)).name, strict=strict)


def _lines(checked: "Checked") -> str:
    """For people: the verdict, and of a row that is not normal what speaks for fraud."""
    head = f"{verdict_word(checked.verdict):<10} {checked.score:>5.3f}  {checked.id}"
    reasons = () if checked.verdict == "normal" else checked.reasons
    lines = [head, *(f"    {reason.text}" for reason in reasons)]
    if checked.explanation is not None:
        lines.append(f"    {checked.explanation}")
    return clean_text("\n".join(lines))


def _say_counts(counts: Mapping[str, int]) -> None:
    click.echo(
        _("{normal:,} normal, {review:,} to review, {suspicious:,} suspicious").format(
            **{verdict: counts.get(verdict, 0) for verdict in ("normal", "review", "suspicious")}
        ),
        err=True,
    )
