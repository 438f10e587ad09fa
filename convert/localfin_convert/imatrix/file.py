"""The file of an importance matrix: read in both of llama.cpp's formats, written as llama-imatrix writes it.

GGUF, of a tensor NAME of the model, E experts (1 for a plain matrix) and C columns, all float32:

    general.type "imatrix" | imatrix.datasets [text…] | imatrix.chunk_count u32 | imatrix.chunk_size u32
    NAME.in_sum2  (E, C)  the sum of squares of what each column was multiplied by
    NAME.counts   (E, 1)  over how many tokens; 0 for an expert that none came to

The older format, little-endian, n from 1 on:

    n i32 | n times: length i32, NAME, calls i32, count i32, count times f32: the mean square times `calls`
    chunks i32 | length i32, data set's name       (both may be missing)

Source: `common/imatrix-loader.cpp`, `load_imatrix` in `tools/quantize/quantize.cpp` and `save_imatrix` in
`tools/imatrix/imatrix.cpp` of llama.cpp.
"""

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

import numpy as np
from gguf import GGMLQuantizationType, GGUFValueType
from numpy.typing import NDArray

from localfin_convert.keys import Key
from localfin_convert.read.positional import open_to_read, read_at
from localfin_convert.write.gguf_file import Entry, header_bytes, padded
from localfin_convert.write.output import Span, Written, refuse_existing, refuse_small_disk, whole_output
from localfin_models.errors import InputRefused, NotFound
from localfin_models.gguf_header import MAX_NAME, TensorInfo, read_header
from localfin_models.language import _

