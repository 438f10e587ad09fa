"""The header check: reads what gguf-py writes, refuses what is broken, and never fails in another way."""

import contextlib
import os
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localfin_models.errors import InputRefused, LocalfinError, NotFound
from localfin_models.gguf_header import MAX_LAYERS, check_gguf
from localfin_models.gguf_tables import BLOCKS, FILE_TYPES

U16, U32, I32, BOOL, STRING, ARRAY, U64 = 2, 4, 5, 7, 8, 9, 10


def text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def u32(value: int) -> bytes:
    return struct.pack("<II", U32, value)


def string(value: str) -> bytes:
    return struct.pack("<I", STRING) + text(value)


KEYS: Mapping[str, bytes] = {
    "general.architecture": string("llama"),
    "general.name": string("hand-made"),
    "general.file_type": u32(15),
    "llama.block_count": u32(2),
    "llama.embedding_length": u32(64),
    "llama.attention.head_count": u32(4),
    "llama.context_length": u32(128),
}


@dataclass(frozen=True)
class Tensor:
    name: str = "blk.1.x.weight"
    shape: tuple[int, ...] = (32, 2)
    type: int = 0
    offset: int = 0


def build(
    keys: Mapping[str, bytes] = KEYS,
    tensors: Sequence[Tensor] = (Tensor(),),
    *,
    magic: bytes = b"GGUF",
    version: int = 3,
    data: int = 4096,
    counts: tuple[int, int] | None = None,
) -> bytes:
    """The bytes of a GGUF, put together by hand after docs/gguf.md."""
    n_tensors, n_keys = counts or (len(tensors), len(keys))
    out = magic + struct.pack("<IQQ", version, n_tensors, n_keys)
    for name, value in keys.items():
        out += text(name) + value
    for tensor in tensors:
        out += text(tensor.name) + struct.pack("<I", len(tensor.shape))
        out += struct.pack(f"<{len(tensor.shape)}QIQ", *tensor.shape, tensor.type, tensor.offset)
    return out + b"\0" * (-len(out) % 32) + b"\0" * data


@pytest.fixture
def write(tmp_path: Path) -> Callable[[bytes], Path]:
    def to_file(content: bytes) -> Path:
        path = tmp_path / "model.gguf"
        path.write_bytes(content)
        return path

    return to_file


