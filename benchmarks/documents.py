"""Reads long PDFs made here, beside what people use instead; also what the parent and the child take in memory.

    python benchmarks/documents.py [--pages 2000] [--output benchmarks/results/documents.md]

Each page has a Korean and an English paragraph and a table of figures: about 2,000 characters. The others get the bytes
in their own process and give plain text: no blocks, no tables, no seal. localfin runs once to warm up, three times
for the median; the others run once. A processor second is one of all processes together.
"""

import argparse
import importlib
import os
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.localfin.documents.made import Placed, pdf_bytes

from localfin.documents import Documents
from localfin.documents.reading import open_reader
from localfin.store import Database

_HEADER = "| way | pages | pages/s | pages a processor second | characters a page |"
_KOREAN = "기준금리가 오르면 변동금리 대출의 이자 부담이 커지고 원리금균등상환 방식의 월 상환액이 늘어난다 "
_ENGLISH = "The effective rate follows from the nominal rate by compounding over the periods of a year. "


def page(number: int) -> list[Placed]:
    lines: list[Placed] = [(50, 800, 9, "연차보고서 2025"), (50, 760, 14, f"제{number}장 대출과 금리 {number * 7}")]
    lines += [(50, 730 - 14 * row, 10, f"{number}.{row} {_KOREAN}"[:48]) for row in range(14)]
    lines += [(50, 520 - 14 * row, 10, f"{number}.{row} {_ENGLISH}") for row in range(12)]
    for row in range(12):
        y = 340 - 14 * row
        figures = (f"{number * row * 1_237:,}", f"{number * row * 2_117:,}", f"({row}.{number % 10} %)")
        lines.append((50, y, 10, f"Item {row}"))
        lines += [(250.0 + 100 * column, y, 10, figure) for column, figure in enumerate(figures)]
    return [*lines, (290, 30, 9, f"- {number} -")]


def by_localfin(path: Path) -> int:
    with open_reader() as reader:
        return sum(len(block.text) for block in reader.read(path).blocks)


def by_localfin_with_index(path: Path) -> int:
    """Read and indexed into a new database on the disk."""
    with tempfile.TemporaryDirectory() as folder, Database(Path(folder, "localfin.db")) as database:
        Documents(database).add([path])
        return int(database.rows("SELECT sum(length(text)) FROM passages")[0][0])


def by_pypdf(path: Path) -> int:
    pypdf = importlib.import_module("pypdf")
    return sum(len(each.extract_text()) for each in pypdf.PdfReader(path).pages)


def by_pdfplumber(path: Path) -> int:
    count = 0
    with importlib.import_module("pdfplumber").open(path) as pdf:
        for each in pdf.pages:
            count += len(each.extract_text() or "")
            each.close()
    return count


def measured(name: str, read: Callable[[Path], int], path: Path, pages: int, runs: int) -> str:
    """A row of the table."""
    seconds, busy, characters = [], [], read(path) if runs > 1 else 0
    for _run in range(runs):
        begun, begun_busy = time.perf_counter(), _processor_seconds()
        characters = read(path)
        seconds.append(time.perf_counter() - begun)
        busy.append(_processor_seconds() - begun_busy)
    speeds = (pages / statistics.median(times) for times in (seconds, busy))
    return (
        f"| {name} | {pages:,} | " + " | ".join(f"{speed:,.3g}" for speed in speeds) + f" | {characters / pages:,.0f} |"
    )


def _processor_seconds() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def child_peak_mb(path: Path) -> float:
    """Most resident memory of the child, the document's bytes among it."""
    with open_reader() as reader:
        for _block in reader.read(path).blocks:
            pass
        status = Path(f"/proc/{reader._worker.pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def rows(pages: int, few: int) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        long, short = Path(folder, "long.pdf"), Path(folder, "short.pdf")
        long.write_bytes(pdf_bytes(map(page, range(1, pages + 1)), title="연차보고서"))
        short.write_bytes(pdf_bytes(map(page, range(1, few + 1))))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        yield measured("localfin, sealed child, with tables", by_localfin, long, pages, 3)
        yield measured("localfin, read and indexed", by_localfin_with_index, long, pages, 3)
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        for name, read in (("pypdf", by_pypdf), ("pdfplumber", by_pdfplumber)):
            try:
                yield measured(f"{name}, text alone", read, short, few, 1)
            except ImportError:
                continue
        yield ""
        yield f"Over the {pages:,} pages ({long.stat().st_size / 1e6:.1f} MB) the parent grew by {grown:.0f} MB; the"
        yield f"child's peak was {child_peak_mb(long):.0f} MB, the file's bytes among it."
        yield f"Load of the machine meanwhile: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=2000)
    parser.add_argument("--few", type=int, default=60, help="pages for the slower ways")
    parser.add_argument("--output", type=Path)
    chosen = parser.parse_args()
    head = ["# Reading documents", "", _HEADER, "| --- | --: | --: | --: | --: |"]
    text = "\n".join([*head, *rows(chosen.pages, chosen.few)]) + "\n"
    sys.stdout.write(text)
    if chosen.output:
        chosen.output.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
