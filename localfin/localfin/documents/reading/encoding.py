"""Texts: their encoding, found from their bytes, and their lines, a bounded piece at a time."""

import codecs
import io
import mmap
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from localfin.text import better_encoding
from localfin_models.errors import InputRefused
from localfin_models.language import _

Bytes = bytes | mmap.mmap

_BLOCK = 1 << 20
_LONGEST_LINE = 1 << 16
_PLAUSIBLE = 0.7  # share of Latin and Hangul in UTF-16 that does not say so
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_META = re.compile(rb"""<meta[^>]{0,200}charset\s*=\s*["']?\s*([\w-]{3,20})""", re.IGNORECASE)
_KNOWN = {
    "utf-8": "utf-8", "utf8": "utf-8", "euc-kr": "cp949", "ks_c_5601-1987": "cp949", "cp949": "cp949",
    "ms949": "cp949", "windows-949": "cp949", "iso-8859-1": "cp1252", "windows-1252": "cp1252",
}  # fmt: skip
"""What a page may say of itself."""


@dataclass
class Text:
    """A decoded document."""

    file: BinaryIO
    encoding: str
    html: bool
    replaced: int
    """Bytes, or pairs of them, that stand for nothing in this encoding."""

    @property
    def position(self) -> int:
        """Bytes read, about."""
        return self.file.tell()

    def opened(self, newline: str | None = None) -> io.TextIOWrapper:
        self.file.seek(0)
        unowned = io.BufferedReader(_Unowned(self.file), _BLOCK)
        return io.TextIOWrapper(unowned, self.encoding, "replace", newline)

    def lines(self) -> Iterator[str]:
        """With their ends; a very long one comes in pieces."""
        text = self.opened()
        while line := text.readline(_LONGEST_LINE):
            yield line

    def pieces(self) -> Iterator[str]:
        text = self.opened()
        while piece := text.read(_LONGEST_LINE):
            yield piece


class _Unowned(io.RawIOBase):
    """A file that is read and not closed with its wrapper."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def open_text(data: Bytes, file: BinaryIO, *, html: bool) -> Text:
    """Raises InputRefused where the bytes are no text in any encoding known here."""
    encoding = _encoding_of(data, html=html)
    text = Text(file, encoding, html, 0)
    characters = controls = replaced = 0
    for piece in text.pieces():
        characters += len(piece)
        controls += len(_CONTROL.findall(piece))
        replaced += piece.count("\ufffd")
        if controls > 16 + characters // 500 or replaced > 16 + characters // 100:
            raise _no_text()
    text.replaced = replaced
    return text


def _encoding_of(data: Bytes, *, html: bool) -> str:
    head = bytes(data[:4096])
    for bom, name in _BOMS:
        if head.startswith(bom):
            return name
    if b"\0" in head:
        return _without_bom(head)
    said = _META.search(head) if html else None
    if said and (known := _KNOWN.get(said[1].decode("ascii", "replace").lower())):
        return known if known != "utf-8" else _utf8_or_cp949(data)
    return _utf8_or_cp949(data)


def _without_bom(head: bytes) -> str:
    """UTF-16 without a byte order mark, in the order that makes Latin and Hangul of it. Raises where neither does."""

    def share(name: str) -> float:
        text = head[: len(head) // 2 * 2].decode(name, "replace")
        return sum(" " <= c <= "~" or c in "\r\n\t" or "가" <= c <= "힣" for c in text) / max(len(text), 1)

    best = max(("utf-16-le", "utf-16-be"), key=share)
    if share(best) < _PLAUSIBLE:
        raise _no_text()
    return best


def _no_text() -> InputRefused:
    return InputRefused(_("it is no document that can be read: PDF, DOCX, XLSX, HWPX, HTML, Markdown, CSV or text"))


def _utf8_or_cp949(data: Bytes) -> str:
    decoder = codecs.getincrementaldecoder("utf-8")()
    for start in range(0, len(data), _BLOCK):
        block = bytes(data[start : start + _BLOCK])
        try:
            decoder.decode(block, final=start + _BLOCK >= len(data))
        except UnicodeDecodeError:
            return better_encoding(block)
    return "utf-8"
