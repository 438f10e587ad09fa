"""Zip archives of office documents: their parts, each read within bounds. Nothing is unpacked to a disk."""

import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from typing import IO, BinaryIO, Self

from localfin.documents.reading.limits import (
    LARGEST_KEPT_PART,
    LARGEST_PART,
    MOST_PARTS,
    MOST_RATIO,
    RATIO_FROM,
)
from localfin_models.errors import InputRefused
from localfin_models.language import _

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 1


class Part:
    """One part as a stream that ends with a refusal where it grows too long or was packed too tightly."""

    def __init__(self, stream: IO[bytes], packed: int, largest: int) -> None:
        self._stream, self._packed, self._largest = stream, packed, largest
        self._taken = 0

    def read(self, size: int = 1 << 16) -> bytes:
        try:
            data = self._stream.read(size)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError):
            raise _damaged() from None
        self._taken += len(data)
        if self._taken > self._largest:
            raise InputRefused(_("one of its parts has more than {size} MB").format(size=self._largest >> 20))
        if self._taken > RATIO_FROM and self._taken > MOST_RATIO * max(self._packed, 1):
            raise InputRefused(_("it is a zip bomb: its parts are packed more tightly than any document is"))
        return data


class Package:
    """An office document's archive."""

    def __init__(self, file: BinaryIO) -> None:
        """Raises InputRefused where it is damaged, or holds a name twice or too many."""
        file.seek(0)
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, EOFError, OSError, ValueError, NotImplementedError, UnicodeDecodeError):
            raise _damaged() from None
        names = self._zip.namelist()
        if len(names) > MOST_PARTS:
            raise InputRefused(_("it holds {count} parts").format(count=len(names)))
        if len(set(names)) < len(names):
            raise InputRefused(_("it holds a part twice under one name"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self._zip.close()

    def has(self, name: str) -> bool:
        return name in self._zip.NameToInfo

    def names(self) -> list[str]:
        return self._zip.namelist()

    @contextmanager
    def part(self, name: str, *, kept: bool = False) -> Generator[Part]:
        """`kept` says that its contents stay in memory. Raises InputRefused where it is missing or damaged."""
        info = self._zip.NameToInfo.get(name)
        if info is None:
            raise InputRefused(_("it lacks its part {name}").format(name=name[:100]))
        if info.flag_bits & _ENCRYPTED:
            raise InputRefused(_("it is encrypted: save it without a password"))
        if info.compress_type not in _METHODS:
            raise _damaged()
        largest = LARGEST_KEPT_PART if kept else LARGEST_PART
        try:
            stream = self._zip.open(info)
        except (zipfile.BadZipFile, OSError, RuntimeError, ValueError, EOFError, NotImplementedError):
            raise _damaged() from None
        with stream:
            yield Part(stream, info.compress_size, largest)


def _damaged() -> InputRefused:
    return InputRefused(_("its archive is damaged or cut short"))
