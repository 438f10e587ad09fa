"""Our merge beside peft's own, tensor by tensor, on tiny models made by transformers; no GGUF is written."""

from collections.abc import Callable, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import peft
import torch
from numpy.typing import NDArray
from peft.tuners.lora import LoraLayer
from transformers import AutoConfig, AutoModelForCausalLM

from localfin_convert.adapter import Weighted, open_adapters, weighted
from localfin_convert.merge import merged_rows
from localfin_convert.read.checkpoint import open_checkpoint
from localfin_convert.read.positional import OpenFiles

Tensors = dict[str, NDArray[np.float32]]
DTYPES = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}
_TINY: dict[str, Any] = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 120, "max_position_embeddings": 64, "tie_word_embeddings": False,
}  # fmt: skip
MIXTURES: dict[str, dict[str, Any]] = {
    "mixtral": {"num_local_experts": 3, "num_experts_per_tok": 2},
    "qwen3_moe": {"num_experts": 12, "num_experts_per_tok": 2, "moe_intermediate_size": 48, "head_dim": 16},
}
_BLOCK = 50  # rows at a time, so that borders of blocks fall inside of everything


def make_base(folder: Path, kind: str = "llama", dtype: str = "bf16", **config: Any) -> Path:
    """A checkpoint of random weights as transformers saves it."""
    torch.manual_seed(3)
    model = AutoModelForCausalLM.from_config(
        AutoConfig.for_model(kind, **(_TINY | MIXTURES.get(kind, {}) | config)), dtype=DTYPES[dtype]
    )
    for parameter in model.parameters():
        parameter.data = (torch.randn(parameter.shape) * 0.05).to(DTYPES[dtype])
    model.save_pretrained(folder)
    return folder


def load(base: Path, **arguments: Any) -> Any:
    return AutoModelForCausalLM.from_pretrained(base, dtype="auto", **arguments)


def train(
    base: Any, folder: Path, config: Any, dtype: str | None = None, before_saving: Callable[[Any], None] | None = None
) -> Path:
    """An adapter with something in each of its tensors, saved by peft; `base` is a folder or a model."""
    torch.manual_seed(7)
    model = peft.get_peft_model(load(base) if isinstance(base, Path) else base, config)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += torch.randn_like(parameter) * 0.05
            if dtype is not None:
                parameter.data = parameter.data.to(DTYPES[dtype])
    if before_saving is not None:
        before_saving(model)
    model.save_pretrained(folder)
    return folder


def pefts(model: Any, saved: Path, *adapters: Path | Weighted) -> Tensors:
    """What peft merges, all adapters at once, under the names that transformers saves it by."""
    asked = weighted(adapters)
    names = [f"adapter{number}" for number in range(len(asked))]
    wrapped = peft.PeftModel.from_pretrained(model, str(asked[0].folder), adapter_name=names[0])
    for one, name in zip(asked[1:], names[1:], strict=True):
        wrapped.load_adapter(str(one.folder), name)
    for module in wrapped.modules():
        for one, name in zip(asked, names, strict=True):
            if isinstance(module, LoraLayer) and one.weight != 1:
                module.set_scale(name, one.weight)
    wrapped.merge_and_unload(adapter_names=names if len(names) > 1 else None).save_pretrained(saved)
    return ours(saved)


def pefts_one_by_one(model: Any, saved: Path, *adapters: Path | Weighted) -> Tensors:
    """For adapters that peft does not load beside each other: each onto the model that the one before it left."""
    for one in weighted(adapters):
        model = peft.PeftModel.from_pretrained(model, str(one.folder))
        for module in model.modules():
            if isinstance(module, LoraLayer):
                module.set_scale("default", one.weight)
        model = model.merge_and_unload()
    model.save_pretrained(saved)
    return ours(saved)


def ours(base: Path, *adapters: Path | Weighted, widened: bool = False) -> Tensors:
    """Every tensor of the checkpoint, merged block by block; `widened`, as if it were stored in float32."""
    checkpoint = open_checkpoint(base)
    merge = open_adapters(checkpoint.widened() if widened else checkpoint, weighted(adapters))
    merged: Tensors = {}
    with OpenFiles() as files:
        for name, source in merge.checkpoint.tensors.items():
            shape = merge.shape(name)
            rows, steps = prod(shape[:-1]), merge.steps.get(name, ())
            parts = [
                merged_rows(source, steps, files, first, min(_BLOCK, rows - first))[0]
                for first in range(0, rows, _BLOCK)
            ]
            merged[name] = np.concatenate(parts).reshape(shape)
    return merged


def differing(mine: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, int]:
    """Names of tensors that differ, with how many values do; -1 for a tensor that only one side has."""
    both = {name: int((mine[name] != theirs[name]).sum()) for name in mine if name in theirs}
    return {name: count for name, count in both.items() if count} | dict.fromkeys(mine.keys() ^ theirs.keys(), -1)
