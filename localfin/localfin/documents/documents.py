"""The documents that answers may come from: added, listed, searched, removed.

A document is `coming` while its passages are written, in transactions so short that a chat beside it is saved. The
transaction that makes it `ready` makes its earlier version `gone`. What a kill leaves `coming` or `gone` is never found
and swept away by whoever adds or removes next.
"""

import os
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Literal

from localfin.documents.chunks import cut
from localfin.documents.files import Stamp, absolute, found, printable
from localfin.documents.index import Index
from localfin.documents.passage import Hit, Passage
from localfin.documents.reading import Progress as ReadingProgress
from localfin.documents.reading import Reader, Reading, open_reader
from localfin.documents.turn import turn_to_write
from localfin.store import Database, utc_now
from localfin_models.errors import InputRefused, NotFound
from localfin_models.files import file_sha256
from localfin_models.language import _

BATCH = 100
"""Passages written in one transaction: a fraction of a second."""

LONGEST = 100
"""Passages that are shown of one page, those nearest to the one asked for."""

Progress = Callable[[int, int], None]
"""Bytes of files done, and in all."""

# `Documents.list` hides the type of this name inside its class.
Hits = list[Hit]
Passages = list[Passage]
Paths = list[Path]
_Keyed = list[tuple[int, Path]]


@dataclass(frozen=True, slots=True)
class Document:
    """A document in the index."""

    path: Path
    title: str
    pages: int | None
    """None in formats without pages."""
    passages: int
    size: int
    """Bytes of the file when it was read."""
    added: str
    """UTC, ISO 8601."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file."""

    path: Path
    state: Literal["added", "changed", "unchanged", "refused", "gone"]
    """`refused` files are not in the index; `gone` ones have left their folder, and with that the index."""
    passages: int = 0
    reason: str = ""
    """Why it was refused."""
    notes: tuple[str, ...] = ()
    """What its reader left out and why, a sentence each."""


