"""What a finished part becomes: JSON lines as they are, CSV, Parquet, or a page for people."""

import csv
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from localfin.fraud.output import part
from localfin_models.language import _

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from localfin.fraud.scorer.model import Scorer

Form = Literal["jsonl", "csv", "parquet", "html"]
_SUFFIXES: dict[str, Form] = {".jsonl": "jsonl", ".csv": "csv", ".parquet": "parquet", ".html": "html"}
FACTS = ("id", "verdict", "score", "time", "customer", "counterparty", "amount", "currency", "reasons")
"""Columns that every table of checked transactions begins with."""
_COLUMNS = (*FACTS, "explanation", "explained_by")
_FETCHED = 10_000
_DETAILS = 'SELECT local_time, customer, counterparty, amount, currency FROM transactions WHERE is_new ORDER BY "row"'
_FORMULA = re.compile(r"(^|[;\t])(?=\s*[=+\-@＝＋－＠])")
"""Where a spreadsheet would begin to compute; it may divide at semicolons and tabs, whatever is quoted."""


class Row(NamedTuple):
    """A checked transaction with what its reader wants to see of it."""

    checked: dict[str, Any]
    """The JSON line."""
    time: datetime
    """By the desk's clock."""
    customer: str | None
    counterparty: str | None
    amount: float
    currency: str


def form_of(out: Path) -> Form:
    """By the name's end. Raises ValueError for any other."""
    if out.suffix.lower() not in _SUFFIXES:
        listed = ", ".join(_SUFFIXES)
        raise ValueError(_("{name}: the name's end says the form: {listed}").format(name=out.name, listed=listed))
    return _SUFFIXES[out.suffix.lower()]


def finish(con: "DuckDBPyConnection", scorer: "Scorer", out: Path, lines: Path) -> None:
    """Make `out` of the whole part `lines`, in the form that its name says."""
    form = form_of(out)
    if form == "jsonl":
        part.finish(out)
        return
    with part.beside(out) as path:
        if form == "csv":
            _write_csv(path, rows(con, lines))
        elif form == "parquet":
            _write_parquet(path, con, lines)
        else:
            from localfin.fraud.output.report import report

            with path.open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(report(lambda: rows(con, lines), scorer))
        with path.open("r+b") as file:
            os.fsync(file.fileno())
        part.finish(out, path)


def rows(con: "DuckDBPyConnection", lines: Path) -> Iterator[Row]:
    """The part's lines beside the transactions' own columns."""
    con.execute(_DETAILS)
    with lines.open(encoding="utf-8", newline="\n") as file:
        while details := con.fetchmany(_FETCHED):
            for detail in details:
                yield Row(json.loads(next(file)), *cast("tuple[Any, Any, Any, Any, Any]", detail))


def neutral(text: str | None) -> str:
    """A text that no spreadsheet takes for a formula: an apostrophe stands before it, as one would type it."""
    return _FORMULA.sub(r"\1'", text or "")


def _write_csv(path: Path, found: Iterator[Row]) -> None:
    """With a byte order mark, by which Excel knows UTF-8."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(_COLUMNS)
        for row in found:
            checked = row.checked
            reasons = " / ".join(reason["text"] for reason in checked["reasons"])
            writer.writerow([
                neutral(checked["id"]), checked["verdict"], checked["score"], f"{row.time:%Y-%m-%d %H:%M:%S}",
                neutral(row.customer), neutral(row.counterparty), row.amount, neutral(row.currency),
                neutral(reasons), neutral(checked["explanation"]), checked["explained_by"] or "",
            ])  # fmt: skip


def _write_parquet(path: Path, con: "DuckDBPyConnection", lines: Path) -> None:
    """On one thread, so that the same rows give the same bytes."""
    reason = "STRUCT(signal VARCHAR, contribution DOUBLE, evidence MAP(VARCHAR, DOUBLE), text VARCHAR)[]"
    words = "explanation: 'VARCHAR', explained_by: 'VARCHAR'"
    kinds = f"{{id: 'VARCHAR', verdict: 'VARCHAR', score: 'DOUBLE', reasons: '{reason}', {words}}}"
    [(threads,)] = con.execute("SELECT current_setting('threads')").fetchall()
    with tempfile.TemporaryDirectory(prefix="localfin-") as folder:
        link, made = Path(folder) / "lines", Path(folder) / "made"  # names in which DuckDB sees no pattern
        link.symlink_to(lines.resolve())
        con.execute("SET threads = 1")
        try:
            lines_read = (
                f"SELECT *, row_number() OVER () AS place FROM read_json('{link}', format = 'newline_delimited', "
                f"columns = {kinds})"
            )
            details = (
                "SELECT local_time AS time, customer, counterparty, amount, currency, "
                'row_number() OVER (ORDER BY "row") AS place FROM transactions WHERE is_new'
            )
            con.execute(
                f"COPY (SELECT {', '.join(_COLUMNS)} FROM ({lines_read}) AS checked JOIN ({details}) AS details "
                f"USING (place) ORDER BY place) TO '{made}' (FORMAT parquet)"
            )
        finally:
            con.execute(f"SET threads = {threads}")
        shutil.copyfile(made, path)
