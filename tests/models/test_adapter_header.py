"""The adapter's header held against its base's: what llama.cpp would ignore, abort on or misread is refused."""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.models.test_gguf_header import KEYS, Tensor, build, string, u32

from localfin_models.adapter_header import check_adapter
from localfin_models.errors import InputRefused
from localfin_models.gguf_header import GgufHeader, check_gguf

BASE = (
    Tensor("token_embd.weight", (32, 48)),
    Tensor("output.weight", (32, 48), offset=6144),
    Tensor("blk.0.attn_q.weight", (32, 64), offset=12288),
    Tensor("blk.0.ffn_up_exps.weight", (32, 16, 3), offset=20480),
    Tensor("blk.0.attn_norm.weight", (32,), offset=26624),
    Tensor("blk.0.ssm_in.weight", (32, 32), offset=26752),
)
ALPHA = struct.pack("<If", 6, 16.0)
ADAPTER_KEYS: Mapping[str, bytes] = {
    "general.architecture": string("llama"),
    "general.type": string("adapter"),
    "adapter.type": string("lora"),
    "general.name": string("hand-made"),
    "adapter.lora.alpha": ALPHA,
}


def pair(name: str, a: tuple[int, ...], b: tuple[int, ...], type: int = 0) -> tuple[Tensor, Tensor]:
    return Tensor(f"{name}.lora_a", a, type), Tensor(f"{name}.lora_b", b, type, offset=8192)


QUERY = pair("blk.0.attn_q.weight", (32, 4), (4, 64))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> GgufHeader:
    path = tmp_path_factory.mktemp("base") / "base.gguf"
    path.write_bytes(build(tensors=BASE, data=32768))
    return check_gguf(path)


def check(base: GgufHeader, content: bytes, folder: Path) -> GgufHeader:
    path = folder / "adapter.gguf"
    path.write_bytes(content)
    with path.open("rb") as file:
        return check_adapter(file, path, base)


@pytest.mark.parametrize(
    "tensors",
    [
        QUERY,
        pair("blk.0.attn_q.weight", (32, 32), (32, 64), type=8),
        pair("blk.0.ffn_up_exps.weight", (32, 5, 3), (5, 16, 3), type=1),
        pair("output.weight", (32, 4), (4, 48), type=30),
        pair("token_embd.weight", (4, 48), (4, 32)),
    ],
)
def test_what_llama_cpp_can_apply_passes(base: GgufHeader, tensors: Sequence[Tensor], tmp_path: Path) -> None:
    header = check(base, build(ADAPTER_KEYS, tensors, data=16384), tmp_path)
    assert (header.name, header.keys["adapter.lora.alpha"], len(header.tensors)) == ("hand-made", 16.0, 2)


def without(key: str) -> Mapping[str, bytes]:
    return {name: value for name, value in ADAPTER_KEYS.items() if name != key}


