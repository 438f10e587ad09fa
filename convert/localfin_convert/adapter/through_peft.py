"""Adapters of other kinds than LoRA, through peft itself, one layer at a time: a model of one layer, merged, taken out.

Only kinds whose layers do not know of each other, each seen to merge so to the same bytes as in the whole model. torch
and peft (the `train` extra) are imported when such an adapter is given, and not before.
"""

import importlib.util
import warnings
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from localfin_convert.adapter.changes import Change, Rows
from localfin_convert.adapter.folder import CONFIG, EMBEDDINGS, Folder
from localfin_convert.read.numbers import to_f32
from localfin_convert.read.positional import OpenFiles, read_at
from localfin_convert.read.safetensors_file import StoredTensor
from localfin_convert.read.source import Source
from localfin_models.errors import InputRefused, LocalfinError
from localfin_models.language import _

KINDS = (
    "LOHA", "LOKR", "IA3", "OFT", "BOFT", "HRA", "FOURIERFT", "MISS", "LN_TUNING", "C3A", "DELORA", "WAVEFT", "SHIRA",
    "ROAD",
)  # fmt: skip
_PREFIX = "base_model.model."
_TORCH = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip


@dataclass(slots=True)
class Layer:
    """One module of the base with its adapter tensors; merged when rows are first asked for, dropped after the last."""

    adapter: Path
    module: str
    base: dict[str, Source]
    """`weight`, and `bias` where the module has one."""
    tensors: dict[str, StoredTensor]
    lock: Lock
    """The adapter's: one layer is in memory at a time."""
    merged: dict[str, Rows] = field(default_factory=dict[str, Rows])
    left: dict[str, int] = field(default_factory=dict[str, int])

    def rows(self, kind: str, first: int, count: int) -> Rows:
        """Rows of the merged `weight` or `bias`, as float32. Each row is asked for once."""
        with self.lock:
            if not self.left:
                self.merged = self._merge()
                self.left = {name: len(values) for name, values in self.merged.items()}
            rows = self.merged[kind][first : first + count].copy()
            self.left[kind] -= count
            if self.left[kind] <= 0:
                self.merged[kind] = rows[:0]
            return rows

    def check(self) -> None:
        """Lets peft take the adapter's tensors onto a layer of zeros. Raises InputRefused."""
        import torch

        zeros = {name: torch.zeros(stored.shape, dtype=torch.float32) for name, stored in self.base.items()}
        with _peft_errors(self.adapter):
            self._adapted(zeros)

    def _merge(self) -> dict[str, Rows]:
        values = {name: _values(source) for name, source in self.base.items()}
        with _peft_errors(self.adapter):
            module = self._adapted(values).merge_and_unload().get_submodule(self.module)
        merged = {name: getattr(module, name).detach().float().numpy() for name in self.base}
        return {name: array if array.ndim == 2 else array[None] for name, array in merged.items()}

    def _adapted(self, values: Mapping[str, Any]) -> Any:
        from peft import PeftConfig, get_peft_model, set_peft_model_state_dict

        config = PeftConfig.from_pretrained(str(self.adapter))
        config.task_type, config.inference_mode = None, True
        model = get_peft_model(_alone(self.module, values), config)
        state = {key: _tensor(stored) for key, stored in self.tensors.items()}
        result = set_peft_model_state_dict(model, state)
        prefix = str(model.base_model.prefix)
        lost = [*result.unexpected_keys, *(key for key in result.missing_keys if prefix in key)]
        if lost:
            raise InputRefused(
                _("{name}: peft finds no place for {key}, or nothing to put there").format(
                    name=self.adapter.name, key=lost[0]
                )
            )
        return model


@dataclass(frozen=True, slots=True)
class ThroughPeft:
    """Rows that peft's own merge of the layer made. The first change of its tensor, and not to be weighted."""

    layer: Layer
    kind: str
    """weight or bias"""

    rank = 0

    @property
    def n_bytes(self) -> int:
        return 0

    def identity(self) -> bytes:
        stored = (*self.layer.base.values(), *self.layer.tensors.values())
        return b"".join(tensor.identity() for tensor in stored) + (self.layer.adapter / CONFIG).read_bytes()

    def merge(self, rows: Rows, first: int, dtype: str) -> Rows:
        return self.layer.rows(self.kind, first, len(rows))


