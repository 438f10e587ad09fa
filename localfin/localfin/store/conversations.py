"""Conversations and their messages, in localfin's database.

Every write is its own transaction: once a method has returned, its row outlives the process and the power. An answer is
written as `stopped` from its first words on and becomes `complete` only when the model has finished, so that a kill in
the middle leaves a partial answer that says so. Text is cleaned and NFC-normalised on its way in. Nothing here draws or
generates.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from localfin.engine.events import FinishReason, ModelInfo, Usage
from localfin.store.database import Database
from localfin.text import clean_text
from localfin_models.errors import NotFound
from localfin_models.language import _

State = Literal["complete", "stopped", "failed"]

TITLE_LENGTH = 60
"""Characters kept of the first question."""


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
    """The conversations in one database file; usable from any thread, and beside other processes.

    Raises what `Database` raises.
    """

    def __init__(self, path: Path, now: Callable[[], datetime] = utc_now) -> None:
        self.path = path
        self.now = now
        self.database = Database(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def close(self) -> None:
        self.database.close()

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
        rows = self.database.rows(
            f"SELECT id, title, created, updated FROM conversations {condition} ORDER BY updated DESC, id DESC LIMIT ?",
            *values,
            limit,
        )
        return [Conversation(*row) for row in rows]

    def conversation(self, conversation_id: int) -> Conversation:
        """Raises NotFound."""
        rows = self.database.rows("SELECT id, title, created, updated FROM conversations WHERE id = ?", conversation_id)
        if not rows:
            raise NotFound(_("this conversation is no longer in the history"))
        return Conversation(*rows[0])

    def messages(
        self, conversation_id: int, *, before: int | None = None, limit: int | None = None
    ) -> list[StoredMessage]:
        """The last `limit` messages (all of them if None) older than the message id `before`, oldest first."""
        rows = self.database.rows(
            f"SELECT {_MESSAGE_COLUMNS} FROM messages WHERE conversation_id = ? AND id < ? ORDER BY id DESC LIMIT ?",
            conversation_id,
            2**63 - 1 if before is None else before,
            -1 if limit is None else limit,
        )
        return [_message(row) for row in reversed(rows)]

    def ask(self, question: str, conversation_id: int | None = None) -> StoredMessage:
        """Save a question; without a conversation it begins one, titled by its first words."""
        text, now = clean_text(question), self._stamp()
        with self.database.writing():
            if conversation_id is None:
                conversation_id = self.database.insert(
                    "INSERT INTO conversations (title, created, updated) VALUES (?, ?, ?)", title_of(text), now, now
                )
            message_id = self.database.insert(
                "INSERT INTO messages (conversation_id, role, content, state, created)"
                " SELECT id, 'user', ?, 'complete', ? FROM conversations WHERE id = ?",
                text,
                now,
                conversation_id,
            )
            if not self.database.changes():
                raise NotFound(_("this conversation is no longer in the history"))
            self.database.execute("UPDATE conversations SET updated = ? WHERE id = ?", now, conversation_id)
        return self._one(message_id)

    def begin_answer(self, conversation_id: int, model: ModelInfo) -> StoredMessage:
        """An empty answer, `stopped` until it is finished."""
        with self.database.writing():
            message_id = self.database.insert(
                "INSERT INTO messages (conversation_id, role, content, state, model_name, model_sha256, created)"
                " SELECT id, 'assistant', '', 'stopped', ?, ?, ? FROM conversations WHERE id = ?",
                clean_text(model.name),
                model.sha256,
                self._stamp(),
                conversation_id,
            )
            if not self.database.changes():
                raise NotFound(_("this conversation is no longer in the history"))
        return self._one(message_id)

    def keep_partial(self, message_id: int, content: str) -> None:
        """Save what there is of an answer that is still coming."""
        with self.database.writing():
            self.database.execute("UPDATE messages SET content = ? WHERE id = ?", clean_text(content), message_id)

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
        with self.database.writing():
            self.database.execute(
                "UPDATE messages SET content = ?, state = ?, usage = ?, finish_reason = ? WHERE id = ?",
                clean_text(content),
                state,
                figures,
                finish_reason,
                message_id,
            )
            self.database.execute(
                "UPDATE conversations SET updated = ? WHERE id = (SELECT conversation_id FROM messages WHERE id = ?)",
                self._stamp(),
                message_id,
            )
        return self._one(message_id)

    def rename(self, conversation_id: int, title: str) -> Conversation:
        """Raises NotFound; an empty title leaves the old one."""
        if words := title_of(title):
            with self.database.writing():
                self.database.execute("UPDATE conversations SET title = ? WHERE id = ?", words, conversation_id)
        return self.conversation(conversation_id)

    def delete(self, conversation_id: int) -> None:
        """Delete a conversation; SQLite overwrites its bytes (secure_delete)."""
        with self.database.writing():
            self.database.execute(
                "DELETE FROM conversations WHERE id = ?",
                conversation_id,
            )

    def delete_message(self, message_id: int) -> None:
        with self.database.writing():
            self.database.execute(
                "DELETE FROM messages WHERE id = ?",
                message_id,
            )

    def _stamp(self) -> str:
        return self.now().astimezone(UTC).isoformat(timespec="milliseconds")

    def _one(self, message_id: int) -> StoredMessage:
        rows = self.database.rows(f"SELECT {_MESSAGE_COLUMNS} FROM messages WHERE id = ?", message_id)
        if not rows:
            raise NotFound(_("this conversation is no longer in the history"))
        return _message(rows[0])


def _like(needle: str) -> str:
    escaped = needle.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_")
    return f"%{escaped}%"


def _message(row: tuple[Any, ...]) -> StoredMessage:
    message_id, conversation_id, role, content, state, reason, name, sha256, usage, created = row
    figures = Usage(**json.loads(usage)) if usage else None
    return StoredMessage(message_id, conversation_id, role, content, state, reason, name, sha256, figures, created)
