"""The parent's side: takes a file's bytes, lets a sealed child parse them, and checks every block it says."""

import contextlib
import hashlib
import os
import re
import stat
import tempfile
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from localfin.documents.passage import Block, Kind
from localfin.documents.reading.limits import LARGEST_FILE, LONGEST_BLOCK, MEMORY, MOST_PAGES, WALL_S
from localfin.text import clean_text
from localfin_models.errors import InputRefused, NotEnough, NotFound
from localfin_models.language import _
from localfin_models.seal import WorkerLimits
from localfin_models.worker import SealedWorker, WorkerDied

SUFFIXES = frozenset(
    {".pdf", ".docx", ".xlsx", ".xlsm", ".csv", ".tsv", ".hwpx", ".html", ".htm", ".md", ".markdown", ".txt"}
)
"""Of the files that are taken from a folder. A file that is named is read whatever it is called: its bytes decide."""

Progress = Callable[[int, int], None]
"""Pages (in a PDF) or bytes done, and in all."""

_PIECE = 1 << 20
_TITLE_LENGTH = 200
_KINDS: dict[str, Kind] = {"text": "text", "heading": "heading", "table": "table"}
_CELLS = re.compile(r"[A-Z]{1,4}[0-9]{1,9}:[A-Z]{1,4}[0-9]{1,9}")


@dataclass(slots=True)
class Reading:
    """One document, read while its blocks are taken."""

    title: str
    """What the document calls itself, else its first heading, else the file's name without its suffix."""
    pages: int | None
    """In formats that have pages."""
    sha256: str
    """Of the very bytes that are parsed, in hex."""
    size: int
    """Bytes of the file."""
    blocks: Iterator[Block]
    """Raises InputRefused where the document turns out damaged: what came before is then to be forgotten."""
    notes: list[str] = field(default_factory=list)
    """What was left out and why, a sentence each in the user's language; complete when the blocks have ended."""


class Reader:
    """Reads one document after another with one child; a new one takes its place where a document ends it."""

    def __init__(self) -> None:
        self._worker = SealedWorker("localfin.documents.reading.child:ReadingService")
        self._memory = _Memory()
        self._running: Generator[dict[str, Any]] | None = None

    def read(self, path: Path, progress: Progress | None = None) -> Reading:
        """The document at `path`; its blocks are there for the taking until the next one is read.

        Raises NotFound, or InputRefused with the reason, which names the path.
        """
        shown = clean_text(str(path)).replace("\n", " ")
        self._leave()
        sha256, size = self._memory.take(path, shown)
        reading = Reading("", None, sha256, size, iter(()))
        events = self._running = self._events(path.suffix.lower(), size, shown)
        opened = next(events)
        own, pages = opened.get("title"), opened.get("pages")
        title = _one_line(own, _TITLE_LENGTH) if isinstance(own, str) else ""
        reading.title = title or _one_line(path.stem, _TITLE_LENGTH)
        reading.pages = pages if isinstance(pages, int) and 1 <= pages <= MOST_PAGES else None
        reading.blocks = self._blocks(events, reading, shown, progress)
        return reading

    def close(self) -> None:
        self._leave()
        self._worker.stop()
        self._memory.close()

    def _leave(self) -> None:
        """The reading before is over, whether its blocks were all taken or not."""
        running, self._running = self._running, None
        if running is not None:
            running.close()

    def _events(self, suffix: str, size: int, shown: str) -> Generator[dict[str, Any]]:
        if not self._worker.alive:
            self._worker.start(WorkerLimits(memory_bytes=MEMORY), self._memory.option, inherited=self._memory.inherited)
        ended = False
        frames = self._worker.stream("read", {"suffix": suffix, "size": size})
        try:
            while True:
                late = threading.Timer(WALL_S, self._worker.kill)
                late.daemon = True
                late.start()
                try:
                    frame = next(frames)
                finally:
                    late.cancel()
                if "done" in frame:
                    break
                yield frame
            ended = True
        except InputRefused as refusal:
            ended = True
            raise InputRefused(f"{shown}: {_one_line(str(refusal), 400)}") from None
        except NotEnough:
            raise InputRefused(
                _("{path}: reading it takes more than {memory} MB of memory").format(path=shown, memory=MEMORY >> 20)
            ) from None
        except WorkerDied as death:
            raise InputRefused(_how_it_died(death, shown)) from None
        finally:
            if not ended:  # it may still look at the bytes, or be short of memory
                self._worker.kill()

    def _blocks(
        self, events: Generator[dict[str, Any]], reading: Reading, shown: str, progress: Progress | None
    ) -> Iterator[Block]:
        with contextlib.closing(events):
            for event in events:
                try:
                    blocks = [_checked(said, reading.pages) for said in event.get("blocks", ())]
                    reading.notes += [_one_line(note, 400) for note in event.get("notes", ())]
                    done, total = event.get("at"), event.get("of")
                except (TypeError, ValueError, AttributeError):
                    raise InputRefused(_("{path}: its reader said what is no block").format(path=shown)) from None
                yield from (block for block in blocks if block is not None)
                if progress is not None and isinstance(done, int) and isinstance(total, int):
                    progress(done, total)


