"""PDF: its text layer, page by page, by pdfium. No form is filled, no script runs, no link is followed."""

import ctypes
import mmap
import re
import time
from collections.abc import Iterator

import pypdfium2.raw as pdfium

from localfin.documents.reading.limits import CPU_S, CPU_S_OF_PAGE, CPU_S_ON_PAGE, MOST_PAGES
from localfin.documents.reading.pdf_layout import lay_out
from localfin.documents.reading.pdf_running import Running
from localfin.documents.reading.pdf_words import Handle, Word, has_picture, metadata, outline, words_of
from localfin.documents.reading.sink import Sink, limit_time
from localfin_models.errors import InputRefused
from localfin_models.language import _

_END = 4096  # bytes at the end in which a whole file says so
_JUNK = re.compile(r"Microsoft \w+ - |untitled|제목 없음|.*\.(docx?|hwpx?|xlsx?|pptx?|pdf|indd|qxd)$", re.IGNORECASE)
"""Titles that a program gave, not an author."""
_LISTED = 10  # page numbers in a note


def read_pdf(data: mmap.mmap, sink: Sink) -> None:
    if data.rfind(b"%%EOF", max(0, len(data) - _END)) < 0:
        raise InputRefused(_("it is cut short: the end of a PDF is missing"))
    content = (ctypes.c_char * len(data)).from_buffer(data)
    document = pdfium.FPDF_LoadMemDocument64(content, len(data), None)
    if not document:
        raise InputRefused(_why_not_opened(pdfium.FPDF_GetLastError()))
    try:
        _Document(document, sink).read()
    finally:
        pdfium.FPDF_CloseDocument(document)


def _why_not_opened(error: int) -> str:
    if error in (pdfium.FPDF_ERR_PASSWORD, pdfium.FPDF_ERR_SECURITY):
        return _("it is encrypted: save it without a password")
    return _("it is damaged: no PDF can be read from it")


class _Document:
    def __init__(self, document: Handle, sink: Sink) -> None:
        self._document, self._sink = document, sink
        self._count = int(pdfium.FPDF_GetPageCount(document))
        if not 1 <= self._count <= MOST_PAGES:
            raise InputRefused(
                _("it has {count} pages; up to {most} are read").format(count=self._count, most=MOST_PAGES)
            )
        title = metadata(document, "Title").strip()
        sink.title = "" if _JUNK.match(title) else title
        sink.pages = sink.total = self._count
        self._until = time.process_time() + CPU_S + CPU_S_OF_PAGE * self._count

    def read(self) -> None:
        headings = outline(self._document, self._count)
        running = Running((number, lay_out(self._page(number)[0])) for number in _spread(self._count))
        pictures: list[int] = []
        found = False
        for number in range(1, self._count + 1):
            words, picture = self._page(number)
            if not words and picture:
                pictures.append(number)
            found = found or bool(words)
            self._say(number, words, running, headings.get(number, frozenset()))
            self._sink.step(number)
        if not found:
            raise InputRefused(_without_text(pictures))
        if pictures:
            self._sink.note(_("pages without a text layer were left out: {pages}").format(pages=_listed(pictures)))
        if running.dropped:
            lines = ", ".join(f"“{line[:60]}”" for line in running.dropped[:5])
            self._sink.note(_("running heads were read once only: {lines}").format(lines=lines))

    def _page(self, number: int) -> tuple[list[Word], bool]:
        if time.process_time() > self._until:
            raise InputRefused(_("its pages take longer than any such document should"))
        limit_time(CPU_S_ON_PAGE)
        page = pdfium.FPDF_LoadPage(self._document, number - 1)
        if not page:
            raise InputRefused(_("page {number} is damaged").format(number=number))
        try:
            words = words_of(page)
            return words, not words and has_picture(page)
        finally:
            pdfium.FPDF_ClosePage(page)

    def _say(self, number: int, words: list[Word], running: Running, headings: frozenset[str]) -> None:
        layout = lay_out(words)
        for item in layout.paragraphs(headings, lambda line: running.drops(line, number)):
            if isinstance(item, list):
                self._sink.table(item, number)
            elif item.heading:
                self._sink.heading(item.text, number)
            else:
                self._sink.text(item.text, number)


def _spread(count: int) -> Iterator[int]:
    """Pages from which running heads are learned."""
    some = min(count, 12)
    return (1 + index * count // some for index in range(some)) if count >= 4 else iter(())


def _without_text(pictures: list[int]) -> str:
    if pictures:
        return _(
            "its pages are pictures without a text layer. Text recognition (OCR) is missing, which localfin does not"
            " do: run it over the file with another program first"
        )
    return _("there are no words in it")


def _listed(pages: list[int]) -> str:
    more = f", … ({len(pages)})" if len(pages) > _LISTED else ""
    return ", ".join(map(str, pages[:_LISTED])) + more
