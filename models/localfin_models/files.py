"""Files written whole or not at all, and their SHA-256, kept so that gigabytes are hashed once."""

import contextlib
import hashlib
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

from localfin_models.errors import InputRefused, LocalfinError
from localfin_models.home import home
from localfin_models.language import _

_PIECE = 1 << 20
_WORTH_KEEPING = 16 << 20  # bytes; less is hashed as soon as the cache is read
_CACHE_LOCK = threading.Lock()  # of this process; between processes the last one wins, which costs time only


def write_whole(path: Path, text: str) -> None:
    """Write beside and rename, so that a reader never sees half."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    beside.write_text(text, "utf-8")
    beside.replace(path)


def hash_file(path: Path, step: Callable[[int], None] | None = None) -> str:
    """SHA-256 of the file's bytes in hex; other threads run meanwhile. `step` is called with the bytes read so far."""
    digest, piece, done = hashlib.sha256(), memoryview(bytearray(_PIECE)), 0
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(piece):
            digest.update(piece[:count])
            done += count
            if step is not None:
                step(done)
    return digest.hexdigest()


def file_sha256(path: Path, step: Callable[[int], None] | None = None) -> str:
    """As `hash_file`, but computed once for a path, size, time of change and inode: a gigabyte takes about a second.

    A home that cannot be used is no error here: then it is computed every time. Raises InputRefused where the file is
    written to meanwhile.
    """
    path = path.resolve()
    key, stamp = str(path), _stamp(path)
    cache = _cache() if path.stat().st_size >= _WORTH_KEEPING else None
    entry = _read(cache).get(key)
    if isinstance(entry, dict) and entry.get("stamp") == stamp and isinstance(entry.get("sha256"), str):
        return str(entry["sha256"])
    digest = hash_file(path, step)
    if _stamp(path) != stamp:
        raise InputRefused(_("{file} changed while it was read").format(file=path))
    if cache:
        # A home that cannot be written costs time only.
        with _CACHE_LOCK, contextlib.suppress(OSError):
            known = _read(cache) | {key: {"stamp": stamp, "sha256": digest}}
            write_whole(cache, json.dumps(known, ensure_ascii=False, indent=1) + "\n")
    return digest


def _stamp(path: Path) -> list[int]:
    state = path.stat()
    return [state.st_size, state.st_mtime_ns, state.st_ino]


def _cache() -> Path | None:
    try:
        return home() / "cache" / "sha256.json"
    except LocalfinError:
        return None


def _read(cache: Path | None) -> dict[str, object]:
    try:
        value = json.loads(cache.read_text("utf-8")) if cache else {}
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
