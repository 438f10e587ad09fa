"""Our converter beside the goldens: every tensor's and key's name, type, shape, bytes and place in the file."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from gguf import GGUFReader
from tests.convert.tiny import convert
from tests.golden.cases import CASES, Case
from tests.golden.checkpoints import build
from tests.golden.record import is_compared, record

from localfin_convert.adapter import Weighted

GOLDENS = Path(__file__).parent / "goldens"
ALL = [pytest.param(case, id=case.name) for case in CASES]
CASE_BY_NAME = {case.name: case for case in CASES}


def golden(case: Case, quantization: str) -> dict[str, Any]:
    """What the usual tools made of the case."""
    made: dict[str, Any] = json.loads((GOLDENS / f"{case.name}.{quantization}.json").read_text(encoding="utf-8"))
    return made


def assert_equal(made: dict[str, Any], expected: dict[str, Any]) -> None:
    """Compares tensor by tensor and key by key, so that a failure names the first that differs."""
    for what in ("keys", "tensors"):
        for ours, theirs in zip(made[what], expected[what], strict=False):
            assert ours == theirs
        assert [row[0] for row in made[what]] == [row[0] for row in expected[what]]


@pytest.mark.parametrize("case", ALL)
def test_output_equals_the_usual_tools(case: Case, tmp_path: Path) -> None:
    base, folders = build(case, tmp_path)
    adapters = [Weighted(path, adapter.weight) for path, adapter in zip(folders, case.adapters, strict=True)]
    for quantization in case.quantizations:
        out = tmp_path / f"{quantization}.gguf"
        convert(base, adapters, out, quantization)
        assert_equal(record(out), golden(case, quantization))


@pytest.mark.parametrize("name", ["llama2-rslora-sharded", "llama2-f32"])
@pytest.mark.parametrize("core", ["Haswell", "Prescott"])
def test_bytes_do_not_depend_on_the_blas(name: str, core: str, tmp_path: Path) -> None:
    """OpenBLAS's kernels for older processors sum in other orders; the merge must not follow them."""
    case = CASE_BY_NAME[name]
    base, adapters = build(case, tmp_path)
    out = tmp_path / "out.gguf"
    program = (
        "import pathlib, sys; from localfin_convert import convert; "
        "base, out, *adapters = map(pathlib.Path, sys.argv[1:]); convert(base, adapters, out, 'q4_k_m', verify=False)"
    )
    environment = os.environ | {"OPENBLAS_CORETYPE": core, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program, str(base), str(out), *map(str, adapters)]
    subprocess.run(command, check=True, env=environment)
    assert_equal(record(out), golden(case, "q4_k_m"))


def test_record_reads_what_ggufs_own_reader_reads(tmp_path: Path) -> None:
    case = CASE_BY_NAME["mistral-added-tokens"]
    out = tmp_path / "out.gguf"
    convert(build(case, tmp_path)[0], [], out, "q4_k_m")
    reader, recorded = GGUFReader(out), record(out)
    assert recorded["tensors"] == [
        [t.name, t.tensor_type.name, [int(n) for n in t.shape], hashlib.sha256(t.data.tobytes()).hexdigest()]
        for t in reader.tensors
    ]
    names = [name for name in reader.fields if not name.startswith("GGUF.") and is_compared(name)]
    assert [key[0] for key in recorded["keys"]] == names
    assert [key[1] for key in recorded["keys"]] == [":".join(t.name for t in reader.fields[n].types) for n in names]


def test_every_golden_has_a_case() -> None:
    expected = {f"{case.name}.{quantization}.json" for case in CASES for quantization in case.quantizations}
    assert {file.name for file in GOLDENS.iterdir()} == expected
