"""The bytes of a GGUF v3 file before its tensors, and the file that appears only when whole.

Layout (ggml/docs/gguf.md): magic, version, tensor count, key count, the keys, one entry a tensor, padding to 32, data;
every tensor starts at a multiple of 32 from the data's first byte.
"""

import errno
import hashlib
import os
import struct
import zlib
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from gguf import GGMLQuantizationType, GGUFValueType

from localfin_convert.keys import Key
from localfin_models.errors import InputRefused, IntegrityFailed, NotEnough, NotFound
from localfin_models.language import _

ALIGNMENT = 32
_SCALAR = {
    GGUFValueType.UINT8: "<B", GGUFValueType.INT8: "<b", GGUFValueType.UINT16: "<H", GGUFValueType.INT16: "<h",
    GGUFValueType.UINT32: "<I", GGUFValueType.INT32: "<i", GGUFValueType.UINT64: "<Q", GGUFValueType.INT64: "<q",
    GGUFValueType.FLOAT32: "<f", GGUFValueType.FLOAT64: "<d", GGUFValueType.BOOL: "<?",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    name: str
    shape: tuple[int, ...]
    """Rows, columns; written in ggml's order, columns first."""
    kind: GGMLQuantizationType
    offset: int
    """From the first byte of the data."""


def padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def header_bytes(keys: Sequence[Key], entries: Sequence[Entry]) -> bytes:
    parts = [b"GGUF", struct.pack("<IQQ", 3, len(entries), len(keys))]
    for key in keys:
        parts += [_string(key.name), struct.pack("<I", key.type), _value(key)]
    for entry in entries:
        dimensions = tuple(reversed(entry.shape))
        parts.append(_string(entry.name))
        parts.append(struct.pack(f"<I{len(dimensions)}Q", len(dimensions), *dimensions))
        parts.append(struct.pack("<IQ", entry.kind, entry.offset))
    header = b"".join(parts)
    return header.ljust(padded(len(header)), b"\0")


def _value(key: Key) -> bytes:
    if key.type is not GGUFValueType.ARRAY:
        return _scalar(key.type, key.value)
    values: Any = key.value
    assert key.element is not None
    head = struct.pack("<IQ", key.element, len(values))
    if key.element is GGUFValueType.STRING:
        return head + b"".join(_string(value) for value in values)
    return head + struct.pack(f"<{len(values)}{_SCALAR[key.element][1]}", *values)


def _scalar(kind: GGUFValueType, value: Any) -> bytes:
    return _string(value) if kind is GGUFValueType.STRING else struct.pack(_SCALAR[kind], value)


def _string(text: str | bytes) -> bytes:
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
    return struct.pack("<Q", len(raw)) + raw


def part_path(out: Path) -> Path:
    """Where the file grows, in the same folder, so that the rename is atomic."""
    return out.with_name(out.name + ".part")


def journal_path(out: Path) -> Path:
    """Beside the part: which of its tensors are whole."""
    return out.with_name(out.name + ".part.journal")


def refuse_existing(out: Path, *, force: bool) -> None:
    if not out.parent.is_dir():
        raise NotFound(_("no such folder for the output: {parent}").format(parent=out.parent))
    try:
        is_folder, exists = out.is_dir(), out.exists()
    except OSError as error:  # a name that is too long, say
        raise InputRefused(_("{out} cannot be written: {strerror}").format(out=out, strerror=error.strerror)) from None
    if is_folder:
        raise InputRefused(
            _("{out} is a folder; give a file name, such as {example}").format(out=out, example=out / "model.gguf")
        )
    if exists and not force:
        raise InputRefused(_("{out} exists; --force replaces it").format(out=out))


def refuse_small_disk(out: Path, needed: int) -> None:
    stat = os.statvfs(out.parent) if hasattr(os, "statvfs") else None
    if stat is None:
        return
    stale = part_path(out)
    free = stat.f_bavail * stat.f_frsize + (stale.stat().st_blocks * 512 if stale.is_file() else 0)
    if free < needed:
        raise NotEnough(
            _("{parent} has {free} free; {needed} are needed").format(
                parent=out.parent, free=_mb(free), needed=_mb(needed)
            )
        )


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


@contextmanager
def whole_file(out: Path, size: int, *, resume: bool = False) -> Generator[BinaryIO]:
    """An open file of `size` bytes that takes the name `out` when the block ends well, and vanishes otherwise.

    With `resume` it starts as what a killed run left, where that has the same size.
    """
    part, journal = part_path(out), journal_path(out)
    locked = False
    try:
        # Opened as it is: another conversion may be writing it, which the lock tells.
        with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666), "r+b") as file:
            locked = _lock(file, out)
            if not (resume and os.fstat(file.fileno()).st_size == size):
                file.truncate(0)
            file.truncate(size)
            yield file
            file.flush()
            os.fsync(file.fileno())
        part.replace(out)
        _sync_folder(out.parent)
        journal.unlink(missing_ok=True)
    except OSError as error:
        if locked:
            _remove(part, journal)
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise NotEnough(
                _("the disk of {parent} became full; {size} are needed").format(parent=out.parent, size=_mb(size))
            ) from None
        raise InputRefused(_("{out} cannot be written: {strerror}").format(out=out, strerror=error.strerror)) from None
    except BaseException:
        if locked:
            _remove(part, journal)
        raise


def _lock(file: BinaryIO, out: Path) -> bool:
    """Until `file` is closed. Raises InputRefused where another process holds it."""
    try:
        import fcntl  # not on Windows, where two conversions of one output are not noticed
    except ImportError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise InputRefused(_("another conversion is writing {out}").format(out=out)) from None
    return True


def _remove(*paths: Path) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class Span:
    """What was written where."""

    offset: int
    n_bytes: int
    crc32: int


def hash_back(file: BinaryIO, spans: Sequence[Span]) -> str:
    """SHA-256 of the whole file, read back from the disk, every written span's checksum compared on the way.

    Raises IntegrityFailed where the disk gives back other bytes than were written.
    """
    os.fsync(file.fileno())
    if hasattr(os, "posix_fadvise"):  # drop the cached pages, so that the disk itself answers
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    whole = hashlib.sha256()
    file.seek(0)
    for span in sorted(spans, key=lambda span: span.offset):
        whole.update(file.read(span.offset - file.tell()))  # alignment
        data = file.read(span.n_bytes)
        if zlib.crc32(data) != span.crc32:
            raise IntegrityFailed(
                _("the disk returned other bytes than were written at offset {offset}; check it").format(
                    offset=span.offset
                )
            )
        whole.update(data)
    whole.update(file.read())
    return whole.hexdigest()


def _sync_folder(folder: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
