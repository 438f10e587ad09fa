"""How far long work is, on stderr: a bar with rate and time left on a terminal, plain lines in a pipe."""

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import Self, TextIO

from localfin_models.language import _

Progress = Callable[[int, int], None]
"""Is told how much is done, and how much there is in all."""
Watched = AbstractContextManager[Progress]
"""Open while a piece of work lasts."""

_BAR = 24
_BYTES_OF_MB = 1e6
_TERMINAL_EVERY = 0.1  # seconds
_PIPE_EVERY = 0.1  # of the whole


def unwatched() -> Watched:
    """Nobody is told."""
    return nullcontext(lambda _done, _total: None)


class ProgressBar:
    """Call it with bytes done and in all, or with as many of another unit."""

    def __init__(
        self,
        label: str,
        stream: TextIO | None = None,
        *,
        unit: str = "MB",
        of_unit: float = _BYTES_OF_MB,
        after_s: float = 0.0,
    ) -> None:
        """Work that is done before `after_s` shows nothing."""
        self.label, self.stream, self.unit, self.of_unit = label, stream or sys.stderr, unit, of_unit
        self.terminal = self.stream.isatty()
        self.started = time.monotonic()
        self.after_s = after_s
        self.shown = False
        self.last_shown = 0.0
        self.last_share = 0.0
        self.before: int | None = None
        """Done before this run, by one that was killed."""

    def __call__(self, done: int, total: int) -> None:
        now, share = time.monotonic(), done / total if total else 1.0
        self.before = done if self.before is None else self.before
        whole = done >= total
        if now - self.started < self.after_s:
            return
        self.shown = True
        if self.terminal and (whole or now - self.last_shown >= _TERMINAL_EVERY):
            self.last_shown = now
            filled = round(share * _BAR)
            bar = "█" * filled + "░" * (_BAR - filled)
            self.stream.write(f"\r{self.label} {bar} {self._figures(done, total, share)}\x1b[K")
            self.stream.flush()
        elif not self.terminal and (whole or share - self.last_share >= _PIPE_EVERY):
            self.last_share = share
            self.stream.write(f"{self.label} {self._figures(done, total, share)}\n")
            self.stream.flush()

    def stage(self, what: str) -> None:
        """What is being verified, when the bar is full."""
        begin, end = ("\r", "\x1b[K") if self.terminal else ("", "\n")
        self.stream.write(f"{begin}{self.label} {_('verifying: {what}').format(what=what)}{end}")
        self.stream.flush()

    def _figures(self, done: int, total: int, share: float) -> str:
        elapsed = max(time.monotonic() - self.started, 1e-6)
        rate = (done - (self.before or 0)) / elapsed / self.of_unit
        left = (total - done) / self.of_unit / rate if rate else 0.0
        digits = 0 if self.of_unit == 1 or total >= 10 * self.of_unit else 1
        return _("{percent:3.0f} %  {done}/{total} {unit}  {rate} {unit}/s  {left} left").format(
            percent=share * 100, done=f"{done / self.of_unit:,.{digits}f}",
            total=f"{total / self.of_unit:,.{digits}f}", unit=self.unit,
            rate=f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}", left=_clock(left),
        )  # fmt: skip

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self.terminal and (self.shown or not self.after_s):
            self.stream.write("\n" if kind is None else "\r\x1b[K")
            self.stream.flush()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
