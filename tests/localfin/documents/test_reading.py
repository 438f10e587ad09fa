"""Files made by real writers, and by hand where there is none, read through the sealed child."""

import datetime
import hashlib
from collections.abc import Iterator
from pathlib import Path

import docx
import openpyxl
import pytest
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.platypus import Paragraph, SimpleDocTemplate, Table, TableStyle
from tests.localfin.documents.made import hwpx_cell, hwpx_paragraph, hwpx_parts, pdf_bytes, write_zip

from localfin.documents.passage import Block
from localfin.documents.reading import Reader, open_reader, read
from localfin_models.errors import InputRefused, NotFound


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with open_reader() as reader:
        yield reader


def of(reader: Reader, path: Path, content: bytes | None = None) -> list[Block]:
    if content is not None:
        path.write_bytes(content)
    return list(reader.read(path).blocks)


MARKDOWN = """---
title: "여신 안내"
---
# 대출 **금리**

첫 줄
둘째 줄

| 항목 | 금리 |
|------|-----:|
| 신용 | 6.1% |
| a\\|b | 2 |

이자
----
```python
# no heading
| no | table |
```
"""


def test_markdown(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    assert of(reader, path, MARKDOWN.encode()) == [
        Block("heading", "대출 **금리**"),
        Block("text", "첫 줄\n둘째 줄"),
        Block("table", "항목\t금리\n신용\t6.1%\na|b\t2"),
        Block("heading", "이자"),
        Block("text", "# no heading\n| no | table |"),
    ]
    reading = reader.read(path)
    assert (reading.title, reading.pages, reading.size) == ("여신 안내", None, len(MARKDOWN.encode()))
    assert reading.sha256 == hashlib.sha256(MARKDOWN.encode()).hexdigest()


HTML = """<!doctype html><html><head><title>공시 &amp; 안내</title><style>p{}</style></head><body><h2>제1<b>절</b></h2>
<p>원금 &lt; 이자<br>다음 줄<script>alert("no")</script></p><ul><li>하나<li>둘</ul>
<table><tr><th>연도<th>매출<tr><td colspan=2>합계</td></tr><tr><td>2024</td><td>1,000</td></tr></table>
<table><tr><td><p>layout</p><table><tr><td>a</td><td>b</td></tr></table></td><td>beside</td></tr></table></body>"""


def test_html(reader: Reader, tmp_path: Path) -> None:
    blocks = of(reader, tmp_path / "page", HTML.encode())
    assert blocks == [
        Block("heading", "제1절"),
        Block("text", "원금 < 이자\n다음 줄"),
        Block("text", "하나"),
        Block("text", "둘"),
        Block("table", "연도\t매출\n합계\n2024\t1,000"),
        Block("text", "layout"),
        Block("table", "a\tb"),
        Block("text", "beside"),
    ]
    assert reader.read(tmp_path / "page").title == "공시 & 안내"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp949"])
def test_korean_encodings(reader: Reader, tmp_path: Path, encoding: str) -> None:
    text = "예금자보호 한도는 1억원이다. 똠방각하 same.\n\n둘째 문단\n"
    assert of(reader, tmp_path / "a.txt", text.encode(encoding)) == [
        Block("text", "예금자보호 한도는 1억원이다. 똠방각하 same."),
        Block("text", "둘째 문단"),
    ]
    page = f'<html><meta http-equiv="Content-Type" content="text/html; charset=euc-kr"><p>{"금리"}</p>'
    assert of(reader, tmp_path / "a.html", page.encode("cp949")) == [Block("text", "금리")]


def test_broken_bytes_are_replaced_and_said(reader: Reader, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("금리는 5%".encode() + b" \xff " + "이다 ".encode() * 50)
    reading = reader.read(tmp_path / "a.txt")
    (block,) = reading.blocks
    assert block.text.startswith("금리는 5% \ufffd 이다")
    assert len(reading.notes) == 1


def test_csv_in_the_cells_that_a_spreadsheet_shows(reader: Reader, tmp_path: Path) -> None:
    content = '이름;금액\r\n김;"1,000\n원"\r\n\r\n;=1+1\r\n'.encode("cp949")
    assert of(reader, tmp_path / "a.csv", content) == [
        Block("table", "이름\t금액\n김\t1,000 원", cells="A1:B2"),
        Block("text", "=1+1", cells="B4:B4"),
    ]
    assert of(reader, tmp_path / "a.tsv", b"a\tb\n1\t2\n") == [Block("table", "a\tb\n1\t2", cells="A1:B2")]


def test_docx_as_python_docx_writes_it(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "a.docx"
    written = docx.Document()
    written.core_properties.title = "여신 규정"
    written.add_heading("제1장 총칙", 1)
    paragraph = written.add_paragraph("이 규정은 ")
    paragraph.add_run("여신").bold = True
    paragraph.add_run(" 업무를 정한다.")
    paragraph.add_run("secret").font.hidden = True
    table = written.add_table(2, 3)
    for number, cell in enumerate(cell for row in table.rows for cell in row.cells):
        cell.text = str(number)
    table.cell(0, 0).merge(table.cell(0, 1))
    written.add_paragraph("끝", style="List Bullet")
    written.save(str(path))
    assert of(reader, path) == [
        Block("heading", "제1장 총칙"),
        Block("text", "이 규정은 여신 업무를 정한다."),
        Block("table", "0 1\t\t2\n3\t4\t5"),
        Block("text", "끝"),
    ]
    assert reader.read(path).title == "여신 규정"


def test_xlsx_as_openpyxl_writes_it(reader: Reader, tmp_path: Path) -> None:
    path = tmp_path / "a.xlsx"
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "요약"
    sheet["B2"], sheet["C2"], sheet["D2"], sheet["E2"] = "항목", "금액", "비율", "일자"
    sheet["B3"], sheet["C3"], sheet["D3"], sheet["E3"] = "대출", 1234567.25, 0.1234, datetime.date(2025, 3, 31)
    sheet["C3"].number_format, sheet["D3"].number_format = "#,##0", "0%"
    sheet["C4"], sheet["D4"] = "=SUM(C3:C3)", 0.1
    sheet["B6"] = "note\nin two lines"
    book.create_sheet("숨김")["A1"] = "secret"
    book["숨김"].sheet_state = "hidden"
    book.save(path)
    reading = reader.read(path)
    assert list(reading.blocks) == [
        Block(
            "table",
            "항목\t금액\t비율\t일자\n대출\t1,234,567.25\t12.34%\t2025-03-31\n\t\t0.1",
            sheet="요약",
            cells="B2:E4",
        ),
        Block("text", "note in two lines", sheet="요약", cells="B6:B6"),
    ]
    assert len(reading.notes) == 2
    assert "숨김" in reading.notes[1]


def test_hwpx(reader: Reader, tmp_path: Path) -> None:
    cells = hwpx_cell("구분", 2) + hwpx_cell("한도")
    rows = f"<hp:tr>{cells}</hp:tr><hp:tr>{''.join(map(hwpx_cell, 'abc'))}</hp:tr>"
    body = (
        hwpx_paragraph("<hp:t>제1장 예금</hp:t>", style=2)
        + hwpx_paragraph("<hp:t>예금자<hp:fwSpace/>보호<hp:lineBreak/>한도</hp:t>")
        + hwpx_paragraph(f"<hp:t>앞</hp:t><hp:tbl>{rows}</hp:tbl><hp:t>뒤</hp:t>")
        + hwpx_paragraph(f"<hp:ctrl><hp:footer>{hwpx_paragraph('<hp:t>- 1 -</hp:t>')}</hp:footer></hp:ctrl>")
    )
    path = write_zip(tmp_path / "a.hwpx", hwpx_parts(body, "공시 자료"))
    assert of(reader, path) == [
        Block("heading", "제1장 예금"),
        Block("text", "예금자 보호\n한도"),
        Block("text", "앞"),
        Block("table", "구분\t\t한도\na\tb\tc"),
        Block("text", "뒤"),
    ]
    assert reader.read(path).title == "공시 자료"


def test_pdf_as_reportlab_writes_it(reader: Reader, tmp_path: Path) -> None:
    pdfmetrics.registerFont(UnicodeCIDFont("HYSMyeongJo-Medium"))
    styles = getSampleStyleSheet()
    for style in ("Heading1", "BodyText"):
        styles[style].fontName = "HYSMyeongJo-Medium"
    rows = [["항목", "2023", "2024"], ["매출액", "1,234,567", "2,345,678"], ["영업이익", "(77)", "123"]]
    table = Table(rows)
    table.setStyle(TableStyle([("FONT", (0, 0), (-1, -1), "HYSMyeongJo-Medium"), ("ALIGN", (1, 0), (-1, -1), "RIGHT")]))
    path = tmp_path / "a.pdf"
    sentence = "원리금균등상환 방식의 대출은 매월 같은 금액을 상환합니다. "
    parts = [Paragraph("제1장 대출", styles["Heading1"]), Paragraph(sentence * 3, styles["BodyText"]), table]
    SimpleDocTemplate(str(path), title="분기 보고서").build(parts)
    reading = reader.read(path)
    heading, text, figures = reading.blocks
    assert (reading.title, reading.pages) == ("분기 보고서", 1)
    assert heading == Block("heading", "제1장 대출", page=1)
    assert text == Block("text", (sentence * 3).strip(), page=1)
    assert figures == Block("table", "\n".join("\t".join(row) for row in rows), page=1)


def test_pdf_figures_written_column_by_column_stand_in_their_rows(reader: Reader, tmp_path: Path) -> None:
    labels = ["Revenue", "Cost", "Profit"]
    columns = [["2023", "1,200", "(800)", "400"], ["2024", "1,500", "(900)", "600"]]
    page = [(60.0, 700.0 - 14 * row, 10.0, label) for row, label in enumerate(labels, 1)]
    for x, column in zip((300.0, 420.0), columns, strict=True):
        page += [(x, 700.0 - 14 * row, 10.0, figure) for row, figure in enumerate(column)]
    (table,) = of(reader, tmp_path / "a.pdf", pdf_bytes([page]))
    assert table.text.split("\n")[1:] == ["Revenue\t1,200\t1,500", "Cost\t(800)\t(900)", "Profit\t400\t600"]


def test_signs_that_a_statement_sets_apart_stay_with_their_figures(reader: Reader, tmp_path: Path) -> None:
    page: list[tuple[float, float, float, str]] = []
    for row, (label, *figures) in enumerate([("Sales", "1,200", "1,500"), ("Loss", "(800", "(900")]):
        page.append((60.0, 700.0 - 14 * row, 10.0, label))
        for x, figure in zip((300.0, 420.0), figures, strict=True):
            signs = [(x - 30, "$"), (x, figure)] if row == 0 else [(x, figure), (x + 35, ")")]
            page += [(at, 700.0 - 14 * row, 10.0, text) for at, text in signs]
    (table,) = of(reader, tmp_path / "a.pdf", pdf_bytes([page]))
    assert table.text == "Sales\t$ 1,200\t$ 1,500\nLoss\t(800)\t(900)"


def test_a_line_that_ended_on_purpose_stays_a_line(reader: Reader, tmp_path: Path) -> None:
    said = ["중도상환수수료", "대출일부터 3년 안에 갚으면 갚은 금액의 0.7%를", "중도상환수수료로 받습니다.", "연체이자",
            "연체이자율은 대출금리에 연 3%포인트를 더합니다."]  # fmt: skip
    page = [(50.0, 700.0 - 14 * row, 10.0, line) for row, line in enumerate(said)]
    (block,) = of(reader, tmp_path / "a.pdf", pdf_bytes([page]))
    assert block.text == f"{said[0]}\n{said[1]} {said[2]}\n{said[3]}\n{said[4]}"


def test_two_columns_of_prose_stay_columns(reader: Reader, tmp_path: Path) -> None:
    left = [(50.0, 700.0 - 14 * row, 10.0, f"left column says something {'abcdefgh'[row]}") for row in range(8)]
    right = [(310.0, 700.0 - 14 * row, 10.0, f"right column goes on with {'abcdefgh'[row]}") for row in range(8)]
    blocks = of(reader, tmp_path / "a.pdf", pdf_bytes([left + right]))
    assert {block.kind for block in blocks} == {"text"}
    text = " ".join(block.text for block in blocks)
    assert text.index("something h") < text.index("right column")


def test_bookmarks_are_headings_and_running_heads_are_read_once(reader: Reader, tmp_path: Path) -> None:
    def page(number: int) -> list[tuple[float, float, float, str]]:
        lines = [(50.0, 650.0 - 14 * row, 10.0, f"문단 {number * row} 의 내용입니다") for row in range(3)]
        return [
            (50, 800, 9, "연차보고서"),
            (50, 700, 10, f"절 {'가나다라마'[number]}"),
            *lines,
            (290, 30, 9, f"- {number + 3} -"),
        ]

    content = pdf_bytes(map(page, range(5)), title="Microsoft Word - x.docx", marks=[("절 나", 2), ("절 다", 3)])
    reading = reader.read(_written(tmp_path / "연차.pdf", content))
    blocks = list(reading.blocks)
    assert reading.title == "연차", "the title is a program's"
    given = pdf_bytes(map(page, range(5)), title="감사 보고서")
    assert reader.read(_written(tmp_path / "b.pdf", given)).title == "감사 보고서"
    assert [(block.page, block.text) for block in blocks if block.kind == "heading"] == [(2, "절 나"), (3, "절 다")]
    said = [(block.page, block.text) for block in blocks]
    assert [page for page, text in said if "연차보고서" in text] == [1]
    assert not [text for page, text in said if page != 1 and "- " in text]
    assert len([1 for _page, text in said if "내용입니다" in text]) >= 5
    assert "연차보고서" in reading.notes[0]


def test_pages_without_text_are_named(reader: Reader, tmp_path: Path) -> None:
    picture = b"q 1 0 0 1 0 0 cm BI /W 1 /H 1 /CS /G /BPC 8 ID \x00 EI Q"
    pages = [[(50.0, 700.0, 10.0, "words")], []]
    reading = reader.read(_written(tmp_path / "a.pdf", pdf_bytes(pages, extra=picture)))
    assert [block.page for block in reading.blocks] == [1]
    assert "2" in reading.notes[0]
    with pytest.raises(InputRefused, match=r"a\.pdf.*OCR"):
        of(reader, tmp_path / "a.pdf", pdf_bytes([[], []], extra=picture))


def test_progress_and_a_reading_that_is_left_early(reader: Reader, tmp_path: Path) -> None:
    line = "the quick brown fox jumps over the lazy dog"
    pages = ([(50.0, 800.0 - 12 * row, 10.0, f"{line} {number} {row}") for row in range(50)] for number in range(200))
    path = _written(tmp_path / "long.pdf", pdf_bytes(pages))
    steps: list[tuple[int, int]] = []
    blocks = list(reader.read(path, lambda done, total: steps.append((done, total))).blocks)
    assert {block.page for block in blocks} == set(range(1, 201))
    assert steps[-1] == (200, 200)
    assert len(steps) > 3
    assert steps == sorted(steps)
    begun = reader.read(path).blocks
    assert next(begun).page == 1
    begun.close()  # type: ignore[attr-defined]
    assert of(reader, tmp_path / "after.txt", b"after") == [Block("text", "after")]


def test_one_document_by_itself(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("alone")
    reading = read(tmp_path / "a.txt")
    assert reading.title == "a"
    assert list(reading.blocks) == [Block("text", "alone")]
    with pytest.raises(NotFound, match="does not exist"):
        read(tmp_path / "none.txt")


def _written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path
