"""Computes the signals on Spark from a history there and the new rows here, and brings back what was asked for."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from localfin.fraud.cluster.history import read_history
from localfin.fraud.cluster.session import failing, session
from localfin.fraud.cluster.spark import Frame, Spark
from localfin.fraud.database import ZONE
from localfin.fraud.signals.dialect import SPARK
from localfin.fraud.signals.engine import chosen_rows, evidence_query, joins, measured, signals_query
from localfin.fraud.signals.settings import Settings
from localfin.fraud.signals.stage import Wanted
from localfin.fraud.signals.stages import stages
from localfin.fraud.transactions import ReadReport
from localfin.fraud.transactions.read import TABLE, zone_named
from localfin_models.errors import LocalfinError
from localfin_models.language import _

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CACHED = frozenset({"paired", "of_customer", "of_amounts"})
"""What more than one stage reads."""
_LAID = "DISTRIBUTE BY customer SORT BY customer, t, row"
"""How what all other stages read is laid out: most of their windows are a customer's, and need no other order then."""
_TIMES = "epoch_us(time) AS us, epoch_us(local_time) AS local_us"
_COLUMNS = "customer, counterparty, amount, currency, country, latitude, longitude, label"


@contextmanager
def connect(master: str) -> "Generator[Cluster]":
    """A cluster for the time of the block. Raises LocalfinError without Spark, Java or an answer."""
    with session(master) as spark:
        yield Cluster(spark)


class Cluster:
    """A history on Spark. `read` comes first."""

    def __init__(self, spark: Spark) -> None:
        self._spark = spark
        self._taken = 0
        self._span: tuple[datetime, datetime] | None = None

    def read(self, path: str, *, columns: Mapping[str, str] | None = None, zone: str = ZONE) -> ReadReport:
        """Find the columns of a history in Parquet, which stays where it lies. Raises as `read_history` does."""
        with failing(LocalfinError, _("Spark failed: {reason}")):
            found = read_history(self._spark, path, columns, zone_named(zone))
        self._taken, self._span = found.rows, found.span
        return found.report

    @property
    def span(self) -> tuple[datetime, datetime]:
        """The times (UTC) of the history's first and last transaction."""
        if self._span is None:
            raise RuntimeError("no history was read")
        return self._span

    def compute(self, con: "DuckDBPyConnection", settings: Settings, rows: Literal["all", "new"] | datetime) -> None:
        """`signals.compute`, with this history before the rows of `transactions` here.

        Rows of the history that are asked for come into `transactions`, too, under numbers below 0: their own places
        less the number of all of them.
        """
        con.execute(TABLE)
        chosen = chosen_rows(rows)
        with failing(LocalfinError, _("Spark failed: {reason}")):
            self._unite(con)
            self._compute(con, settings, chosen)
            if rows != "new":
                self._bring(con, chosen)
            self._spark.catalog.clearCache()

    def _unite(self, con: "DuckDBPyConnection") -> None:
        """`transactions` on Spark: the history, then the rows that are here."""
        new = con.sql(
            f"SELECT row + {self._taken} AS row, is_new, {_TIMES}, {_COLUMNS} FROM transactions WHERE row >= 0"
        )
        self._spark.createDataFrame(new.to_arrow_table()).createOrReplaceTempView("localfin_new")
        self._spark.sql(
            f"SELECT row, FALSE AS is_new, time, local_time, {_COLUMNS} FROM history UNION ALL SELECT row, is_new, "
            f"timestamp_micros(us) AS time, timestamp_micros(local_us) AS local_time, {_COLUMNS} FROM localfin_new"
        ).createOrReplaceTempView("transactions")

    def _compute(self, con: "DuckDBPyConnection", settings: Settings, chosen: str) -> None:
        spark = self._spark
        [first] = spark.sql(f"SELECT unix_micros(min(time)) FROM transactions WHERE {chosen}").collect()[0]
        plan = stages(settings, SPARK, Wanted(chosen, first))
        for stage in plan:
            laid = _LAID if stage.name == "paired" else ""
            frame = spark.sql(f"{stage.query()} {laid}")
            if stage.name in _CACHED:
                frame = frame.persist()
            frame.createOrReplaceTempView(stage.name)
        named = measured(settings)
        spark.sql(f"SELECT * FROM {joins(plan)} WHERE wanted").persist().createOrReplaceTempView("localfin_measured")
        self._fetch(con, "signals", spark.sql(signals_query(named, "localfin_measured")))
        self._fetch(con, "evidence", spark.sql(evidence_query(named, "localfin_measured")))

    def _fetch(self, con: "DuckDBPyConnection", table: str, frame: Frame) -> None:
        con.register("localfin_fetched", frame.toArrow())
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE {table} AS SELECT row - {self._taken} AS row, * EXCLUDE (row) "
            "FROM localfin_fetched"
        )
        con.unregister("localfin_fetched")

    def _bring(self, con: "DuckDBPyConnection", chosen: str) -> None:
        frame = self._spark.sql(
            f"SELECT row, unix_micros(time) AS us, unix_micros(local_time) AS local_us, {_COLUMNS} FROM transactions "
            f"WHERE NOT is_new AND row < {self._taken} AND ({chosen})"
        )
        con.register("localfin_fetched", frame.toArrow())
        con.execute("DELETE FROM transactions WHERE row < 0")
        con.execute(
            f"INSERT INTO transactions (row, is_new, id, time, local_time, {_COLUMNS}) SELECT row - {self._taken}, "
            f"FALSE, CAST(row AS VARCHAR), make_timestamp(us), make_timestamp(local_us), {_COLUMNS} "
            "FROM localfin_fetched"
        )
        con.unregister("localfin_fetched")
