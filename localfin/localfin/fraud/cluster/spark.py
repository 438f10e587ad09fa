"""What is used of Spark, as types: the packages are an extra, and the checks run without them."""

import importlib
from collections.abc import Sequence
from typing import Any, Protocol

from localfin_models.errors import LocalfinError
from localfin_models.language import _


class Frame(Protocol):
    """pyspark.sql.DataFrame: a query over the cluster that is run when its rows are asked for."""

    @property
    def dtypes(self) -> list[tuple[str, str]]: ...
    def selectExpr(self, *columns: str) -> "Frame": ...  # noqa: N802
    def limit(self, rows: int) -> "Frame": ...
    def persist(self) -> "Frame": ...
    def collect(self) -> Sequence[Any]: ...
    def toArrow(self) -> Any: ...  # noqa: N802
    def createOrReplaceTempView(self, name: str) -> None: ...  # noqa: N802


class Spark(Protocol):
    """pyspark.sql.SparkSession."""

    read: Any
    catalog: Any

    def sql(self, query: str) -> Frame: ...
    def createDataFrame(self, table: Any) -> Frame: ...  # noqa: N802
    def stop(self) -> None: ...


def package(name: str) -> Any:
    """pyspark, py4j or pyarrow. Raises LocalfinError where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise LocalfinError(_("this needs Spark: pip install 'localfin[cluster]'")) from None
