"""Conversations and their messages, in one SQLite file that survives a kill.

Every write is its own transaction in WAL mode with synchronous=FULL: once a method has returned, its row outlives the
process and the power. An answer is written as `stopped` from its first words on and becomes `complete` only when the
model has finished, so that a kill in the middle leaves a partial answer that says so. Text is cleaned and
NFC-normalised on its way in. Nothing here draws or generates.
"""

import json
import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

import apsw

from localfin.engine.events import FinishReason, ModelInfo, Usage
from localfin.text import clean_text
from localfin_models.errors import InputRefused, LocalfinError, NotEnough, NotFound
from localfin_models.language import _

State = Literal["complete", "stopped", "failed"]

TITLE_LENGTH = 60
"""Characters kept of the first question."""

APPLICATION_ID = 0x6C66696E
"""`lfin`, in SQLite's header: tells our file from another program's."""

BUSY_MS = 5_000
"""How long to wait for another process that is writing."""

MIGRATIONS = (
    """
    CREATE TABLE conversations (
        id INTEGER PRIMARY KEY,
        title TEXT NOT NULL,
        created TEXT NOT NULL,
        updated TEXT NOT NULL
    ) STRICT;
    CREATE INDEX conversations_by_update ON conversations (updated DESC, id DESC);
    CREATE TABLE messages (
        id INTEGER PRIMARY KEY,
        conversation_id INTEGER NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        role TEXT NOT NULL CHECK (role IN ('user', 'assistant')),
        content TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('complete', 'stopped', 'failed')),
        finish_reason TEXT CHECK (finish_reason IN ('stop', 'length', 'cancelled')),
        model_name TEXT,
        model_sha256 TEXT,
        usage TEXT,
        created TEXT NOT NULL
    ) STRICT;
    CREATE INDEX messages_by_conversation ON messages (conversation_id, id);
    """,
)
"""`user_version` counts how many of these a file has been through."""


