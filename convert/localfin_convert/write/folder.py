"""A folder that appears only when whole: it grows as `OUT.part` beside it, and takes its name when all is written.

`OUT.part` holds the journal from its first moment on, which tells it from a folder of the user's, and which is locked;
it goes when the folder has its name. A model that is replaced is renamed to `OUT.replaced`, and removed when the new
one has its name; where a kill came between, the next run puts it back. Only what its manifest lists is removed of it.
"""

import hashlib
import os
import shutil
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR

from localfin_convert.read.positional import open_to_read, read_at
from localfin_convert.write.output import (
    Output,
    cannot_be_written,
    disk_error,
    give_size,
    locked,
    open_part,
    part_path,
    sync_folder,
)
from localfin_models.errors import InputRefused, IntegrityFailed, LocalfinError, NotFound
from localfin_models.files import hash_file
from localfin_models.language import _
from localfin_models.manifest import IN_FOLDER, HashedFile, read_manifest

_PIECE = 1 << 20
_JOURNAL = "localfin-convert.journal"


@dataclass(frozen=True, slots=True)
class OpenFolder:
    """While it grows."""

    tensors: Output
    """The large files, in the order they were asked for."""
    journal: Path
    _part: Path

    def add(self, name: str, content: bytes | Path) -> HashedFile:
        """A small file; a path is copied. Raises IntegrityFailed where it reads back otherwise."""
        path, digest, n_bytes = self._part / name, hashlib.sha256(), 0
        path.parent.mkdir(exist_ok=True)
        with open_part(path) as file:
            file.truncate(0)
            for piece in [content] if isinstance(content, bytes) else _pieces(content):
                file.write(piece)
                digest.update(piece)
                n_bytes += len(piece)
            file.flush()
            os.fsync(file.fileno())
        if hash_file(path) != digest.hexdigest():
            raise IntegrityFailed(
                _("the disk returned other bytes of {file} than were written; check it").format(file=name)
            )
        return HashedFile(name, n_bytes, digest.hexdigest())


def folder_journal(out: Path) -> Path:
    return part_path(out) / _JOURNAL


def refuse_existing_folder(out: Path, *, force: bool) -> None:
    """Only a model folder that `convert` made may be replaced, and nothing in it that its manifest does not list."""
    if not out.parent.is_dir():
        raise NotFound(_("no such folder for the output: {parent}").format(parent=out.parent))
    try:
        if not S_ISDIR(out.lstat().st_mode):  # a link to a folder, too
            raise InputRefused(_("{out} exists and is no folder; give another name").format(out=out))
        _refuse_foreign(out)
    except FileNotFoundError:
        return
    except OSError as error:  # a name that is too long, say
        raise cannot_be_written(out, error) from None
    if not force:
        raise InputRefused(_("{out} exists; --force replaces it").format(out=out))


def stale_files(out: Path) -> list[Path]:
    """What a killed run left of `out`, which the next one replaces."""
    try:
        return [path for path in part_path(out).rglob("*") if not path.is_symlink()]
    except OSError as error:
        raise cannot_be_written(out, error) from None


@contextmanager
def whole_folder(
    out: Path, sizes: Mapping[str, int], needed: int, *, force: bool, resume: bool
) -> Generator[OpenFolder]:
    """A folder with open files of `sizes` bytes, which takes the name `out` when the block ends well, or vanishes.

    With `resume` each starts as what a killed run left, where that has the same size. `needed`: bytes in all.
    """
    part, mine = part_path(out), False
    with ExitStack() as lock:  # held until the folder has its name or is gone
        try:
            part.mkdir(exist_ok=True)
            _refuse_unknown(part)
            mine = _take_lock(lock, part, out)  # what a killed run left stays until it is known that this one goes on
            _settle(out)
            refuse_existing_folder(out, force=force)
            mine = True
            _clear(part, keep={_JOURNAL, *(sizes if resume else ())})
            with ExitStack() as stack:
                files = [stack.enter_context(open_part(part / name)) for name in sizes]
                for file, size in zip(files, sizes.values(), strict=True):
                    give_size(file, size, keep=resume)
                yield OpenFolder(
                    Output(files, [part / name for name in sizes], list(sizes.values())), part / _JOURNAL, part
                )
                for file in files:
                    file.flush()
                    os.fsync(file.fileno())
            sync_folder(part)
            _take_name(part, out)
        except OSError as error:
            _remove(part, mine=mine)
            raise disk_error(out, error, needed) from None
        except BaseException:
            _remove(part, mine=mine)
            raise


