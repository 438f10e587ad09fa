"""From a file to the canonical table `transactions`: open, find the columns, load, convert, report.

Rows that are wrong are kept out and reported; everything else is read. Wording stays out of the table: names of
merchants are keys, compared for equality, and memos stand in `descriptions`, for display only.
"""

import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from localfin.delimited import records_of
from localfin.fraud.database import ZONE
from localfin.fraud.transactions import rows, source
from localfin.fraud.transactions.columns import SAMPLE, Columns, recognise, roles_of
from localfin.fraud.transactions.convert import FINAL, RAW, Conversion, reason_text
from localfin.fraud.transactions.report import SHOWN, BadRows, ReadReport
from localfin.fraud.transactions.time_sql import offset_sql
from localfin_models.errors import InputRefused, LocalfinError
from localfin_models.language import _

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

TABLE = """CREATE TABLE IF NOT EXISTS transactions (
    "row" BIGINT NOT NULL, is_new BOOLEAN NOT NULL, id VARCHAR NOT NULL, time TIMESTAMP NOT NULL,
    local_time TIMESTAMP NOT NULL, customer VARCHAR, counterparty VARCHAR, amount DOUBLE NOT NULL,
    currency VARCHAR NOT NULL, channel VARCHAR, category VARCHAR, country VARCHAR, latitude DOUBLE, longitude DOUBLE,
    label BOOLEAN)"""
DESCRIPTIONS = 'CREATE TABLE IF NOT EXISTS descriptions ("row" BIGINT NOT NULL, line BIGINT NOT NULL, memo VARCHAR)'
_SCALARS = ("VARCHAR", "BOOLEAN", "DOUBLE", "FLOAT", "DATE", "TIME", "UUID", "DECIMAL", "TIMESTAMP", "ENUM", "INTEGER",
            "BIGINT", "SMALLINT", "TINYINT", "HUGEINT", "UINTEGER", "UBIGINT", "USMALLINT", "UTINYINT")  # fmt: skip
_HEADER_WITHIN = 20  # records that may stand above the header: a bank's title, the account, the period


@dataclass(frozen=True)
class Loaded:
    """A file whose columns are known and that SQL can read."""

    columns: Columns
    kinds: Mapping[str, str]  # DuckDB's type of each role's column
    origin: str = RAW  # what to select line, place and r_ROLE from
    delimiter: str = ""


def read_into(
    con: "DuckDBPyConnection",
    given: str | Path | BinaryIO,
    *,
    is_new: bool,
    columns: Mapping[str, str] | None = None,
    zone: str = ZONE,
) -> ReadReport:
    """Append the transactions of a file, or of a binary stream, to the table `transactions`, made where absent.

    CSV, TSV, separated by bars or semicolons, Parquet or JSON lines; texts in UTF-8, with BOM, in UTF-16 or CP949, and
    compressed with gzip. `columns` maps roles to columns and is believed before any name. `zone` is that of times
    without an offset, and of `local_time`. Raises NotFound, InputRefused (no such format, no time or amount, nothing
    readable), NotEnough (disk), ValueError (a role there is not).
    """
    import duckdb

    place = zone_named(zone)
    bad, notes = BadRows(), list[str]()
    con.execute("SET autoinstall_known_extensions = false")  # DuckDB would fetch what it lacks from the network
    con.execute("SET autoload_known_extensions = false")
    with _folder() as folder, cleared(con):
        found = source.open_source(given, folder)
        loaded = _LOADERS[found.format](con, found, folder, dict(columns or {}), bad, notes)
        if "customer" not in loaded.columns.roles:
            notes.append(_("no column names the customer; nothing can be compared with the customer's past"))
        try:
            report = insert(con, loaded, place, notes, bad, shown=found.shown, is_new=is_new)
        except duckdb.Error as error:
            if found.format != "parquet":
                raise
            reason = str(error).splitlines()[0][:200]  # a page is read only now
            raise InputRefused(
                _("{path} is a damaged Parquet file: {reason}").format(path=found.shown, reason=reason)
            ) from None
    return replace(report, format=found.format, encoding=found.encoding, delimiter=loaded.delimiter)


