"""States of computed beginnings, kept on disk by the parent: whole or not at all, with a checksum in front.

The child never sees the file. It reads and writes a piece of memory that it inherits (Linux), so it can change no file,
and what it reads is what was kept, byte for byte, by the same build for the same model. A file that is damaged, cut or
of others is passed over and written anew. It holds nothing but the shared beginning: no question, no answer.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from localfin.engine.events import Message, ModelInfo

_MOST = 4
"""Files that stay in a folder; the oldest goes first. Each takes some megabytes to some hundred."""
_SUFFIX = ".state"
_HEADING = b"localfin-state-1 "


class StateMemory:
    """Shared with the child under the same descriptor; without such memory, nothing."""

    def __init__(self) -> None:
        self._memory = os.memfd_create("state") if hasattr(os, "memfd_create") else None

    @property
    def inherited(self) -> tuple[int, ...]:
        return () if self._memory is None else (self._memory,)

    def fill(self, data: bytes) -> None:
        self.resize(len(data))
        view, at = memoryview(data), 0
        while self._memory is not None and at < len(data):
            at += os.pwrite(self._memory, view[at:], at)

    def resize(self, size: int) -> None:
        if self._memory is not None:
            os.ftruncate(self._memory, 0)
            os.ftruncate(self._memory, size)

    def read(self, size: int) -> bytes:
        """So many bytes, fewer where the child has made it shorter."""
        found = bytearray()
        while self._memory is not None and (piece := os.pread(self._memory, size - len(found), len(found))):
            found += piece
        return bytes(found)

    def close(self) -> None:
        if self._memory is not None:
            os.close(self._memory)
            self._memory = None


def state_key(model: ModelInfo, messages: Sequence[Message]) -> str:
    """What a state depends on: the model and its adapters, the beginning, the build, and where the layers lie."""
    adapters = [[adapter.sha256, adapter.scale] for adapter in model.adapters]
    said = [[message.role, message.content] for message in messages]
    about = [model.sha256, adapters, said, model.gpu_layers, *_build()]
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()


def read_state(folder: Path, key: str, largest: int) -> bytes:
    """Empty where none is kept that is whole, or it has more than `largest` bytes."""
    path = folder / (key + _SUFFIX)
    try:
        with path.open("rb") as file:
            heading = file.readline(200)
            if os.fstat(file.fileno()).st_size > len(heading) + largest:
                return b""
            data = file.read()
    except OSError:
        return b""
    return data if heading == _heading(key, data) else b""


def write_state(folder: Path, key: str, data: bytes) -> None:
    """A folder that cannot be written costs the next start some seconds, and is no error."""
    with contextlib.suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = folder / f"{key}.{os.getpid()}"
        try:
            beside.write_bytes(_heading(key, data) + data)
            beside.replace(folder / (key + _SUFFIX))
        finally:
            beside.unlink(missing_ok=True)
        kept = sorted(folder.glob(f"*{_SUFFIX}"), key=lambda path: path.stat().st_mtime_ns)
        for path in kept[:-_MOST]:
            path.unlink(missing_ok=True)


def _heading(key: str, data: bytes) -> bytes:
    return _HEADING + f"{key} {hashlib.sha256(data).hexdigest()}\n".encode()


def _build() -> list[Any]:
    found: list[Any] = []
    for name in ("llama-cpp-python", "localfin"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found.append(metadata.version(name))
    return found
