"""The database that transactions, signals and scores lie in while a command or a call lasts."""

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from localfin_models.cores import available_cores

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


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
