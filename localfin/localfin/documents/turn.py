"""One process at a time adds and removes documents, so that it may sweep away what a killed one left."""

import time
from collections.abc import Generator
from contextlib import contextmanager

import apsw

from localfin.store import Database
from localfin.store.database import create_private

_LOOK_AGAIN = 0.05  # seconds


@contextmanager
def turn_to_write(database: Database) -> Generator[None]:
    """Wait until no other process adds or removes. A process that dies gives its turn up.

    The lock is a second, empty SQLite file beside the first: it is there on every platform and does not outlive a kill.
    A database in memory has nobody beside it.
    """
    if database.path is None:
        yield
        return
    with database.explained():
        path = database.path.with_name(f"{database.path.name}.turn")
        create_private(path)
        lock = apsw.Connection(str(path))
        try:
            while not _taken(lock):
                time.sleep(_LOOK_AGAIN)
        except BaseException:
            lock.close()
            raise
    try:
        yield
    finally:
        lock.close()


def _taken(lock: apsw.Connection) -> bool:
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except apsw.BusyError:
        return False
    return True
