"""Computed beginnings of prompts on disk: found by their tokens, bounded in size, encrypted (`sealed_state`).

A file that is damaged, cut, or of another model is passed over, and written anew under the same name. A kill leaves at
most a part file, which is never read and goes with a later write. A disk that is full or cannot be written costs the
time of computing the beginning again, and is no error.
"""

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import shutil
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from localfin.engine.events import ModelInfo
from localfin.engine.memory_file import MemoryFile
from localfin.engine.sealed_state import file_size, read_head, read_state, write_state
from localfin.engine.shifting import common_beginning
from localfin.key import home_key
from localfin_models.errors import InputRefused, LocalfinError
from localfin_models.home import home

LARGEST_FOLDER = 2 << 30
"""Bytes of all files together: five beginnings of 3,000 tokens of a model of 8 B parameters (128 KiB a token), dozens
of smaller models. The one that was not used for the longest time goes first."""
_FREE_SHARE = 2
"""No more than one in so many of the disk's free bytes is taken by one file."""
_SUFFIX, _PART = ".state", ".part"
_ABANDONED_S = 600.0
"""A part file this old belongs to a process that was killed."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file whose tokens begin as others do."""

    path: Path
    common: int
    """Tokens that are the same."""
    tokens: int
    """All that it holds."""


class KeptStates:
    """The files of one folder that were written with one key."""

    def __init__(self, folder: Path, key: bytes, largest: int = LARGEST_FOLDER) -> None:
        self._folder, self._key, self._largest = folder, key, largest

    def find(self, scope: bytes, tokens: Sequence[int], most: int, largest: int) -> list[Found]:
        """Files with a common beginning, the longest first; none of more than `most` tokens or `largest` bytes."""
        found: list[Found] = []
        for path in self._folder.glob(f"{self._name(scope)}-*{_SUFFIX}"):
            with contextlib.suppress(OSError), path.open("rb") as file:
                head = read_head(file, self._key, scope)
                if head is not None and len(head.tokens) <= most and head.size <= largest:
                    found.append(Found(path, common_beginning(head.tokens, tokens), len(head.tokens)))
        return sorted(found, key=lambda one: one.common, reverse=True)

    def load(self, found: Found, scope: bytes, memory: MemoryFile) -> bool:
        """The state into `memory`; False where it is damaged, and the file is gone then."""
        try:
            with found.path.open("rb") as file:
                whole = read_state(file, self._key, scope, memory)
            if whole:
                os.utime(found.path)
            else:
                found.path.unlink(missing_ok=True)
        except OSError:
            return False
        return whole

    def keep(self, scope: bytes, tokens: Sequence[int], memory: MemoryFile, size: int) -> None:
        """Write the first `size` bytes of `memory` as the state of `tokens`, and make room for it first."""
        path = self._folder / f"{self._name(scope)}-{self._name(scope, tokens)}{_SUFFIX}"
        part = path.with_name(f"{secrets.token_hex(8)}{_PART}")
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if (
                file_size(len(tokens), size) > self._largest
                or size * _FREE_SHARE > shutil.disk_usage(self._folder).free
            ):
                return
            self._make_room(file_size(len(tokens), size))
            try:
                descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    write_state(file, self._key, scope, tokens, memory, size)
                part.replace(path)
            finally:
                part.unlink(missing_ok=True)

    def _make_room(self, size: int) -> None:
        """Files of other keys and formats count and go, too."""
        files: list[tuple[float, int, Path]] = []
        for path in self._folder.iterdir():
            with contextlib.suppress(OSError):
                state = path.stat()
                if path.suffix == _PART and time.time() - state.st_mtime > _ABANDONED_S:
                    path.unlink(missing_ok=True)
                elif path.suffix in (_SUFFIX, _PART):
                    files.append((state.st_mtime, state.st_size, path))
        total = sum(length for _used, length, _path in files) + size
        for _used, length, path in sorted(files):
            if total <= self._largest:
                return
            if path.suffix == _SUFFIX:
                path.unlink(missing_ok=True)
                total -= length

    def _name(self, scope: bytes, tokens: Sequence[int] = ()) -> str:
        """Says nothing to whoever has no key: a plain hash would confirm a guessed text."""
        said = scope + array("i", tokens).tobytes()
        return hmac.digest(self._key, b"name of a state" + said, "sha256").hex()[:32]


def states_folder() -> Path | None:
    """Where this program keeps them; None without a usable home, which an answer does not need."""
    try:
        return home() / "cache" / "states"
    except LocalfinError:
        return None


def open_states(folder: Path | None) -> KeptStates | None:
    """None where none are wanted, or no key can be made. Raises InputRefused for a key that must not be used."""
    try:
        return None if folder is None else KeptStates(folder, home_key())
    except InputRefused:
        raise
    except LocalfinError:
        return None


def scope_of(model: ModelInfo) -> bytes:
    """What a state depends on besides the tokens: the model, its adapters, the build, the context, the layers' place.

    32 bytes. The context's length belongs to it because some models turn positions by other angles in longer ones.
    """
    adapters = [[adapter.sha256, adapter.scale] for adapter in model.adapters]
    about = [model.sha256, adapters, model.n_ctx, model.gpu_layers, *_build()]
    return hashlib.sha256(json.dumps(about).encode()).digest()


def _build() -> list[Any]:
    found: list[Any] = []
    for name in ("llama-cpp-python", "localfin"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found.append(metadata.version(name))
    return found
