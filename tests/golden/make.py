"""Makes the goldens with the usual three tools: peft's merge, llama.cpp's converter, llama.cpp's quantizer.

    python -m tests.golden.make LLAMA_CPP_DIR [CASE | grid/ROW | variants ...] [--work DIR]

`LLAMA_CPP_DIR` is `vendor/llama.cpp` of the unpacked source distribution of the pinned llama-cpp-python. Not run by
the tests: they only compare with what this wrote into `goldens/` and `cells/`. Needs `.[dev]`.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from tests.golden.cases import CASES, Case
from tests.golden.checkpoints import build, write_adapters, write_base
from tests.golden.grid import ROWS, Row, cells
from tests.golden.variants import VARIANTS

GOLDENS = Path(__file__).parent / "goldens"
CELLS = Path(__file__).parent / "cells"
VARIANT_FILE = Path(__file__).parent / "variants.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("llama_cpp", type=Path)
    parser.add_argument("names", nargs="*", help="cases, grid/ROW for rows of the grid, `variants`; all without")
    parser.add_argument("--work", type=Path, help="keep the checkpoints and GGUF files there")
    arguments = parser.parse_intermixed_args()
    sys.path[:0] = [str(arguments.llama_cpp / "gguf-py"), str(arguments.llama_cpp)]
    from tests.golden import oracle

    oracle.be_quiet()
    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.work or Path(temporary)
        for case in CASES:
            if not arguments.names or case.name in arguments.names:
                make(case, work / case.name)
        for row in ROWS:
            if not arguments.names or f"grid/{row.key}" in arguments.names:
                make_row(row, work / "grid" / row.key)
        if not arguments.names or "variants" in arguments.names:
            make_variants(work / "variants")


def make(case: Case, folder: Path) -> None:
    """Writes the goldens of one case; its checkpoint and outputs stay in `folder`."""
    from tests.golden import oracle
    from tests.golden.record import dump

    shutil.rmtree(folder, ignore_errors=True)
    base, adapters = build(case, folder)
    for quantization in case.quantizations:
        golden = {"made": oracle.made_on()} | oracle.outcome(case, base, adapters, folder / "tools", quantization)
        target = GOLDENS / f"{case.name}.{quantization}.json"
        target.write_text(dump(golden), encoding="utf-8")
        print(f"{target.name}: {len(golden['tensors'])} tensors", flush=True)


def make_row(row: Row, folder: Path) -> None:
    """Writes the golden of one row of the grid; checkpoint and outputs stay in `folder`."""
    from tests.golden import oracle
    from tests.golden.record import dump_cells, lines

    shutil.rmtree(folder, ignore_errors=True)
    base = write_base(row.case, folder / "base")
    made: dict[str, list[str]] = {}
    for cell in cells():
        if cell.row is row and cell.refusal is None:
            place = folder / cell.column.key
            adapters = write_adapters(cell.case, place, cell.name)
            recorded = oracle.outcome(
                cell.case, base, adapters, place / "tools", cell.quantization, pretokenizer=row.pretokenizer
            )
            made[cell.column.key] = lines(recorded)
    (CELLS / f"{row.key}.json").write_text(dump_cells(oracle.made_on(), made), encoding="utf-8")
    print(f"{row.key}: {len(made)} cells", flush=True)


def make_variants(folder: Path) -> None:
    """Writes the golden of the variants; checkpoints and outputs stay in `folder`."""
    from tests.golden import oracle
    from tests.golden.record import dump_cells, lines

    shutil.rmtree(folder, ignore_errors=True)
    made: dict[str, list[str]] = {}
    for variant in VARIANTS:
        row, place = variant.row, folder / variant.key
        base = write_base(row.case, place / "base")
        recorded = oracle.outcome(row.case, base, [], place / "tools", "q4_k_m", pretokenizer=row.pretokenizer)
        made[variant.key] = lines(recorded)
    VARIANT_FILE.write_text(dump_cells(oracle.made_on(), made), encoding="utf-8")
    print(f"{len(made)} variants", flush=True)


if __name__ == "__main__":
    main()