KEYS_REFUSED = {
    "model": (KEYS, "general.type is missing, adapter was expected"),
    "another kind": ({**ADAPTER_KEYS, "adapter.type": string("x" * 99)}, f"adapter.type is {'x' * 60}, lora"),
    "another architecture": ({**ADAPTER_KEYS, "general.architecture": string("qwen2")}, "for qwen2 models"),
    "type that is no text": ({**ADAPTER_KEYS, "general.type": u32(1)}, "general.type is 1, adapter"),
    "no alpha": (without("adapter.lora.alpha"), "adapter.lora.alpha is None, a float32"),
    "alpha 0": ({**ADAPTER_KEYS, "adapter.lora.alpha": struct.pack("<If", 6, 0)}, "alpha is 0.0, a float32"),
    "alpha NaN": ({**ADAPTER_KEYS, "adapter.lora.alpha": struct.pack("<If", 6, float("nan"))}, "alpha is nan"),
    "alpha infinite": ({**ADAPTER_KEYS, "adapter.lora.alpha": struct.pack("<If", 6, float("inf"))}, "alpha is inf"),
    "alpha a double": ({**ADAPTER_KEYS, "adapter.lora.alpha": struct.pack("<Id", 12, 16)}, "a float32 other than 0"),
    "alpha an integer": ({**ADAPTER_KEYS, "adapter.lora.alpha": u32(16)}, "a float32 other than 0"),
    "alora": (
        {**ADAPTER_KEYS, "adapter.alora.invocation_tokens": struct.pack("<IIQI", 9, 4, 1, 7)}, "it is an aLoRA",
    ),
}  # fmt: skip
TENSORS_REFUSED = {
    "one half": (QUERY[:1], "of blk.0.attn_q.weight only one half is there"),
    "no half": ((replace(QUERY[0], name="blk.0.attn_q.weight"),), "is no part of a LoRA"),
    "a norm, which is left out silently": ((Tensor("blk.0.attn_norm.weight", (32,)),), "is no part of a LoRA"),
    "a pair for a norm": (pair("blk.0.attn_norm.weight", (32, 4), (4, 1)), "no LoRA to blk.0.attn_norm.weight"),
    "a tensor that is not multiplied so": (pair("blk.0.ssm_in.weight", (32, 4), (4, 32)), "applies no LoRA to"),
    "another layer": (pair("blk.1.attn_q.weight", (32, 4), (4, 64)), "no tensor blk.1.attn_q.weight; is it for"),
    "other columns": (pair("blk.0.attn_q.weight", (64, 4), (4, 64)), "64x4 and 4x64, 32x4 and 4x64 would fit"),
    "other rows": (pair("blk.0.attn_q.weight", (32, 4), (4, 32)), "32x4 and 4x32, 32x4 and 4x64 would fit"),
    "two ranks": (pair("blk.0.attn_q.weight", (32, 4), (8, 64)), "32x4 and 8x64, 32x8 and 8x64 would fit"),
    "a vector": (pair("blk.0.attn_q.weight", (32,), (4, 64)), "is 32 and 4x64"),
    "stacked for one": (pair("blk.0.attn_q.weight", (32, 4, 3), (4, 64, 3)), "32x4 and 4x64 would fit"),
    "one for stacked": (pair("blk.0.ffn_up_exps.weight", (32, 4), (4, 16)), "32x4x3 and 4x16x3 would fit"),
    "too few experts": (pair("blk.0.ffn_up_exps.weight", (32, 4, 2), (4, 16, 2)), "32x4x3 and 4x16x3 would fit"),
    "an embedding not transposed": (pair("token_embd.weight", (48, 4), (4, 32)), "48x4 and 4x32, 4x48 and 4x32"),
    "a type that llama.cpp cannot multiply": (pair("blk.0.attn_q.weight", (32, 4), (4, 64), type=26), "is not F32"),
    "a huge rank": (pair("blk.0.attn_q.weight", (32, 1 << 40), (1 << 40, 64)), "is larger than the file"),
    "out of the file": ((QUERY[0], replace(QUERY[1], offset=1 << 20)), "does not lie within the file"),
    "on one another": ((QUERY[0], replace(QUERY[1], offset=0)), "overlaps another"),
    "a name for a terminal": (pair("\x1b[2J\n" + "y" * 99, (32, 4), (4, 64)), f"no tensor [2J{'y' * 55};"),
    "nothing": ((), "it holds no tensors"),
}


@pytest.mark.parametrize(
    ("keys", "tensors", "reason"),
    [pytest.param(keys, QUERY, reason, id=name) for name, (keys, reason) in KEYS_REFUSED.items()]
    + [pytest.param(ADAPTER_KEYS, tensors, reason, id=name) for name, (tensors, reason) in TENSORS_REFUSED.items()],
)
def test_what_it_cannot_is_refused_in_one_line(
    base: GgufHeader, keys: Mapping[str, bytes], tensors: Sequence[Tensor], reason: str, tmp_path: Path
) -> None:
    with pytest.raises(InputRefused) as refused:
        check(base, build(keys, tensors, data=16384), tmp_path)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_embedding_that_is_the_head_too_is_refused(base: GgufHeader, tmp_path: Path) -> None:
    tied = replace(base, tensors=tuple(tensor for tensor in base.tensors if tensor.name != "output.weight"))
    content = build(ADAPTER_KEYS, pair("token_embd.weight", (4, 48), (4, 32)), data=16384)
    with pytest.raises(InputRefused, match="the base's embedding is its head, too"):
        check(tied, content, tmp_path)


CONTENT = build(ADAPTER_KEYS, QUERY, data=16384)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.integers(0, CONTENT.index(b"\0" * 64)),
    value=st.binary(min_size=1, max_size=8),
    end=st.integers(0, len(CONTENT)),
)
def test_whatever_is_damaged_it_is_refused_or_fits(
    base: GgufHeader, at: int, value: bytes, end: int, tmp_path: Path
) -> None:
    content = (CONTENT[:at] + value + CONTENT[at + len(value) :])[: max(end, at)]
    try:
        header = check(base, content, tmp_path)
    except InputRefused:
        return
    assert {t.name.rpartition(".")[0] for t in header.tensors} <= {t.name for t in base.tensors}
    assert all(t.offset + t.size <= len(content) for t in header.tensors)
