"""The torch side of adapters that peft merges: a layer at a time, alone or in a model whose other layers are empty.

torch, peft and, for kinds whose layers share something, transformers are imported when such an adapter is given, and
not before. At most two merged layers are kept, because the last blocks of one tensor and the first of the next are
under way at once.
"""

import warnings
from collections import OrderedDict
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from localfin_convert.adapter.changes import Rows
from localfin_convert.adapter.folder import EMBEDDINGS
from localfin_convert.read.positional import OpenFiles, read_at
from localfin_convert.read.safetensors_file import StoredTensor
from localfin_convert.read.source import Source
from localfin_models.errors import InputRefused
from localfin_models.language import _

TORCH_DTYPES = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
    "I16": "int16", "I8": "int8", "U8": "uint8", "BOOL": "bool",
}  # fmt: skip
_KEPT = 2


@dataclass(frozen=True, slots=True)
class Layer:
    """One module of the base that an adapter changes."""

    module: str
    base: Mapping[str, Source]
    """`weight`, and `bias` where the module has one."""
    loaded: Mapping[str, StoredTensor]
    """Those of them that peft loads with the adapter, after it wrapped the base's."""
    tensors: Mapping[str, StoredTensor]
    """The adapter's other tensors of this module, by their keys."""

    def identity(self) -> bytes:
        stored = (*self.base.values(), *self.loaded.values(), *self.tensors.values())
        return b"".join(tensor.identity() for tensor in stored)


class Merger(Protocol):
    """What lets peft merge the layers of one adapter."""

    def check(self, layer: Layer) -> None:
        """Raises InputRefused where peft does not take the adapter's tensors for it."""
        ...

    def merge(self, layer: Layer) -> dict[str, Any]:
        """The layer's `weight` and `bias` as peft merges them."""
        ...


@dataclass(slots=True)
class Merged:
    """Rows of one adapter's merged layers, for several threads."""

    merger: Merger
    lock: Lock = field(default_factory=Lock)
    kept: OrderedDict[str, dict[str, Rows]] = field(default_factory=OrderedDict[str, dict[str, Rows]])

    def rows(self, layer: Layer, kind: str, first: int, count: int) -> Rows:
        """Rows of the merged `weight` or `bias` (one row), as float32."""
        with self.lock:
            if layer.module not in self.kept:
                while len(self.kept) >= _KEPT:
                    self.kept.popitem(last=False)
                merged = self.merger.merge(layer)
                arrays = {name: value.detach().float().numpy() for name, value in merged.items()}
                self.kept[layer.module] = {name: a if a.ndim == 2 else a[None] for name, a in arrays.items()}
            return self.kept[layer.module][kind][first : first + count].copy()


@dataclass(frozen=True, slots=True)
class Alone:
    """Each layer in a model of its own."""

    adapter: Path

    def check(self, layer: Layer) -> None:
        import torch

        zeros = {name: torch.zeros(source.shape, dtype=torch.float32) for name, source in layer.base.items()}
        with peft_errors(self.adapter):
            self._adapted(layer, zeros, from_base=False)

    def merge(self, layer: Layer) -> dict[str, Any]:
        values = {name: _values(source) for name, source in layer.base.items()}
        with peft_errors(self.adapter):
            module = self._adapted(layer, values).merge_and_unload().get_submodule(layer.module)
        return {name: getattr(module, name) for name in layer.base}

    def _adapted(self, layer: Layer, values: Mapping[str, Any], *, from_base: bool = True) -> Any:
        tensors = {**layer.tensors, **{stored.name: stored for stored in layer.loaded.values()}}
        return _with_adapter(_alone(layer.module, values), self.adapter, tensors, from_base=from_base)


class Together:
    """All layers in one model, as transformers builds it, whose weights take no memory: each is one zero, repeated."""

    def __init__(
        self, adapter: Path, config: Mapping[str, Any], base: Mapping[str, Source], tensors: Mapping[str, StoredTensor]
    ) -> None:
        """`config` is the base's config.json; `tensors` are all of the adapter's. Raises InputRefused."""
        self._adapter = adapter
        with peft_errors(adapter):
            self._model = _with_adapter(_empty_model(config, base), adapter, tensors)

    def modules(self) -> list[str]:
        """The names of the layers that the adapter changes."""
        from peft.tuners.tuners_utils import BaseTunerLayer

        layers = self._model.get_base_model().named_modules()
        return [name for name, module in layers if isinstance(module, BaseTunerLayer)]

    def check(self, layer: Layer) -> None:
        """peft took all of the adapter's tensors when the model was made."""

    def merge(self, layer: Layer) -> dict[str, Any]:
        import torch

        with peft_errors(self._adapter):
            wrapper = self._model.get_base_model().get_submodule(layer.module)
            linear = wrapper.get_base_layer()
            for name, source in {**layer.base, **layer.loaded}.items():
                setattr(linear, name, torch.nn.Parameter(_values(source).to(getattr(linear, name).dtype), False))
            wrapper.merge()
            merged = {name: getattr(linear, name) for name in layer.base}
            for name, value in merged.items():
                setattr(linear, name, _nothing(value.shape, value.dtype))
            wrapper.merged_adapters.clear()
        return merged


