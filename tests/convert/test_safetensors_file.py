"""Headers that lie are refused in one line, whatever the bytes."""

import contextlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.convert.tiny import write_safetensors

from localfin_convert.read.safetensors_file import read_header
from localfin_models.errors import InputRefused


def write(path: Path, header: object, data: bytes = b"\0" * 64) -> Path:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + data)
    return path


def entry(dtype: str = "F32", shape: object = (4,), offsets: object = (0, 16)) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def test_reads_what_the_library_writes(tmp_path: Path) -> None:
    save_file = pytest.importorskip("safetensors.numpy").save_file
    stored = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.ones(5, np.float16)}
    save_file(stored, tmp_path / "x.safetensors", metadata={"format": "pt"})
    header = read_header(tmp_path / "x.safetensors")
    assert list(header) == ["a", "b"]
    raw = (tmp_path / "x.safetensors").read_bytes()
    for name, tensor in header.items():
        assert tensor.shape == stored[name].shape
        assert raw[tensor.offset : tensor.offset + tensor.n_bytes] == stored[name].tobytes()


@pytest.mark.parametrize(
    ("header", "word"),
    [
        (b"{", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        ([], "not a JSON object"),
        (b'{"a": 1, "a": 2}', "twice"),
        ({"a": 3}, "lacks"),
        ({"a": entry("F31")}, "unknown dtype"),
        ({"a": entry(shape=[-4])}, "malformed"),
        ({"a": entry(shape=[True, 4])}, "malformed"),
        ({"a": entry(shape="4")}, "malformed"),
        ({"a": entry(offsets=[16, 0])}, "ends after"),
        ({"a": entry(shape=[1000], offsets=[0, 4000])}, "cut short"),
        ({"a": entry(shape=[2**62, 2**62], offsets=[0, 16])}, "does not fill"),
        ({"a": entry(), "b": entry(offsets=[8, 24])}, "overlaps"),
    ],
)
def test_refuses(tmp_path: Path, header: object, word: str) -> None:
    with pytest.raises(InputRefused, match=word):
        read_header(write(tmp_path / "x.safetensors", header))


@pytest.mark.parametrize("raw", [b"", b"\1\0\0", struct.pack("<Q", 2**63) + b"{}", struct.pack("<Q", 10) + b"{}"])
def test_refuses_a_cut_file(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(raw)
    with pytest.raises(InputRefused, match="not a whole"):
        read_header(tmp_path / "x.safetensors")


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_mutation_escapes(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "mutant.safetensors"
    write_safetensors(path, {"a": ("F32", np.ones(4, np.float32)), "b": ("F16", np.ones((2, 2), np.float16))})
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(raw[: data.draw(st.integers(0, len(raw)))]))
    tensors = {}
    with contextlib.suppress(InputRefused):  # anything else is a traceback the user would see
        tensors = read_header(path)
    assert all(t.offset + t.n_bytes <= path.stat().st_size for t in tensors.values())
