"""Reads and writes at an offset, from several threads on one open file."""

import os
import threading
from typing import BinaryIO

from localfin_models.errors import InputRefused

_SEEK = threading.Lock()  # only platforms without pread share it


def read_at(file: BinaryIO, size: int, offset: int) -> bytes:
    """Exactly `size` bytes from `offset`. Raises InputRefused if the file ends before."""
    if hasattr(os, "pread"):
        parts = bytearray()
        while len(parts) < size:  # one call returns at most 2 GiB
            part = os.pread(file.fileno(), size - len(parts), offset + len(parts))
            if not part:
                break
            if len(part) == size:
                return part
            parts += part
        data = bytes(parts)
    else:
        with _SEEK:
            file.seek(offset)
            data = file.read(size)
    if len(data) != size:
        raise InputRefused(f"{file.name} became shorter while it was read")
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
