"""Files that appear only when whole: one, or the parts of a split model side by side.

All parts are one range of offsets, part after part, so that whoever writes or reads need not know where a cut lies; no
span crosses one. A part grows under a name of its own in the same folder, and is renamed when all are whole: the first
part last, because a model is opened by it.
"""

import errno
import hashlib
import os
import zlib
from bisect import bisect_right
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import BinaryIO

from localfin_convert.read.positional import read_at, write_at
from localfin_models.errors import InputRefused, IntegrityFailed, NotEnough, NotFound
from localfin_models.language import _
from localfin_models.manifest import manifest_path, may_be_replaced

_SUFFIX = ".gguf"
_SENT = 16 << 20
"""Bytes after which the disk begins to write, beside the conversion and not behind it."""
_PIECE = 4 << 20
"""Bytes that are read back at once, or one span where that is longer."""
_AHEAD = 2 * _PIECE


@dataclass(frozen=True, slots=True)
class Span:
    """What was written where."""

    offset: int
    n_bytes: int
    crc32: int


@dataclass(frozen=True, slots=True)
class Written:
    """A file that is there whole."""

    path: Path
    n_bytes: int
    sha256: str


class Output:
    """The open parts, read and written by offset, from several threads."""

    def __init__(self, files: Sequence[BinaryIO], paths: Sequence[Path], sizes: Sequence[int]) -> None:
        self.paths = tuple(paths)
        """Where the parts lie while they grow."""
        self._files = tuple(files)
        self._starts = (0, *accumulate(sizes))
        self._unsent = [0] * len(files)
        """Bytes written to each part since the disk was last told to begin."""

    def write(self, data: bytes, offset: int) -> None:
        part = bisect_right(self._starts, offset) - 1
        write_at(self._files[part], data, offset - self._starts[part])
        self._unsent[part] += len(data)  # two threads may lose a count, which costs nothing
        if self._unsent[part] >= _SENT:
            self._unsent[part] = 0
            _drop_cached(self._files[part])

    def read(self, size: int, offset: int) -> bytes:
        """Raises InputRefused where the disk fails."""
        part = bisect_right(self._starts, offset) - 1
        return read_at(self._files[part], size, offset - self._starts[part])

    def hash_back(self, spans: Sequence[Span]) -> list[str]:
        """SHA-256 of each part, read back from the disk, every written span's checksum compared on the way.

        Raises IntegrityFailed where the disk gives back other bytes than were written.
        """
        digests = list[str]()
        for part, file in enumerate(self._files):
            start, end = self._starts[part : part + 2]
            mine = [Span(s.offset - start, s.n_bytes, s.crc32) for s in spans if start <= s.offset < end]
            digests.append(_hash_back(file, mine))
        return digests


def output_paths(out: Path, parts: int) -> list[Path]:
    """`out`, or llama.cpp's names of the parts: model-00001-of-00003.gguf for model.gguf."""
    if parts == 1:
        return [out]
    stem = out.name.removesuffix(_SUFFIX)
    return [out.with_name(f"{stem}-{number:05d}-of-{parts:05d}{_SUFFIX}") for number in range(1, parts + 1)]


def part_path(path: Path) -> Path:
    """Where the file grows, in the same folder, so that the rename is atomic."""
    return path.with_name(path.name + ".part")


def journal_path(out: Path) -> Path:
    """Beside the parts: which of their tensors are whole."""
    return out.parent / (out.name + ".part.journal")


def refuse_existing(out: Path, *, force: bool) -> None:
    if not out.parent.is_dir():
        raise NotFound(_("no such folder for the output: {parent}").format(parent=out.parent))
    try:
        is_folder, exists = out.is_dir(), os.path.lexists(out)  # a link to nowhere, too, would be replaced
    except OSError as error:  # a name that is too long, say
        raise cannot_be_written(out, error) from None
    if is_folder:
        raise InputRefused(
            _("{out} is a folder; give a file name, such as {example}").format(out=out, example=out / "model.gguf")
        )
    if exists and not (out.is_file() or out.is_symlink()):  # a device or a pipe would be gone for every program
        raise InputRefused(_("{out} is no file that could be replaced; give another name").format(out=out))
    if exists and not force:
        raise InputRefused(_("{out} exists; --force replaces it").format(out=out))
    if not force and not may_be_replaced(manifest_path(out)):
        raise InputRefused(
            _("{out} exists and is no manifest of a model; --force replaces it").format(out=manifest_path(out))
        )