@dataclass(frozen=True, slots=True)
class Conversation:
    id: int
    title: str
    created: str
    """UTC, ISO 8601."""
    updated: str
    """UTC, ISO 8601: when the last message came."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    id: int
    conversation_id: int
    role: Literal["user", "assistant"]
    content: str
    state: State
    """Of an answer: whole, ended early with what there was, or broken off by an error."""
    finish_reason: FinishReason | None
    """What the engine said at the end; None for questions and for answers that never reached one."""
    model_name: str | None
    model_sha256: str | None
    usage: Usage | None
    created: str
    """UTC, ISO 8601."""


_MESSAGE_COLUMNS = "id, conversation_id, role, content, state, finish_reason, model_name, model_sha256, usage, created"


def utc_now() -> datetime:
    return datetime.now(UTC)


def title_of(question: str) -> str:
    """The first words of a question on one line, at most TITLE_LENGTH characters, cut between words where it can."""
    words = " ".join(clean_text(question).split())
    if len(words) <= TITLE_LENGTH:
        return words
    head, space, _rest = words[: TITLE_LENGTH + 1].rpartition(" ")
    return (head if space and len(head) > TITLE_LENGTH // 2 else words[:TITLE_LENGTH]) + "..."


class Store:
    """One database file; usable from any thread, and beside other processes.

    Raises InputRefused where the file is not a history of ours (or is damaged), NotEnough on a full disk and
    LocalfinError where it cannot be opened or written.
    """

    def __init__(self, path: Path, now: Callable[[], datetime] = utc_now) -> None:
        self.path = path
        self.now = now
        self._lock = threading.RLock()
        with self._explained():
            _create_private(path)
            self._db = apsw.Connection(str(path))
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        with self._explained():
            self._db.close()

    def conversations(
        self, *, query: str = "", after: Conversation | None = None, limit: int = 50
    ) -> list[Conversation]:
        """Newest first. `query` keeps those whose title or messages contain it; `after` continues a page."""
        where: list[str] = []
        values: list[str | int] = []
        if needle := clean_text(query).strip():
            where.append(
                r"(title LIKE ? ESCAPE '\' OR EXISTS (SELECT 1 FROM messages"
                r" WHERE conversation_id = conversations.id AND content LIKE ? ESCAPE '\'))"
            )
            values += [_like(needle)] * 2
        if after is not None:
            where.append("(updated, id) < (?, ?)")
            values += [after.updated, after.id]
        condition = f"WHERE {' AND '.join(where)}" if where else ""
        rows = self._rows(
            f"SELECT id, title, created, updated FROM conversations {condition} ORDER BY updated DESC, id DESC LIMIT ?",
            *values,
            limit,
        )
        return [Conversation(*row) for row in rows]

    def conversation(self, conversation_id: int) -> Conversation:
        """Raises NotFound."""
        rows = self._rows("SELECT id, title, created, updated FROM conversations WHERE id = ?", conversation_id)
        if not rows:
            raise NotFound(_("this conversation is no longer in the history"))
        return Conversation(*rows[0])

    def messages(
        self, conversation_id: int, *, before: int | None = None, limit: int | None = None
    ) -> list[StoredMessage]:
        """The last `limit` messages (all of them if None) older than the message id `before`, oldest first."""
        rows = self._rows(
            f"SELECT {_MESSAGE_COLUMNS} FROM messages WHERE conversation_id = ? AND id < ? ORDER BY id DESC LIMIT ?",
            conversation_id,
            2**63 - 1 if before is None else before,
            -1 if limit is None else limit,
        )
        return [_message(row) for row in reversed(rows)]

    def ask(self, question: str, conversation_id: int | None = None) -> StoredMessage:
        """Save a question; without a conversation it begins one, titled by its first words."""
        text, now = clean_text(question), self._stamp()
        with self._writing():
            if conversation_id is None:
                conversation_id = self._insert(
                    "INSERT INTO conversations (title, created, updated) VALUES (?, ?, ?)", title_of(text), now, now
                )
            message_id = self._insert(
                "INSERT INTO messages (conversation_id, role, content, state, created)"
                " SELECT id, 'user', ?, 'complete', ? FROM conversations WHERE id = ?",
                text,
                now,
                conversation_id,
            )
            if not self._db.changes():
                raise NotFound(_("this conversation is no longer in the history"))
            self._db.execute("UPDATE conversations SET updated = ? WHERE id = ?", (now, conversation_id))
        return self._one(message_id)

    def begin_answer(self, conversation_id: int, model: ModelInfo) -> StoredMessage:
        """An empty answer, `stopped` until it is finished."""
        with self._writing():
            message_id = self._insert(
                "INSERT INTO messages (conversation_id, role, content, state, model_name, model_sha256, created)"
                " SELECT id, 'assistant', '', 'stopped', ?, ?, ? FROM conversations WHERE id = ?",
                clean_text(model.name),
                model.sha256,
                self._stamp(),
                conversation_id,
            )
            if not self._db.changes():
                raise NotFound(_("this conversation is no longer in the history"))
        return self._one(message_id)

    def keep_partial(self, message_id: int, content: str) -> None:
        """Save what there is of an answer that is still coming."""
        with self._writing():
            self._db.execute("UPDATE messages SET content = ? WHERE id = ?", (clean_text(content), message_id))

    def finish_answer(
        self,
        message_id: int,
        content: str,
        state: State,
        usage: Usage | None = None,
        finish_reason: FinishReason | None = None,
    ) -> StoredMessage:
        """Save the end of an answer. Raises NotFound if its conversation was deleted meanwhile."""
        figures = json.dumps(asdict(usage)) if usage else None
        with self._writing():
            self._db.execute(
                "UPDATE messages SET content = ?, state = ?, usage = ?, finish_reason = ? WHERE id = ?",
                (clean_text(content), state, figures, finish_reason, message_id),
            )
            self._db.execute(
                "UPDATE conversations SET updated = ? WHERE id = (SELECT conversation_id FROM messages WHERE id = ?)",
                (self._stamp(), message_id),
            )
        return self._one(message_id)

    def rename(self, conversation_id: int, title: str) -> Conversation:
        """Raises NotFound; an empty title leaves the old one."""
        if words := title_of(title):
            with self._writing():
                self._db.execute("UPDATE conversations SET title = ? WHERE id = ?", (words, conversation_id))
        return self.conversation(conversation_id)

    def delete(self, conversation_id: int) -> None:
        """Delete a conversation; SQLite overwrites its bytes (secure_delete)."""
        with self._writing():
            self._db.execute("DELETE FROM conversations WHERE id = ?", (conversation_id,))

    def delete_message(self, message_id: int) -> None:
        with self._writing():
            self._db.execute("DELETE FROM messages WHERE id = ?", (message_id,))

    def _stamp(self) -> str:
        return self.now().astimezone(UTC).isoformat(timespec="milliseconds")

    def _one(self, message_id: int) -> StoredMessage:
        rows = self._rows(f"SELECT {_MESSAGE_COLUMNS} FROM messages WHERE id = ?", message_id)
        if not rows:
            raise NotFound(_("this conversation is no longer in the history"))
        return _message(rows[0])

    def _rows(self, sql: str, *values: str | int) -> list[tuple[Any, ...]]:
        with self._lock, self._explained():
            return list(self._db.execute(sql, values))

    def _insert(self, sql: str, *values: str | int) -> int:
        self._db.execute(sql, values)
        return self._db.last_insert_rowid()

    @contextmanager
    def _writing(self) -> Generator[None]:
        """A transaction that takes the write lock at once, so that two processes never deadlock half-way."""
        with self._lock, self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                # A full disk or an I/O error has rolled back by itself; asking again would hide the first error.
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _prepare(self) -> None:
        self._db.set_busy_timeout(BUSY_MS)
        for pragma in ("synchronous = FULL", "foreign_keys = ON", "secure_delete = ON", "trusted_schema = OFF"):
            self._db.execute(f"PRAGMA {pragma}")
        _check_ours(self._db, self.path)
        self._db.execute("PRAGMA journal_mode = WAL")
        with self._writing():
            version = _pragma(self._db, "user_version")
            for script in MIGRATIONS[version:]:
                self._db.execute(script)
            self._db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    @contextmanager
    def _explained(self) -> Generator[None]:
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


def _create_private(path: Path) -> None:
    """A new history is readable by its owner only; SQLite gives its WAL the same mode."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))


def _pragma(db: apsw.Connection, name: str) -> int:
    value = db.pragma(name)
    assert isinstance(value, int)
    return value


def _check_ours(db: apsw.Connection, path: Path) -> None:
    """Refuse another program's database, and one that a newer localfin has changed, before writing anything."""
    owner, version = _pragma(db, "application_id"), _pragma(db, "user_version")
    if owner != APPLICATION_ID and (owner or version or list(db.execute("SELECT 1 FROM sqlite_schema LIMIT 1"))):
        raise InputRefused(
            _("{path}: this is another program's database; move the file away to start a new one").format(path=path)
        )
    if version > len(MIGRATIONS):
        raise InputRefused(_("{path}: a newer localfin wrote this history; open it with that one").format(path=path))


def _like(needle: str) -> str:
    escaped = needle.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"


def _message(row: tuple[Any, ...]) -> StoredMessage:
    message_id, conversation_id, role, content, state, reason, name, sha256, usage, created = row
    figures = Usage(**json.loads(usage)) if usage else None
    return StoredMessage(message_id, conversation_id, role, content, state, reason, name, sha256, figures, created)