MAX_BYTES = 1 << 31
"""Of a file; those of the largest models there are take half of it."""
_DATASETS, _CHUNKS, _CHUNK_SIZE = "imatrix.datasets", "imatrix.chunk_count", "imatrix.chunk_size"
_SUMS, _COUNTS = ".in_sum2", ".counts"
_F32 = GGMLQuantizationType.F32
_LEAST_ENTRY = 4 + 4 + 4 + 4
"""Bytes of the older format's shortest entry, its name empty."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Imatrix:
    """How much the columns of each tensor weigh when it is quantized."""

    name: str
    """Of the file."""
    importance: Mapping[str, Floats]
    """By the tensor's GGUF name: (experts, columns), the mean square of what the column was multiplied by; 1 for an
    expert that no token came to. The older format does not tell experts apart: (1, experts * columns)."""
    datasets: tuple[str, ...]
    """The texts it was computed on, as the file names them."""
    chunks: int
    """How many pieces of them."""

    def of(self, tensor: str, experts: int, columns: int) -> Floats | None:
        """(experts, columns); None where the file has nothing on `tensor`. InputRefused where its size is another."""
        found = self.importance.get(tensor)
        if found is not None and found.size != experts * columns:
            raise InputRefused(
                _("{name} is of another model: it weighs {found} columns of {tensor}, which has {columns}").format(
                    name=self.name, found=found.size, tensor=tensor, columns=experts * columns
                )
            )
        return None if found is None else found.reshape(experts, columns)


@dataclass(frozen=True, slots=True)
class Sums:
    """Of one tensor, what a GGUF file holds."""

    squares: Floats
    """(experts, columns), summed over tokens."""
    counts: NDArray[np.int64]
    """(experts,), of tokens."""

    def mean(self) -> Floats:
        """In float32, as llama-quantize divides."""
        counts = self.counts.astype(np.float32)[:, None]
        return np.where(counts > 0, self.squares / np.maximum(counts, np.float32(1)), np.float32(1))


def read_imatrix(path: Path) -> Imatrix:
    """Either format. Raises NotFound, or InputRefused for what llama-quantize would not read, or read wrongly."""
    if not path.exists():
        raise NotFound(_("no such file: {path}").format(path=path))
    if not path.is_file():  # opening a pipe would wait for its writer
        raise InputRefused(_("{file} is not a file").format(file=path))
    with open_to_read(path) as file:
        size = file.seek(0, 2)
        if size > MAX_BYTES:
            _refuse(path, _("it is larger than {limit} MB").format(limit=MAX_BYTES >> 20))
        is_gguf = size >= 4 and read_at(file, 4, 0) == b"GGUF"
        return _read_gguf(file, path) if is_gguf else _Legacy(file, path, size).imatrix()


def write_imatrix(
    path: Path, sums: Mapping[str, Sums], datasets: Sequence[str], chunks: int, chunk_size: int, *, force: bool = False
) -> Written:
    """`path` appears only when it is whole. Raises InputRefused (also for sums that no text has), or NotEnough."""
    refuse_existing(path, force=force)
    keys = [
        Key("general.type", "imatrix", GGUFValueType.STRING),
        Key(_DATASETS, list(datasets), GGUFValueType.ARRAY, GGUFValueType.STRING),
        Key(_CHUNKS, chunks, GGUFValueType.UINT32),
        Key(_CHUNK_SIZE, chunk_size, GGUFValueType.UINT32),
    ]
    arrays = dict[str, Floats]()
    for name in sorted(sums, key=str.encode):
        _check(path, name, sums[name])
        arrays[name + _SUMS] = sums[name].squares
        arrays[name + _COUNTS] = sums[name].counts.astype(np.float32)[:, None]
    entries, position = list[Entry](), 0
    for name, array in arrays.items():
        # ggml drops a last dimension of one: a plain matrix has one row of sums.
        entries.append(Entry(name, array.shape if len(array) > 1 else array.shape[1:], _F32, position))
        position += padded(array.nbytes)
    header = header_bytes(keys, entries)
    pieces = [(0, header)]
    for entry, array in zip(entries, arrays.values(), strict=True):
        pieces.append((len(header) + entry.offset, array.astype("<f4").tobytes()))
    total = len(header) + position
    refuse_small_disk([path], total)
    with whole_output([path], [total]) as output:
        for offset, data in pieces:
            output.write(data, offset)
        [sha256] = output.hash_back([Span(offset, len(data), zlib.crc32(data)) for offset, data in pieces])
    return Written(path, total, sha256)


def _read_gguf(file: BinaryIO, path: Path) -> Imatrix:
    header = read_header(file, path, architecture=False, texts=(_DATASETS,))
    counted = (_CHUNKS, _CHUNK_SIZE)
    if _DATASETS not in header.lengths or any(header.types.get(key) != GGUFValueType.UINT32 for key in counted):
        _refuse(path, _("{keys} are missing").format(keys=", ".join((_DATASETS, *counted))))
    tensors = {tensor.name: tensor for tensor in header.tensors}
    importance = dict[str, Floats]()
    for name in sorted({stem for tensor in tensors if (stem := _stem(tensor)) is not None}):
        pair = [tensors.get(name + ending) for ending in (_SUMS, _COUNTS)]
        sums, counts = (_floats(file, path, name, tensor) for tensor in pair)
        importance[name] = _of_pair(path, name, sums, counts).mean()
    if not importance:
        _refuse(path, _("it holds no sums"))
    return Imatrix(path.name, importance, header.texts.get(_DATASETS, ()), int(header.keys[_CHUNKS]))


def _stem(tensor: str) -> str | None:
    return next((tensor.removesuffix(end) for end in (_SUMS, _COUNTS) if tensor.endswith(end)), None)


def _floats(file: BinaryIO, path: Path, name: str, tensor: TensorInfo | None) -> Floats:
    if tensor is None:
        _refuse(path, _("of {name} it has not both sums and counts").format(name=_short(name)))
    if tensor.type != _F32:
        _refuse(path, _("sums and counts of {name} are not float32").format(name=_short(name)))
    return np.frombuffer(read_at(file, tensor.size, tensor.offset), "<f4").astype(np.float32, copy=False)


def _of_pair(path: Path, name: str, sums: Floats, counts: Floats) -> Sums:
    if sums.size % counts.size:
        _refuse(path, _("{name} has {n} sums for {k} counts").format(name=_short(name), n=sums.size, k=counts.size))
    # The largest counts are far below 2^53; what is no number, or beyond, becomes -1 and is refused.
    with np.errstate(invalid="ignore"):
        rounded = np.floor(counts.astype(np.float64) + 0.5)
    usable = (rounded >= 0) & (rounded < 2.0**53)
    pair = Sums(sums.reshape(counts.size, -1), np.where(usable, rounded, -1.0).astype(np.int64))
    _check(path, name, pair)
    return pair


def _check(path: Path, name: str, sums: Sums) -> None:
    if (sums.counts < 0).any():
        _refuse(path, _("counts of {name} are negative or no finite numbers").format(name=_short(name)))
    _check_squares(path, name, sums.squares)


def _check_squares(path: Path, name: str, squares: Floats) -> None:
    if not (np.isfinite(squares).all() and (squares >= 0).all()):
        _refuse(path, _("sums of {name} are negative or no finite numbers").format(name=_short(name)))


class _Legacy:
    """A cursor over the older format; every length is held against what is left of the file."""

    def __init__(self, file: BinaryIO, path: Path, size: int) -> None:
        self._file, self._path, self._size, self._at = file, path, size, 0

    def imatrix(self) -> Imatrix:
        entries = self._number()
        if not 1 <= entries <= (self._size - self._at) // _LEAST_ENTRY:
            _refuse(self._path, _("it does not begin with GGUF, and is none of the older format"))
        importance = dict[str, Floats]()
        for _index in range(entries):
            name, values = self._entry()
            if name in importance:
                _refuse(self._path, _("the tensor {name} stands twice").format(name=_short(name)))
            importance[name] = values
        chunks, dataset = self._trailer()
        return Imatrix(self._path.name, importance, dataset, chunks)

    def _entry(self) -> tuple[str, Floats]:
        name = self._text(self._number())
        calls, count = self._number(), self._number()
        if count < 1:
            _refuse(self._path, _("{name} has no sums").format(name=_short(name)))
        values = np.frombuffer(self._take(4 * count), "<f4").astype(np.float32, copy=False)
        _check_squares(self._path, name, values)
        return name, (values / np.float32(calls) if calls > 0 else values)[None, :]

    def _trailer(self) -> tuple[int, tuple[str, ...]]:
        """Chunks and the data set; what is cut off counts as missing, as it does to llama.cpp."""
        if self._size - self._at < 4:
            return 0, ()
        chunks = self._number()
        length = self._number() if self._size - self._at >= 4 else 0
        whole = 0 < length <= self._size - self._at
        return max(0, chunks), (self._text(length),) if whole else ()

    def _text(self, length: int) -> str:
        if not 0 <= length <= MAX_NAME:
            _refuse(self._path, _("a text in it is {n} bytes long").format(n=length))
        return self._take(length).partition(b"\0")[0].decode("utf-8", "replace")

    def _number(self) -> int:
        number: int = struct.unpack("<i", self._take(4))[0]
        return number

    def _take(self, count: int) -> bytes:
        if count > self._size - self._at:
            _refuse(self._path, _("it ends early; was it copied whole?"))
        data = read_at(self._file, count, self._at)
        self._at += count
        return data


def _short(name: str) -> str:
    return name if len(name) <= 80 else name[:80] + "…"


def _refuse(path: Path, reason: str) -> NoReturn:
    raise InputRefused(_("{path} is no usable importance matrix: {reason}").format(path=path, reason=reason))
