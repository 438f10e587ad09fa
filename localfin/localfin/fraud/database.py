"""The database that transactions, signals and scores lie in while a command or a call lasts."""

import os
import shutil
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from localfin_models.cores import available_cores

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

ZONE = "Asia/Seoul"
"""The desk's, where nobody names another."""
_SPILL = "localfin-database-"
_NEW_S = 60.0
"""A folder younger than this may not have been locked yet."""


@contextmanager
def database() -> "Generator[DuckDBPyConnection]":
    """In memory up to a gigabyte, beyond that in a folder that goes with it."""
    import duckdb

    with _spill() as folder:
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


@contextmanager
def _spill() -> Generator[str]:
    """A folder for what does not fit the memory. Those that killed runs left behind go, too: transactions lie there."""
    _sweep()
    with tempfile.TemporaryDirectory(prefix=_SPILL) as folder:
        held = _lock(folder)
        try:
            yield folder
        finally:
            if held is not None:
                os.close(held)


def _sweep() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_SPILL}*"):
        with suppress(OSError):
            if time.time() - folder.lstat().st_mtime < _NEW_S or (held := _lock(str(folder))) is None:
                continue
            try:
                shutil.rmtree(folder)
            finally:
                os.close(held)


def _lock(folder: str) -> int | None:
    """Holds the folder while the descriptor is open; None where another run does, or where there is no flock."""
    try:
        import fcntl
    except ImportError:
        return None
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
