"""The database that transactions, signals and scores lie in while a command or a call lasts."""

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from localfin_models.cores import available_cores

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ZONE = "Asia/Seoul"
"""The desk's, where nobody names another."""


@contextmanager
def database() -> "Generator[DuckDBPyConnection]":
    """In memory up to a gigabyte, beyond that in a folder that goes with it."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="localfin-") as folder:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": "1GB",
            "threads": available_cores(),
            "temp_directory": folder,
        }
        with duckdb.connect(":memory:", config=settings) as con:
            yield con


def span(con: "DuckDBPyConnection") -> tuple[datetime, datetime]:
    """The times of the first and of the last transaction, aware."""
    [(first, last)] = con.execute("SELECT min(time), max(time) FROM transactions").fetchall()
    return first.replace(tzinfo=UTC), last.replace(tzinfo=UTC)
