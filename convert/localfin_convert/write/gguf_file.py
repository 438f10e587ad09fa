"""The bytes of a GGUF v3 file before its tensors.

Layout (ggml/docs/gguf.md): magic, version, tensor count, key count, the keys, one entry a tensor, padding to 32, data;
every tensor starts at a multiple of 32 from the data's first byte.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gguf import GGMLQuantizationType, GGUFValueType

from localfin_convert.keys import Key

ALIGNMENT = 32
_SCALAR = {
    GGUFValueType.UINT8: "<B", GGUFValueType.INT8: "<b", GGUFValueType.UINT16: "<H", GGUFValueType.INT16: "<h",
    GGUFValueType.UINT32: "<I", GGUFValueType.INT32: "<i", GGUFValueType.UINT64: "<Q", GGUFValueType.INT64: "<q",
    GGUFValueType.FLOAT32: "<f", GGUFValueType.FLOAT64: "<d", GGUFValueType.BOOL: "<?",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    name: str
    shape: tuple[int, ...]
    """Rows, columns; written in ggml's order, columns first."""
    kind: GGMLQuantizationType
    offset: int
    """From the first byte of the data."""


def padded(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


def header_bytes(keys: Sequence[Key], entries: Sequence[Entry]) -> bytes:
    parts = [b"GGUF", struct.pack("<IQQ", 3, len(entries), len(keys))]
    for key in keys:
        parts += [_string(key.name), struct.pack("<I", key.type), _value(key)]
    for entry in entries:
        dimensions = tuple(reversed(entry.shape))
        parts.append(_string(entry.name))
        parts.append(struct.pack(f"<I{len(dimensions)}Q", len(dimensions), *dimensions))
        parts.append(struct.pack("<IQ", entry.kind, entry.offset))
    header = b"".join(parts)
    return header.ljust(padded(len(header)), b"\0")


def _value(key: Key) -> bytes:
    if key.type is not GGUFValueType.ARRAY:
        return _scalar(key.type, key.value)
    values: Any = key.value
    assert key.element is not None
    head = struct.pack("<IQ", key.element, len(values))
    if key.element is GGUFValueType.STRING:
        return head + b"".join(_string(value) for value in values)
    return head + struct.pack(f"<{len(values)}{_SCALAR[key.element][1]}", *values)


def _scalar(kind: GGUFValueType, value: Any) -> bytes:
    return _string(value) if kind is GGUFValueType.STRING else struct.pack(_SCALAR[kind], value)


def _string(text: str | bytes) -> bytes:
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
    return struct.pack("<Q", len(raw)) + raw
