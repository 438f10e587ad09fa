"""The growing output: `OUT.part`, one JSON line a transaction, and `OUT.part.journal`, which says what it is made from.

The output has its name only when it is whole. An error or an interrupt leaves neither file; a kill leaves both, and
`--resume` goes on behind the last whole line, where inputs, scorer and options are those of the run that was killed.
"""

import contextlib
import errno
import hashlib
import json
import os
import time
from collections import Counter
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from localfin_models.errors import InputRefused, LocalfinError, NotEnough, NotFound
from localfin_models.language import _

_FLUSHED_EVERY = 1.0
"""Seconds of work that a kill may cost."""


class Part:
    """The lines so far. `counts`: how many of them have which verdict."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self.path = path
        self.counts = _whole_lines(file)
        self._file = file
        self._flushed = time.monotonic()

    def write(self, line: str) -> None:
        self._file.write(line.encode() + b"\n")
        if time.monotonic() - self._flushed > _FLUSHED_EVERY:
            self._file.flush()
            self._flushed = time.monotonic()

    def flush(self) -> None:
        """To the disk itself."""
        self._file.flush()
        os.fsync(self._file.fileno())


def fingerprint(facts: Mapping[str, object]) -> str:
    """Of everything that decides what the lines say."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def refuse_output(out: Path, inputs: Iterable[Path], *, force: bool) -> None:
    """Raises NotFound for a folder that is not there; InputRefused for what must not be replaced."""
    try:
        if not out.parent.is_dir():
            raise NotFound(_("no such folder for the output: {parent}").format(parent=out.parent))
        exists = os.path.lexists(out)
        if exists and not (out.is_file() or out.is_symlink()):
            raise InputRefused(_("{out} is no file that could be replaced; give another name").format(out=out))
        if out.exists() and any(path.exists() and out.samefile(path) for path in inputs):
            raise InputRefused(_("{out} is what is to be read; give another name").format(out=out))
    except OSError as error:
        raise cannot_be_written(out, error) from None
    if exists and not force:
        raise InputRefused(_("{out} exists; --force replaces it").format(out=out))


@contextmanager
def open_part(out: Path, made_from: str, *, resume: bool) -> Generator[Part]:
    """The part of `out`, to be written on; it and its journal go where the body fails, and stay for `finish` else."""
    part, journal = _part(out), _journal(out)
    try:
        goes_on = resume and part.is_file() and journal.is_file()
        if goes_on and journal.read_text("utf-8").strip() != made_from:
            raise InputRefused(
                _("{part} is of another run: inputs, scorer or options have changed; run without --resume").format(
                    part=part
                )
            )
        with part.open("r+b" if goes_on else "a+b") as file:
            _lock(file, part)
            if not goes_on:
                file.truncate(0)
                journal.write_text(made_from + "\n", "utf-8")
            try:
                yield Part(file, part)
                file.flush()
                os.fsync(file.fileno())
            except BaseException:
                _remove(part, journal)
                raise
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        raise cannot_be_written(out, error) from None


def finish(out: Path, whole: Path | None = None) -> None:
    """Gives the output its name: the part itself, or the file that was made of it."""
    try:
        (whole or _part(out)).replace(out)
    except OSError as error:
        raise cannot_be_written(out, error) from None
    _remove(_part(out), _journal(out))


@contextmanager
def beside(out: Path) -> Generator[Path]:
    """Where a form grows that is made of the part; gone where the body fails."""
    path = out.with_name(out.name + ".part.form")
    try:
        yield path
    except BaseException as error:
        _remove(path, _part(out), _journal(out))
        if isinstance(error, OSError):
            raise cannot_be_written(out, error) from None
        raise


def cannot_be_written(out: Path, error: OSError) -> LocalfinError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NotEnough(_("{out}: the disk is full").format(out=out))
    return InputRefused(_("{out} cannot be written: {error}").format(out=out, error=error.strerror))


def _part(out: Path) -> Path:
    return out.with_name(out.name + ".part")


def _journal(out: Path) -> Path:
    return out.with_name(out.name + ".part.journal")


def _remove(*paths: Path) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _whole_lines(file: BinaryIO) -> Counter[str]:
    """The verdicts of the whole lines; what stands behind them is cut off."""
    counts, whole = Counter[str](), 0
    file.seek(0)
    for line in file:
        try:
            verdict = json.loads(line)["verdict"]
        except (ValueError, KeyError, TypeError):
            break
        if not line.endswith(b"\n"):
            break
        counts[verdict] += 1
        whole += len(line)
    file.seek(whole)
    file.truncate()
    return counts


def _lock(file: BinaryIO, path: Path) -> None:
    """Raises InputRefused where another run writes the same file. Where there is no flock, nobody looks."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputRefused(_("{part} is being written by another run").format(part=path)) from None
