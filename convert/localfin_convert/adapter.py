"""A peft LoRA adapter folder: which linear weights it changes, and by how much. Other kinds are refused by name.

delta = (B @ A) * scale with scale = alpha / r, or alpha / sqrt(r) for rsLoRA (peft `tuners/lora/layer.py`);
`rank_pattern` and `alpha_pattern` keys match `(.*\\.)?(key)$` of the module's name.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from localfin_convert.checkpoint import read_json
from localfin_convert.numbers import read_rows, to_f32
from localfin_convert.safetensors_file import StoredTensor, read_header
from localfin_models.errors import InputRefused, NotFound
from localfin_models.language import _

WEIGHTS = "adapter_model.safetensors"
_KEY = re.compile(r"^base_model\.model\.(?P<module>.+)\.lora_(?P<side>[AB])(?:\.default)?\.weight$")
_UNSUPPORTED = {
    "use_dora": "DoRA",
    "fan_in_fan_out": "fan_in_fan_out",
    "lora_bias": "lora_bias",
    "modules_to_save": "modules_to_save",
    "trainable_token_indices": "trainable_token_indices",
    "target_parameters": "target_parameters",
    "layer_replication": "layer_replication",
    "use_qalora": "QALoRA",
    "use_bdlora": "BD-LoRA",
    "arrow_config": "Arrow",
    "kasa_config": "KaSA",
    "velora_config": "VeLoRA",
    "monteclora_config": "MonteCLoRA",
}


@dataclass(frozen=True, slots=True)
class LowRank:
    """The change of one weight of shape (out, in)."""

    a: NDArray[np.float32]
    """(r, in)"""
    b: NDArray[np.float32]
    """(out, r)"""
    scale: float


@dataclass(frozen=True, slots=True)
class Adapter:
    folder: Path
    base_name: str
    """What the adapter says it was trained on; empty where it does not say."""
    deltas: dict[str, LowRank]
    """By the name of the base tensor they change."""


def open_adapter(folder: Path, base: Mapping[str, StoredTensor]) -> Adapter:
    """Reads the whole adapter (megabytes), accounting for each of its tensors against `base`.

    Raises NotFound without `folder`; InputRefused for an unsupported kind, a tensor that matches nothing, a shape that
    shows another base, or a NaN.
    """
    if not folder.is_dir():
        raise NotFound(_("no such adapter folder: {folder}").format(folder=folder))
    config = read_json(folder / "adapter_config.json")
    _refuse_unsupported(folder, config)
    path = folder / WEIGHTS
    if not path.is_file():
        if (folder / "adapter_model.bin").is_file():
            raise InputRefused(
                _("{folder}/{file} is a pickle, which can run code; save it as safetensors").format(
                    folder=folder.name, file="adapter_model.bin"
                )
            )
        raise InputRefused(_("{folder} has no {file}").format(folder=folder.name, file=WEIGHTS))
    pairs = _pairs(read_header(path), base)
    deltas = {name: _low_rank(name, pair, base[name], config) for name, pair in pairs.items()}
    if not deltas:
        raise InputRefused(_("{name} changes nothing: {file} holds no tensor").format(name=folder.name, file=WEIGHTS))
    return Adapter(folder, str(config.get("base_model_name_or_path") or ""), deltas)


def _refuse_unsupported(folder: Path, config: Mapping[str, Any]) -> None:
    kind = config.get("peft_type")
    if kind != "LORA":
        raise InputRefused(
            _("{name}: peft_type is {kind!r}; LORA is what this version merges").format(name=folder.name, kind=kind)
        )
    for key, name in _UNSUPPORTED.items():
        if config.get(key):
            raise InputRefused(
                _("{name}: the adapter uses {kind}, which this version does not merge").format(
                    name=folder.name, kind=name
                )
            )
    if config.get("bias", "none") != "none":
        raise InputRefused(
            _("{name}: the adapter trained biases (bias={bias!r}); not merged here").format(
                name=folder.name, bias=config["bias"]
            )
        )


def _pairs(tensors: Mapping[str, StoredTensor], base: Mapping[str, StoredTensor]) -> dict[str, dict[str, StoredTensor]]:
    pairs: dict[str, dict[str, StoredTensor]] = {}
    unmatched: list[str] = []
    for key, tensor in tensors.items():
        match = _KEY.match(key)
        name = f"{match['module']}.weight" if match else ""
        if match is None or name not in base:
            unmatched.append(key)
        else:
            pairs.setdefault(name, {})[match["side"]] = tensor
    if unmatched:
        raise InputRefused(
            _("{count} adapter tensors match nothing in the base: {names}").format(
                count=len(unmatched), names=", ".join(unmatched[:3]) + (" …" if len(unmatched) > 3 else "")
            )
        )
    return pairs


def _low_rank(name: str, pair: Mapping[str, StoredTensor], target: StoredTensor, config: Mapping[str, Any]) -> LowRank:
    module = name.removesuffix(".weight")
    if set(pair) != {"A", "B"}:
        raise InputRefused(
            _("the adapter has only one half (lora_{side}) for {module}").format(side=next(iter(pair)), module=module)
        )
    rank = _pattern(config.get("rank_pattern"), module, config.get("r"))
    alpha = _pattern(config.get("alpha_pattern"), module, config.get("lora_alpha"))
    if type(rank) is not int or rank < 1 or not isinstance(alpha, int | float) or not math.isfinite(alpha):
        raise InputRefused(_("adapter_config.json has no usable r and lora_alpha for {module}").format(module=module))
    expected = {"A": (rank, *target.shape[1:]), "B": (*target.shape[:1], rank)}
    for side, shape in expected.items():
        if len(target.shape) != 2 or pair[side].shape != shape:
            raise InputRefused(
                _(
                    "the adapter is for another base: {module}.lora_{side} is {shape}, {fitting} would fit {target}"
                ).format(
                    module=module,
                    side=side,
                    shape=list(pair[side].shape),
                    fitting=list(shape),
                    target=list(target.shape),
                )
            )
    scale = alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank
    return LowRank(_matrix(pair["A"]), _matrix(pair["B"]), scale)


def _pattern(patterns: object, module: str, default: object) -> Any:
    if isinstance(patterns, dict):
        for key, value in patterns.items():
            try:
                if re.match(rf"(.*\.)?({key})$", module):
                    return value
            except re.error:
                raise InputRefused(_("adapter_config.json has the malformed pattern {key!r}").format(key=key)) from None
    return default


def _matrix(tensor: StoredTensor) -> NDArray[np.float32]:
    if tensor.dtype not in ("F32", "F16", "BF16"):
        raise InputRefused(
            _("adapter tensor {name} is {dtype}; F32, F16 or BF16 were expected").format(
                name=tensor.name, dtype=tensor.dtype
            )
        )
    with tensor.path.open("rb") as file:
        rows = read_rows(file, tensor, 0, tensor.shape[0])
    matrix = to_f32(rows)
    if not np.isfinite(matrix).all():
        raise InputRefused(_("adapter tensor {name} holds NaN or Inf").format(name=tensor.name))
    return matrix
