"""Which files of the paths that a user names are documents, and whether one has changed."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from localfin.documents.reading import SUFFIXES
from localfin_models.errors import NotFound
from localfin_models.language import _


@dataclass(frozen=True, slots=True)
class Stamp:
    """What says, without reading, that a file is the one it was."""

    size: int
    mtime_ns: int

    @classmethod
    def of(cls, path: Path) -> "Stamp":
        """Raises OSError."""
        status = path.stat()
        return cls(status.st_size, status.st_mtime_ns)


def absolute(path: Path) -> Path:
    """The name that a document has in the index: absolute, without `..`, links not followed."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.absolute keeps `..`


def printable(path: Path) -> str:
    """The path as text; bytes that are none, which no document's name has, as a question mark."""
    return str(path).encode(errors="replace").decode()


def found(paths: Iterable[Path]) -> list[Path]:
    """The files named, and in folders those of a kind that can be read; in order, each once. Raises NotFound.

    Hidden files and folders are passed over, and links inside folders, which may lead anywhere.
    """
    files: dict[Path, None] = {}
    for path in map(absolute, paths):
        if path.is_dir():
            files |= dict.fromkeys(_inside(path))
        elif path.exists():
            files[path] = None
        else:
            raise NotFound(_("{path} does not exist").format(path=path))
    return list(files)


def _inside(folder: Path) -> Iterator[Path]:
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(where, name)
            if not name.startswith(".") and path.suffix.lower() in SUFFIXES and not path.is_symlink():
                yield path