def refuse_inputs(outs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Raises InputRefused where one of `outs` is what it is to be made from: `--force` does not mean those."""
    read = [path for path in inputs if path.exists()]
    own = next((out for out in outs if out.exists() and any(out.samefile(path) for path in read)), None)
    if own is not None:
        raise InputRefused(_("{out} is what is to be read; give another name").format(out=own))


def take_back(paths: Sequence[Path], sizes: Sequence[int], journal: Path) -> None:
    """Undoes the renames of a run that was killed amid them or right behind, so that `--resume` goes on from its parts.

    Raises InputRefused where that run is alive, or the disk fails.
    """
    for path, size in zip(paths, sizes, strict=True):
        if part_path(path).exists() or not path.is_file() or path.stat().st_size != size:
            continue
        try:
            with path.open("r+b") as file, locked(file.fileno(), path, path):
                if journal.is_file():
                    path.replace(part_path(path))
        except OSError as error:
            raise cannot_be_written(path, error) from None


def refuse_small_disk(paths: Sequence[Path], needed: int) -> None:
    """`paths` will hold `needed` bytes together; what lies there of a killed run counts as free."""
    refuse_full(paths[0].parent, needed, [part_path(path) for path in paths])


def refuse_full(folder: Path, needed: int, stale: Sequence[Path]) -> None:
    """Raises NotEnough where the disk of `folder` has less than `needed` bytes free, or held by the `stale` files."""
    stat = os.statvfs(folder) if hasattr(os, "statvfs") else None
    if stat is None:
        return
    free = stat.f_bavail * stat.f_frsize + sum(path.stat().st_blocks * 512 for path in stale if path.is_file())
    if free < needed:
        raise NotEnough(
            _("{parent} has {free} free; {needed} are needed").format(parent=folder, free=_mb(free), needed=_mb(needed))
        )


def disk_error(out: Path, error: OSError, needed: int) -> NotEnough | InputRefused:
    """What a user hears of an error while `out`, of `needed` bytes, was written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return NotEnough(
            _("the disk of {parent} became full; {size} are needed").format(parent=out.parent, size=_mb(needed))
        )
    return cannot_be_written(out, error)


def cannot_be_written(out: Path, error: OSError) -> InputRefused:
    return InputRefused(_("{out} cannot be written: {strerror}").format(out=out, strerror=error.strerror))


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"


@contextmanager
def whole_output(
    paths: Sequence[Path], sizes: Sequence[int], *, journal: Path | None = None, resume: bool = False
) -> Generator[Output]:
    """Open files of `sizes` bytes that take the names `paths` when the block ends well, and vanish otherwise.

    With `resume` each starts as what a killed run left, where that has the same size. `journal` goes when they are
    whole, or with them: while it is there, each file is whole at its path or grows beside it.
    """
    parts = [part_path(path) for path in paths]
    with ExitStack() as locks:  # held until the parts have their names or are gone
        mine = list[Path]()
        try:
            with ExitStack() as stack:
                files = list[BinaryIO]()
                for path, part in zip(paths, parts, strict=True):
                    file = stack.enter_context(open_part(part))
                    locks.enter_context(locked(file.fileno(), part, path))
                    files.append(file)
                    mine.append(part)
                for file, size in zip(files, sizes, strict=True):
                    give_size(file, size, keep=resume)
                yield Output(files, parts, sizes)
                for file in files:
                    file.flush()
                    os.fsync(file.fileno())
            _rename(parts, paths)
        except OSError as error:
            _remove(journal if mine else None, *mine)
            raise disk_error(paths[0], error, sum(sizes)) from None
        except BaseException:
            _remove(journal if mine else None, *mine)
            raise
        if journal is not None:
            with suppress(OSError):  # the files are there
                journal.unlink(missing_ok=True)


def open_part(part: Path) -> BinaryIO:
    """As it is: another conversion may be writing it, which the lock tells. A link is not followed."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    return os.fdopen(os.open(part, flags, 0o666), "r+b")


def give_size(file: BinaryIO, size: int, *, keep: bool) -> None:
    """With `keep` what it holds stays, if it is as long; otherwise it starts as zeros."""
    if not (keep and os.fstat(file.fileno()).st_size == size):
        file.truncate(0)
    file.truncate(size)


@contextmanager
def locked(descriptor: int, at: Path, path: Path) -> Generator[None]:
    """A lock on what lies `at`, which `descriptor` has open: on its way to be `path`.

    Held beyond the closing of `descriptor`, which Windows wants before a rename.

    Raises InputRefused where another process holds the lock, or held it until it had renamed or removed what lay `at`.
    """
    try:
        import fcntl  # not on Windows, where two conversions of one output are not noticed
    except ImportError:
        yield
        return
    held = os.dup(descriptor)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            same = os.path.samestat(os.fstat(held), at.stat())
        except (BlockingIOError, FileNotFoundError):
            same = False
        if not same:
            raise InputRefused(_("another conversion is writing {out}").format(out=path))
        yield
    finally:
        os.close(held)


def _rename(parts: Sequence[Path], paths: Sequence[Path]) -> None:
    first, *others = zip(parts, paths, strict=True)
    if others:  # an older first part would lead to new others
        first[1].unlink(missing_ok=True)
    try:
        for part, path in (*others, first):
            part.replace(path)
    except BaseException:
        if others:  # old or new, nothing leads to them
            _remove(*paths)
        raise
    sync_folder(paths[0].parent)


def _remove(*paths: Path | None) -> None:
    """As far as the disk lets us: why we remove them is what the user must hear."""
    for path in paths:
        if path is not None:
            with suppress(OSError):
                path.unlink(missing_ok=True)


def _drop_cached(file: BinaryIO) -> None:
    """The file's pages that are on the disk; of the others Linux begins to write."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _read_ahead(file: BinaryIO, offset: int) -> None:
    """The disk reads on from there while what came before is looked at."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(file.fileno(), offset, _AHEAD, os.POSIX_FADV_WILLNEED)


def _hash_back(file: BinaryIO, spans: Sequence[Span]) -> str:
    """One thread reads and compares, a piece ahead of this one, which hashes."""
    os.fsync(file.fileno())
    _drop_cached(file)  # so that the disk itself answers
    whole = hashlib.sha256()
    file.seek(0)
    pieces = _read_back(file, sorted(spans, key=lambda span: span.offset))
    with ThreadPoolExecutor(1, "read back") as pool:
        coming = pool.submit(next, pieces, None)
        while (data := coming.result()) is not None:
            coming = pool.submit(next, pieces, None)
            whole.update(data)
    return whole.hexdigest()


def _read_back(file: BinaryIO, spans: Sequence[Span]) -> Iterator[bytes]:
    """The file from its start to its end, what was written compared with what is there; pieces of whole spans."""
    start, mine = 0, list[Span]()
    for number, span in enumerate(spans, 1):
        mine.append(span)
        end = span.offset + span.n_bytes
        if end - start < _PIECE and number < len(spans):
            continue
        _read_ahead(file, end)
        data = file.read(end - start)
        view = memoryview(data)
        for one in mine:
            at = one.offset - start
            if zlib.crc32(view[at : at + one.n_bytes]) != one.crc32:
                raise IntegrityFailed(
                    _("the disk returned other bytes than were written at offset {offset}; check it").format(
                        offset=one.offset
                    )
                )
        yield data
        start, mine = end, []
    yield file.read()


def sync_folder(folder: Path) -> None:
    """Where the file system can. If not, the names may be lost with the power, but they never lead to a torn file."""
    if hasattr(os, "O_DIRECTORY"):
        with suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