def insert(
    con: "DuckDBPyConnection",
    loaded: Loaded,
    zone: ZoneInfo,
    notes: list[str],
    bad: BadRows | None = None,
    *,
    shown: str,
    is_new: bool,
) -> ReadReport:
    """Convert what was loaded and append it. Raises InputRefused where no row is good."""
    bad = bad or BadRows()
    con.execute(TABLE)
    con.execute(DESCRIPTIONS)
    conversion = Conversion(con, loaded.origin, loaded.columns, loaded.kinds, notes)
    try:
        conversion.run()
        count = _append(con, loaded.columns, zone, is_new=is_new)
        _collect(con, bad)
    finally:
        conversion.drop()
    if not count:
        first = bad.listed()
        reason = (
            _("line {line}: {reason}").format(line=first[0][0], reason=first[0][1]) if first else _("it has no rows")
        )
        raise InputRefused(_("{path} holds no transaction: {reason}").format(path=shown, reason=reason))
    return ReadReport(count, bad.listed(), bad.count, dict(loaded.columns.roles), notes)


def zone_named(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise LocalfinError(_("there is no time zone {zone!r} on this machine").format(zone=name)) from None


@contextmanager
def _folder() -> Generator[Path]:
    with tempfile.TemporaryDirectory(prefix="localfin-") as folder:
        yield Path(folder)


@contextmanager
def cleared(con: "DuckDBPyConnection") -> Generator[None]:
    try:
        yield
    finally:
        con.execute(f"DROP TABLE IF EXISTS {RAW}")


# -- loading: each makes RAW with line, place and one column r_ROLE for each role


def _load_parquet(
    con: "DuckDBPyConnection",
    found: source.Source,
    folder: Path,
    given: Mapping[str, str],
    bad: BadRows,
    notes: list[str],
) -> Loaded:
    import duckdb

    scan = f"read_parquet({_quoted(str(found.path))}, file_row_number = true, hive_partitioning = false)"
    try:
        described = con.execute(f"DESCRIBE SELECT * FROM {scan}").fetchall()
        kinds = {str(row[0]): str(row[1]) for row in described if str(row[0]) != "file_row_number"}
        usable = {name: kind for name, kind in kinds.items() if kind.startswith(_SCALARS) and "[" not in kind}
        listed = ", ".join(f"CAST({_named(name)} AS VARCHAR)" for name in usable) or "NULL"
        sample = con.execute(f"SELECT {listed} FROM {scan} LIMIT {SAMPLE}").fetchall()
        columns = _recognised(found, list(usable), cast("list[tuple[str | None, ...]]", sample), given)
        chosen = ", ".join(f"{_scalar(name, usable[name])} AS r_{role}" for role, name in columns.roles.items())
        origin = f"(SELECT file_row_number + 1 AS line, file_row_number AS place, {chosen} FROM {scan})"
    except duckdb.Error as error:
        reason = str(error).splitlines()[0][:200]
        raise InputRefused(
            _("{path} is a damaged Parquet file: {reason}").format(path=found.shown, reason=reason)
        ) from None
    return Loaded(columns, {role: _kind(usable[name]) for role, name in columns.roles.items()}, origin)


def _recognised(
    found: source.Source, names: Sequence[str], sample: Sequence[Sequence[str | None]], given: Mapping[str, str]
) -> Columns:
    try:
        return recognise(names, sample, given)
    except InputRefused as error:
        raise InputRefused(f"{found.shown}: {error}") from None


def _kind(kind: str) -> str:
    return "VARCHAR" if kind.startswith(("ENUM", "UUID", "TIME")) and not kind.startswith("TIMESTAMP") else kind


def _scalar(name: str, kind: str) -> str:
    return f"CAST({_named(name)} AS VARCHAR)" if _kind(kind) != kind else _named(name)


def _load_csv(
    con: "DuckDBPyConnection",
    found: source.Source,
    folder: Path,
    given: Mapping[str, str],
    bad: BadRows,
    notes: list[str],
) -> Loaded:
    delimiter = source.delimiter_of(found)
    head = records_of(source.head_of(found), delimiter)
    at = _header(head, given)
    if at is None:
        names = [str(number) for number in range(1, len(head[0]) + 1)]
        notes.append(_("the file has no header; its columns are called 1, 2, 3 …"))
        skip, sample = 0, head
    else:
        names = _unique(head[at])
        skip, sample = _lines_through(found, delimiter, at), head[at + 1 :]
        if at:
            notes.append(_("the header is line {line}; what stands above was left out").format(line=skip))
    whole = [record for record in sample if len(record) >= len(names)]
    columns = _recognised(found, names, whole[:SAMPLE], given)
    wanted = {role: names.index(name) for role, name in columns.roles.items()}
    # A new table's rowid is the order of its rows, and that the order of the file.
    origin = f"(SELECT rowid + {skip + 1} AS line, rowid AS place, * FROM {RAW})"
    if not (found.plain and skip and _load_plain(con, found, delimiter, skip, len(names), wanted)):
        out, origin = folder / "clean", RAW
        rows.clean_csv(found, delimiter, skip, len(names), list(wanted.values()), out, bad)
        _load_clean(con, out, list(wanted))
    return Loaded(columns, dict.fromkeys(wanted, "VARCHAR"), origin, delimiter)


def _load_plain(
    con: "DuckDBPyConnection",
    found: source.Source,
    delimiter: str,
    skip: int,
    width: int,
    wanted: Mapping[str, int],
) -> bool:
    """DuckDB's own reader, all cores; False where a line isn't as the others, so that the slow path must tell which."""
    import duckdb

    chosen = ", ".join(f"c{at} AS r_{role}" for role, at in wanted.items())
    scan = _csv_scan(found.path, delimiter, [f"c{at}" for at in range(width)], skip)
    try:
        con.execute(f"CREATE OR REPLACE TABLE {RAW} AS SELECT {chosen} FROM {scan}")
    except duckdb.Error:
        return False
    counted = con.execute(f"SELECT count(*) FROM {RAW}").fetchone()
    return counted == (found.lines - skip,)


def _load_clean(con: "DuckDBPyConnection", path: Path, roles: Sequence[str]) -> None:
    names = ["line", "place", *(f"r_{role}" for role in roles)]
    texts = ", ".join(names[2:])
    scan = _csv_scan(path, rows.SEPARATOR, names, 0)
    con.execute(
        f"CREATE OR REPLACE TABLE {RAW} AS SELECT CAST(line AS BIGINT) AS line, "
        f"CAST(place AS BIGINT) AS place, {texts} FROM {scan}"
    )


def _csv_scan(path: Path, delimiter: str, names: Sequence[str], skip: int) -> str:
    types = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
    return (
        f"read_csv({_quoted(str(path))}, delim = {_quoted(delimiter)}, quote = '', escape = '', header = false, "
        f"skip = {skip}, auto_detect = false, columns = {{{types}}}, max_line_size = {4 * rows.LONGEST_LINE}, "
        "compression = 'none', hive_partitioning = false)"
    )


def _header(head: Sequence[Sequence[str]], given: Mapping[str, str]) -> int | None:
    """Which of the first records names the columns; None where the first one is data already."""
    for at, record in enumerate(head[:_HEADER_WITHIN]):
        roles = {role for name in record for role in roles_of(name)}
        times, sums = roles & {"time", "date"}, roles & {"amount", "debit", "credit"}
        named = {name for name in given.values() if not name.isdigit()}
        if (times and sums) or named & {name.strip() for name in record}:
            return at
    texts = [name for name in head[0] if name.strip()] if head else []
    is_data = any(any(letter.isdigit() for letter in name) and not name.strip()[0].isalpha() for name in texts)
    return None if is_data else 0


def _unique(names: Sequence[str]) -> list[str]:
    """Headers without blanks around them; an empty or repeated one gets its number."""
    found: list[str] = []
    for number, name in enumerate(names, 1):
        name = name.strip().lstrip("\ufeff")
        found.append(name if name and name not in found else f"{name}#{number}")
    return found


def _lines_through(found: source.Source, delimiter: str, at: int) -> int:
    """How many lines of the file the records up to the one at `at` take; blank lines count."""
    import csv

    with rows.open_text(found) as file:
        reader = csv.reader(iter(file.readline, ""), delimiter=delimiter)
        seen = -1
        for record in reader:
            seen += bool(record)
            if seen == at:
                break
        return reader.line_num


def _load_jsonl(
    con: "DuckDBPyConnection",
    found: source.Source,
    folder: Path,
    given: Mapping[str, str],
    bad: BadRows,
    notes: list[str],
) -> Loaded:
    objects: list[dict[str, str]] = []
    with rows.open_text(found) as file:
        for line in iter(lambda: file.readline(rows.LONGEST_LINE), ""):
            if (read := rows.json_object(line)) is not None:
                objects.append(read)
            if len(objects) >= SAMPLE:
                break
    names = list(dict.fromkeys(name for read in objects for name in read))
    if not names:
        raise InputRefused(_("{path}: no line is a JSON object").format(path=found.shown))
    columns = _recognised(found, names, [[read.get(name) for name in names] for read in objects], given)
    out = folder / "clean"
    rows.clean_jsonl(found, list(columns.roles.values()), out, bad)
    _load_clean(con, out, list(columns.roles))
    return Loaded(columns, dict.fromkeys(columns.roles, "VARCHAR"))


_LOADERS: Mapping[str, Any] = {"parquet": _load_parquet, "csv": _load_csv, "jsonl": _load_jsonl}


# -- from FINAL to the canonical tables


def _append(con: "DuckDBPyConnection", columns: Columns, zone: ZoneInfo, *, is_new: bool) -> int:
    span = con.execute(
        f"SELECT min(year(coalesce(local_given, utc_given))), max(year(coalesce(local_given, utc_given))) FROM {FINAL} "
        "WHERE reason IS NULL"
    ).fetchone()
    if span is None or span[0] is None:
        return 0
    start = cast("tuple[int]", con.execute('SELECT coalesce(max("row") + 1, 0) FROM transactions').fetchone())[0]
    to_utc = f"local_given - {offset_sql('local_given', zone, span[0], span[1], local=True)}"
    # An instant is shown by the desk's clock; a local time stands as it was written.
    to_local = f"utc_given + {offset_sql('utc_given', zone, span[0], span[1], local=False)}"
    before = cast("tuple[int]", con.execute("SELECT count(*) FROM transactions").fetchone())[0]
    con.execute(
        f"INSERT INTO transactions SELECT place + {start}, {str(is_new).lower()}, "
        f"coalesce(id, CAST(line AS VARCHAR)), coalesce(utc_given, {to_utc}), "
        f"coalesce(local_given, {to_local}), "
        f"customer, counterparty, amount, coalesce(currency, named_currency, '{columns.currency or 'KRW'}'), "
        f"channel, category, country, latitude, longitude, label FROM {FINAL} WHERE reason IS NULL"
    )
    if "memo" in columns.roles:
        con.execute(
            f"INSERT INTO descriptions SELECT place + {start}, line, memo FROM {FINAL} "
            "WHERE reason IS NULL AND memo IS NOT NULL"
        )
    return cast("tuple[int]", con.execute("SELECT count(*) FROM transactions").fetchone())[0] - before


def _collect(con: "DuckDBPyConnection", bad: BadRows) -> None:
    listed = con.execute(
        f"SELECT line, reason FROM {FINAL} WHERE reason IS NOT NULL ORDER BY line LIMIT {SHOWN}"
    ).fetchall()
    for line, reason in listed:
        bad.add(line, reason_text(reason))
    if len(listed) == SHOWN:
        counted = con.execute(f"SELECT count(*) FROM {FINAL} WHERE reason IS NOT NULL").fetchone()
        bad.uncounted(cast("tuple[int]", counted)[0] - SHOWN)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _named(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'
