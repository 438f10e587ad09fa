"""What a golden records of a GGUF file: every tensor's and every key's name, type, shape and bytes, in file order."""

import hashlib
import json
from pathlib import Path
from typing import Any

from gguf import GGUFReader, GGUFValueType, ReaderField

DESCRIPTIVE = frozenset({
    "general.name",
    "general.basename",
    "general.finetune",
    "general.version",
    "general.organization",
    "general.author",
    "general.description",
    "general.size_label",
    "general.license",
    "general.tags",
    "general.languages",
})  # fmt: skip
"""Keys that only name or describe the model (the usual tools guess them from folder names and model cards)."""


def record(path: Path) -> dict[str, Any]:
    """`{"keys": [[name, type, value or sha256], ...], "tensors": [[name, type, shape, sha256], ...]}` of a GGUF file.

    Shapes are as GGUF stores them, the fastest dimension first. Arrays and long strings stand as a sha256.
    """
    reader = GGUFReader(path)
    keys = [
        [field.name, ":".join(kind.name for kind in field.types), _value(field)]
        for field in reader.fields.values()
        if not field.name.startswith("GGUF.") and field.name not in DESCRIPTIVE
    ]
    tensors = [
        [
            tensor.name,
            tensor.tensor_type.name,
            [int(size) for size in tensor.shape],
            hashlib.sha256(tensor.data.tobytes()).hexdigest(),
        ]
        for tensor in reader.tensors
    ]
    return {"keys": keys, "tensors": tensors}


def dump(golden: dict[str, Any]) -> str:
    """A golden as JSON with one key or tensor a line, so that a change reads well in a diff."""
    made = json.dumps(golden["made"], indent=2)
    parts = [f'"made": {made}']
    for name in ("keys", "tensors"):
        lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in golden[name])
        parts.append(f'"{name}": [\n{lines}\n]')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _value(field: ReaderField) -> Any:
    if field.types[0] is GGUFValueType.ARRAY:
        digest = hashlib.sha256()
        for index in field.data:
            part = field.parts[index].tobytes()
            digest.update(len(part).to_bytes(8, "little") + part)
        return f"{len(field.data)} values, sha256 {digest.hexdigest()}"
    value = field.contents()
    if isinstance(value, float):
        return float(value).hex()
    return value
