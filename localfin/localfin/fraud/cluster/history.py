"""A history in Parquet, read by Spark: which column is what, its rows as `transactions` has them, and what is wrong.

Nothing is copied: the view `history` is read anew by each query over it. Its rows are numbered in the order of the
files' names and of each file's rows, so that rows of one time are told apart in the same way on every run.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from zoneinfo import ZoneInfo

from localfin.fraud.cluster.reading import READ, Reading, quoted, readings, sampled
from localfin.fraud.cluster.session import failing
from localfin.fraud.cluster.spark import Frame, Spark, package
from localfin.fraud.transactions.columns import SAMPLE, Columns, recognise, roles_of
from localfin.fraud.transactions.convert import reason_text
from localfin.fraud.transactions.moments import FIRST_YEAR, LAST_YEAR
from localfin.fraud.transactions.report import SHOWN, ReadReport
from localfin_models.errors import InputRefused, NotFound
from localfin_models.language import _

MOST_TEXTS = 200_000
"""Distinct texts that only Python can read; a column with more is no typed column, and this no place to read it."""
_SCALARS = ("string", "boolean", "double", "float", "date", "timestamp", "decimal", "bigint", "int", "smallint",
            "tinyint")  # fmt: skip

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class History:
    """What was read; its rows are the view `history`."""

    rows: int
    """Rows of the files, the bad ones among them: the numbers that are taken."""
    report: ReadReport
    span: tuple[datetime, datetime]
    """The times of its first and of its last transaction, UTC."""


def read_history(spark: Spark, path: str, columns: Mapping[str, str] | None, zone: ZoneInfo) -> History:
    """Makes the view `history`: row, the columns of `transactions` that signals read.

    `path` is a Parquet file or folder as Spark names them (hdfs://…, s3a://…, a path that all its machines see);
    `columns` and `zone` are as in `transactions.read_into`. Raises NotFound, InputRefused (no Parquet, no time or
    amount, nothing readable, too many texts that SQL cannot read).
    """
    frame = _opened(spark, path)
    types = {name: kind for name, kind in frame.dtypes if kind.startswith(_SCALARS)}
    found = _recognised(spark, frame, types, columns)
    roles = {role: name for role, name in found.roles.items() if role not in ("date", "clock")}
    if "time" not in roles:
        raise InputRefused(_("on a cluster, the time has to stand in one column; name it with --columns time=NAME"))
    made = readings(roles, types)
    frame.selectExpr(*_selected(made, roles)).createOrReplaceTempView("localfin_raw")
    _read_here(spark, made, roles)
    local = types[roles["time"]] != "timestamp"
    spark.sql(_converted(made, found, zone, local=local)).createOrReplaceTempView("localfin_converted")
    notes = []
    if "customer" not in roles:
        notes.append(_("no column names the customer; nothing can be compared with the customer's past"))
    used = [role for role in roles if role in made or role in ("latitude", "longitude")]
    return _numbered(spark, path, {role: roles[role] for role in used}, notes)


def _opened(spark: Spark, path: str) -> Frame:
    missing = package("pyspark.errors").AnalysisException
    with failing(InputRefused, _("Spark cannot read {path}: {reason}").replace("{path}", path)):
        try:
            return cast(Frame, spark.read.parquet(path))
        except missing as error:
            if error.getCondition() == "PATH_NOT_FOUND":
                raise NotFound(_("{path} does not exist").format(path=path)) from None
            raise


def _recognised(spark: Spark, frame: Frame, types: Mapping[str, str], given: Mapping[str, str] | None) -> Columns:
    times = {name for name in types if "time" in roles_of(name) or (given or {}).get("time") == name}
    shown = [sampled(quoted(name), kind, is_time=name in times) for name, kind in types.items()]
    sample = [tuple(row) for row in frame.selectExpr(*shown).limit(SAMPLE).collect()]
    return recognise(list(types), cast("list[tuple[str | None, ...]]", sample), dict(given or {}))


def _selected(made: Mapping[str, Reading], roles: Mapping[str, str]) -> list[str]:
    """Each role's value, and beside it what SQL could not read; where each row stands."""
    columns = ["_metadata.file_path AS file", "_metadata.row_index AS at"]
    for role, reading in made.items():
        columns.append(f"{reading.value} AS v_{role}")
        left = f"{reading.value} IS NULL AND {reading.text} <> ''"
        columns.append(f"CASE WHEN {left} THEN {reading.text} END AS x_{role}")
    north, east = (
        f"try_cast({quoted(roles[role])} AS DOUBLE)" if role in roles else "CAST(NULL AS DOUBLE)"
        for role in ("latitude", "longitude")
    )
    # 0, 0 is where a form without coordinates puts everybody.
    there = f"abs({north}) <= 90 AND abs({east}) <= 180 AND NOT ({north} = 0 AND {east} = 0)"
    placed = (("latitude", north), ("longitude", east))
    return [*columns, *(f"CASE WHEN {there} THEN {sql} END AS {name}" for name, sql in placed)]


def _read_here(spark: Spark, made: Mapping[str, Reading], roles: Mapping[str, str]) -> None:
    """READ: what Python makes of each distinct text that SQL left."""
    pa = package("pyarrow")

    pairs = ", ".join(f"'{role}', x_{role}" for role in made)
    left = spark.sql(
        f"SELECT DISTINCT role, x FROM (SELECT stack({len(made)}, {pairs}) AS (role, x) FROM localfin_raw) AS texts "
        f"WHERE x IS NOT NULL LIMIT {MOST_TEXTS + 1}"
    ).collect()
    if len(left) > MOST_TEXTS:
        worst = max(made, key=lambda role: sum(row["role"] == role for row in left))
        raise InputRefused(
            _(
                "the column {column} holds more than {most:,} texts that SQL cannot read; write times as timestamps "
                "and amounts as numbers"
            ).format(column=roles[worst], most=MOST_TEXTS)
        )
    rows = [_attempted(str(row["role"]), str(row["x"]), made) for row in left]
    kinds = {"role": pa.string(), "x": pa.string(), "number": pa.float64(), "whole": pa.int64(), "flag": pa.bool_(),
             "text": pa.string(), "extra": pa.string(), "wrong": pa.bool_()}  # fmt: skip
    spark.createDataFrame(pa.Table.from_pylist(rows, schema=pa.schema(kinds))).createOrReplaceTempView(READ)


def _attempted(role: str, text: str, made: Mapping[str, Reading]) -> dict[str, Any]:
    try:
        value, extra = made[role].read(text)
    except (ValueError, OverflowError):
        return {"role": role, "x": text, "wrong": True}
    return {"role": role, "x": text, made[role].kind: value, "extra": extra, "wrong": False}


def _converted(made: Mapping[str, Reading], columns: Columns, zone: ZoneInfo, *, local: bool) -> str:
    """The rows with their values, or with the reason why they are none."""
    joins = " ".join(
        f"LEFT JOIN (SELECT * FROM {READ} WHERE role = '{role}') AS m_{role} ON m_{role}.x = x_{role}" for role in made
    )
    texts = ["customer", "counterparty", "country", "currency"]
    value = {**dict.fromkeys(texts, "CAST(NULL AS STRING)"), "label": "CAST(NULL AS BOOLEAN)"}
    value |= {role: f"coalesce(v_{role}, m_{role}.{reading.kind})" for role, reading in made.items()}
    amount = value.get("amount") or _either(value)
    if columns.scale != 1:
        amount = f"({amount}) * {float(columns.scale)!r}"
    money = [f"m_{role}.extra" for role in ("amount", "debit", "credit") if role in made]
    currency = f"coalesce({value['currency']}, {', '.join(money)}, '{columns.currency or 'KRW'}')"
    time = f"timestamp_micros({value['time']})"
    instant = f"m_time.extra = 'utc' AND v_time IS NULL{'' if local else ' OR v_time IS NOT NULL'}"
    faults = [f"WHEN m_{role}.wrong THEN '{role}' || chr(31) || left(x_{role}, 60)" for role in made]
    faults += [
        f"WHEN {value['time']} IS NULL THEN 'no time'",
        f"WHEN year({time}) NOT BETWEEN {FIRST_YEAR} AND {LAST_YEAR} THEN 'time' || chr(31) || CAST({time} AS STRING)",
        f"WHEN ({amount}) IS NULL THEN 'no amount'",
        f"WHEN abs({amount}) >= 1e15 THEN 'amount' || chr(31) || CAST({amount} AS STRING)",
    ]
    return f"""SELECT file, at, CASE {" ".join(faults)} END AS reason,
  CASE WHEN {instant} THEN {time} ELSE to_utc_timestamp({time}, '{zone.key}') END AS time,
  CASE WHEN {instant} THEN from_utc_timestamp({time}, '{zone.key}') ELSE {time} END AS local_time,
  {value["customer"]} AS customer, {value["counterparty"]} AS counterparty, {amount} AS amount, {currency} AS currency,
  {value["country"]} AS country, latitude, longitude, {value["label"]} AS label
FROM localfin_raw {joins}"""


def _either(value: Mapping[str, str]) -> str:
    """What leaves the account counts as it stands, what comes in with a minus, as a refund does."""
    debit, credit = (value.get(role, "CAST(NULL AS DOUBLE)") for role in ("debit", "credit"))
    return f"coalesce(nullif({debit}, 0), -nullif({credit}, 0), {debit}, {credit})"


def _numbered(spark: Spark, path: str, roles: Mapping[str, str], notes: list[str]) -> History:
    """`history`, of the good rows; each file's rows are counted once for it."""
    pa = package("pyarrow")
    counts = spark.sql(
        "SELECT file, max(at) + 1 AS rows, count(reason) AS bad, count(*) AS every, "
        "unix_micros(min(CASE WHEN reason IS NULL THEN time END)) AS first, "
        "unix_micros(max(CASE WHEN reason IS NULL THEN time END)) AS last FROM localfin_converted "
        "GROUP BY file ORDER BY file"
    ).collect()
    starts, total = list[tuple[str, int]](), 0
    for row in counts:
        starts.append((row["file"], total))
        total += row["rows"]
    bad = sum(row["bad"] for row in counts)
    good = sum(row["every"] for row in counts) - bad
    table = pa.table(
        {"file": pa.array([name for name, _start in starts], pa.string()),
         "start": pa.array([start for _name, start in starts], pa.int64())}
    )  # fmt: skip
    spark.createDataFrame(table).createOrReplaceTempView("localfin_files")
    spark.sql(
        "SELECT start + at AS row, time, local_time, customer, counterparty, amount, currency, country, latitude, "
        "longitude, label FROM localfin_converted JOIN localfin_files USING (file) WHERE reason IS NULL"
    ).createOrReplaceTempView("history")
    listed = _listed(spark) if bad else []
    if not good:
        reason = _("it has no rows")
        if listed:
            reason = _("line {line}: {reason}").format(line=listed[0][0], reason=listed[0][1])
        raise InputRefused(_("{path} holds no transaction: {reason}").format(path=path, reason=reason))
    first = min(row["first"] for row in counts if row["first"] is not None)
    last = max(row["last"] for row in counts if row["last"] is not None)
    report = ReadReport(good, listed, bad, dict(roles), notes, format="parquet")
    return History(total, report, (_EPOCH + timedelta(microseconds=first), _EPOCH + timedelta(microseconds=last)))


def _listed(spark: Spark) -> list[tuple[int, str]]:
    """Some bad rows: the place in their file, from 1, and the reason."""
    wrong = spark.sql(f"SELECT at, reason FROM localfin_converted WHERE reason IS NOT NULL LIMIT {SHOWN}").collect()
    return sorted((int(row["at"]) + 1, reason_text(str(row["reason"]))) for row in wrong)
