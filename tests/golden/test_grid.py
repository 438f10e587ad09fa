"""Every cell of the grid of architectures and adapters: our converter beside what the usual tools made of it."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.convert.tiny import convert
from tests.golden.cases import CASES
from tests.golden.checkpoints import write_adapters, write_base
from tests.golden.grid import ROWS, Cell, Row, cells
from tests.golden.record import lines, load_cells, record
from tests.golden.table import BEGIN, DOCS, END, LANGUAGES, table
from tests.golden.tokenizer_files import vocabulary_size
from tests.golden.variants import VARIANTS, Variant
from tests.golden.vocabularies import SIZES
from tokenizers import Tokenizer

from localfin_convert.adapter import Weighted
from localfin_convert.vocabulary.pretokenizers import PRETOKENIZERS, PROBE, fingerprint
from localfin_models.errors import InputRefused

CELLS = Path(__file__).parent / "cells"
VARIANT_FILE = Path(__file__).parent / "variants.json"
ALL = [pytest.param(cell, id=cell.name) for cell in cells()]
BaseOf = Callable[[Row], Path]
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:peft")


@pytest.fixture(scope="module")
def base_of(tmp_path_factory: pytest.TempPathFactory) -> BaseOf:
    """The checkpoint of a row, written once for all of its cells."""
    made: dict[str, Path] = {}

    def base(row: Row) -> Path:
        if row.key not in made:
            made[row.key] = write_base(row.case, tmp_path_factory.mktemp("row") / "base")
        return made[row.key]

    return base


@contextlib.contextmanager
def told(row: Row, base: Path) -> Iterator[None]:
    """The converter knows the row's pre-tokenizer by the fingerprint of the vocabulary's first tokens.

    The chat templates, the same few everywhere, are not rendered: that costs a process a cell.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("localfin_convert.plan.check_templates", lambda _keys: None)
        if row.pretokenizer is not None:
            ids = Tokenizer.from_file(str(base / "tokenizer.json")).encode(PROBE).ids
            patch.setitem(PRETOKENIZERS, fingerprint(ids), row.pretokenizer)
        yield


@pytest.mark.parametrize("cell", ALL)
def test_cell_equals_the_usual_tools(cell: Cell, base_of: BaseOf, tmp_path: Path) -> None:
    base, out = base_of(cell.row), tmp_path / "out.gguf"
    folders = write_adapters(cell.case, tmp_path, cell.name)
    adapters = [Weighted(path, adapter.weight) for path, adapter in zip(folders, cell.case.adapters, strict=True)]
    with told(cell.row, base):
        if cell.refusal is not None:
            with pytest.raises(InputRefused, match=cell.refusal):
                convert(base, adapters, out, cell.quantization)
            return
        convert(base, adapters, out, cell.quantization)
    assert_equal(out, load_cells(CELLS / f"{cell.row.key}.json")[cell.column.key])


@pytest.mark.parametrize("variant", [pytest.param(variant, id=variant.key) for variant in VARIANTS])
def test_variant_equals_the_usual_tools(variant: Variant, tmp_path: Path) -> None:
    row, out = variant.row, tmp_path / "out.gguf"
    base = write_base(row.case, tmp_path / "base")
    with told(row, base):
        convert(base, [], out, "q4_k_m")
    assert_equal(out, load_cells(VARIANT_FILE)[variant.key])


def assert_equal(out: Path, expected: list[str]) -> None:
    """Line by line, so that a failure names the first key or tensor that differs."""
    made = lines(record(out))
    for ours, theirs in zip(made, expected, strict=False):
        assert ours == theirs
    assert len(made) == len(expected)


def test_every_variant_has_a_golden() -> None:
    assert list(load_cells(VARIANT_FILE)) == [variant.key for variant in VARIANTS]


def test_every_cell_that_is_not_refused_has_a_golden() -> None:
    expected = {row.key: [c.column.key for c in cells() if c.row is row and c.refusal is None] for row in ROWS}
    assert {path.stem: list(load_cells(path)) for path in CELLS.iterdir()} == expected


def test_a_whole_vocabulary_is_whole() -> None:
    cases = {case.name: case for case in CASES}
    for row in ROWS:
        if row.whole:
            assert cases[row.whole].vocabulary == row.case.vocabulary
            assert vocabulary_size(cases[row.whole]) == SIZES[row.case.vocabulary]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_documents_have_the_table(language: str) -> None:
    text = (DOCS / language / "adapters.md").read_text(encoding="utf-8")
    assert f"{BEGIN}\n{table(language)}\n{END}" in text, "run `make table`"