def test_what_gguf_py_writes_is_read_the_same(tmp_path):
    path = tmp_path / "written.gguf"
    writer = gguf.GGUFWriter(path, "qwen2")
    writer.add_name("한글 이름")
    writer.add_block_count(3)
    writer.add_embedding_length(96)
    writer.add_context_length(777)
    writer.add_feed_forward_length(200)
    writer.add_head_count(6)
    writer.add_head_count_kv(2)
    writer.add_file_type(7)
    writer.add_token_list([f"t{i}" for i in range(1000)])
    writer.add_token_scores([0.5] * 1000)
    writer.add_bool("some.flag", True)
    writer.add_float64("some.number", 0.25)
    rng = np.random.default_rng(0)
    writer.add_tensor("token_embd.weight", rng.random((1000, 96), np.float32))
    writer.add_tensor("blk.2.ffn_up.weight", rng.random((5, 96), np.float32).astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    header, reader = check_gguf(path), gguf.GGUFReader(path)
    assert (header.name, header.architecture, header.quantization) == ("한글 이름", "qwen2", "q8_0")
    assert (header.layers, header.width, header.n_ctx_train, header.heads) == (3, 96, 777, 6)
    assert header.kv_width == 2 * (16 + 16)
    assert header.vocabulary == 1000
    assert header.parameters == 1000 * 96 + 5 * 96
    assert (header.keys["some.flag"], header.keys["some.number"]) == (True, 0.25)
    for ours, theirs in zip(header.tensors, reader.tensors, strict=True):
        assert ours.name == theirs.name
        assert list(ours.shape) == list(theirs.shape)
        assert (ours.offset, ours.size) == (theirs.data_offset, theirs.n_bytes)


def test_the_tables_are_gguf_pys():
    theirs = {int(kind): sizes for kind, sizes in gguf.GGML_QUANT_SIZES.items()}
    assert {kind: BLOCKS[kind] for kind in BLOCKS if kind in theirs} == {k: theirs[k] for k in BLOCKS if k in theirs}
    assert len(set(BLOCKS) & set(theirs)) > 25
    names = {int(kind): kind.name.lower().removeprefix("mostly_").removeprefix("all_") for kind in gguf.LlamaFileType}
    assert {kind: name for kind, name in FILE_TYPES.items() if kind in names} == {
        k: names[k] for k in FILE_TYPES if k in names
    }


def test_the_hand_made_one_is_sound(write):
    header = check_gguf(write(build()))
    assert (header.name, header.quantization, header.tensor_bytes) == ("hand-made", "q4_k_m", 256)


def keys(**changed: bytes | None) -> dict[str, bytes]:
    """KEYS with some replaced, or taken out where None; `__` stands for a dot."""
    merged: dict[str, bytes | None] = {**KEYS, **{name.replace("__", "."): value for name, value in changed.items()}}
    return {name: value for name, value in merged.items() if value is not None}


BROKEN: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "too short"),
    "no magic": (build(magic=b"ggml"), "does not begin with GGUF"),
    "version 1": (build(version=1), "version 1"),
    "other byte order": (build(version=3 << 24), "version"),
    "billions of tensors": (build(counts=(1 << 40, 7)), "it claims"),
    "billions of keys": (build(counts=(1, 1 << 60)), "it claims"),
    "more keys than there are": (build(counts=(1, 9)), "."),
    "cut in the keys": (build()[:100], "ends early"),
    "cut in the data": (build(data=100), "within the file"),
    "endless key name": (build()[:24] + struct.pack("<Q", 1 << 63) + build()[32:], "bytes long"),
    "unknown key type": (build(keys(x=struct.pack("<I", 13))), "unknown type 13"),
    "array of arrays": (build(keys(x=struct.pack("<IIQ", ARRAY, ARRAY, 1))), "unknown type 9"),
    "endless array": (build(keys(x=struct.pack("<IIQ", ARRAY, U64, 1 << 61))), "ends early"),
    "endless strings": (build(keys(x=struct.pack("<IIQ", ARRAY, STRING, 1 << 61))), "ends early"),
    "a string in an array past the end": (
        build(keys(x=struct.pack("<IIQQ", ARRAY, STRING, 2, 1 << 62))),
        "ends early",
    ),
    "no architecture": (build(keys(general__architecture=None)), "architecture"),
    "architecture a number": (build(keys(general__architecture=u32(3))), "architecture"),
    "no tensors": (build(tensors=()), "no tensors"),
    "no layers": (build(keys(llama__block_count=u32(0))), "block_count is 0"),
    "too many layers": (build(keys(llama__block_count=u32(100_000))), "block_count is 100000"),
    "layers as text": (build(keys(llama__block_count=string("2"))), "block_count"),
    "layers as truth": (build(keys(llama__block_count=struct.pack("<I?", BOOL, True))), "block_count"),
    "negative layers": (build(keys(llama__block_count=struct.pack("<Ii", I32, -1))), "block_count"),
    "layers missing": (build(keys(llama__block_count=None)), "missing"),
    "no heads": (build(keys(llama__attention__head_count=u32(0))), "head_count is 0"),
    "experts": (build(keys(llama__expert_count=u32(100_000))), "expert_count"),
    "more used than there are": (
        build(keys(llama__expert_count=u32(2), llama__expert_used_count=u32(3))),
        "experts are used",
    ),
    "nextn": (build(keys(llama__nextn_predict_layers=u32(2))), "nextn"),
    "split": (build(keys(split__count=u32(3))), "one of 3 files: open the first"),
    "layer past the last": (build(tensors=[Tensor("blk.2.x.weight")]), "layer 2"),
    "alignment 0": (build(keys(general__alignment=u32(0))), "alignment"),
    "alignment 33": (build(keys(general__alignment=u32(33))), "alignment"),
    "misaligned": (build(tensors=[Tensor(offset=4)]), "within the file"),
    "offset past the end": (build(tensors=[Tensor(offset=1 << 20)]), "within the file"),
    "offset that wraps": (build(tensors=[Tensor(offset=(1 << 64) - 32)]), "within the file"),
    "overlap": (build(tensors=[Tensor("a"), Tensor("b", offset=128)]), "overlaps"),
    "twice": (build(tensors=[Tensor("a"), Tensor("a", offset=256)]), "stands twice"),
    "unknown tensor type": (build(tensors=[Tensor(type=99)]), "unknown type 99"),
    "removed tensor type": (build(tensors=[Tensor(type=4)]), "unknown type 4"),
    "no whole blocks": (build(tensors=[Tensor(shape=(100, 2), type=12)]), "whole blocks"),
    "shape that wraps": (build(tensors=[Tensor(shape=(1 << 32, 1 << 32))]), "larger than the file"),
    "empty tensor": (build(tensors=[Tensor(shape=(32, 0))]), "empty"),
    "five dimensions": (build(tensors=[Tensor(shape=(1, 1, 1, 1, 1))]), "5 dimensions"),
    "no dimensions": (build(tensors=[Tensor(shape=())]), "0 dimensions"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_files_are_refused_with_their_reason(write, case):
    content, words = BROKEN[case]
    with pytest.raises(InputRefused, match=words) as refusal:
        check_gguf(write(content))
    assert "\n" not in str(refusal.value)


def test_a_key_that_stands_twice_is_refused(write):
    name, value = next(iter(KEYS.items()))
    doubled = build(counts=(1, len(KEYS) + 1))
    doubled = doubled[:24] + text(name) + value + doubled[24:]
    with pytest.raises(InputRefused, match="stands twice"):
        check_gguf(write(doubled))


def test_the_limits_themselves_are_allowed(write):
    content = build(
        keys(llama__block_count=u32(MAX_LAYERS), llama__expert_count=u32(8), llama__expert_used_count=u32(2))
    )
    assert check_gguf(write(content)).layers == MAX_LAYERS


def test_no_file_and_no_file_but_a_folder(tmp_path):
    with pytest.raises(NotFound):
        check_gguf(tmp_path / "missing")
    with pytest.raises(InputRefused, match="folder"):
        check_gguf(tmp_path)


SOUND = build(keys(tokens=struct.pack("<IIQ", ARRAY, STRING, 3) + text("a") + text("bc") + text("")))
HEADER_BYTES = len(SOUND) - 4096


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.tuples(st.integers(0, HEADER_BYTES - 1), st.integers(0, 255)), min_size=1, max_size=8),
    cut=st.none() | st.integers(0, len(SOUND)),
)
def test_any_mutation_is_read_or_refused(tmp_path, changes, cut):
    content = bytearray(SOUND)
    for at, value in changes:
        content[at] = value
    path = tmp_path / "mutant.gguf"
    path.write_bytes(content[:cut])
    try:
        header = check_gguf(path)
    except InputRefused:
        return
    for tensor in header.tensors:
        assert 0 <= tensor.offset <= tensor.offset + tensor.size <= path.stat().st_size
    assert min(header.layers, header.width, header.parameters, header.kv_width + 1) > 0


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.integers(4, HEADER_BYTES - 8),
    value=st.sampled_from([0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 1 << 31, 1 << 63, (1 << 64) - 1, (1 << 62) + 1]),
)
def test_extreme_numbers_are_read_or_refused_at_once(tmp_path, at, value):
    content = bytearray(SOUND)
    content[at : at + 8] = struct.pack("<Q", value)
    path = tmp_path / "mutant.gguf"
    path.write_bytes(content)
    begun = time.monotonic()
    with contextlib.suppress(InputRefused):
        check_gguf(path)
    assert time.monotonic() - begun < 2


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(noise=st.binary(max_size=400))
def test_noise_after_the_magic_is_refused(tmp_path, noise):
    path = tmp_path / "noise.gguf"
    path.write_bytes(b"GGUF\x03\0\0\0" + noise)
    with pytest.raises(InputRefused):
        check_gguf(path)


