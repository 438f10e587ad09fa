"""The importance matrix's file: what is written comes back, what llama.cpp would misread is refused at once."""

import os
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localfin_convert.imatrix import read_imatrix
from localfin_convert.imatrix.file import Sums, write_imatrix
from localfin_models.errors import InputRefused, NotFound

F32, U32, STRING, ARRAY = 0, 4, 8, 9
NAMES = st.from_regex(r"blk\.[0-9]{1,2}\.[a-z_]{1,12}\.weight", fullmatch=True)


@st.composite
def sums(draw: st.DrawFn) -> Sums:
    experts, columns = draw(st.integers(1, 5)), draw(st.integers(1, 9))
    generator = np.random.default_rng(draw(st.integers(0, 1 << 30)))
    counts = generator.integers(0, 1 << draw(st.integers(1, 20)), experts)
    squares = generator.standard_normal((experts, columns), np.float32) ** 2 * counts[:, None]
    return Sums(squares.astype(np.float32), counts)


@given(
    found=st.dictionaries(NAMES, sums(), min_size=1, max_size=6),
    datasets=st.lists(st.text(st.characters(codec="utf-8"), max_size=20), max_size=3),
    chunks=st.integers(0, 1 << 20),
)
@settings(deadline=None, max_examples=60)
def test_what_is_written_comes_back(
    found: dict[str, Sums], datasets: list[str], chunks: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("imatrix") / "m.gguf"
    write_imatrix(path, found, datasets, chunks, 512)
    read = read_imatrix(path)
    assert (read.name, read.datasets, read.chunks) == ("m.gguf", tuple(datasets), chunks)
    assert read.importance.keys() == found.keys()
    for name, one in found.items():
        for expert, count in enumerate(one.counts.tolist()):
            expected = one.squares[expert] / np.float32(count) if count else np.ones_like(one.squares[expert])
            np.testing.assert_array_equal(read.importance[name][expert], expected)
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    assert list(tensors) == [name + end for name in sorted(found) for end in (".in_sum2", ".counts")]
    for name, one in found.items():
        np.testing.assert_array_equal(tensors[f"{name}.in_sum2"].data.reshape(one.squares.shape), one.squares)
        np.testing.assert_array_equal(tensors[f"{name}.counts"].data.ravel(), one.counts)


def test_the_bytes_of_a_plain_matrix_and_of_experts(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    plain = Sums(np.float32([[1, 2, 3]]), np.array([7]))
    experts = Sums(np.float32([[4, 5], [0, 0]]), np.array([3, 0]))
    write_imatrix(path, {"b.weight": experts, "a.weight": plain}, ["t.txt"], 2, 16)
    assert path.read_bytes() == file_bytes(
        keys(),
        [
            ("a.weight.in_sum2", (3,), F32, struct.pack("<3f", 1, 2, 3)),
            ("a.weight.counts", (1,), F32, struct.pack("<f", 7)),
            ("b.weight.in_sum2", (2, 2), F32, struct.pack("<4f", 4, 5, 0, 0)),
            ("b.weight.counts", (1, 2), F32, struct.pack("<2f", 3, 0)),
        ],
    )


def test_an_importance_is_asked_for_by_size(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    write_imatrix(path, {"a.weight": Sums(np.ones((2, 3), np.float32), np.array([1, 1]))}, [], 1, 16)
    read = read_imatrix(path)
    importance = read.of("a.weight", 2, 3)
    assert importance is not None
    assert importance.shape == (2, 3)
    assert read.of("b.weight", 1, 3) is None
    with pytest.raises(InputRefused, match=r"m\.gguf is of another model: it weighs 6 columns of a\.weight"):
        read.of("a.weight", 1, 3)


def test_the_older_format(tmp_path: Path) -> None:
    path = tmp_path / "imatrix.dat"
    path.write_bytes(legacy([("a.weight", 4, (8.0, 2.0)), ("b.weight", 0, (3.0,))], 4, b"text.txt"))
    read = read_imatrix(path)
    assert (read.datasets, read.chunks) == (("text.txt",), 4)
    assert {name: values.tolist() for name, values in read.importance.items()} == {
        "a.weight": [[2.0, 0.5]],
        "b.weight": [[3.0]],
    }


@pytest.mark.parametrize("cut", range(1, 17))
def test_the_older_formats_end_may_be_missing(cut: int, tmp_path: Path) -> None:
    path = tmp_path / "imatrix.dat"
    path.write_bytes(legacy([("a.weight", 4, (8.0, 2.0))], 4, b"text.txt")[:-cut])
    read = read_imatrix(path)
    assert (read.datasets, read.chunks) == ((), 4 if cut <= 12 else 0)


def legacy(entries: list[tuple[str, int, tuple[float, ...]]], chunks: int, dataset: bytes) -> bytes:
    parts = [struct.pack("<i", len(entries))]
    for name, calls, values in entries:
        parts += [struct.pack("<i", len(name)), name.encode(), struct.pack("<ii", calls, len(values))]
        parts.append(struct.pack(f"<{len(values)}f", *values))
    return b"".join(parts) + struct.pack("<ii", chunks, len(dataset)) + dataset


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def keys(datasets: int = 1, *, chunk_type: int = U32, without: str = "") -> list[bytes]:
    found = {
        "general.type": text("general.type") + struct.pack("<I", STRING) + text("imatrix"),
        "imatrix.datasets": text("imatrix.datasets") + struct.pack("<IIQ", ARRAY, STRING, datasets) + text("t.txt"),
        "imatrix.chunk_count": text("imatrix.chunk_count") + struct.pack("<II", chunk_type, 2),
        "imatrix.chunk_size": text("imatrix.chunk_size") + struct.pack("<II", U32, 16),
    }
    return [value for key, value in found.items() if key != without]


def file_bytes(
    keys: list[bytes],
    tensors: list[tuple[str, tuple[int, ...], int, bytes]],
    *,
    count: int | None = None,
    offset: int = 0,
) -> bytes:
    """A GGUF of our own making; `count` lies about the tensors, `offset` is added to the last one's."""
    parts = [struct.pack("<4sIQQ", b"GGUF", 3, len(tensors) if count is None else count, len(keys)), *keys]
    at = 0
    for name, shape, kind, data in tensors:
        place = at + (offset if name == tensors[-1][0] else 0)
        parts.append(text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, place))
        at += -(-len(data) // 32) * 32
    head = b"".join(parts)
    data = b"".join(data.ljust(-(-len(data) // 32) * 32, b"\0") for *_rest, data in tensors)
    return head.ljust(-(-len(head) // 32) * 32, b"\0") + data


def pair(*, sums: tuple[float, ...] = (1, 2, 3, 4), counts: tuple[float, ...] = (1,), kind: int = F32) -> bytes:
    return file_bytes(
        keys(),
        [
            ("a.weight.in_sum2", (len(sums),), kind, struct.pack(f"<{len(sums)}f", *sums)),
            ("a.weight.counts", (len(counts),), F32, struct.pack(f"<{len(counts)}f", *counts)),
        ],
    )


NAN, INF = float("nan"), float("inf")
SUMS = ("a.weight.in_sum2", (2,), F32, struct.pack("<2f", 1, 2))
COUNTS = ("a.weight.counts", (1,), F32, struct.pack("<f", 1))
HOSTILE: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "ends early"),
    "text": (b"This is no importance matrix, but a text.", "older format"),
    "magic-alone": (b"GGUF", "too short"),
    "truncated": (pair()[:-40], "does not lie within"),
    "cut-header": (pair()[:70], r"claims|ends early"),
    "many-tensors": (file_bytes(keys(), [SUMS, COUNTS], count=1 << 60), "claims"),
    "offset-beyond": (file_bytes(keys(), [SUMS, COUNTS], offset=1 << 40), "does not lie within"),
    "offset-over": (file_bytes(keys(), [SUMS, COUNTS], offset=-32), "overlaps"),
    "huge-shape": (file_bytes(keys(), [("a.weight.in_sum2", (1 << 62,), F32, b""), COUNTS]), "larger than the file"),
    "no-columns": (file_bytes(keys(), [("a.weight.in_sum2", (0,), F32, b""), COUNTS]), "is empty"),
    "no-tensors": (file_bytes(keys(), []), "no tensors"),
    "other-tensors": (file_bytes(keys(), [("a.weight", (2,), F32, struct.pack("<2f", 1, 2))]), "no sums"),
    "no-counts": (file_bytes(keys(), [SUMS]), "not both"),
    "no-sums": (file_bytes(keys(), [COUNTS]), "not both"),
    "f16": (pair(kind=1), "not float32"),
    "i32": (pair(kind=26), "not float32"),
    "odd-counts": (pair(counts=(1, 1, 1)), "4 sums for 3 counts"),
    "nan": (pair(sums=(1, NAN)), "sums of a.* are negative or no finite"),
    "inf": (pair(sums=(1, INF)), "sums of a.* are negative or no finite"),
    "negative": (pair(sums=(1, -1)), "sums of a.* are negative or no finite"),
    "nan-count": (pair(counts=(NAN,)), "counts of a.* are negative or no finite"),
    "inf-count": (pair(counts=(INF,)), "counts of a.* are negative or no finite"),
    "huge-count": (pair(counts=(1e30,)), "counts of a.* are negative or no finite"),
    "negative-count": (pair(counts=(-1,)), "counts of a.* are negative or no finite"),
    "no-datasets": (file_bytes(keys(without="imatrix.datasets"), [SUMS, COUNTS]), "missing"),
    "no-chunks": (file_bytes(keys(without="imatrix.chunk_count"), [SUMS, COUNTS]), "missing"),
    "chunks-float": (file_bytes(keys(chunk_type=6), [SUMS, COUNTS]), "missing"),
    "many-datasets": (file_bytes(keys(1 << 50), [SUMS, COUNTS]), "ends early"),
    "empty-datasets": (file_bytes([keys(2000)[1] + text("") * 1999, *keys()[2:]], [SUMS, COUNTS]), "2000 texts"),
    "old-many": (struct.pack("<i", 1 << 30) + bytes(64), "older format"),
    "old-none": (struct.pack("<i", 0) + bytes(64), "older format"),
    "old-negative": (struct.pack("<i", -1) + bytes(64), "older format"),
    "old-name": (struct.pack("<ii", 1, 1 << 30) + bytes(64), "bytes long"),
    "old-name-negative": (struct.pack("<ii", 1, -5) + bytes(64), "bytes long"),
    "old-count": (struct.pack("<ii1sii", 1, 1, b"a", 1, 1 << 30) + bytes(64), "ends early"),
    "old-count-negative": (struct.pack("<ii1sii", 1, 1, b"a", 1, -1) + bytes(64), "no sums"),
    "old-nan": (legacy([("a", 1, (NAN,))], 1, b""), "sums of a.* are negative or no finite"),
    "old-negative-sum": (legacy([("a", 1, (-1.0,))], 1, b""), "sums of a.* are negative or no finite"),
    "old-twice": (legacy([("a", 1, (1.0,)), ("a", 1, (1.0,))], 1, b""), "twice"),
    "old-cut": (legacy([("a", 1, (1.0, 2.0, 3.0))], 1, b"")[:-12], "ends early"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_in_one_line_with_little_memory(name: str, tmp_path: Path) -> None:
    content, words = HOSTILE[name]
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(InputRefused, match=words) as refused:
            read_imatrix(path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
    assert "\n" not in str(refused.value)


def test_the_files_these_are_made_from_are_sound(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(pair())
    assert read_imatrix(path).importance["a.weight"].tolist() == [[1, 2, 3, 4]]


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_file_is_refused(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "m.gguf")
    with pytest.raises(InputRefused, match="not a file"):
        read_imatrix(tmp_path / "m.gguf")


def test_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_imatrix(tmp_path / "m.gguf")


def test_a_file_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    with path.open("wb") as file:
        file.truncate((1 << 31) + 1)
    with pytest.raises(InputRefused, match="larger than 2048 MB"):
        read_imatrix(path)


@pytest.mark.parametrize("values", [(NAN, 1.0), (INF, 1.0), (-1.0, 1.0)])
def test_sums_that_no_text_has_are_not_written(values: tuple[float, ...], tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match=r"sums of a.* are negative or no finite"):
        write_imatrix(tmp_path / "m.gguf", {"a": Sums(np.float32([values]), np.array([1]))}, [], 1, 16)
    assert not list(tmp_path.iterdir())


def test_an_existing_file_is_replaced_only_by_force(tmp_path: Path) -> None:
    path, found = tmp_path / "m.gguf", {"a": Sums(np.ones((1, 2), np.float32), np.array([1]))}
    written = write_imatrix(path, found, [], 1, 16)
    with pytest.raises(InputRefused, match="--force"):
        write_imatrix(path, found, [], 1, 16)
    assert write_imatrix(path, found, [], 1, 16, force=True) == written
