"""From a path or a stream to a plain file of known format, encoding and delimiter. Looks at bytes, never at the name.

Memory is bounded by a block; what is compressed or arrives on a stream is written to a private temporary folder first.
"""

import codecs
import re
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from localfin.delimited import delimiter_in
from localfin.text import better_encoding, clean_text
from localfin_models.errors import InputRefused, NotEnough, NotFound
from localfin_models.language import _

Format = Literal["csv", "jsonl", "parquet"]
BLOCK = 1 << 20
KEEP_FREE = 256 << 20  # bytes of disk that unpacking leaves
HEAD = 1 << 16  # bytes that decide on the delimiter and the header
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_BLANK = re.compile(rb"\n[ \t]*\r?\n")


@dataclass(frozen=True)
class Source:
    """A local file whose bytes have been looked at once, all of them."""

    path: Path
    shown: str  # how messages name it
    format: Format
    encoding: str = ""  # of texts, as Python names it
    plain: bool = False  # no quotes, no blank lines, no control characters, one kind of line end, valid UTF-8
    lines: int = 0  # of a plain text


def open_source(given: str | Path | BinaryIO, folder: Path) -> Source:
    """The file at a path, or the bytes of a stream; `folder` takes what has to be written.

    Raises NotFound, InputRefused (a format that is none of ours) or NotEnough (disk).
    """
    if isinstance(given, (str, Path)):
        path, shown = Path(given), clean_text(str(given)).replace("\n", " ")
        try:
            with path.open("rb") as file:
                head = file.read(4)
                file.seek(0) if file.seekable() else None
                if not file.seekable() or head[:2] == b"\x1f\x8b":
                    path = _spooled(file if file.seekable() else _Chained(head, file), folder, shown)
            path = _reachable(path, folder)
        except FileNotFoundError:
            raise NotFound(_("{path} does not exist").format(path=shown)) from None
        except OSError as error:
            raise InputRefused(_("{path} cannot be read: {error}").format(path=shown, error=error.strerror)) from None
    else:
        shown = _("the input")
        path = _spooled(given, folder, shown)
    return _examined(path, shown)


def _reachable(path: Path, folder: Path) -> Path:
    """A path that DuckDB takes as it stands: it would expand `*`, `?` and `[`, and needs Unicode."""
    path = path.resolve()
    if re.fullmatch(r"[\w/.\\: +=@,-]+", str(path)):
        return path
    link = folder / "link"
    link.symlink_to(path)
    return link


class _Chained:
    """The bytes already taken from a pipe, then the rest of it."""

    def __init__(self, head: bytes, file: BinaryIO) -> None:
        self._head, self._file = head, file

    def read(self, count: int) -> bytes:
        if self._head:
            taken, self._head = self._head, b""
            return taken
        return self._file.read(count)


def _spooled(file: "BinaryIO | _Chained", folder: Path, shown: str) -> Path:
    path = folder / "input"
    try:
        with path.open("xb") as out:
            for at, piece in enumerate(_unpacked(file)):
                if at % 64 == 0 and shutil.disk_usage(folder).free < KEEP_FREE:
                    raise NotEnough(_("{folder} has no room to unpack {path}").format(folder=folder, path=shown))
                out.write(piece)
    except (zlib.error, EOFError):
        raise InputRefused(_("{path} is damaged: its gzip stream breaks off or is wrong").format(path=shown)) from None
    return path


def _unpacked(file: "BinaryIO | _Chained") -> Iterator[bytes]:
    """The stream's bytes in blocks, a gzip stream (also of several members) unpacked."""
    piece = file.read(BLOCK)
    while len(piece) < 2 and (more := file.read(BLOCK)):
        piece += more
    if piece[:2] != b"\x1f\x8b":
        while piece:
            yield piece
            piece = file.read(BLOCK)
        return
    member = zlib.decompressobj(wbits=31)
    while True:
        if member.eof:
            piece = (member.unused_data or file.read(BLOCK)).lstrip(b"\0")
            if not piece:
                return
            member = zlib.decompressobj(wbits=31)
        if not piece:
            raise EOFError
        if unpacked := member.decompress(piece, BLOCK):
            yield unpacked
        piece = member.unconsumed_tail or (b"" if member.eof else file.read(BLOCK))


def _examined(path: Path, shown: str) -> Source:
    with path.open("rb") as file:
        head = file.read(HEAD)
        if head[:4] == b"PAR1":
            return Source(path, shown, "parquet")
        if head[:4] == b"PK\x03\x04" or head[:4] == b"\xd0\xcf\x11\xe0":
            raise InputRefused(_("{path} is a spreadsheet or an archive; save the sheet as CSV").format(path=shown))
        encoding = next((name for bom, name in _BOMS if head.startswith(bom)), "")
        first = head.decode(encoding or "latin-1", "replace").lstrip("\ufeff \t\r\n")[:1]
        if not first:
            raise InputRefused(_("{path} is empty").format(path=shown))
        if first == "[":
            raise InputRefused(_("{path} is a JSON array; write one object a line").format(path=shown))
        file.seek(0)
        found, plain, lines = _scan(file)
    return Source(path, shown, "jsonl" if first == "{" else "csv", encoding or found, plain and not encoding, lines)


def _scan(file: BinaryIO) -> tuple[str, bool, int]:
    """(encoding, plain, lines) after one pass; CP949 where the first block that is no UTF-8 reads better so."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    encoding, plain, lines, returns, last = "utf-8", True, 0, 0, b"\n"
    while block := file.read(BLOCK):
        seam = last[-1:] + block
        lines += block.count(b"\n")
        returns += block.count(b"\r")
        if plain:
            plain = not (
                b'"' in block or _CONTROL.search(block) or _BLANK.search(seam) or b"\n\r\n" in last[-2:] + block
            )
            plain = plain and b"\r" not in block.replace(b"\r\n", b"").removesuffix(b"\r")
        if encoding == "utf-8":
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                plain, encoding = False, better_encoding(block)
        last = block[-2:]
    if last[-1:] != b"\n":
        lines += 1
    return encoding, plain and returns in (0, lines, lines - 1), lines


def delimiter_of(source: Source) -> str:
    """The delimiter in which most of the first records have the same number of fields, more than one.

    Raises InputRefused where there is none.
    """
    best = delimiter_in(head_of(source))
    if best is None:
        raise InputRefused(
            _("{path}: no delimiter divides the lines; expected commas, tabs, bars or semicolons").format(
                path=source.shown
            )
        )
    return best


def head_of(source: Source) -> str:
    """The first whole lines of a text."""
    with source.path.open("rb") as file:
        head = file.read(HEAD)
        whole = not file.read(1)
    text = codecs.getincrementaldecoder(source.encoding)("replace").decode(head)
    return text if whole else text[: text.rfind("\n") + 1] or text
