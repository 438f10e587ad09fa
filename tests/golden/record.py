"""What a golden records of a GGUF file: every tensor's and every key's name, type, shape and bytes, in file order.

Reads the file itself, by the format's description: gguf's own GGUFReader takes seconds for a vocabulary of 128,000
tokens. test_golden.py checks that the two read the same.
"""

import hashlib
import json
import math
import struct
from pathlib import Path
from typing import Any

from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType

DESCRIPTIVE = frozenset(
    f"general.{key}"
    for key in ("name", "basename", "finetune", "version", "organization", "author", "description", "size_label")
)
"""Keys that only name or describe the model: the usual tools guess them from folder names."""
_PROVENANCE = ("general.license", "general.base_model.", "localfin.")
"""Keys that say where the model comes from: the usual tools take licence and base from the model card alone, which no
case has, and the rest is ours."""


def is_compared(key: str) -> bool:
    return key not in DESCRIPTIVE and not key.startswith(_PROVENANCE)


_DIGITS = 12
_LONGEST = 60

_FORMATS = dict(zip(("UINT8", "INT8", "UINT16", "INT16", "UINT32", "INT32"), "BbHhIi", strict=True)) | {
    "FLOAT32": "f",
    "BOOL": "?",
    "UINT64": "Q",
    "INT64": "q",
    "FLOAT64": "d",
}


def record(path: Path) -> dict[str, Any]:
    """`{"keys": [[name, type, value or sha256], ...], "tensors": [[name, type, shape, sha256], ...]}` of a GGUF file.

    Shapes are as GGUF stores them, the fastest dimension first. Arrays stand as a sha256 of their stored bytes, floats
    in hexadecimal. Raises AssertionError where the file's layout is not what the format prescribes.
    """
    cursor = _Cursor(path.read_bytes())
    magic, version = cursor.take("I"), cursor.take("I")
    assert (magic, version) == (0x46554747, 3)
    n_tensors, n_keys = cursor.take("Q"), cursor.take("Q")
    keys = [cursor.key() for _ in range(n_keys)]
    infos = [cursor.tensor() for _ in range(n_tensors)]
    start = -(-cursor.at // 32) * 32
    tensors: list[list[Any]] = []
    end = 0
    for name, shape, kind, offset in infos:
        assert offset == -(-end // 32) * 32, f"{name} is not at the next multiple of 32"
        block, size = GGML_QUANT_SIZES[kind]
        end = offset + math.prod(shape) // block * size
        digest = hashlib.sha256(cursor.data[start + offset : start + end]).hexdigest()
        tensors.append([name, kind.name, shape, digest])
    assert start + -(-end // 32) * 32 == len(cursor.data), "the file does not end where its tensors end"
    return {"keys": [key for key in keys if is_compared(key[0])], "tensors": tensors}


def dump(golden: dict[str, Any]) -> str:
    """A golden as JSON with one key or tensor a line, so that a change reads well in a diff."""
    parts = [f'"made": {json.dumps(golden["made"], indent=2)}']
    for name in ("keys", "tensors"):
        lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in golden[name])
        parts.append(f'"{name}": [\n{lines}\n]')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def lines(recorded: dict[str, Any]) -> list[str]:
    """A record as one line a key and a tensor, hashes and long values cut: less to store, and enough to compare."""
    keys = [f"{name} {kind} {_short(value)}" for name, kind, value in recorded["keys"]]
    return keys + [f"{name} {kind} {shape} {digest[:_DIGITS]}" for name, kind, shape, digest in recorded["tensors"]]


def dump_cells(made: dict[str, Any], cells: dict[str, list[str]]) -> str:
    """The lines of a row's cells as JSON: each different line once, and by cell which lines it has, in which order."""
    pool = {line: number for number, line in enumerate(dict.fromkeys(line for own in cells.values() for line in own))}
    texts = ",\n".join(json.dumps(line, ensure_ascii=False) for line in pool)
    numbers = (json.dumps([pool[line] for line in own], separators=(",", ":")) for own in cells.values())
    rows = ",\n".join(f"{json.dumps(key)}: {own}" for key, own in zip(cells, numbers, strict=True))
    return f'{{\n"made": {json.dumps(made)},\n"lines": [\n{texts}\n],\n"cells": {{\n{rows}\n}}\n}}\n'


def load_cells(path: Path) -> dict[str, list[str]]:
    """What `dump_cells` wrote: the lines of each cell."""
    stored = json.loads(path.read_text(encoding="utf-8"))
    return {key: [stored["lines"][number] for number in own] for key, own in stored["cells"].items()}


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    if "sha256" not in text and len(text) <= _LONGEST:
        return text
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


class _Cursor:
    """Reads little-endian fields from `data`, one behind the other."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, code: str) -> Any:
        (value,) = struct.unpack_from(f"<{code}", self.data, self.at)
        self.at += struct.calcsize(code)
        return value

    def string(self) -> str:
        length = self.take("Q")
        self.at += length
        return self.data[self.at - length : self.at].decode()

    def key(self) -> list[Any]:
        """`[name, type, value]`; an array as its length and the sha256 of its bytes."""
        name, kind = self.string(), GGUFValueType(self.take("I"))
        if kind is not GGUFValueType.ARRAY:
            return [name, kind.name, self._scalar(kind)]
        item, count = GGUFValueType(self.take("I")), self.take("Q")
        start = self.at
        if item is GGUFValueType.STRING:
            for _ in range(count):
                self.at += 8 + int.from_bytes(self.data[self.at : self.at + 8], "little")
        else:
            self.at += count * struct.calcsize(_FORMATS[item.name])
        digest = hashlib.sha256(self.data[start : self.at]).hexdigest()
        return [name, f"ARRAY:{item.name}", f"{count} values, sha256 {digest}"]

    def tensor(self) -> tuple[str, list[int], GGMLQuantizationType, int]:
        name = self.string()
        shape = [self.take("Q") for _ in range(self.take("I"))]
        return name, shape, GGMLQuantizationType(self.take("I")), self.take("Q")

    def _scalar(self, kind: GGUFValueType) -> Any:
        if kind is GGUFValueType.STRING:
            return self.string()
        value = self.take(_FORMATS[kind.name])
        return value.hex() if isinstance(value, float) else value
