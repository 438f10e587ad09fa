"""The child's side: what kind of document these bytes are, and which reader takes them."""

import mmap
from typing import Any, BinaryIO

import pypdfium2.raw as pdfium

from localfin.documents.reading.delimited import read_delimited
from localfin.documents.reading.docx import read_docx
from localfin.documents.reading.encoding import open_text
from localfin.documents.reading.html import read_html
from localfin.documents.reading.hwpx import read_hwpx
from localfin.documents.reading.markdown import read_markdown
from localfin.documents.reading.package import Package
from localfin.documents.reading.pdf import read_pdf
from localfin.documents.reading.plain import read_plain
from localfin.documents.reading.sink import Sink, limit_time, time_for
from localfin.documents.reading.xlsx import read_xlsx
from localfin_models.errors import InputRefused
from localfin_models.language import _
from localfin_models.seal import WorkerLimits
from localfin_models.worker.child import CancelFlag, Emit

_HEAD = 4096
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


class ReadingService:
    def prepare(self, options: dict[str, Any], limits: WorkerLimits, cancelled: CancelFlag) -> WorkerLimits:
        self._cancelled = cancelled
        # Without a buffer of its own, which would hold bytes of the document before.
        self._document: BinaryIO = open(options["document"], "rb", 0, closefd=False)  # noqa: SIM115
        pdfium.FPDF_InitLibrary()
        return limits

    def handle(self, call: str, arguments: dict[str, Any], emit: Emit) -> dict[str, Any]:
        suffix, size = str(arguments["suffix"]), int(arguments["size"])
        sink = Sink(emit, self._cancelled, size)
        limit_time(time_for(size))
        try:
            # A private mapping, which pdfium's pointer keeps open as long as it is needed.
            data = mmap.mmap(self._document.fileno(), size, access=mmap.ACCESS_COPY)
            _read(data, self._document, suffix, sink)
        except RecursionError:
            raise InputRefused(_("it is nested too deeply")) from None
        finally:
            limit_time(0)
        sink.flush()
        return {}


def _read(data: mmap.mmap, file: BinaryIO, suffix: str, sink: Sink) -> None:
    head = data[:_HEAD]
    if b"%PDF-" in head[:1024]:
        read_pdf(data, sink)
    elif head.startswith(b"PK"):
        _read_package(file, sink)
    elif head.startswith(_OLE):
        raise InputRefused(_old_office(data))
    else:
        _read_text(data, file, suffix, sink)


def _read_package(file: BinaryIO, sink: Sink) -> None:
    with Package(file) as package:
        if package.has("word/document.xml"):
            read_docx(package, sink)
        elif package.has("xl/workbook.xml"):
            read_xlsx(package, sink)
        elif package.has("Contents/content.hpf") or package.has("Contents/section0.xml"):
            read_hwpx(package, sink)
        else:
            raise InputRefused(_("it is an archive, and neither DOCX, XLSX nor HWPX"))


def _old_office(data: mmap.mmap) -> str:
    if data.find("EncryptedPackage".encode("utf-16-le")) >= 0:
        return _("it is encrypted: save it without a password")
    if data.find("FileHeader".encode("utf-16-le")) >= 0 or data.find(b"HWP Document File") >= 0:
        return _("it is an old HWP file: save it as HWPX or PDF")
    return _("it is an old Office file: save it as DOCX, XLSX or PDF")


def _read_text(data: mmap.mmap, file: BinaryIO, suffix: str, sink: Sink) -> None:
    text = open_text(data, file, html=suffix in (".html", ".htm") or _looks_like_html(data[:_HEAD]))
    if text.replaced:
        sink.note(_("{count} bytes were no text and were replaced").format(count=text.replaced))
    if text.html:
        read_html(text, sink)
    elif suffix in (".csv", ".tsv"):
        read_delimited(text, suffix, sink)
    elif suffix in (".md", ".markdown"):
        read_markdown(text, sink)
    else:
        read_plain(text, sink)


def _looks_like_html(head: bytes) -> bool:
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:15].lower()
    return start.startswith((b"<!doctype html", b"<html"))
