"""Every hostile document is refused with one line, or read harmlessly: in bounded time and memory. The next is read."""

import os
import re
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.hostile.documents import HARMLESS, REFUSED, SECRET, Make

from localfin.documents.passage import Block
from localfin.documents.reading import Reader, open_reader
from localfin.documents.reading.limits import MEMORY
from localfin_models.errors import InputRefused

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pipes, devices and limits as Linux has them")

WALL_S = 60.0
"""On a busy machine; processor time is bounded to less than half of it."""
SLOW = {"html_of_comments_that_never_end", "xlsx_of_wide_rows", "pdf_with_a_form_that_draws_itself"}


def cases(names: Iterable[str]) -> list[object]:
    return [pytest.param(name, marks=[pytest.mark.long] if name in SLOW else []) for name in names]


@dataclass(frozen=True, slots=True)
class Outcome:
    blocks: list[Block]
    refusal: str
    seconds: float
    child_kb: int
    """Most resident memory of the child so far; 0 where it is gone."""


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    os.environ["LOCALFIN_LANG"] = "en"
    with open_reader() as reader:
        yield reader


def attempt(reader: Reader, make: Make, folder: Path) -> Outcome:
    path = folder / "case"
    make(path)
    path = next(folder.iterdir())
    begun = time.monotonic()
    blocks: list[Block] = []
    refusal = ""
    try:
        blocks += reader.read(path).blocks
        refusal = "" if blocks else "there are no words in it"
    except InputRefused as error:
        refusal = str(error)
    return Outcome(blocks, refusal, time.monotonic() - begun, peak_kb(reader))


def peak_kb(reader: Reader) -> int:
    try:
        status = Path(f"/proc/{reader._worker.pid}/status").read_text()
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) if found else 0


def check_bounds(outcome: Outcome, reader: Reader, folder: Path) -> None:
    assert outcome.seconds < WALL_S
    assert outcome.child_kb * 1024 < MEMORY + (200 << 20)
    assert not [block for block in outcome.blocks if SECRET in block.text]
    assert all("\x1b" not in block.text and "\u202e" not in block.text for block in outcome.blocks)
    after = folder / "after.txt"
    after.write_text("the next one")
    assert [block.text for block in reader.read(after).blocks] == ["the next one"]


def test_the_corpus_is_as_large_as_promised() -> None:
    assert len(REFUSED) + len(HARMLESS) >= 60


@pytest.mark.parametrize("name", cases(REFUSED))
def test_refused(name: str, reader: Reader, tmp_path: Path) -> None:
    make, words = REFUSED[name]
    outcome = attempt(reader, make, tmp_path)
    assert re.search(words, outcome.refusal), outcome.refusal or outcome.blocks[:3]
    assert outcome.refusal.isprintable()
    assert len(outcome.refusal) < 600
    check_bounds(outcome, reader, tmp_path)


@pytest.mark.parametrize("name", cases(HARMLESS))
def test_read_harmlessly(name: str, reader: Reader, tmp_path: Path) -> None:
    make, words = HARMLESS[name]
    outcome = attempt(reader, make, tmp_path)
    assert not outcome.refusal
    assert re.search(words, "\n".join(block.text for block in outcome.blocks)), outcome.blocks[:3]
    check_bounds(outcome, reader, tmp_path)