def test_a_large_vocabulary_is_passed_over_quickly(write):
    count = 130_000
    tokens = struct.pack("<IIQ", ARRAY, STRING, count) + b"".join(text(f"token{i}") for i in range(count))
    path = write(build({**KEYS, "tokenizer.ggml.tokens": tokens}))
    begun = time.process_time()
    assert check_gguf(path).vocabulary == count
    assert time.process_time() - begun < 1


def part(number: int, count: int = 2, *, total: int = 2, first: bool = False) -> bytes:
    """A model's file `number`, from 0, which holds the tensor of that layer."""
    split = {
        "split.no": struct.pack("<IH", U16, number),
        "split.tensors.count": struct.pack("<Ii", I32, total),
        "split.count": struct.pack("<IH", U16, count),
    }
    return build({**(KEYS if first else {}), **split}, [Tensor(f"blk.{number}.x.weight")])


def test_a_model_in_several_files_is_one(tmp_path: Path) -> None:
    first, second = tmp_path / "m-00001-of-00002.gguf", tmp_path / "m-00002-of-00002.gguf"
    first.write_bytes(part(0, first=True))
    second.write_bytes(part(1))
    header = check_gguf(first)
    assert header.others == (second,)
    assert [tensor.name for tensor in header.tensors] == ["blk.0.x.weight", "blk.1.x.weight"]
    assert header.file_bytes == first.stat().st_size + second.stat().st_size


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (part(0, first=True), None, "no such file"),
        (part(0, first=True), part(1)[:40], "ends early"),
        (part(0, first=True), part(0), "another part than its name"),
        (part(0, first=True), part(1, 3), "another part than its name"),
        (part(0, total=3, first=True), part(1), "tensors it promises"),
        (part(0, first=True).replace(b"blk.0", b"blk.1"), part(1), "tensors it promises"),
        (part(1, first=True), part(1), "open the first"),
        (part(0, 3, first=True), part(1), "open the first"),
        (part(0, 60_000, first=True), part(1), "open the first"),
    ],
)
def test_parts_that_do_not_belong_together(tmp_path: Path, first: bytes, second: bytes | None, words: str) -> None:
    (tmp_path / "m-00001-of-00002.gguf").write_bytes(first)
    if second is not None:
        (tmp_path / "m-00002-of-00002.gguf").write_bytes(second)
    with pytest.raises(LocalfinError, match=words):
        check_gguf(tmp_path / "m-00001-of-00002.gguf")


def test_a_later_part_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "m-00002-of-00002.gguf").write_bytes(part(1))
    with pytest.raises(InputRefused, match="names no architecture"):
        check_gguf(tmp_path / "m-00002-of-00002.gguf")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.gguf")
    with pytest.raises(InputRefused, match="this is a pipe"):
        check_gguf(tmp_path / "m.gguf")
