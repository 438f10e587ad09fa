"""Where the child's readers put what they find: blocks in batches, with how far the reading is."""

import signal
import time
from dataclasses import dataclass, field
from typing import Any

from localfin.documents.reading.limits import CPU_S, CPU_S_OF_MB, LONGEST_BLOCK, MOST_TEXT
from localfin_models.errors import InputRefused, LocalfinError
from localfin_models.language import _
from localfin_models.worker.child import CancelFlag, Emit

_BATCH = 1 << 16  # characters
_EVERY_S = 0.5
_LONGEST_PART = 100_000  # of one block
_LONGEST_CHARACTERS = LONGEST_BLOCK // 2


@dataclass
class Sink:
    emit: Emit
    cancelled: CancelFlag
    total: int
    """What `done` counts up to: pages of a PDF, bytes of other formats."""
    title: str = ""
    pages: int | None = None
    done: int = 0
    _blocks: list[list[Any]] = field(default_factory=list)
    _size: int = 0
    _said: int = 0
    _opened: bool = False
    _last: float = field(default_factory=time.monotonic)

    def heading(self, text: str, page: int | None = None) -> None:
        text = " ".join(text.split())
        if len(text) <= 1000:
            self._add("heading", text, page, None, None)
        else:
            self.text(text, page)

    def text(self, text: str, page: int | None = None) -> None:
        for start in range(0, len(text), _LONGEST_PART):
            self._add("text", text[start : start + _LONGEST_PART], page, None, None)

    def cells(self, kind: str, text: str, sheet: str | None, cells: str) -> None:
        self._add(kind, text, None, sheet, cells)

    def table(self, rows: list[list[str]], page: int | None = None) -> None:
        """Rows of cells; a table too long for one block goes on in the next."""
        lines: list[str] = []
        size = 0
        for row in rows:
            line = "\t".join(" ".join(cell.split()) for cell in row).rstrip()[:_LONGEST_PART]
            if size + len(line) > _LONGEST_CHARACTERS:
                self._add("table", "\n".join(lines), page, None, None)
                lines, size = [], 0
            lines.append(line)
            size += len(line) + 1
        self._add("table", "\n".join(lines), page, None, None)

    def note(self, text: str) -> None:
        self.flush()
        self.emit({"notes": [text]})

    def step(self, done: int) -> None:
        """Say how far it is; ends a reading that nobody wants any more."""
        self.done = min(done, self.total)
        if self._size >= _BATCH or time.monotonic() - self._last > _EVERY_S:
            self.flush()

    def flush(self) -> None:
        if self.cancelled:
            raise LocalfinError("cancelled")
        if not self._opened:
            self._opened = True
            first = next((b[1] for b in self._blocks if b[0] == "heading" and b[2] in (None, 1)), "")
            self.emit({"title": self.title.strip() or first, "pages": self.pages})
        self.emit({"blocks": self._blocks, "at": self.done, "of": self.total})
        self._blocks, self._size, self._last = [], 0, time.monotonic()

    def _add(self, kind: str, text: str, page: int | None, sheet: str | None, cells: str | None) -> None:
        if not text.strip():
            return
        self._blocks.append([kind, text, page, sheet, cells])
        self._size += len(text)
        self._said += len(text)
        if self._said > MOST_TEXT:
            raise InputRefused(_("it has more than {count} million characters").format(count=MOST_TEXT >> 20))
        if self._size >= _BATCH:
            self.flush()


def limit_time(seconds: float) -> None:
    """The kernel ends this process after so much of its own processor time, wherever it is; 0 takes the limit away."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)


def time_for(size: int) -> float:
    """Processor seconds for a file of so many bytes."""
    return CPU_S + CPU_S_OF_MB * size / (1 << 20)
