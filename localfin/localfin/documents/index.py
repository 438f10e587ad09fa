"""The passages of documents and their words in SQLite FTS5, and the search over them.

A search takes two steps. FTS5 gives candidates by its BM25, asked only for the question's rare words: a frequent word
costs as much time as it has passages and tells few of them apart. Then every candidate is scored with all words
(`ranking`). What is not `ready` is never found.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from localfin.documents import ranking
from localfin.documents.asking import asked_for, weighted
from localfin.documents.passage import Hit, Passage
from localfin.documents.synonyms import Synonyms, load_synonyms
from localfin.documents.words import words
from localfin.store import Database

ASKED = 20_000
"""How many passages FTS5 looks at, by the counts of the words asked for; the rarest word is always asked for."""
MOST_ASKED = 64
"""Words that FTS5 is asked for at most, where someone asks with a whole page."""
CANDIDATES = 40
"""How many passages are scored with all words, at least."""
TITLE, HEADING = 4.0, 2.0
"""What a word in the title and in the headings counts in FTS5's BM25."""

_AT_ONCE = 10_000
"""Words looked up in one statement: SQLite takes 32,766."""
_OF = "SELECT id FROM passages WHERE document_id IN ({})"
_NOT_READY = _OF.format("SELECT id FROM documents WHERE state <> 'ready'")


@dataclass(frozen=True, slots=True)
class Piece:
    """A passage before it has a place in the index: its fields are `Passage`'s."""

    text: str
    heading: str = ""
    page: int | None = None
    sheet: str | None = None
    cells: str | None = None


