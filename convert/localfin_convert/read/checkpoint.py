"""A Hugging Face model folder: config.json and safetensors shards. Refuses code and pickles; reads no tensor."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from stat import S_ISREG
from typing import Any

from localfin_convert.bitsandbytes.state import quantized_sources
from localfin_convert.bitsandbytes.stored import EightBit, FourBit
from localfin_convert.read.safetensors_file import StoredTensor, read_header
from localfin_convert.read.source import Source, Widened
from localfin_models.errors import InputRefused, NotFound
from localfin_models.language import _

MAX_JSON = 64 * 1024 * 1024
INDEX = "model.safetensors.index.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    folder: Path
    config: dict[str, Any]
    """Without `quantization_config`: `tensors` gives numbers, however they are stored."""
    tensors: Mapping[str, Source]
    """In the order llama.cpp's converter reads them: shards by name, tensors by name within a shard."""

    @property
    def is_quantized(self) -> bool:
        return any(isinstance(source, FourBit | EightBit) for source in self.tensors.values())

    def widened(self) -> "Checkpoint":
        """As if every number of 16 bits were stored in 32: merges do not round."""
        tensors = {
            name: Widened(source) if source.dtype in ("BF16", "F16") else source
            for name, source in self.tensors.items()
        }
        return replace(self, tensors=tensors)


def open_checkpoint(folder: Path) -> Checkpoint:
    """Raises NotFound without `folder`, InputRefused for whatever is wrong inside."""
    if not folder.exists():
        raise NotFound(_("no such folder: {folder}").format(folder=folder))
    if not folder.is_dir():
        raise InputRefused(
            _("{folder} is a file; give the model's folder (config.json and *.safetensors)").format(folder=folder)
        )
    config = without_nulls(read_json(folder / "config.json"))
    quantization = config.pop("quantization_config", None)
    tensors = _tensors(folder)
    if not quantization:
        return Checkpoint(folder, config, tensors)
    _refuse_other_method(folder, quantization)
    return Checkpoint(folder, config, quantized_sources(tensors, config))


def _refuse_other_method(folder: Path, quantization: object) -> None:
    """Of what checkpoints are quantized with, bitsandbytes alone is read. Early files of it name no method."""
    settings = quantization if isinstance(quantization, dict) else {}
    early = settings.get("load_in_4bit") or settings.get("load_in_8bit")
    method = settings.get("quant_method", "bitsandbytes" if early else None)
    if method != "bitsandbytes":
        raise InputRefused(
            _("{name} is quantized with {method}, and only bitsandbytes is read; give the 16-bit base").format(
                name=folder.name, method=str(method)[:40]
            )
        )


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in `path`. Raises InputRefused if it is missing, too big, or no object."""
    try:
        stat = path.stat()
        if not S_ISREG(stat.st_mode):  # opening a pipe would wait, a device may never end
            raise InputRefused(_("{folder}/{file} is no regular file").format(folder=path.parent.name, file=path.name))
        if stat.st_size > MAX_JSON:
            raise InputRefused(_("{name} is larger than {limit} MB").format(name=path.name, limit=MAX_JSON >> 20))
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputRefused(
            _("{folder}/{file} cannot be read: {strerror}").format(
                folder=path.parent.name, file=path.name, strerror=error.strerror
            )
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputRefused(
            _("{folder}/{file} is not JSON ({kind})").format(
                folder=path.parent.name, file=path.name, kind=type(error).__name__
            )
        ) from None
    if not isinstance(value, dict):
        raise InputRefused(_("{folder}/{file} is not a JSON object").format(folder=path.parent.name, file=path.name))
    return value


def without_nulls(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings that are null are settings left out, also one level down."""
    return {
        key: {inner: item for inner, item in value.items() if item is not None} if isinstance(value, dict) else value
        for key, value in settings.items()
        if value is not None
    }


def shard_paths(folder: Path) -> list[Path]:
    """The checkpoint's safetensors files: those that the index lists, else model*.safetensors."""
    index = folder / INDEX
    if index.is_file():
        return [folder / name for name in sorted(set(_weight_map(index).values()))]
    return sorted(folder.glob("model*.safetensors"))


def _tensors(folder: Path) -> dict[str, StoredTensor]:
    index = folder / INDEX
    weight_map = _weight_map(index) if index.is_file() else None
    shards = [path.name for path in shard_paths(folder)]
    if not shards:
        pickles = sorted(path.name for pattern in ("*.bin", "*.pt", "*.pth") for path in folder.glob(pattern))
        if pickles:
            raise InputRefused(
                _("{folder}/{file} is a pickle, which can run code; save it as safetensors").format(
                    folder=folder.name, file=pickles[0]
                )
            )
        raise InputRefused(_("{name} has no model*.safetensors").format(name=folder.name))
    tensors: dict[str, StoredTensor] = {}
    for shard in shards:
        path = folder / shard
        if not path.is_file():
            raise InputRefused(
                _("shard {shard} is missing from {name}; {count} are listed").format(
                    shard=shard, name=folder.name, count=len(shards)
                )
            )
        for name, tensor in read_header(path).items():
            if name in tensors:
                raise InputRefused(
                    _("tensor {name!r} is in both {first} and {shard}").format(
                        name=name, first=tensors[name].path.name, shard=shard
                    )
                )
            tensors[name] = tensor
    if weight_map is not None:
        _match_index(weight_map, tensors)
    return tensors


def _weight_map(index: Path) -> dict[str, str]:
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise InputRefused(_("{name} has no weight_map").format(name=index.name))
    for shard in weight_map.values():
        if not isinstance(shard, str) or Path(shard).name != shard or not shard.endswith(".safetensors"):
            raise InputRefused(
                _("{name} points to {shard!r}, which is no safetensors file beside it").format(
                    name=index.name, shard=str(shard)[:80]
                )
            )
    return weight_map


def _match_index(weight_map: dict[str, str], tensors: dict[str, StoredTensor]) -> None:
    missing = next((name for name in weight_map if name not in tensors), None)
    if missing is not None:
        raise InputRefused(
            _("{index} lists {missing!r} in {shard}, which does not hold it").format(
                index=INDEX, missing=missing, shard=weight_map[missing]
            )
        )
    extra = next((name for name in tensors if name not in weight_map), None)
    if extra is not None:
        raise InputRefused(
            _("{name} holds {extra!r}, which {index} does not list").format(
                name=tensors[extra].path.name, extra=extra, index=INDEX
            )
        )
