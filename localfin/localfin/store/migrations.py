"""The tables of localfin's database, as the steps that made them. Steps are only ever added."""

CONVERSATIONS = """
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
"""

DOCUMENTS = """
    CREATE TABLE documents (
        id INTEGER PRIMARY KEY,
        path TEXT,
        title TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        pages INTEGER,
        added TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('coming', 'ready', 'gone'))
    ) STRICT;
    CREATE INDEX documents_by_state ON documents (state) WHERE state <> 'ready';
    CREATE UNIQUE INDEX documents_by_path ON documents (path) WHERE state = 'ready';
    CREATE TABLE passages (
        id INTEGER PRIMARY KEY,
        document_id INTEGER NOT NULL REFERENCES documents (id),
        heading TEXT NOT NULL,
        page INTEGER,
        sheet TEXT,
        cells TEXT,
        text TEXT NOT NULL
    ) STRICT;
    CREATE INDEX passages_by_document ON passages (document_id);
    CREATE VIRTUAL TABLE passage_words USING fts5 (
        title, heading, body, content='', tokenize="ascii tokenchars '._'"
    );
    INSERT INTO passage_words (passage_words, rank) VALUES ('secure-delete', 1);
    CREATE TABLE word_counts (
        word TEXT PRIMARY KEY,
        passages INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE passage_totals (
        passages INTEGER NOT NULL,
        words INTEGER NOT NULL
    ) STRICT;
    INSERT INTO passage_totals VALUES (0, 0);
"""
"""`passage_words` takes words that `documents.words` has split, separated by spaces; its tokenizer takes them apart
again. It keeps no text. `word_counts` says how many passages hold a word, which decides what a search asks for."""

CASES = """
    CREATE TABLE case_events (
        id INTEGER PRIMARY KEY,
        file_sha256 TEXT NOT NULL,
        place INTEGER NOT NULL,
        transaction_id TEXT NOT NULL,
        decision TEXT NOT NULL CHECK (decision IN ('open', 'confirmed', 'dismissed', 'held')),
        note TEXT NOT NULL,
        person TEXT NOT NULL,
        made TEXT NOT NULL,
        undoes INTEGER REFERENCES case_events (id)
    ) STRICT;
    CREATE INDEX case_events_by_row ON case_events (file_sha256, place, id);
    CREATE INDEX case_events_by_undoing ON case_events (undoes) WHERE undoes IS NOT NULL;
"""
"""Each row says how a case stands from then on; none is ever changed. `place` is the transaction's in the file."""

MIGRATIONS = (CONVERSATIONS, DOCUMENTS, CASES)
"""`user_version` counts how many of these a file has been through."""