class Documents:
    """The documents in one database; usable from any thread, and beside other processes.

    Raises what `Database` raises, too.
    """

    def __init__(self, database: Database, now: Callable[[], datetime] = utc_now) -> None:
        self.database = database
        self.index = Index(database)
        self.now = now

    def add(self, paths: Iterable[Path], progress: Progress | None = None) -> tuple[Outcome, ...]:
        """Read and index files, and folders with all below them; what is unchanged since the last time is not read.

        Each file is wholly in the index or not at all. Raises NotFound, before anything is read, where a path is none.
        """
        paths = list(paths)
        files = found(paths)
        with turn_to_write(self.database), open_reader() as reader:
            self._sweep()
            todo = [path for path in files if not self._is_as_it_was(path)]
            sizes = [_size(path) for path in todo]
            outcomes = {path: Outcome(path, "unchanged") for path in files}
            done = 0
            for path, size in zip(todo, sizes, strict=True):
                outcomes[path] = self._add(path, reader, _within(progress, done, size, sum(sizes)))
                done += size
                if progress is not None:
                    progress(done, sum(sizes))
            gone = [Outcome(path, "gone") for path in self._left(paths)]
            self._mark_gone([outcome.path for outcome in gone])
            self._sweep()
        return (*outcomes.values(), *gone)

    def search(self, query: str, limit: int = 10, documents: Sequence[Path] | None = None) -> Hits:
        """The passages that match best, best first; only those of the files and folders in `documents` where given.

        Raises NotFound where one of these is not in the index.
        """
        within = None if documents is None else [key for path in documents for key, _path in self._under(path)]
        return self.index.search(query, limit, within)

    def page_of(self, passage: Passage) -> Passages:
        """The passages of its page or sheet, or of its document where there are neither, in order; at most LONGEST."""
        rows = self.database.rows(
            "SELECT other.id, other.text FROM passages AS mine JOIN passages AS other"
            " ON other.document_id = mine.document_id AND other.page IS mine.page AND other.sheet IS mine.sheet"
            " WHERE mine.id = ? ORDER BY abs(other.id - mine.id) LIMIT ?",
            passage.id, LONGEST,
        )  # fmt: skip
        return [replace(passage, id=key, text=text) for key, text in sorted(rows)]

    def first(self, limit: int, documents: Sequence[Path] | None = None) -> Passages:
        """Up to `limit` passages in reading order; only of the files and folders in `documents` where given.

        Raises NotFound where one of these is not in the index.
        """
        within = None if documents is None else [key for path in documents for key, _path in self._under(path)]
        return self.index.first(limit, within)

    def remove(self, path: Path) -> Paths:
        """Take a file, or all files below a folder, out of the index. Raises NotFound where none is in it."""
        paths = [each for _key, each in self._under(path)]
        self._mark_gone(paths)
        with turn_to_write(self.database):
            self._sweep()
        return paths

    def list(self) -> "tuple[Document, ...]":
        """By path."""
        rows = self.database.rows(
            "SELECT path, title, pages, (SELECT count(*) FROM passages WHERE document_id = documents.id), size, added"
            " FROM documents WHERE state = 'ready' ORDER BY path"
        )
        return tuple(Document(Path(row[0]), *row[1:]) for row in rows)

    def _add(self, path: Path, reader: Reader, progress: ReadingProgress) -> Outcome:
        known = self.database.rows(
            "SELECT id, sha256 FROM documents WHERE path = ? AND state = 'ready'", printable(path)
        )
        try:
            stamp = Stamp.of(path)
            if known and known[0][1] == file_sha256(path):
                self._touch(known[0][0], stamp)
                return Outcome(path, "unchanged")
            reading = reader.read(path, progress)
            n_passages = self._write(path, stamp, reading)
        except InputRefused as error:
            self._mark_gone([path])
            return Outcome(path, "refused", reason=str(error))
        except (NotFound, OSError) as error:
            return Outcome(path, "refused", reason=str(error))
        return Outcome(path, "changed" if known else "added", n_passages, notes=tuple(reading.notes))

    def _write(self, path: Path, stamp: Stamp, reading: Reading) -> int:
        """Gives the number of passages. The next look compares with `stamp`, which is from before the reading."""
        pieces, n_passages, key = iter(cut(reading.blocks)), 0, 0
        while batch := list(islice(pieces, BATCH)):
            with self.database.writing():
                key = key or self._insert(path, stamp, reading)
                self.index.put(key, reading.title, path, batch)
            n_passages += len(batch)
        if not n_passages:
            raise InputRefused(_("{path}: there are no words in it").format(path=path))
        with self.database.writing():
            self.database.execute("UPDATE documents SET state = 'gone' WHERE path = ? AND state = 'ready'", str(path))
            self.database.execute("UPDATE documents SET state = 'ready' WHERE id = ?", key)
        return n_passages

    def _insert(self, path: Path, stamp: Stamp, reading: Reading) -> int:
        try:
            str(path).encode()
        except UnicodeEncodeError:
            raise InputRefused(_("{path}: the name of this file is no readable text").format(path=path)) from None
        return self.database.insert(
            "INSERT INTO documents (path, title, sha256, size, mtime_ns, pages, added, state)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, 'coming')",
            str(path), reading.title, reading.sha256, stamp.size, stamp.mtime_ns, reading.pages,
            self.now().astimezone(UTC).isoformat(timespec="seconds"),
        )  # fmt: skip

    def _is_as_it_was(self, path: Path) -> bool:
        """By size and time of change alone, for speed."""
        rows = self.database.rows(
            "SELECT size, mtime_ns FROM documents WHERE path = ? AND state = 'ready'", printable(path)
        )
        return bool(rows) and Stamp(*rows[0]) == _stamp_or_none(path)

    def _touch(self, key: int, stamp: Stamp) -> None:
        with self.database.writing():
            self.database.execute(
                "UPDATE documents SET size = ?, mtime_ns = ? WHERE id = ?", stamp.size, stamp.mtime_ns, key
            )

    def _under(self, path: Path) -> _Keyed:
        """The documents that are `path` or lie below it. Raises NotFound where there are none."""
        name = printable(absolute(path))
        return self._below(name) or self._below(self._as_spelled(name)) or _none_of(path)

    def _below(self, name: str) -> _Keyed:
        below = name.rstrip(os.sep) + os.sep
        rows = self.database.rows(
            "SELECT id, path FROM documents WHERE state = 'ready' AND (path = ? OR substr(path, 1, ?) = ?)"
            " ORDER BY path",
            name, len(below), below,
        )  # fmt: skip
        return [(key, Path(name)) for key, name in rows]

    def _as_spelled(self, name: str) -> str:
        """The name as a document's path spells it: Hangul that came from a Mac is in pieces and looks the same."""
        name, depth = unicodedata.normalize("NFC", name), len(Path(name).parts)
        for (spelled,) in self.database.rows("SELECT path FROM documents WHERE state = 'ready'"):
            begun = str(Path(*Path(spelled).parts[:depth]))
            if unicodedata.normalize("NFC", begun) == name:
                return begun
        return name

    def _left(self, paths: Paths) -> Paths:
        """The documents below the folders among `paths` whose files are no longer there."""
        left: dict[Path, None] = {}
        for folder in paths:
            if folder.is_dir():
                with suppress(NotFound):
                    left |= {path: None for _key, path in self._under(folder) if not path.exists()}
        return list(left)

    def _mark_gone(self, paths: Paths) -> None:
        with self.database.writing():
            for path in paths:
                self.database.execute(
                    "UPDATE documents SET state = 'gone' WHERE path = ? AND state = 'ready'", printable(path)
                )

    def _sweep(self) -> None:
        """Remove what is not ready: earlier versions, and what a killed process left. For whose turn it is to write."""
        for (key,) in self.database.rows("SELECT id FROM documents WHERE state <> 'ready'"):
            some = True
            while some:
                with self.database.writing():
                    some = self.index.drop(key, BATCH)
                    if not some:
                        self.database.execute("DELETE FROM documents WHERE id = ?", key)


def _none_of(path: Path) -> _Keyed:
    raise NotFound(_("{path}: no such document has been added").format(path=path))


def _within(progress: Progress | None, done: int, size: int, total: int) -> ReadingProgress:
    """What a reader tells of one file, as bytes of all of them."""

    def tell(at: int, of: int) -> None:
        if progress is not None and of > 0:
            progress(done + size * min(at, of) // of, total)

    return tell


def _stamp_or_none(path: Path) -> Stamp | None:
    try:
        return Stamp.of(path)
    except OSError:
        return None


def _size(path: Path) -> int:
    stamp = _stamp_or_none(path)
    return stamp.size if stamp else 0
