"""The header of one safetensors file: names, dtypes, shapes and byte spans, checked before anything trusts them.

Layout (https://github.com/huggingface/safetensors): u64 little-endian header length, that many bytes of JSON
{"name": {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__": {...}}, then the data; offsets count from the
data's first byte. A header's reading reads no tensor.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from localfin_convert.read.numbers import FLOATS, to_f32
from localfin_convert.read.positional import OpenFiles, open_to_read
from localfin_models.errors import InputRefused
from localfin_models.language import _

_METADATA = "__metadata__"
MAX_HEADER = 100 * 1024 * 1024  # the limit of the safetensors library itself
DTYPE_BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1,
    "F8_E4M3": 1, "F8_E5M2": 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class StoredTensor:
    name: str
    dtype: str
    """As safetensors spells it: BF16, F16, F32 …"""
    shape: tuple[int, ...]
    path: Path
    offset: int
    """First byte, from the start of the file."""
    n_bytes: int

    @property
    def stored(self) -> Self:
        return self

    def identity(self) -> bytes:
        """Which bytes on the disk it stands for, as far as can be told without reading them."""
        stat = self.path.stat()
        where = (str(self.path.resolve()), stat.st_size, stat.st_mtime_ns, self.offset, self.dtype, self.shape)
        return repr(where).encode()

    def rows(self, files: OpenFiles, first: int, count: int) -> NDArray[np.float32]:
        """`count` rows of a float vector (one row) or matrix as (count, columns), exact."""
        return to_f32(self.stored_rows(files, first, count))

    def stored_rows(self, files: OpenFiles, first: int, count: int) -> NDArray[Any]:
        """The same in the dtype they have; bfloat16 as its bits."""
        columns = self.shape[-1]
        raw = self.values(files, first * columns, count * columns)
        return np.frombuffer(raw, FLOATS[self.dtype]).reshape(count, columns)

    def values(self, files: OpenFiles, first: int, count: int) -> bytes:
        """`count` values of any dtype from the flattened tensor's value `first` on, as they are stored."""
        size = DTYPE_BYTES[self.dtype]
        return files.read(self.path, count * size, self.offset + first * size)


def read_header(path: Path) -> dict[str, StoredTensor]:
    """Tensors of `path` sorted by name. Raises InputRefused for anything a well-formed file cannot contain."""
    header, start, size = _header(path)
    tensors = [_entry(path, name, entry, start, size) for name, entry in header.items() if name != _METADATA]
    _refuse_overlap(path, tensors)
    return {tensor.name: tensor for tensor in sorted(tensors, key=lambda tensor: tensor.name)}


def read_metadata(path: Path) -> dict[str, str]:
    """What the header says besides the tensors; texts alone."""
    found = _header(path)[0].get(_METADATA)
    return {key: text for key, text in found.items() if isinstance(text, str)} if isinstance(found, dict) else {}


def header_bytes(tensors: Iterable[tuple[str, str, tuple[int, ...], int]], metadata: Mapping[str, str]) -> bytes:
    """Of a file that holds `tensors` (name, dtype, shape, bytes) one behind the other; the data starts at 8 bytes."""
    header: dict[str, object] = {_METADATA: dict(metadata)} if metadata else {}
    position = 0
    for name, dtype, shape, n_bytes in tensors:
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, position + n_bytes]}
        position += n_bytes
    raw = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    raw += b" " * (-len(raw) % 8)
    return len(raw).to_bytes(8, "little") + raw


def _header(path: Path) -> tuple[dict[str, Any], int, int]:
    """The header, where the data starts, the size of the file."""
    with open_to_read(path) as file:
        size = os.fstat(file.fileno()).st_size
        prefix = file.read(8)
        length = int.from_bytes(prefix, "little")
        if len(prefix) < 8 or length > MAX_HEADER or 8 + length > size:
            raise InputRefused(
                _("{file}: not a whole safetensors file ({size} bytes); copy it again").format(
                    file=path.name, size=size
                )
            )
        raw = file.read(length)
    return _parse(path, raw), 8 + length, size


def _parse(path: Path, raw: bytes) -> dict[str, Any]:
    def no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise InputRefused(_("{file}: the header names a key twice").format(file=path.name))
        return found

    try:
        header = json.loads(raw.decode("utf-8"), object_pairs_hook=no_duplicates)
    except (ValueError, RecursionError) as error:
        raise InputRefused(
            _("{file}: the safetensors header is not JSON ({kind})").format(file=path.name, kind=type(error).__name__)
        ) from None
    if not isinstance(header, dict):
        raise InputRefused(_("{file}: the safetensors header is not a JSON object").format(file=path.name))
    return header


def _entry(path: Path, name: str, entry: object, start: int, size: int) -> StoredTensor:
    if not isinstance(entry, dict) or not {"dtype", "shape", "data_offsets"} <= entry.keys():
        raise InputRefused(
            _("{file}: tensor {tensor!r} lacks dtype, shape or data_offsets").format(file=path.name, tensor=name[:80])
        )
    dtype, shape, span = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPE_BYTES:
        raise InputRefused(
            _("{file}: tensor {tensor!r} has the unknown dtype {dtype!r}").format(
                file=path.name, tensor=name[:80], dtype=str(dtype)[:40]
            )
        )
    if not (_naturals(shape) and _naturals(span) and len(span) == 2):
        raise InputRefused(
            _("{file}: tensor {tensor!r} has a malformed shape or span").format(file=path.name, tensor=name[:80])
        )
    begin, end = span
    if not begin <= end <= size - start:
        raise InputRefused(
            _("{file}: tensor {tensor!r} ends after the file does; the file is cut short").format(
                file=path.name, tensor=name[:80]
            )
        )
    if prod(shape) * DTYPE_BYTES[dtype] != end - begin:
        raise InputRefused(
            _("{file}: tensor {tensor!r}: shape {shape} of {dtype} does not fill its span").format(
                file=path.name, tensor=name[:80], shape=shape, dtype=dtype
            )
        )
    return StoredTensor(name, dtype, tuple(shape), path, start + begin, end - begin)


def _naturals(value: object) -> bool:
    return (
        isinstance(value, list)
        and len(value) <= 8
        and all(type(item) is int and 0 <= item < 2**63 for item in value)  # bool is an int too, hence `type`
    )


def _refuse_overlap(path: Path, tensors: list[StoredTensor]) -> None:
    end = 0
    for tensor in sorted(tensors, key=lambda tensor: (tensor.offset, tensor.n_bytes)):
        if tensor.offset < end:
            raise InputRefused(
                _("{file}: tensor {tensor!r} overlaps another").format(file=path.name, tensor=tensor.name[:80])
            )
        end = tensor.offset + tensor.n_bytes
