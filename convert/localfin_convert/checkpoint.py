"""A Hugging Face model folder: config.json and safetensors shards. Refuses code and pickles; reads no tensor."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localfin_convert.safetensors_file import StoredTensor, read_header
from localfin_models.errors import InputRefused, NotFound

MAX_JSON = 64 * 1024 * 1024
INDEX = "model.safetensors.index.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    folder: Path
    config: dict[str, Any]
    tensors: dict[str, StoredTensor]
    """In the order llama.cpp's converter reads them: shards by name, tensors by name within a shard."""


def open_checkpoint(folder: Path) -> Checkpoint:
    """Raises NotFound without `folder`, InputRefused for whatever is wrong inside."""
    if not folder.exists():
        raise NotFound(f"no such folder: {folder}")
    if not folder.is_dir():
        raise InputRefused(f"{folder} is a file; give the model's folder (config.json and *.safetensors)")
    config = read_json(folder / "config.json")
    if "auto_map" in config:
        raise InputRefused(f"{folder.name}/config.json has `auto_map`: the model brings its own code, which is not run")
    if config.get("quantization_config"):
        raise InputRefused(f"{folder.name} is already quantized (quantization_config); give the 16-bit base")
    return Checkpoint(folder, config, _tensors(folder))


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`. Raises InputRefused if it is missing, too big, or no object."""
    try:
        if path.stat().st_size > MAX_JSON:
            raise InputRefused(f"{path.name} is larger than {MAX_JSON >> 20} MB")
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputRefused(f"{path.parent.name}/{path.name} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputRefused(f"{path.parent.name}/{path.name} is not JSON ({type(error).__name__})") from None
    if not isinstance(value, dict):
        raise InputRefused(f"{path.parent.name}/{path.name} is not a JSON object")
    return value


def _tensors(folder: Path) -> dict[str, StoredTensor]:
    index = folder / INDEX
    weight_map = _weight_map(index) if index.is_file() else None
    if weight_map is None:
        shards = sorted(path.name for path in folder.glob("model*.safetensors"))
    else:
        shards = sorted(set(weight_map.values()))
    if not shards:
        pickles = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth") for path in folder.glob(pattern))
        if pickles:
            raise InputRefused(f"{folder.name}/{pickles[0]} is a pickle, which can run code; save it as safetensors")
        raise InputRefused(f"{folder.name} has no model*.safetensors")
    tensors: dict[str, StoredTensor] = {}
    for shard in shards:
        path = folder / shard
        if not path.is_file():
            raise InputRefused(f"shard {shard} is missing from {folder.name}; {len(shards)} are listed")
        for name, tensor in read_header(path).items():
            if name in tensors:
                raise InputRefused(f"tensor {name!r} is in both {tensors[name].path.name} and {shard}")
            tensors[name] = tensor
    if weight_map is not None:
        _match_index(weight_map, tensors)
    return tensors


def _weight_map(index: Path) -> dict[str, str]:
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise InputRefused(f"{index.name} has no weight_map")
    for shard in weight_map.values():
        if not isinstance(shard, str) or Path(shard).name != shard or not shard.endswith(".safetensors"):
            raise InputRefused(f"{index.name} points to {str(shard)[:80]!r}, which is no safetensors file beside it")
    return weight_map


def _match_index(weight_map: dict[str, str], tensors: dict[str, StoredTensor]) -> None:
    missing = next((name for name in weight_map if name not in tensors), None)
    if missing is not None:
        raise InputRefused(f"{INDEX} lists {missing!r} in {weight_map[missing]}, which does not hold it")
    extra = next((name for name in tensors if name not in weight_map), None)
    if extra is not None:
        raise InputRefused(f"{tensors[extra].path.name} holds {extra!r}, which {INDEX} does not list")
