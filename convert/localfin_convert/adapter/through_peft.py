"""Adapters of other kinds than LoRA: which of their tensors belong to which layer, and what stands beside them.

peft itself merges them, in the same stream (`peft_layers.py`). Whole tensors (modules_to_save, trained biases) are put
in place here, as for LoRA.
"""

import importlib.util
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from localfin_convert.adapter.changes import Change, Rows
from localfin_convert.adapter.folder import CONFIG, Folder
from localfin_convert.adapter.kinds import TOGETHER
from localfin_convert.adapter.peft_layers import TORCH_DTYPES, Alone, Layer, Merged, Merger, Together
from localfin_convert.adapter.whole import Found, base_name, unmatched_tensors, whole_tensors
from localfin_convert.read.numbers import FLOATS, to_f32
from localfin_convert.read.positional import read_at
from localfin_convert.read.safetensors_file import StoredTensor
from localfin_convert.read.source import Source
from localfin_models.errors import InputRefused, LocalfinError
from localfin_models.language import _

_PREFIX = "base_model.model."
_SHARED = "base_model."
"""What is no layer's own is saved at the root of peft's model."""


@dataclass(frozen=True, slots=True)
class ThroughPeft:
    """Rows that peft's own merge of the layer made. The first change of its tensor, and not to be weighted."""

    layer: Layer
    kind: str
    """weight or bias"""
    merged: Merged
    stamp: bytes
    """Of the adapter's configuration and of what its layers share."""

    rank = 0
    n_bytes = 0

    def identity(self) -> bytes:
        return self.layer.identity() + self.stamp

    def merge(self, rows: Rows, first: int, dtype: str) -> Rows:
        return self.merged.rows(self.layer, self.kind, first, len(rows))


def read_through_peft(folder: Folder, config: Mapping[str, Any], base: Mapping[str, Source]) -> Found:
    """`config` is the base's config.json.

    Raises InputRefused, and LocalfinError where the `train` extra is not installed.
    """
    kind = str(folder.config["peft_type"])
    require_peft(folder, kind)
    whole = {key: tensor for key, tensor in folder.tensors.items() if base_name(key)[0] in base}
    tensors = {key: tensor for key, tensor in folder.tensors.items() if key not in whole}
    modules, shared = _by_module(tensors, base, with_shared=_shares(folder))
    if not _shares(folder):
        loaded, saved = whole_tensors(folder, whole, base, modules)
        _refuse_bare(folder, modules, base)
        return Found(loaded, saved, merged_layers(folder, Alone(folder.path), modules, base, loaded))
    merger = Together(folder.path, config, base, tensors)
    modules = {module: modules.get(module, {}) for module in merger.modules()}
    loaded, saved = whole_tensors(folder, whole, base, modules)
    return Found(loaded, saved, merged_layers(folder, merger, modules, base, loaded, shared))


def require_peft(folder: Folder, kind: str) -> None:
    """Raises LocalfinError where the `train` extra is not installed."""
    if any(importlib.util.find_spec(name) is None for name in ("torch", "peft", "transformers")):
        raise LocalfinError(
            _("{name} is a {kind} adapter, which peft merges: pip install 'localfin[train]'").format(
                name=folder.name, kind=kind
            )
        )


def merged_layers(
    folder: Folder,
    merger: Merger,
    modules: Mapping[str, Mapping[str, StoredTensor]],
    base: Mapping[str, Source],
    loaded: Mapping[str, StoredTensor],
    shared: Sequence[StoredTensor] = (),
) -> dict[str, tuple[Change, ...]]:
    """Changes by base tensor: peft's own, of these modules' adapter tensors. `loaded` stand in the base's place."""
    for tensor in (*shared, *(tensor for own in modules.values() for tensor in own.values())):
        if tensor.dtype in FLOATS and not np.isfinite(_array(tensor)).all():
            raise InputRefused(_("adapter tensor {name} holds NaN or Inf").format(name=tensor.name))
    merged, stamp = Merged(merger), (folder.path / CONFIG).read_bytes() + b"".join(t.identity() for t in shared)
    changes: dict[str, tuple[Change, ...]] = {}
    checked: set[tuple[str, tuple[int, ...]]] = set()
    for module, own in modules.items():
        names = {name: f"{module}.{name}" for name in ("weight", "bias") if f"{module}.{name}" in base}
        over = {name: loaded[full] for name, full in names.items() if full in loaded}
        layer = Layer(module, _fitting(names, base, over), over, own)
        look = (module.rpartition(".")[2], layer.base["weight"].shape)
        if look not in checked:
            merger.check(layer)
            checked.add(look)
        changes |= {full: (ThroughPeft(layer, name, merged, stamp),) for name, full in names.items()}
    return changes


def _fitting(
    names: Mapping[str, str], base: Mapping[str, Source], over: Mapping[str, StoredTensor]
) -> dict[str, Source]:
    """The base's tensors; the adapter's own where it was trained on a base with more tokens."""
    resized = {name: stored for name, stored in over.items() if stored.shape != base[names[name]].shape}
    return {name: resized.get(name, base[full]) for name, full in names.items()}


def _refuse_bare(folder: Folder, modules: Iterable[str], base: Mapping[str, Source]) -> None:
    bare = next((module for module in modules if f"{module}.bias" not in base), None)
    if folder.config["peft_type"] == "BEFT" and bare is not None:
        raise InputRefused(
            _("{name} trains the bias of {module}, which has none").format(name=folder.name, module=bare)
        )


def _shares(folder: Folder) -> bool:
    return folder.config["peft_type"] in TOGETHER or bool(folder.config.get("proportional_parameters"))


def _by_module(
    tensors: Mapping[str, StoredTensor], base: Mapping[str, Source], *, with_shared: bool
) -> tuple[dict[str, dict[str, StoredTensor]], list[StoredTensor]]:
    """Raises InputRefused for a tensor that belongs to no layer."""
    shared: list[StoredTensor] = []
    modules: dict[str, dict[str, StoredTensor]] = {}
    for key, tensor in tensors.items():
        module = next((name for name in _modules_of(key) if f"{name}.weight" in base), "")
        at_root = with_shared and key.startswith(_SHARED) and not key.startswith(_PREFIX)
        if not (at_root or module) or tensor.dtype not in TORCH_DTYPES:
            raise unmatched_tensors([key])
        if at_root:
            shared.append(tensor)
        else:
            modules.setdefault(module, {})[key] = tensor
    return modules, shared


def _modules_of(key: str) -> Iterator[str]:
    """The names of modules in which the tensor could stand, the innermost first."""
    if key.startswith(_PREFIX):
        steps = key.removeprefix(_PREFIX).split(".")
        yield from (".".join(steps[:end]) for end in range(len(steps) - 1, 0, -1))


def _array(stored: StoredTensor) -> Rows:
    with stored.path.open("rb") as file:
        raw = read_at(file, stored.n_bytes, stored.offset)
    return to_f32(np.frombuffer(raw, FLOATS[stored.dtype]))