def read_through_peft(folder: Folder, base: Mapping[str, Source]) -> dict[str, tuple[Change, ...]]:
    """Changes by base tensor. Raises InputRefused, and LocalfinError where the `train` extra is not installed."""
    kind = str(folder.config["peft_type"])
    if folder.config.get("modules_to_save") or folder.config.get("bias", "none") != "none":
        raise InputRefused(
            _("{name}: modules_to_save and biases beside {kind} are not merged here").format(
                name=folder.name, kind=kind
            )
        )
    if any(importlib.util.find_spec(name) is None for name in ("torch", "peft")):
        raise LocalfinError(
            _("{name} is a {kind} adapter, which peft merges: pip install 'localfin[train]'").format(
                name=folder.name, kind=kind
            )
        )
    lock = Lock()
    changes: dict[str, tuple[Change, ...]] = {}
    checked: set[tuple[str, tuple[int, ...]]] = set()
    for module, tensors in _by_module(folder, base).items():
        names = {name: f"{module}.{name}" for name in ("weight", "bias") if f"{module}.{name}" in base}
        layer = Layer(folder.path, module, {name: base[full] for name, full in names.items()}, tensors, lock)
        look = (module.rpartition(".")[2], base[names["weight"]].shape)
        if look not in checked:
            layer.check()
            checked.add(look)
        changes |= {full: (ThroughPeft(layer, name),) for name, full in names.items()}
    return changes


def _by_module(folder: Folder, base: Mapping[str, Source]) -> dict[str, dict[str, StoredTensor]]:
    modules: dict[str, dict[str, StoredTensor]] = {}
    for key, tensor in folder.tensors.items():
        steps = key.removeprefix(_PREFIX).split(".")
        names = (".".join(steps[:end]) for end in range(len(steps) - 1, 0, -1))
        module = next((name for name in names if f"{name}.weight" in base), "")
        if not key.startswith(_PREFIX) or not module or module.endswith(EMBEDDINGS) or tensor.dtype not in _TORCH:
            raise InputRefused(
                _("{count} adapter tensors match nothing in the base: {names}").format(count=1, names=key[:120])
            )
        if tensor.dtype in ("F32", "F16", "BF16") and not np.isfinite(_array(tensor)).all():
            raise InputRefused(_("adapter tensor {name} holds NaN or Inf").format(name=tensor.name))
        modules.setdefault(module, {})[key] = tensor
    return modules


def _alone(module: str, values: Mapping[str, Any]) -> Any:
    """A model with nothing in it but the one layer, under its full name."""
    import torch

    root = node = torch.nn.Module()
    *parents, leaf = module.split(".")
    for parent in parents:
        child = torch.nn.Module()
        node.add_module(parent, child)
        node = child
    weight = values["weight"]
    layer: Any
    if weight.ndim == 2:
        layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias="bias" in values, device="meta")
    else:  # peft swaps a norm's weight as it stands, whatever the norm computes with it
        layer = torch.nn.RMSNorm(len(weight), device="meta")
    for name, value in values.items():
        setattr(layer, name, torch.nn.Parameter(value, requires_grad=False))
    node.add_module(leaf, layer)
    return root


def _array(stored: StoredTensor) -> Rows:
    with stored.path.open("rb") as file:
        raw = read_at(file, stored.n_bytes, stored.offset)
    return to_f32(np.frombuffer(raw, {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}[stored.dtype]))


def _values(source: Source) -> Any:
    """All of a base tensor, in its own dtype."""
    import torch

    with OpenFiles() as files:
        rows = source.rows(files, 0, prod(source.shape[:-1]))
    return torch.from_numpy(rows).reshape(source.shape).to(getattr(torch, _TORCH[source.dtype]))


def _tensor(stored: StoredTensor) -> Any:
    import torch

    with stored.path.open("rb") as file:
        raw = bytearray(read_at(file, stored.n_bytes, stored.offset))
    return torch.frombuffer(raw, dtype=getattr(torch, _TORCH[stored.dtype])).reshape(stored.shape)


@contextmanager
def _peft_errors(adapter: Path) -> Generator[None, None, None]:
    """peft's errors as one line, its warnings (about task types and the like) not at all."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError, NotImplementedError) as error:
        why = " ".join(str(error).split())[:200]
        raise InputRefused(_("{name}: peft refuses it: {why}").format(name=adapter.name, why=why)) from error
