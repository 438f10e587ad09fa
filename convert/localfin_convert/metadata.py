"""The `general.*` keys: what the model is called and how it wants to be sampled, from the base's own files."""

import math
from pathlib import Path
from typing import Any

import gguf
from gguf import GGUFValueType as Type

from localfin_convert.imatrix import Imatrix
from localfin_convert.keys import Key
from localfin_convert.quantize import types
from localfin_convert.read.checkpoint import read_json

_SAMPLING = (
    ("top_k", "top_k", Type.INT32),
    ("top_p", "top_p", Type.FLOAT32),
    ("min_p", "min_p", Type.FLOAT32),
    ("temp", "temperature", Type.FLOAT32),
    ("penalty_repeat", "repetition_penalty", Type.FLOAT32),
)


def general_keys(folder: Path, arch: str, name: str, size_label: str, first: list[Key]) -> list[Key]:
    """In llama.cpp's order: architecture, `first` (the family's own), type, sampling defaults, name, size."""
    return [
        Key("general.architecture", arch, Type.STRING, None),
        *first,
        Key("general.type", "model", Type.STRING, None),
        *_sampling(folder),
        Key("general.name", name, Type.STRING, None),
        Key("general.size_label", size_label, Type.STRING, None),
    ]


def size_label(parameters: int, in_experts: int, experts: int) -> str:
    """Such as 7B or 8x7B; `in_experts` of the `parameters` stand in stacked tensors of `experts` each."""
    return str(gguf.size_label(parameters, parameters - in_experts, in_experts // max(1, experts), experts))


def version_key() -> Key:
    return Key("general.quantization_version", gguf.GGML_QUANT_VERSION, Type.UINT32, None)


def file_type_key(quantized_as: str) -> Key:
    return Key("general.file_type", int(types.file_type(quantized_as)), Type.UINT32, None)


def imatrix_keys(imatrix: Imatrix) -> list[Key]:
    """Those that llama-quantize adds; of the file its name alone, as paths say nothing on another machine."""
    keys = [Key("quantize.imatrix.file", _cut(imatrix.name), Type.STRING)]
    if imatrix.datasets:
        keys.append(Key("quantize.imatrix.dataset", _cut(imatrix.datasets[0]), Type.STRING))
    keys.append(Key("quantize.imatrix.entries_count", len(imatrix.importance), Type.UINT32))
    return keys + ([Key("quantize.imatrix.chunks_count", imatrix.chunks, Type.UINT32)] if imatrix.chunks > 0 else [])


def _cut(text: str) -> str:
    """To the 127 bytes that llama.cpp leaves room for, at the end of a character."""
    return text.encode("utf-8", "replace")[:127].decode("utf-8", "ignore")


def _sampling(folder: Path) -> list[Key]:
    path = folder / "generation_config.json"
    stored: dict[str, Any] = read_json(path) if path.is_file() else {}
    keys = list[Key]()
    for name, source, kind in _SAMPLING:
        value = stored.get(source)
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            number = int(value) if kind is Type.INT32 else float(value)
            keys.append(Key(f"general.sampling.{name}", number, kind, None))
    return keys
