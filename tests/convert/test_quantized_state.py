"""What bitsandbytes saves beside a weight, malformed in every way: refused before a weight is read."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.convert.tiny import write_safetensors

from localfin_convert.bitsandbytes.arithmetic import TABLES, dynamic_table
from localfin_convert.bitsandbytes.state import quantized_sources
from localfin_convert.read.positional import OpenFiles
from localfin_convert.read.safetensors_file import read_header
from localfin_models.errors import InputRefused

Stored = dict[str, tuple[str, np.ndarray[Any, Any]]]
STATE = "quant_state.bitsandbytes__nf4"
NESTED = {
    "quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [33, 77], "nested_blocksize": 256,
    "nested_dtype": "float32", "nested_offset": 0.05,
}  # fmt: skip


def text(state: object) -> tuple[str, np.ndarray[Any, Any]]:
    return "U8", np.frombuffer(state if isinstance(state, bytes) else json.dumps(state).encode(), np.uint8)


def four_bit(**changes: tuple[str, np.ndarray[Any, Any]] | None) -> Stored:
    """`x.weight` in NF4 with double quantization; `changes` by the end of the name, None takes a part away."""
    parts: dict[str, tuple[str, np.ndarray[Any, Any]] | None] = {
        "": ("U8", np.zeros((1271, 1), np.uint8)),
        "absmax": ("U8", np.zeros(40, np.uint8)),
        "quant_map": ("F32", TABLES["nf4"]),
        "nested_absmax": ("F32", np.ones(1, np.float32)),
        "nested_quant_map": ("F32", dynamic_table()),
        STATE: text(NESTED),
    }
    return {f"x.weight.{name}".rstrip("."): part for name, part in (parts | changes).items() if part is not None}


def eight_bit(**changes: tuple[str, np.ndarray[Any, Any]] | None) -> Stored:
    parts: dict[str, tuple[str, np.ndarray[Any, Any]] | None] = {
        "weight": ("I8", np.zeros((3, 5), np.int8)),
        "SCB": ("F32", np.ones(3, np.float32)),
        "weight_format": ("U8", np.array(0, np.uint8)),
    }
    return {f"x.{name}": part for name, part in (parts | changes).items() if part is not None}


def state(**changes: object) -> Stored:
    return four_bit(**{STATE: text({**NESTED, **changes})})


PLAIN = {key: value for key, value in NESTED.items() if not key.startswith("nested")}
MALFORMED: dict[str, tuple[Stored, str]] = {
    "no weight": (four_bit(**{"": None}), "the weight itself is missing"),
    "no state": (four_bit(**{STATE: None}), "missing or too many"),
    "two states": (four_bit(**{"quant_state.bitsandbytes__fp4": text(NESTED)}), "missing or too many"),
    "no absmax": (four_bit(absmax=None), "missing or too many"),
    "half nested": (four_bit(nested_quant_map=None), "missing or too many"),
    "4 and 8 bits": (four_bit() | eight_bit(weight=None), "does not fit its SCB"),
    "8 and 4 bits": (eight_bit(**{"weight.absmax": text(b"1")}), "of 4 and of 8 bits"),
    "unknown type": (
        four_bit(**{STATE: None, "quant_state.bitsandbytes__af4": text({**NESTED, "quant_type": "af4"})}),
        "neither nf4 nor fp4",
    ),
    "no JSON": (four_bit(**{STATE: text(b"\xff{")}), "not the JSON expected"),
    "deep JSON": (four_bit(**{STATE: text(b"[" * 4000)}), "not the JSON expected"),
    "long JSON": (four_bit(**{STATE: text({**NESTED, "dtype": "b" * 5000})}), "not the JSON expected"),
    "a list": (four_bit(**{STATE: text([1])}), "not the JSON expected"),
    "another key": (state(evil=1), "not the JSON expected"),
    "another type": (state(quant_type="fp4"), "not the JSON expected"),
    "nested without": (four_bit(**{STATE: text(PLAIN)}), "not the JSON expected"),
    "a list for a type": (state(quant_type=["nf4"]), "not the JSON expected"),
    "a list for a dtype": (state(dtype=["bfloat16"]), "dtype is"),
    "unknown dtype": (state(dtype="float8"), "dtype is float8"),
    "odd blocksize": (state(blocksize=63), "blocksize is 63"),
    "no blocksize": (state(blocksize=True), "blocksize is True"),
    "negative shape": (state(shape=[-33, -77]), "shape is"),
    "three dimensions": (state(shape=[33, 77, 1]), "shape is"),
    "huge shape": (state(shape=[2**31 - 1, 2**31 - 1]), "1271 bytes"),
    "another shape": (state(shape=[33, 78]), "1271 bytes, 1287 for"),
    "NaN offset": (state(nested_offset=float("nan")), "nested_offset is nan"),
    "huge offset": (state(nested_offset=10**400), "nested_offset is 1000"),
    "a list for a nested dtype": (state(nested_dtype=["float32"]), "nested_dtype is"),
    "nested in bfloat16": (state(nested_dtype="bfloat16"), "nested_dtype is"),
    "few absmax": (four_bit(absmax=("U8", np.zeros(39, np.uint8))), "absmax is not one a block"),
    "plain absmax": (four_bit(absmax=("F32", np.zeros(40, np.float32))), "absmax is not one a block"),
    "many nested": (four_bit(nested_absmax=("F32", np.zeros(2, np.float32))), "nested_absmax is not one a block"),
    "short table": (four_bit(quant_map=("F32", np.zeros(15, np.float32))), "not 16 numbers"),
    "another table": (four_bit(quant_map=("F32", TABLES["fp4"])), "not that of nf4"),
    "NaN table": (four_bit(nested_quant_map=("F32", np.full(256, np.nan, np.float32))), "more than -1 to 1"),
    "packed in 32 bits": (four_bit(**{"": ("I32", np.zeros(318, np.int32))}), "1272 bytes"),
    "few SCB": (eight_bit(SCB=("F32", np.ones(2, np.float32))), "does not fit its SCB"),
    "SCB in 16 bits": (eight_bit(SCB=("F16", np.ones(3, np.float16))), "does not fit its SCB"),
    "8 bits, one dimension": (eight_bit(weight=("I8", np.zeros(3, np.int8))), "does not fit its SCB"),
    "turing": (eight_bit(weight_format=("U8", np.array(2, np.uint8))), "another order"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_state_is_refused(name: str, tmp_path: Path) -> None:
    tensors, words = MALFORMED[name]
    write_safetensors(tmp_path / "model.safetensors", tensors)
    with pytest.raises(InputRefused, match=words) as refused:
        quantized_sources(read_header(tmp_path / "model.safetensors"), {})
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("tensors", [four_bit(), state(nested_offset=0), eight_bit(), eight_bit(weight_format=None)])
def test_a_whole_state_is_not(tensors: Stored, tmp_path: Path) -> None:
    write_safetensors(tmp_path / "model.safetensors", tensors)
    sources = quantized_sources(read_header(tmp_path / "model.safetensors"), {"dtype": "bfloat16"})
    assert [source.dtype for source in sources.values()] == ["BF16"]


@pytest.mark.parametrize(
    "tensors",
    [
        four_bit(nested_absmax=("F32", np.full(1, np.inf, np.float32))),
        four_bit(nested_absmax=("F32", np.full(1, np.nan, np.float32))),
        eight_bit(SCB=("F32", np.array([1, np.nan, 1], np.float32))),
    ],
)
def test_scales_that_are_no_numbers_are_refused(tensors: Stored, tmp_path: Path) -> None:
    write_safetensors(tmp_path / "model.safetensors", tensors)
    source = quantized_sources(read_header(tmp_path / "model.safetensors"), {})["x.weight"]
    with OpenFiles() as files, pytest.raises(InputRefused, match=r"x\.weight holds NaN or Inf"):
        source.rows(files, 1, 2)


def test_a_dtype_that_int8_cannot_have_is_refused(tmp_path: Path) -> None:
    write_safetensors(tmp_path / "model.safetensors", eight_bit())
    with pytest.raises(InputRefused, match="dtype is 'float64'"):
        quantized_sources(read_header(tmp_path / "model.safetensors"), {"torch_dtype": "float64"})
