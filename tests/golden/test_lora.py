"""`--as-lora` of a plain LoRA has the bytes of llama.cpp's convert_lora_to_gguf.py."""

import json
from pathlib import Path

import pytest
from tests.golden.cases import Case
from tests.golden.lora import CASES, GOLDENS, build_lora
from tests.golden.record import record
from tests.golden.test_golden import assert_equal

from localfin_convert import write_lora


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
def test_a_plain_lora_equals_llama_cpps(case: Case, tmp_path: Path) -> None:
    base, adapter = build_lora(case, tmp_path)
    for kind in case.quantizations:
        write_lora(base, [adapter], tmp_path / f"{kind}.gguf", kind)
        expected = json.loads((GOLDENS / f"{case.name}.{kind}.json").read_text(encoding="utf-8"))
        assert expected["tensors"]
        assert_equal(record(tmp_path / f"{kind}.gguf"), expected)


def test_every_golden_has_a_case() -> None:
    expected = {f"{case.name}.{kind}.json" for case in CASES for kind in case.quantizations}
    assert {file.name for file in GOLDENS.iterdir()} == expected
