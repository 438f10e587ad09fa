"""Good documents with some bytes changed, cut or repeated: whatever the child does, they are refused or read."""

import sys
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.hostile.documents import WORDS, W
from tests.localfin.documents.made import hwpx_cell, hwpx_paragraph, hwpx_parts, pdf_bytes, pdf_file, write_zip

from localfin.documents.reading import Reader, open_reader
from localfin.text import clean_text
from localfin_models.errors import InputRefused

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the seal that the child is started in")


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with open_reader() as reader:
        yield reader


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("good")
    book = openpyxl.Workbook()
    assert book.active is not None
    book.active.append(["항목", 1, "=A1"])
    book.save(folder / "a.xlsx")
    table = f"<hp:tbl><hp:tr>{hwpx_cell('한도')}{hwpx_cell('1억', 2)}</hp:tr></hp:tbl>"
    write_zip(folder / "a.hwpx", hwpx_parts(hwpx_paragraph("<hp:t>제목</hp:t>", 2) + hwpx_paragraph(table)))
    paragraph = "<w:p><w:r><w:t>words</w:t></w:r></w:p>"
    text = f"<w:document {W}><w:tbl><w:tr><w:tc>{paragraph}</w:tc></w:tr></w:tbl>{paragraph}</w:document>"
    write_zip(folder / "a.docx", {"word/document.xml": text})
    placed = [(50.0, 700.0, 10.0, "제1장"), (50.0, 650.0, 10.0, "1"), (90.0, 650.0, 10.0, "2")]
    plain = b"<</Length %d>>stream\n%s\nendstream" % (len(WORDS), WORDS)
    page = b"<</Type/Page/Parent 2 0 R/Resources<</Font<</F 5 0 R>>>>/Contents 4 0 R>>"
    pages, font = b"<</Type/Pages/Count 1/Kids[3 0 R]>>", b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
    return [
        *((folder / name).read_bytes() for name in ("a.xlsx", "a.hwpx", "a.docx")),
        pdf_bytes([placed] * 5, marks=[("제1장", 2)]),
        pdf_file([b"<</Type/Catalog/Pages 2 0 R>>", pages, page, plain, font]),
        "<html><h1>제목</h1><table><tr><td colspan=2>1<td>2</table><!-- c --><script>x</script>".encode(),
        "이름,금액\n김,\"1,000\"\n".encode("cp949"),
    ]  # fmt: skip


changes = st.lists(
    st.tuples(st.sampled_from(["set", "cut", "repeat"]), st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8
)


def mutant(content: bytes, changed: list[tuple[str, float, int]]) -> bytes:
    data = bytearray(content)
    for how, where, value in changed:
        at = int(where * len(data))
        if how == "set" and at < len(data):
            data[at] = value
        elif how == "cut":
            del data[at : at + 1 + value // 4]
        else:
            data[at:at] = data[at : at + 1 + value] * (1 + value % 3)
    return bytes(data)


def check(reader: Reader, path: Path, content: bytes) -> None:
    path.write_bytes(content)
    try:
        for block in reader.read(path).blocks:
            assert block.text.strip()
            assert clean_text(block.text) == block.text
    except InputRefused as error:
        assert str(error).isprintable()  # noqa: PT017 - either way is right


SETTINGS = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@SETTINGS
@given(which=st.integers(0, 6), changed=changes)
def test_mutants(reader: Reader, good: list[bytes], tmp_path: Path, which: int, changed: list) -> None:
    check(reader, tmp_path / ("a.csv" if which == 6 else "a"), mutant(good[which], changed))


@pytest.mark.long
@settings(SETTINGS, max_examples=5000)
@given(which=st.integers(0, 6), changed=changes)
def test_many_mutants(reader: Reader, good: list[bytes], tmp_path: Path, which: int, changed: list) -> None:
    check(reader, tmp_path / ("a.csv" if which == 6 else "a"), mutant(good[which], changed))