def _with_adapter(model: Any, adapter: Path, tensors: Mapping[str, StoredTensor], *, from_base: bool = True) -> Any:
    """Without `from_base` LoRA's initialisations that decompose the base, which takes minutes, are left out."""
    from peft import PeftConfig, get_peft_model, set_peft_model_state_dict

    config: Any = PeftConfig.from_pretrained(str(adapter))
    config.task_type, config.inference_mode = None, True
    for beside in ("modules_to_save", "trainable_token_indices"):  # merged without peft
        if hasattr(config, beside):
            setattr(config, beside, None)
    if not from_base and hasattr(config, "init_lora_weights"):
        config.init_lora_weights = True
    wrapped: Any = get_peft_model(model, config)
    result = set_peft_model_state_dict(wrapped, {key: _tensor(stored) for key, stored in tensors.items()})
    wrapped.base_model._cast_adapter_dtype(adapter_name="default", autocast_adapter_dtype=True)  # as load_adapter does
    prefix, places = str(wrapped.base_model.prefix), wrapped.state_dict(keep_vars=True)
    filled = {places[key].data_ptr() for key in places.keys() - set(result.missing_keys)}
    empty = (key for key in result.missing_keys if prefix in key)  # what layers share has a place in each of them
    lost = [*result.unexpected_keys, *(key for key in empty if places[key].data_ptr() not in filled)]
    if lost:
        raise InputRefused(
            _("{name}: peft finds no place for {key}, or nothing to put there").format(name=adapter.name, key=lost[0])
        )
    return wrapped.eval()


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
    if leaf in EMBEDDINGS:
        layer = torch.nn.Embedding(weight.shape[0], weight.shape[1], device="meta")
    elif weight.ndim == 2:
        layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias="bias" in values, device="meta")
    else:  # peft swaps a norm's weight as it stands, whatever the norm computes with it
        layer = torch.nn.RMSNorm(len(weight), device="meta")
    for name, value in values.items():
        setattr(layer, name, torch.nn.Parameter(value, requires_grad=False))
    node.add_module(leaf, layer)
    return root


def _empty_model(config: Mapping[str, Any], base: Mapping[str, Source]) -> Any:
    """The base's modules in transformers' order; raises ValueError where transformers does not know the family."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    known = {key: value for key, value in config.items() if key not in ("quantization_config", "auto_map")}
    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(AutoConfig.for_model(str(known.pop("model_type", "")), **known))
    for name, parameter in list(model.named_parameters(remove_duplicate=False)):
        module, _dot, leaf = name.rpartition(".")
        dtype = TORCH_DTYPES[base[name].dtype] if name in base else "float32"
        setattr(model.get_submodule(module), leaf, _nothing(parameter.shape, getattr(torch, dtype)))
    return model


def _nothing(shape: tuple[int, ...], dtype: Any) -> Any:
    import torch

    return torch.nn.Parameter(torch.zeros((), dtype=dtype).expand(shape), requires_grad=False)


def _values(source: Source) -> Any:
    """All of a base tensor, in its own dtype."""
    import torch

    with OpenFiles() as files:
        rows = source.rows(files, 0, prod(source.shape[:-1]))
    return torch.from_numpy(rows).reshape(source.shape).to(getattr(torch, TORCH_DTYPES[source.dtype]))


def _tensor(stored: StoredTensor) -> Any:
    import torch

    with stored.path.open("rb") as file:
        raw = bytearray(read_at(file, stored.n_bytes, stored.offset))
    return torch.frombuffer(raw, dtype=getattr(torch, TORCH_DTYPES[stored.dtype])).reshape(stored.shape)


@contextmanager
def peft_errors(adapter: Path) -> Generator[None, None, None]:
    """peft's errors as one line, its warnings (about task types and the like) not at all."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (RuntimeError, ValueError, TypeError, KeyError, AttributeError) as error:
        why = " ".join(str(error).split())[:200]
        raise InputRefused(_("{name}: peft refuses it: {why}").format(name=adapter.name, why=why)) from error
