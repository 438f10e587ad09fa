"""The choice of types: rules of llama.cpp that small goldens cannot reach, and ggml's own row sizes."""

import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type
from gguf.quants import dequantize

from localfin_convert.quantize import ggml
from localfin_convert.quantize.mixtures import more_bits
from localfin_convert.quantize.types import Context, Shape, choose, sort_key


def model(layers: int, *, tied: bool = False, columns: int = 512) -> list[Shape]:
    shapes = [Shape("token_embd.weight", (1000, columns)), Shape("output_norm.weight", (columns,))]
    if not tied:
        shapes.append(Shape("output.weight", (1000, columns)))
    for i in range(layers):
        for name in ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"):
            shapes.append(Shape(f"blk.{i}.{name}.weight", (columns, columns)))
        shapes.append(Shape(f"blk.{i}.attn_norm.weight", (columns,)))
    return sorted(shapes, key=lambda shape: sort_key(shape.name))


def finals(shapes: list[Shape], quantization: str, context: Context, auto: Type = Type.BF16) -> dict[str, Type]:
    return {name: choice.final for name, choice in choose(shapes, quantization, auto, context).items()}


def test_order_is_outside_blocks_then_by_layer() -> None:
    names = ["blk.10.a", "blk.2.b", "output.weight", "blk.2.a", "token_embd.weight"]
    assert sorted(names, key=sort_key) == ["output.weight", "token_embd.weight", "blk.2.a", "blk.2.b", "blk.10.a"]


def test_more_bits_for_the_ends_and_every_third() -> None:
    assert [i for i in range(32) if more_bits(i, 32)] == [0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31]


def test_q4_k_m_of_a_70b_gives_attn_v_five_bits() -> None:
    types = finals(model(80), "q4_k_m", Context(80, is_70b=True))
    assert {types[f"blk.{i}.attn_v.weight"] for i in range(80)} == {Type.Q5_K, Type.Q6_K}
    assert {types[f"blk.{i}.ffn_down.weight"] for i in range(80)} == {Type.Q4_K, Type.Q6_K}


def test_tied_embeddings_take_the_type_of_the_head() -> None:
    assert finals(model(4, tied=True), "q4_k_m", Context(4, False))["token_embd.weight"] is Type.Q6_K
    untied = finals(model(4), "q4_k_m", Context(4, False))
    assert (untied["token_embd.weight"], untied["output.weight"]) == (Type.Q4_K, Type.Q6_K)


@pytest.mark.parametrize(
    ("columns", "plain", "head"), [(512, Type.Q4_K, Type.Q6_K), (96, Type.Q5_0, Type.Q8_0), (80, Type.F16, Type.F16)]
)
def test_columns_that_fill_no_block_fall_back(columns: int, plain: Type, head: Type) -> None:
    types = finals(model(4, columns=columns), "q4_k_m", Context(4, False))
    assert types["blk.0.attn_q.weight"] is plain
    assert types["output.weight"] is head
    assert types["blk.0.attn_norm.weight"] is Type.F32


@pytest.mark.parametrize("kind", [Type.Q4_K, Type.Q6_K, Type.Q8_0, Type.Q5_0, Type.F16])
def test_ggml_rows_have_the_stated_size_and_come_back(kind: Type) -> None:
    rows = np.random.default_rng(3).standard_normal((5, 512)).astype(np.float32)
    quantized = ggml.quantize(kind, rows)
    assert quantized.shape == (5, ggml.row_bytes(kind, 512))
    assert np.abs(dequantize(quantized, kind) - rows).max() < (0.35 if kind is Type.Q4_K else 0.2)
