"""Rows of single tokens that an adapter trained: LoRA's `trainable_token_indices`, or an adapter of nothing else."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from localfin_convert.adapter.changes import TokenRows
from localfin_convert.adapter.folder import EMBEDDINGS, Folder, matrix, refuse_shape
from localfin_convert.adapter.whole import promised
from localfin_convert.read.safetensors_file import StoredTensor
from localfin_models.errors import InputRefused
from localfin_models.language import _

_ROWS = ".trainable_tokens_delta"


def tokens_as_lora(folder: Folder) -> Folder:
    """An adapter of kind TRAINABLE_TOKENS as LoRA without LoRA: the same rows, one module further down."""
    config = folder.config
    targets = config.get("target_modules") or list(EMBEDDINGS)
    indices = config.get("token_indices") or []
    if isinstance(targets, str):
        held = [key.removesuffix(_ROWS) for key in folder.tensors if key.endswith(_ROWS)]
        targets = [key.removeprefix("base_model.model.") for key in held]
    return replace(
        folder,
        config={**config, "trainable_token_indices": dict.fromkeys(targets, indices), "target_modules": []},
        tensors={
            key.replace(_ROWS, f".token_adapter{_ROWS}") if key.endswith(_ROWS) else key: tensor
            for key, tensor in folder.tensors.items()
        },
    )


def refuse_missing_rows(folder: Folder, parts: Mapping[str, Mapping[str, StoredTensor]]) -> None:
    """What the configuration promises must be in the file, as peft demands."""
    tokens = token_indices(folder.config)
    holders = [module for module, roles in parts.items() if "trainable_tokens" in roles]
    # A tied head with the embedding's own token indices may be stored once.
    alike = bool(holders) and len({tuple(ids) for ids in tokens.values()}) == 1
    missing = [] if alike else [n for n in tokens if not any(f".{module}".endswith(f".{n}") for module in holders)]
    if missing:
        raise promised(folder, missing[0])


def token_indices(config: Mapping[str, Any]) -> dict[str, list[int]]:
    """`trainable_token_indices` by module; a bare list is the input embedding's. Raises InputRefused if malformed."""
    stored = config.get("trainable_token_indices") or {}
    indices = dict.fromkeys(EMBEDDINGS, stored) if isinstance(stored, list) else stored
    well_formed = isinstance(indices, dict) and all(
        isinstance(ids, list) and all(type(i) is int and 0 <= i < 1 << 22 for i in ids) and len(set(ids)) == len(ids)
        for ids in indices.values()
    )
    if not well_formed:
        raise InputRefused(_("adapter_config.json has malformed trainable_token_indices"))
    return dict(indices)


def token_rows(folder: Folder, module: str, stored: StoredTensor, shape: tuple[int, ...]) -> TokenRows:
    named = token_indices(folder.config)
    indices = next((ids for name, ids in named.items() if f".{module}".endswith(f".{name}")), None)
    if indices is None and module == "lm_head":  # a tied head has the embedding's
        indices = next((ids for name, ids in named.items() if name.endswith(EMBEDDINGS)), None)
    if not indices:
        raise InputRefused(_("adapter_config.json names no trainable_token_indices for {module}").format(module=module))
    refuse_shape({stored: (len(indices), *shape[1:])}, shape)
    order = np.argsort(np.array(indices, np.int64))
    return TokenRows(np.array(indices, np.int64)[order], matrix(stored)[order])
