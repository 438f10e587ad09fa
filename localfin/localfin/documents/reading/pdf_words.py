"""What pdfium says of a page: its words with their boxes. Coordinates are points, upwards from the lower left."""

import ctypes
import re
from dataclasses import dataclass
from typing import Any

import pypdfium2.raw as pdfium

Handle = Any
"""A pointer to what is pdfium's own."""

_WORD = re.compile(r"\S+")
_MOST_BOOKMARKS = 20_000
_DEEPEST_BOOKMARK = 8
_LOOKED_AT = 200  # objects of a page without text, among which a picture is looked for


@dataclass(slots=True)  # frozen would take twice as long to make, and there are hundreds on a page
class Word:
    text: str
    left: float
    bottom: float
    right: float
    top: float
    breaks: bool
    """Whether pdfium begins a line with it."""


def words_of(page: Handle) -> list[Word]:
    """In the order of the page's content."""
    text_page = pdfium.FPDFText_LoadPage(page)
    if not text_page:
        return []
    try:
        text = _characters(text_page)
        box_of, box = pdfium.FPDFText_GetLooseCharBox, pdfium.FS_RECTF()
        here = ctypes.byref(box)
        found: list[Word] = []
        before = 0
        for match in _WORD.finditer(text):
            start, stop = match.span()
            box_of(text_page, start, here)
            left, bottom, right, top = box.left, box.bottom, box.right, box.top
            box_of(text_page, stop - 1, here)
            word = match[0].replace("\ufffe", "").replace("\0", "")
            if word:
                breaks = "\n" in text[before:start]
                found.append(Word(word, min(left, box.left), bottom, max(right, box.right), top, breaks))
            before = stop
        return found
    finally:
        pdfium.FPDFText_ClosePage(text_page)


def _characters(text_page: Handle) -> str:
    """One character for each of pdfium's, so that its boxes can be asked for by the same numbers."""
    count = int(pdfium.FPDFText_CountChars(text_page))
    if count <= 0:
        return ""
    units = (ctypes.c_ushort * (2 * count + 2))()
    written = int(pdfium.FPDFText_GetText(text_page, 0, count, units))
    text = bytes(units)[: 2 * max(written - 1, 0)].decode("utf-16-le", "replace")
    if len(text) == count:
        return text
    codes = (pdfium.FPDFText_GetUnicode(text_page, index) for index in range(count))
    return "".join(chr(code) if 0 < code < 0x110000 else "\0" for code in codes)


def has_picture(page: Handle) -> bool:
    count = min(pdfium.FPDFPage_CountObjects(page), _LOOKED_AT)
    kinds = (pdfium.FPDFPageObj_GetType(pdfium.FPDFPage_GetObject(page, index)) for index in range(count))
    return any(kind in (pdfium.FPDF_PAGEOBJ_IMAGE, pdfium.FPDF_PAGEOBJ_FORM) for kind in kinds)


def metadata(document: Handle, key: str) -> str:
    size = min(int(pdfium.FPDF_GetMetaText(document, key.encode(), None, 0)), 4096)
    buffer = ctypes.create_string_buffer(size + 2)
    pdfium.FPDF_GetMetaText(document, key.encode(), buffer, size)
    return buffer.raw[: max(size - 2, 0)].decode("utf-16-le", "replace").rstrip("\0")


def outline(document: Handle, pages: int) -> dict[int, frozenset[str]]:
    """The bookmarks' titles without spaces, by the page that they lead to."""
    found: dict[int, set[str]] = {}
    waiting = [(pdfium.FPDFBookmark_GetFirstChild(document, None), 0)]
    for _step in range(_MOST_BOOKMARKS):
        if not waiting:
            break
        mark, depth = waiting.pop()
        if not mark:
            continue
        waiting.append((pdfium.FPDFBookmark_GetNextSibling(document, mark), depth))
        if depth < _DEEPEST_BOOKMARK:
            waiting.append((pdfium.FPDFBookmark_GetFirstChild(document, mark), depth + 1))
        page = pdfium.FPDFDest_GetDestPageIndex(document, pdfium.FPDFBookmark_GetDest(document, mark)) + 1
        if 1 <= page <= pages:
            found.setdefault(page, set()).add(squeezed(_bookmark_title(mark)))
    return {page: frozenset(titles) - {""} for page, titles in found.items()}


def squeezed(text: str) -> str:
    return "".join(text.split()).casefold()


def _bookmark_title(mark: Handle) -> str:
    size = min(int(pdfium.FPDFBookmark_GetTitle(mark, None, 0)), 2048)
    buffer = ctypes.create_string_buffer(size + 2)
    pdfium.FPDFBookmark_GetTitle(mark, buffer, size)
    return buffer.raw[: max(size - 2, 0)].decode("utf-16-le", "replace").rstrip("\0")