def _take_lock(stack: ExitStack, part: Path, out: Path) -> bool:
    """Whether the folder is new. Raises InputRefused where another process writes it."""
    is_new = not any(part.iterdir())
    try:
        with open_part(part / _JOURNAL) as file:
            stack.enter_context(locked(file.fileno(), part / _JOURNAL, out))
    except FileNotFoundError:  # it has just got its name
        raise InputRefused(_("another conversion is writing {out}").format(out=out)) from None
    return is_new


def _refuse_unknown(part: Path) -> None:
    """`OUT.part` may be a folder of the user's."""
    if any(part.iterdir()) and not (part / _JOURNAL).is_file():
        raise InputRefused(_("{folder} exists, and no conversion left it; move it").format(folder=part))


def _refuse_foreign(folder: Path) -> None:
    """Raises InputRefused for a folder that holds anything but a model that `convert` made."""
    try:
        listed = {IN_FOLDER, _JOURNAL, *(file.name for file in read_manifest(folder).files)}
    except (NotFound, InputRefused):
        raise InputRefused(
            _("{out} is a folder that no conversion made; it is not replaced, give another name").format(out=folder)
        ) from None
    found = (path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir())
    own = next((path for path in found if path.relative_to(folder).as_posix() not in listed), None)
    if own is not None:
        raise InputRefused(
            _("{file} is not of the model that was made there; move it, or give another name").format(file=own)
        )


def _replaced(out: Path) -> Path:
    return out.with_name(out.name + ".replaced")


def _settle(out: Path) -> None:
    """Ends what a killed run began: an older model that has no name any more gets it back.

    Raises InputRefused where a folder of the user's has the name that the older model needs.
    """
    old = _replaced(out)
    if not os.path.lexists(old):
        return
    if old.is_symlink() or not old.is_dir() or (any(old.iterdir()) and not (old / _JOURNAL).is_file()):
        if os.path.lexists(out):
            raise InputRefused(_("{folder} exists, and no conversion left it; move it").format(folder=old))
    elif os.path.lexists(out):
        _remove_model(old)
    else:
        old.replace(out)
        (out / _JOURNAL).unlink(missing_ok=True)


def _take_name(part: Path, out: Path) -> None:
    old = _replaced(out)
    replaces = os.path.lexists(out)
    try:
        if replaces:
            (out / _JOURNAL).touch()  # tells it from a folder of the user's, until it is gone
            out.replace(old)
        part.replace(out)
    except BaseException:
        with suppress(OSError):
            if replaces and not os.path.lexists(out):
                old.replace(out)
            if replaces and os.path.lexists(part):
                (out / _JOURNAL).unlink()
        raise
    sync_folder(out.parent)
    with suppress(OSError, LocalfinError):  # the new one is there; the next run removes what is left of the old one
        (out / _JOURNAL).unlink()
        if replaces:
            _remove_model(old)


def _remove_model(folder: Path) -> None:
    """What its manifest lists, which goes after that; the journal goes last, by which the rest can be told for ours."""
    if (folder / IN_FOLDER).is_file():
        for file in read_manifest(folder).files:
            (folder / file.name).unlink(missing_ok=True)
    for inner in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
        inner.rmdir()
    (folder / IN_FOLDER).unlink(missing_ok=True)
    (folder / _JOURNAL).unlink(missing_ok=True)
    folder.rmdir()


def _clear(part: Path, keep: set[str]) -> None:
    for path in part.iterdir():
        if path.name in keep:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _remove(part: Path, *, mine: bool) -> None:
    """As far as the disk lets us: why we remove it is what the user must hear."""
    if mine:
        shutil.rmtree(part, ignore_errors=True)
    else:
        with suppress(OSError):  # one that holds something is not ours
            part.rmdir()


def _pieces(path: Path) -> Iterator[bytes]:
    with open_to_read(path) as file:
        size = os.fstat(file.fileno()).st_size
        for start in range(0, size, _PIECE):
            yield read_at(file, min(_PIECE, size - start), start)
