"""One SQLite file that survives a kill: opening, pragmas, migrations (forward only), transactions, errors.

WAL mode with synchronous=FULL: once a transaction has returned, its rows outlive the process and the power. What
is in the tables is the business of the modules that use it.
"""

import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import apsw

from localfin.store.migrations import MIGRATIONS
from localfin_models.errors import InputRefused, LocalfinError, NotEnough
from localfin_models.language import _

APPLICATION_ID = 0x6C66696E
"""`lfin`, in SQLite's header: tells our file from another program's."""

BUSY_MS = 5_000
"""How long to wait for another process that is writing."""

Value = str | int | float | None


class Database:
    """One file, or one in memory with `path=None`; usable from any thread, and beside other processes.

    Raises InputRefused where the file is not a database of ours (or is damaged), NotEnough on a full disk and
    LocalfinError where it cannot be opened or written.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._lock = threading.RLock()
        with self.explained():
            if path is not None:
                create_private(path)
            self._connection = apsw.Connection(":memory:" if path is None else str(path))
            try:
                self._prepare()
            except BaseException:
                self._connection.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        with self.explained():
            self._connection.close()

    def rows(self, sql: str, *values: Value) -> list[tuple[Any, ...]]:
        """What a query gives, or what a statement returns."""
        with self._lock, self.explained():
            return list(self._connection.execute(sql, values))

    def insert(self, sql: str, *values: Value) -> int:
        """Insert one row, within `writing`; gives its id."""
        self._connection.execute(sql, values)
        return self._connection.last_insert_rowid()

    def execute(self, sql: str, *values: Value) -> None:
        """Run one statement, within `writing`."""
        self._connection.execute(sql, values)

    def changes(self) -> int:
        """How many rows the last statement changed."""
        return self._connection.changes()

    def execute_many(self, sql: str, rows: list[tuple[Value, ...]]) -> None:
        """Run one statement once for each row of values, within `writing`."""
        self._connection.executemany(sql, rows)

    @contextmanager
    def writing(self) -> Generator[None]:
        """A transaction that takes the write lock at once, so that two processes never deadlock half-way."""
        with self._lock, self.explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                # A full disk or an I/O error has rolled back by itself; asking again would hide the first error.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def _prepare(self) -> None:
        db = self._connection
        db.set_busy_timeout(BUSY_MS)
        for pragma in ("synchronous = FULL", "foreign_keys = ON", "secure_delete = ON", "trusted_schema = OFF"):
            db.execute(f"PRAGMA {pragma}")
        _check_ours(db, self.path)
        db.execute("PRAGMA journal_mode = WAL")
        with self.writing():
            version = _pragma(db, "user_version")
            for script in MIGRATIONS[version:]:
                db.execute(script)
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    @contextmanager
    def explained(self) -> Generator[None]:
        """SQLite's errors as ours, one line each."""
        try:
            yield
        except (apsw.NotADBError, apsw.CorruptError) as error:
            raise InputRefused(
                _("{path}: this is no readable history; move the file away to start a new one").format(path=self.path)
            ) from error
        except apsw.FullError as error:
            raise NotEnough(_("{path}: no space left to save the history").format(path=self.path)) from error
        except (apsw.BusyError, apsw.LockedError) as error:
            raise LocalfinError(
                _("{path}: another program holds the history; close it and try again").format(path=self.path)
            ) from error
        except (apsw.Error, OSError) as error:
            raise LocalfinError(
                _("{path}: the history cannot be opened or written: {reason}").format(path=self.path, reason=error)
            ) from error


def create_private(path: Path) -> None:
    """A new file is readable by its owner only; SQLite gives its WAL the same mode."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _pragma(db: apsw.Connection, name: str) -> int:
    value = db.pragma(name)
    assert isinstance(value, int)
    return value


def _check_ours(db: apsw.Connection, path: Path | None) -> None:
    """Refuse another program's database, and one that a newer localfin has changed, before writing anything."""
    owner, version = _pragma(db, "application_id"), _pragma(db, "user_version")
    if owner != APPLICATION_ID and (owner or version or list(db.execute("SELECT 1 FROM sqlite_schema LIMIT 1"))):
        raise InputRefused(
            _("{path}: this is another program's database; move the file away to start a new one").format(path=path)
        )
    if version > len(MIGRATIONS):
        raise InputRefused(_("{path}: a newer localfin wrote this history; open it with that one").format(path=path))
