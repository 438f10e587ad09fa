"""An adapter folder: its adapter_config.json, the header of its safetensors file, its small tensors. No pickles."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from localfin_convert.read.checkpoint import read_json, without_nulls
from localfin_convert.read.numbers import FLOATS
from localfin_convert.read.positional import OpenFiles
from localfin_convert.read.safetensors_file import StoredTensor, read_header
from localfin_models.errors import InputRefused, NotFound
from localfin_models.language import _

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
EMBEDDINGS: tuple[str, ...] = ("embed_tokens", "wte")
"""What the families call the module of the input embedding."""


@dataclass(frozen=True, slots=True)
class Weighted:
    """An adapter as it is asked for."""

    folder: Path
    weight: float = 1.0
    """Multiplies the adapter's scale, as peft's `set_scale` does."""


def weighted(adapters: Sequence[Path | Weighted]) -> tuple[Weighted, ...]:
    return tuple(adapter if isinstance(adapter, Weighted) else Weighted(adapter) for adapter in adapters)


@dataclass(frozen=True, slots=True)
class Folder:
    """An adapter's files, read but not understood."""

    path: Path
    config: dict[str, Any]
    tensors: dict[str, StoredTensor]
    weight: float

    @property
    def name(self) -> str:
        return self.path.name


def open_folder(asked: Weighted) -> Folder:
    """Raises NotFound without the folder, InputRefused where it holds no safetensors or a damaged file."""
    folder = asked.folder
    if not folder.is_dir():
        raise NotFound(_("no such adapter folder: {folder}").format(folder=folder))
    config = without_nulls(read_json(folder / CONFIG))
    path = folder / WEIGHTS
    if not path.is_file():
        if (folder / "adapter_model.bin").is_file():
            raise InputRefused(
                _("{folder}/{file} is a pickle, which can run code; save it as safetensors").format(
                    folder=folder.name, file="adapter_model.bin"
                )
            )
        raise InputRefused(_("{folder} has no {file}").format(folder=folder.name, file=WEIGHTS))
    return Folder(folder, config, read_header(path), asked.weight)


def matrix(tensor: StoredTensor) -> NDArray[np.float32]:
    """A small tensor of one or two dimensions as (rows, columns). Raises InputRefused for NaN or another dtype."""
    check_dtype(tensor)
    with OpenFiles() as files:
        values = tensor.rows(files, 0, tensor.shape[0] if len(tensor.shape) == 2 else 1)
    if not np.isfinite(values).all():
        raise InputRefused(_("adapter tensor {name} holds NaN or Inf").format(name=tensor.name))
    return values


def check_dtype(tensor: StoredTensor) -> None:
    if tensor.dtype not in FLOATS:
        raise InputRefused(
            _("adapter tensor {name} is {dtype}; F32, F16 or BF16 were expected").format(
                name=tensor.name, dtype=tensor.dtype
            )
        )


def refuse_shape(found: Mapping[StoredTensor, tuple[int, ...]], target: tuple[int, ...]) -> None:
    """Raises InputRefused for the first tensor whose shape is not the fitting one beside it."""
    for tensor, fitting in found.items():
        if tensor.shape != fitting:
            raise InputRefused(
                _("the adapter is for another base: {name} is {shape}, {fitting} would fit {target}").format(
                    name=tensor.name.removeprefix("base_model.model."),
                    shape=list(tensor.shape),
                    fitting=list(fitting),
                    target=list(target),
                )
            )
