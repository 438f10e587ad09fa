"""Small models of every family, with random weights large enough that a wrong one computes something else."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from tests.golden.cases import CASES, Case
from tests.golden.checkpoints import build, write_safetensors
from tests.golden.layouts import shapes

VOCABULARY = 320


def case_of(golden: str, config: dict[str, Any], **changes: Any) -> Case:
    """The golden case's architecture, small, with other settings."""
    case = next(case for case in CASES if case.name == golden)
    vocabulary = "gpt-2" if case.architecture.startswith("exaone") else "llama-spm"
    small = {"vocabulary": vocabulary, "vocab_size": VOCABULARY, "hidden": 64, "layers": 3, "intermediate": 96,
             "heads": 4, "kv_heads": 2, "dtype": "f32", "shards": 1, "padding": 0, "added_tokens": (), "adapters": (),
             "config": config}  # fmt: skip
    return replace(case, **(small | changes))


def weights_of(case: Case) -> dict[str, np.ndarray]:
    """Random weights large enough that attention and gates are far from even."""
    generator, tensors = np.random.default_rng(7), dict[str, np.ndarray]()
    for name, shape in shapes(case):
        if len(shape) == 1:
            mean = 0.0 if case.architecture.startswith("gemma") or name.endswith("bias") else 1.0
            tensors[name] = generator.normal(mean, 0.3, shape)
            continue
        spread = 1.0 if "embed" in name or "wte" in name else 1.5 / shape[1] ** 0.5
        tensors[name] = generator.normal(0, spread, shape)
        for block, setting in (("self_attn", "attention_bias"), ("mlp", "mlp_bias")):
            if case.config.get(setting) and block in name:
                tensors[name.replace(".weight", ".bias")] = generator.normal(0, 0.3, shape[:1])
    return {name: tensor.astype(np.float32) for name, tensor in tensors.items()}


def written(case: Case, folder: Path) -> tuple[Path, dict[str, np.ndarray]]:
    base, _ = build(case, folder)
    tensors = weights_of(case)
    write_safetensors(base / "model.safetensors", tensors, "f32")
    return base, tensors
