"""Documents made byte by byte, where no writer of ours makes them: PDF with Korean text, HWPX."""

import zipfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

Placed = tuple[float, float, float, str]
"""x, y, size of the type, text."""

_TO_UNICODE = b"""/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /U def /CMapType 2 def
1 begincodespacerange <0000> <FFFF> endcodespacerange
1 beginbfrange <0000> <FFFF> <0000> endbfrange
endcmap CMapName currentdict /CMap defineresource pop end end"""


def pdf_bytes(
    pages: Iterable[Sequence[Placed]], *, title: str = "", marks: Sequence[tuple[str, int]] = (), extra: bytes = b""
) -> bytes:
    """A PDF whose codes are UTF-16 units; Hangul is one em wide, Latin half of it. `marks` are bookmarks."""
    objects: list[bytes] = [b"", b"", b"", b""]  # catalogue, pages, font, outline come last

    def add(body: bytes) -> int:
        objects.append(body)
        return len(objects)

    unicode = add(_stream(_TO_UNICODE))
    descriptor = add(b"<</Type/FontDescriptor/FontName/F/Flags 4/FontBBox[0 -200 1000 800]/ItalicAngle 0/Ascent 800"
                     b"/Descent -200/CapHeight 700/StemV 80>>")  # fmt: skip
    below = add(b"<</Type/Font/Subtype/CIDFontType2/BaseFont/F/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)"
                b"/Supplement 0>>/FontDescriptor %d 0 R/DW 1000/W[0 255 500]>>" % descriptor)  # fmt: skip
    kids = []
    for page in pages:
        shown = b"".join(
            b"BT /F %g Tf 1 0 0 1 %g %g Tm <%s> Tj ET\n" % (size, x, y, text.encode("utf-16-be").hex().encode())
            for x, y, size, text in page
        )
        content = add(_stream(shown + extra))
        kids.append(add(b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F 3 0 R>>>>"
                        b"/Contents %d 0 R>>" % content))  # fmt: skip
    for number, (name, page_number) in enumerate(marks):
        following = b"/Next %d 0 R" % (len(objects) + 2) if number + 1 < len(marks) else b""
        add(b"<</Title%s/Parent 4 0 R/Dest[%d 0 R/Fit]%s>>" % (_text(name), kids[page_number - 1], following))
    first = len(objects) - len(marks) + 1
    objects[0] = b"<</Type/Catalog/Pages 2 0 R/Outlines 4 0 R>>"
    objects[1] = b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(kids), b" ".join(b"%d 0 R" % kid for kid in kids))
    objects[2] = (b"<</Type/Font/Subtype/Type0/BaseFont/F/Encoding/Identity-H/ToUnicode %d 0 R"
                  b"/DescendantFonts[%d 0 R]>>" % (unicode, below))  # fmt: skip
    objects[3] = b"<</Type/Outlines/First %d 0 R/Last %d 0 R>>" % (first, len(objects)) if marks else b"<<>>"
    return pdf_file(objects, b"/Info %d 0 R" % add(b"<</Title%s>>" % _text(title)))


def pdf_file(objects: Sequence[bytes], trailer: bytes = b"") -> bytes:
    out = bytearray(b"%PDF-1.7\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer\n<</Size %d/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, trailer, start)
    return bytes(out)


def _stream(data: bytes) -> bytes:
    packed = zlib.compress(data)
    return b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(packed), packed)


def _text(text: str) -> bytes:
    return b"<feff%s>" % text.encode("utf-16-be").hex().encode()


_SPACES = (
    'xmlns:hp="http://www.hancom.co.kr/hwpml/2011/paragraph" xmlns:hs="http://www.hancom.co.kr/hwpml/2011/section"'
    ' xmlns:hh="http://www.hancom.co.kr/hwpml/2011/head"'
)


def hwpx_parts(body: str, title: str = "") -> dict[str, str]:
    """The parts of an HWPX as KS X 6101 lays them out; paragraphs of style 2 are headings."""
    return {
        "mimetype": "application/hwp+zip",
        "META-INF/container.xml": '<ocf:container xmlns:ocf="urn:oasis:names:tc:opendocument:xmlns:container"/>',
        "META-INF/manifest.xml": '<odf:manifest xmlns:odf="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"/>',
        "Contents/content.hpf": '<opf:package xmlns:opf="http://www.idpf.org/2007/opf/"><opf:metadata>'
        f"<opf:title>{title}</opf:title></opf:metadata></opf:package>",
        "Contents/header.xml": f'<hh:head {_SPACES}><hh:refList><hh:paraProperties><hh:paraPr id="3"><hh:heading'
        ' type="OUTLINE" idRef="0" level="0"/></hh:paraPr></hh:paraProperties><hh:styles><hh:style id="0" type="PARA"'
        ' name="바탕글" engName="Normal" paraPrIDRef="0"/><hh:style id="2" type="PARA" name="개요 1"'
        ' engName="Outline 1" paraPrIDRef="3"/></hh:styles></hh:refList></hh:head>',
        "Contents/section0.xml": f"<hs:sec {_SPACES}>{body}</hs:sec>",
        "Preview/PrvText.txt": "preview",
    }


def hwpx_paragraph(inside: str, style: int = 0) -> str:
    return f'<hp:p styleIDRef="{style}" paraPrIDRef="0"><hp:run charPrIDRef="0">{inside}</hp:run></hp:p>'


def hwpx_cell(text: str, columns: int = 1) -> str:
    paragraph = hwpx_paragraph(f"<hp:t>{text}</hp:t>")
    return f'<hp:tc><hp:subList>{paragraph}</hp:subList><hp:cellSpan colSpan="{columns}" rowSpan="1"/></hp:tc>'


def write_zip(path: Path, parts: Mapping[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return path
