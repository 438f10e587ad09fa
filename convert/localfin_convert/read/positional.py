"""Reads and writes at an offset, from several threads on one open file."""

import os
import threading
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from localfin_models.errors import InputRefused
from localfin_models.language import _

_SEEK = threading.Lock()  # only platforms without pread share it


class OpenFiles:
    """Files kept open between reads, each opened when it is first read from; for several threads."""

    def __init__(self) -> None:
        self._files: dict[Path, BinaryIO] = {}
        self._lock = threading.Lock()

    def read(self, path: Path, size: int, offset: int) -> bytes:
        """Exactly `size` bytes from `offset`. Raises InputRefused if the file cannot be read so far."""
        with self._lock:
            file = self._files.get(path) or self._files.setdefault(path, open_to_read(path))
        return read_at(file, size, offset)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for file in self._files.values():
            file.close()


def open_to_read(path: Path) -> BinaryIO:
    """Raises InputRefused where that fails."""
    try:
        return path.open("rb")
    except OSError as error:
        raise InputRefused(_("{file} cannot be read: {reason}").format(file=path, reason=error.strerror)) from None


def read_at(file: BinaryIO, size: int, offset: int) -> bytes:
    """Exactly `size` bytes from `offset`. Raises InputRefused if the file ends before, or the disk fails."""
    try:
        data = _read(file, size, offset)
    except OSError as error:
        raise InputRefused(_("{file} cannot be read: {reason}").format(file=file.name, reason=error.strerror)) from None
    if len(data) != size:
        raise InputRefused(_("{file} became shorter while it was read").format(file=file.name))
    return data


def _read(file: BinaryIO, size: int, offset: int) -> bytes:
    if not hasattr(os, "pread"):
        with _SEEK:
            file.seek(offset)
            return file.read(size)
    data = os.pread(file.fileno(), size, offset)
    while len(data) < size:  # one call returns at most 2 GiB
        part = os.pread(file.fileno(), size - len(data), offset + len(data))
        if not part:
            break
        data += part
    return data


def write_at(file: BinaryIO, data: bytes, offset: int) -> None:
    if hasattr(os, "pwrite"):
        view = memoryview(data)
        while view:
            written = os.pwrite(file.fileno(), view, offset)
            view, offset = view[written:], offset + written
    else:
        with _SEEK:
            file.seek(offset)
            file.write(data)