class Index:
    """The passages and words in one database. Methods that write belong within `database.writing()`."""

    def __init__(self, database: Database, load: Callable[[], Synonyms] = load_synonyms) -> None:
        self.database = database
        self._load = load

    @cached_property
    def synonyms(self) -> Synonyms:
        """Loaded by the first search, so that a bad file of the user's keeps nobody from adding and removing."""
        return self._load()

    def enter(self, title: str, pieces: Iterable[Piece]) -> int:
        """Add something that is no file, such as an entry of the handbook; gives its id."""
        with self.database.writing():
            document = self.database.insert(
                "INSERT INTO documents (title, sha256, size, mtime_ns, added, state) VALUES (?, '', 0, 0, '', 'ready')",
                title,
            )
            self.put(document, title, None, pieces)
        return document

    def put(self, document: int, title: str, path: Path | None, pieces: Iterable[Piece]) -> None:
        """Add passages to a document, whose title and name are searched with each."""
        db, counts, total, n_passages = self.database, Counter[str](), 0, 0
        title = searched_title(title, path)
        for piece in pieces:
            passage = db.insert(
                "INSERT INTO passages (document_id, heading, page, sheet, cells, text) VALUES (?, ?, ?, ?, ?, ?)",
                document, piece.heading, piece.page, piece.sheet, piece.cells, piece.text,
            )  # fmt: skip
            columns = _columns(title, piece.heading, piece.text)
            db.execute(
                "INSERT INTO passage_words (rowid, title, heading, body) VALUES (?, ?, ?, ?)",
                passage, *map(" ".join, columns),
            )  # fmt: skip
            counts.update(set().union(*columns))
            total += len(columns[2])
            n_passages += 1
        self._count(counts, n_passages, total)

    def drop(self, document: int, limit: int) -> bool:
        """Remove up to `limit` passages of a document with their words; says whether there were any."""
        db, counts, total = self.database, Counter[str](), 0
        rows = db.rows(
            "SELECT passages.id, path, title, heading, text FROM passages JOIN documents ON documents.id = document_id"
            " WHERE document_id = ? LIMIT ?",
            document, limit,
        )  # fmt: skip
        for passage, path, title, heading, text in rows:
            columns = _columns(searched_title(title, path and Path(path)), heading, text)
            db.execute(
                "INSERT INTO passage_words (passage_words, rowid, title, heading, body) VALUES ('delete', ?, ?, ?, ?)",
                passage, *map(" ".join, columns),
            )  # fmt: skip
            db.execute("DELETE FROM passages WHERE id = ?", passage)
            counts.update(set().union(*columns))
            total += len(columns[2])
        self._count(Counter({word: -count for word, count in counts.items()}), -len(rows), -total)
        return bool(rows)

    def search(self, query: str, limit: int = 10, documents: Sequence[int] | None = None) -> list[Hit]:
        """The best passages first; only of `documents` (ids) where given."""
        asked = asked_for(query, self.synonyms)
        holding = self._holding(asked.words)
        if not holding:
            return []
        ((passages, total),) = self.database.rows("SELECT passages, words FROM passage_totals")
        question = weighted(asked, holding, passages, total / max(passages, 1))
        found = self._candidates(_rare(holding), max(CANDIDATES, 2 * limit), documents)
        hits = [
            Hit(passage, *ranking.score(question, _title_of(passage), passage.heading, passage.text))
            for passage in found
        ]
        return sorted(hits, key=lambda hit: (-hit.score, hit.passage.id))[:limit]

    def _holding(self, asked: Sequence[str]) -> dict[str, int]:
        """How many passages hold a word, of those that any does."""
        found: dict[str, int] = {}
        for start in range(0, len(asked), _AT_ONCE):
            some = asked[start : start + _AT_ONCE]
            rows = self.database.rows(f"SELECT word, passages FROM word_counts WHERE word IN ({_marks(some)})", *some)
            found |= {word: count for word, count in rows if count > 0}
        return found

    def _candidates(self, asked: Sequence[str], limit: int, documents: Sequence[int] | None) -> list[Passage]:
        within = "" if documents is None else f"AND +rowid IN ({_OF.format(_marks(documents))})"
        found = self.database.rows(
            f"SELECT rowid FROM passage_words WHERE passage_words MATCH ? {within} AND +rowid NOT IN ({_NOT_READY})"
            f" ORDER BY bm25(passage_words, {TITLE}, {HEADING}, 1.0) LIMIT ?",
            " OR ".join(f'"{word}"' for word in asked), *(documents or ()), limit,
        )  # fmt: skip
        rows = self.database.rows(
            "SELECT passages.id, path, title, heading, page, sheet, cells, text"
            " FROM passages JOIN documents ON documents.id = document_id"
            f" WHERE state = 'ready' AND passages.id IN ({_marks(found)})",
            *(row[0] for row in found),
        )  # fmt: skip
        return [Passage(row[0], Path(row[1]) if row[1] else None, *row[2:]) for row in rows]

    def first(self, limit: int, documents: Sequence[int] | None = None) -> list[Passage]:
        """Up to `limit` passages in the order in which they were put, of `documents` (ids) where given."""
        within = "" if documents is None else f"AND documents.id IN ({', '.join('?' * len(documents))})"
        rows = self.database.rows(
            "SELECT passages.id, path, title, heading, page, sheet, cells, text"
            " FROM passages JOIN documents ON documents.id = document_id"
            f" WHERE state = 'ready' {within} ORDER BY passages.id LIMIT ?",
            *(documents or ()), limit,
        )  # fmt: skip
        return [Passage(row[0], Path(row[1]) if row[1] else None, *row[2:]) for row in rows]

    def _count(self, counts: Counter[str], n_passages: int, n_words: int) -> None:
        self.database.execute_many(
            "INSERT INTO word_counts VALUES (?, ?) ON CONFLICT DO UPDATE SET passages = passages + excluded.passages",
            sorted(counts.items()),  # neighbours share pages
        )
        self.database.execute(
            "UPDATE passage_totals SET passages = passages + ?, words = words + ?", n_passages, n_words
        )


def searched_title(title: str, path: Path | None) -> str:
    """A document is called by its title, or by the name of its file."""
    return title if path is None or path.stem == title else f"{title} {path.stem}"


def _title_of(passage: Passage) -> str:
    return searched_title(passage.title, passage.document)


def _columns(title: str, heading: str, text: str) -> tuple[list[str], list[str], list[str]]:
    return words(title), words(heading), words(text)


def _rare(holding: dict[str, int]) -> list[str]:
    """The rarest words first, as many as ASKED and MOST_ASKED allow."""
    asked, looked_at = list[str](), 0
    for word, count in sorted(holding.items(), key=lambda item: item[1])[:MOST_ASKED]:
        if asked and looked_at + count > ASKED:
            break
        asked.append(word)
        looked_at += count
    return asked


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
