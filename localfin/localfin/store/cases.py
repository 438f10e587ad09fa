"""What people decided about the transactions of a file: confirmed, dismissed, held, with notes; and who, and when.

Events are only ever added, undoing too, each in its own transaction: once a method has returned, its event outlives the
process. A file is known by its SHA-256, a transaction by its place in it.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from localfin.store.conversations import utc_now
from localfin.store.database import Database
from localfin.text import clean_text

Decision = Literal["open", "confirmed", "dismissed", "held"]

_COLUMNS = "place, transaction_id, decision, note, person, made, undoes IS NOT NULL"


@dataclass(frozen=True, slots=True)
class Case:
    """How a case stood after one event."""

    place: int
    transaction_id: str
    """As in the file, cleaned."""
    decision: Decision
    note: str
    person: str
    """The account under which it was decided."""
    made: str
    """UTC, ISO 8601."""
    undoing: bool
    """The event took another one back."""


class Cases:
    """The cases of one file. Raises what `Database` raises."""

    def __init__(self, database: Database, file_sha256: str, now: Callable[[], datetime] = utc_now) -> None:
        self._database, self._file, self._now = database, file_sha256, now

    def all(self) -> dict[int, Case]:
        """By the transaction's place, how each case stands."""
        found = self._database.rows(f"SELECT {_COLUMNS} FROM case_events WHERE file_sha256 = ? ORDER BY id", self._file)
        return {row[0]: _case(row) for row in found}

    def history(self, place: int) -> list[Case]:
        """Every event of one transaction, the first one first."""
        found = self._database.rows(
            f"SELECT {_COLUMNS} FROM case_events WHERE file_sha256 = ? AND place = ? ORDER BY id", self._file, place
        )
        return [_case(row) for row in found]

    def record(self, place: int, transaction_id: str, decision: Decision, note: str) -> Case:
        """From now on the case stands so."""
        with self._database.writing():
            self._add(place, clean_text(transaction_id), decision, clean_text(note), None)
        return self.history(place)[-1]

    def undo(self) -> Case | None:
        """Take back the last event of the file that was not taken back; None where there is none."""
        with self._database.writing():
            last = self._database.rows(
                "SELECT id, place, transaction_id FROM case_events AS e WHERE file_sha256 = ? AND undoes IS NULL"
                " AND NOT EXISTS (SELECT 1 FROM case_events WHERE undoes = e.id) ORDER BY id DESC LIMIT 1",
                self._file,
            )
            if not last:
                return None
            [(event, place, name)] = last
            before = self._database.rows(
                "SELECT decision, note FROM case_events AS e WHERE file_sha256 = ? AND place = ? AND id < ?"
                " AND undoes IS NULL AND NOT EXISTS (SELECT 1 FROM case_events WHERE undoes = e.id)"
                " ORDER BY id DESC LIMIT 1",
                self._file,
                place,
                event,
            )
            decision, note = before[0] if before else ("open", "")
            self._add(place, name, decision, note, event)
        return self.history(place)[-1]

    def _add(self, place: int, name: str, decision: str, note: str, undoes: int | None) -> None:
        self._database.insert(
            "INSERT INTO case_events (file_sha256, place, transaction_id, decision, note, person, made, undoes)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            self._file,
            place,
            name,
            decision,
            note,
            account(),
            self._now().astimezone(UTC).isoformat(timespec="milliseconds"),
            undoes,
        )


def account() -> str:
    """The name of the operating system's account, by the system rather than by a variable where it says so."""
    try:
        import pwd
    except ImportError:
        return clean_text(os.environ.get("USERNAME", ""))
    try:
        return clean_text(pwd.getpwuid(os.getuid()).pw_name)
    except KeyError:
        return str(os.getuid())


def _case(row: tuple[int, str, Decision, str, str, str, int]) -> Case:
    place, name, decision, note, person, made, undoing = row
    return Case(place, name, decision, note, person, made, bool(undoing))
