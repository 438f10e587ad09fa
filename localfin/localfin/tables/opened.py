"""A table's rows inside DuckDB: in memory, without a way out, with bounds on memory and time."""

import re
import shutil
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localfin.fraud.database import database
from localfin.tables.query import ROWS, literal, name
from localfin.tables.table import Column, Stored, Table
from localfin.text import clean_text
from localfin_models.errors import InputRefused, LocalfinError, NotEnough
from localfin_models.language import _

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

STORED_SCALE = 10
"""Digits after the point that numbers of a file are read with."""
LIMIT_S = 60.0
"""Seconds that one question may take."""
_DIGITS = r"(\d{1,3}(,\d{3})+|\d+)(\.\d+)?"
_NUMBER = rf"([-△] ?[$₩€£¥]? ?|[$₩€£¥]? ?-?){_DIGITS}( ?(원|%))?|\([$₩€£¥]? ?{_DIGITS}\)"
_DAY = r"(\d{4})(?:[-./]|년 ?)(\d{1,2})(?:[-./]|월 ?)(\d{1,2})(?:일|\.)?(?:[T ].*)?"
_WHOLE_DAY = r"((?:19|20)\d\d)(\d\d)(\d\d)"


class Opened:
    """Rows that queries run over."""

    def __init__(self, con: "DuckDBPyConnection", source: str) -> None:
        self._con, self._source = con, source

    def all(self, sql: str) -> list[tuple[Any, ...]]:
        """What one SELECT gives. Raises InputRefused, NotEnough, LocalfinError where it takes longer than LIMIT_S."""
        import duckdb

        [statement] = self._con.extract_statements(sql)
        if statement.type != duckdb.StatementType.SELECT:
            raise LocalfinError(_("a question of a table only reads"))
        timer = threading.Timer(LIMIT_S, self._con.interrupt)
        timer.start()
        try:
            return self._con.execute(statement).fetchall()
        except duckdb.OutOfMemoryException:
            raise NotEnough(_("the question takes more memory than a question may")) from None
        except duckdb.InterruptException:
            raise LocalfinError(_("the question took longer than {seconds} seconds").format(seconds=LIMIT_S)) from None
        except duckdb.Error as error:
            reason = clean_text(str(error).splitlines()[0][:200])
            raise InputRefused(_("{path} cannot be read: {error}").format(path=self._source, error=reason)) from None
        finally:
            timer.cancel()


@contextmanager
def opened(table: Table) -> Generator[Opened]:
    """The table as `rows`. Raises InputRefused where its file cannot be read any more."""
    with database() as con, tempfile.TemporaryDirectory(prefix="localfin-") as folder:
        con.execute("SET autoinstall_known_extensions = false")
        con.execute("SET autoload_known_extensions = false")
        if isinstance(table.rows, Stored):
            path = _plain(table.rows, Path(folder))
            con.execute(f"SET allowed_paths = [{literal(str(path))}]")
            _view(con, table, table.rows, path)
        else:
            _insert(con, table)
        con.execute("SET enable_external_access = false")
        con.execute("SET lock_configuration = true")
        yield Opened(con, table.source)


def _insert(con: "DuckDBPyConnection", table: Table) -> None:
    assert not isinstance(table.rows, Stored)
    con.execute(f"CREATE TABLE {ROWS} ({', '.join(f'{name(c.name)} {_type(c)}' for c in table.columns)})")
    if not table.rows:
        return
    chosen = ", ".join(f"CAST(unnest(${n}::VARCHAR[]) AS {_type(c)})" for n, c in enumerate(table.columns, 1))
    columns = [[None if cell is None else str(cell) for cell in column] for column in zip(*table.rows, strict=True)]
    con.execute(f"INSERT INTO {ROWS} SELECT {chosen}", columns)


def _type(column: Column) -> str:
    return {"number": f"DECIMAL(38, {column.scale})", "date": "DATE", "text": "VARCHAR"}[column.kind]


def _view(con: "DuckDBPyConnection", table: Table, stored: Stored, path: Path) -> None:
    """The file as `rows`: only the columns that a query names are converted."""
    import duckdb

    raw = [f"c{place}" for place in range(len(table.columns))]
    types = ", ".join(f"'{column}': 'VARCHAR'" for column in raw)
    scan = (
        f"read_csv({literal(str(path))}, delim = {literal(stored.delimiter)}, quote = '\"', escape = '\"', "
        f"header = false, skip = {stored.skip}, auto_detect = false, columns = {{{types}}}, null_padding = true, "
        "strict_mode = false, compression = 'none', hive_partitioning = false)"
    )
    chosen = ", ".join(f"{converted(c, one)} AS {name(one.name)}" for c, one in zip(raw, table.columns, strict=True))
    try:
        con.execute(f"CREATE VIEW {ROWS} AS SELECT {chosen} FROM {scan}{_without_totals(raw, table)}")
    except duckdb.Error as error:
        raise _unreadable(table, error) from None


def _unreadable(table: Table, error: Exception) -> InputRefused:
    reason = clean_text(str(error).splitlines()[0][:200])
    return InputRefused(_("{path} cannot be read: {error}").format(path=table.source, error=reason))


def converted(cell: str, column: Column) -> str:
    """The SQL that reads a text as its column's kind, as `values` does for the usual ways to write one; else NULL."""
    text = f"trim({cell})"
    if column.kind == "number":
        bare = f"regexp_replace({text}, '[^0-9.]', '', 'g')"
        sign = f"CASE WHEN regexp_matches({text}, '[-△(]') THEN -1 ELSE 1 END"
        return (
            f"CASE WHEN regexp_full_match({text}, {literal(_NUMBER)}) "
            f"THEN {sign} * TRY_CAST({bare} AS DECIMAL(37, {STORED_SCALE})) END"
        )
    if column.kind == "date":
        compact = f"regexp_replace({text}, {literal('^' + _WHOLE_DAY + '$')}, '\\1-\\2-\\3')"
        others = f"TRY_CAST(regexp_replace({compact}, {literal('^' + _DAY + '$')}, '\\1-\\2-\\3') AS DATE)"
        return f"coalesce(TRY_CAST({text} AS DATE), {others})"
    return f"nullif({text}, '')"


def _without_totals(raw: list[str], table: Table) -> str:
    texts = [c for c, column in zip(raw, table.columns, strict=True) if column.kind != "number"]
    if not texts:
        return ""
    first = ", ".join(f"nullif(trim({cell}), '')" for cell in texts)
    first = f"coalesce({first}, '')"
    return f" WHERE NOT regexp_full_match({first}, {literal(TOTAL)}, 'i')"


TOTAL = r"(합 ?계|총 ?계|총 ?합 ?계|소 ?계|누 ?계|계|총 ?액|(grand |sub-? ?)?totals?)[:.]?"


def _plain(stored: Stored, folder: Path) -> Path:
    """The file as DuckDB can open it: in UTF-8, and by a name without wildcards."""
    if stored.encoding in ("utf-8", "utf-8-sig"):
        if re.fullmatch(r"[\w/.\\: +=@,-]+", str(stored.path)):
            return stored.path
        link = folder / "link.csv"
        link.symlink_to(stored.path.resolve())
        return link
    out = folder / "utf8.csv"
    with (
        stored.path.open(encoding=stored.encoding, errors="replace", newline="") as file,
        out.open("w", encoding="utf-8", newline="") as to,
    ):
        shutil.copyfileobj(file, to, 1 << 20)
    return out
