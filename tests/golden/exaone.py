"""EXAONE 3.5's modules under their published names, for peft: transformers does not know the family.

A merge asks a model for nothing but its modules, so there is no forward pass here.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, PreTrainedModel


class _Exaone(PreTrainedModel):
    config_class = LlamaConfig  # for tie_word_embeddings and vocab_size
    _tied_weights_keys = {"lm_head.weight": "transformer.wte.weight"}  # noqa: RUF012 - as transformers has it

    def __init__(self, config: LlamaConfig, tensors: dict[str, torch.Tensor]) -> None:
        super().__init__(config)
        for name, values in tensors.items():
            self._add(name.removesuffix(".weight").split("."), values)
        if "lm_head.weight" not in tensors:
            self._add(["lm_head"], tensors["transformer.wte.weight"])
            self.lm_head.weight = self.transformer.wte.weight

    def _add(self, steps: list[str], weight: torch.Tensor) -> None:
        parent: torch.nn.Module = self
        for step in steps[:-1]:
            if not hasattr(parent, step):
                parent.add_module(step, torch.nn.Module())
            parent = getattr(parent, step)
        parent.add_module(steps[-1], _layer(steps[-1], weight))

    def get_input_embeddings(self) -> Any:
        return self.transformer.wte

    def set_input_embeddings(self, value: Any) -> None:
        self.transformer.wte = value

    def get_output_embeddings(self) -> Any:
        return self.lm_head

    def set_output_embeddings(self, new_embeddings: Any) -> None:
        self.lm_head = new_embeddings

    def prepare_inputs_for_generation(self) -> None:
        """peft wants it there."""


def _layer(name: str, weight: torch.Tensor) -> torch.nn.Module:
    layer: torch.nn.Module
    if name == "wte":
        layer = torch.nn.Embedding(*weight.shape, device="meta")
    elif weight.ndim == 1:
        layer = torch.nn.RMSNorm(len(weight), device="meta")
    else:
        layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
    layer.weight = torch.nn.Parameter(weight)
    return layer


def load_exaone(base: Path, dtype: torch.dtype, *, unties: bool) -> Any:
    """The checkpoint in `base`; `unties` gives a tied one a head of its own."""
    stored = json.loads((base / "config.json").read_text(encoding="utf-8"))
    tensors = load_file(base / "model.safetensors")
    if unties:
        tensors["lm_head.weight"] = tensors["transformer.wte.weight"].clone()
    config = LlamaConfig(
        vocab_size=stored["vocab_size"],
        hidden_size=stored["hidden_size"],
        tie_word_embeddings=stored["tie_word_embeddings"] and not unties,
    )
    return _Exaone(config, {name: values.to(dtype) for name, values in tensors.items()})
