"""What localfin remembers, in one SQLite file: conversations, the index of the user's documents, decided cases."""

from localfin.store.conversations import (
    TITLE_LENGTH,
    Conversation,
    State,
    Store,
    StoredMessage,
    title_of,
    utc_now,
)
from localfin.store.database import Database
from localfin.store.migrations import MIGRATIONS

__all__ = [
    "MIGRATIONS",
    "TITLE_LENGTH",
    "Conversation",
    "Database",
    "State",
    "Store",
    "StoredMessage",
    "title_of",
    "utc_now",
]