@contextmanager
def open_reader() -> Generator[Reader]:
    """A reader for many documents."""
    reader = Reader()
    try:
        yield reader
    finally:
        reader.close()


def read(path: Path, progress: Progress | None = None) -> Reading:
    """One document, as `Reader.read`, by a child of its own that ends with the blocks."""
    reader = Reader()
    try:
        reading = reader.read(path, progress)
    except BaseException:
        reader.close()
        raise
    blocks = reading.blocks
    reading.blocks = _then_closed(blocks, reader)
    return reading


def _then_closed(blocks: Iterator[Block], reader: Reader) -> Iterator[Block]:
    with contextlib.closing(reader):
        yield from blocks


def _checked(said: Any, pages: int | None) -> Block | None:
    """A block as its child may say it; None where nothing is left of its text. Raises ValueError or TypeError."""
    kind, text, page, sheet, cells = said
    if not isinstance(text, str) or len(text) > LONGEST_BLOCK:
        raise ValueError
    if page is not None and not (isinstance(page, int) and pages is not None and 1 <= page <= pages):
        raise ValueError
    if cells is not None and not _CELLS.fullmatch(cells):
        raise ValueError
    if kind == "table":  # a line stays a row
        text = "\n".join(clean_text(line).replace("\n", " ").rstrip() for line in text.split("\n"))
        text = text.strip("\n")
    else:
        text = clean_text(text).strip()
    if not text.strip():
        return None
    if kind == "heading":
        text = " ".join(text.split())
    return Block(_KINDS[kind] if kind in _KINDS else _no_kind(), text, page, sheet and _one_line(sheet, 100), cells)


def _no_kind() -> Kind:
    raise ValueError


def _one_line(text: str, longest: int) -> str:
    return " ".join(clean_text(text).split())[:longest]


def _how_it_died(death: WorkerDied, shown: str) -> str:
    if "SIGVTALRM" in str(death) or "SIGKILL" in str(death):
        return _("{path}: reading it takes longer than any such document should").format(path=shown)
    return _("{path} ended its reader, it is damaged or malicious ({how})").format(path=shown, how=death)


class _Memory:
    """Holds one document's bytes; the child inherits it and sees no file. A temporary file where memory has no name."""

    def __init__(self) -> None:
        named = hasattr(os, "memfd_create")
        self._file = os.fdopen(os.memfd_create("document"), "w+b", 0) if named else _temporary()
        self._by_name = os.name == "nt"

    @property
    def inherited(self) -> tuple[int, ...]:
        return () if self._by_name else (self._file.fileno(),)

    @property
    def option(self) -> dict[str, Any]:
        return {"document": self._file.name if self._by_name else self._file.fileno()}

    def take(self, path: Path, shown: str) -> tuple[str, int]:
        """Copy the file; returns its SHA-256 and its size in bytes. Raises NotFound or InputRefused."""
        try:
            with os.fdopen(os.open(path, _FLAGS), "rb", 0) as file:
                before = os.fstat(file.fileno())
                _refuse_by_status(before, shown)
                sha256, size = self._copy(file)
                after = os.fstat(file.fileno())
        except IsADirectoryError:
            raise InputRefused(_("{path} is a folder").format(path=shown)) from None
        except FileNotFoundError:
            raise NotFound(_("{path} does not exist").format(path=shown)) from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputRefused(_("{path} cannot be read: {error}").format(path=shown, error=reason)) from None
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns) or size != after.st_size:
            raise InputRefused(_("{file} changed while it was read").format(file=shown))
        return sha256, size

    def _copy(self, file: Any) -> tuple[str, int]:
        self._file.seek(0)
        self._file.truncate()
        digest, size = hashlib.sha256(), 0
        while size <= LARGEST_FILE and (piece := file.read(_PIECE)):
            digest.update(piece)
            view = memoryview(piece)
            while view:
                view = view[self._file.write(view) :]
            size += len(piece)
        return digest.hexdigest(), size

    def close(self) -> None:
        self._file.close()


# A pipe without a writer must not be waited for, and a terminal must not become ours.
_FLAGS = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)


def _refuse_by_status(status: os.stat_result, shown: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise InputRefused(_("{path} is not a regular file").format(path=shown))
    if status.st_size == 0:
        raise InputRefused(_("{path} is empty").format(path=shown))
    if status.st_size > LARGEST_FILE:
        raise InputRefused(
            _("{path} has {size} MB; documents up to {most} MB are read").format(
                path=shown, size=status.st_size >> 20, most=LARGEST_FILE >> 20
            )
        )


def _temporary() -> Any:
    return tempfile.NamedTemporaryFile("w+b", 0)
