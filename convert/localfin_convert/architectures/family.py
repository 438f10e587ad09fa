"""What all families share: hyper-parameters to GGUF keys, checkpoint names to GGUF names, which rows go where.

Follows `conversion/base.py` of llama.cpp;
what config.json leaves out has the defaults of transformers' config classes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import gguf
import numpy as np
from gguf import GGUFValueType as Type
from numpy.typing import NDArray

from localfin_convert.keys import Key
from localfin_models.errors import InputRefused
from localfin_models.language import _

_SKIPPED = (".attention.masked_bias", ".attention.bias", ".rotary_emb.inv_freq")


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where a checkpoint tensor goes."""

    name: str
    """In the GGUF file."""
    heads: int
    """Attention heads whose rows are to be reordered (see `permute_rows`); 0 leaves the rows alone."""


def permute_rows(rows: NDArray[Any], heads: int) -> NDArray[Any]:
    """(n, columns) of whole heads -> the same rows, each head's two halves interleaved as ggml's RoPE reads them.

    transformers stores a head as [x0 … xk, y0 … yk]; ggml rotates neighbouring pairs: [x0, y0, … xk, yk].
    """
    count = rows.shape[0]
    return rows.reshape(heads, 2, count // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


class Family:
    arch: ClassVar[gguf.MODEL_ARCH]
    defaults: ClassVar[dict[str, Any]] = {}
    block_tensors: ClassVar[tuple[str, ...]] = ()
    """Checkpoint names every layer must have, below `model.layers.N.`."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = {**self.defaults, **{key: value for key, value in config.items() if value is not None}}
        self.layers = self._natural("num_hidden_layers")
        self.heads = self._natural("num_attention_heads")
        self.config.setdefault("num_key_value_heads", self.heads)
        self.kv_heads = self._natural("num_key_value_heads")
        self.hidden = self._natural("hidden_size")
        if self.hidden % self.heads or self.heads % self.kv_heads:
            raise InputRefused(
                _("config.json: hidden_size {hidden}, {heads} heads and {kv_heads} kv heads do not divide").format(
                    hidden=self.hidden, heads=self.heads, kv_heads=self.kv_heads
                )
            )
        self.rope = self._rope_parameters()
        self._names = gguf.get_tensor_name_map(self.arch, self.layers)

    @property
    def name(self) -> str:
        return str(gguf.MODEL_ARCH_NAMES[self.arch])

    @property
    def vocab_size(self) -> int:
        return self._natural("vocab_size")

    @property
    def head_dim(self) -> int:
        return self._natural("head_dim") if "head_dim" in self.config else self.hidden // self.heads

    def tensor(self, name: str) -> Tensor | None:
        """Where the checkpoint's `name` goes; None for what is left out. Raises InputRefused if unknown."""
        if name.endswith(_SKIPPED):
            return None
        mapped = self._names.get_name(key=name, try_suffixes=(".weight", ".bias"))
        if mapped is None:
            raise InputRefused(
                _("tensor {name!r} does not belong to a {family} model of {layers} layers").format(
                    name=name[:120], family=self.name, layers=self.layers
                )
            )
        return Tensor(mapped, self.heads_to_permute(name))

    def heads_to_permute(self, name: str) -> int:
        return 0

    def required(self) -> list[str]:
        """Checkpoint names without which the model would not run."""
        blocks = [f"model.layers.{i}.{name}" for i in range(self.layers) for name in self.block_tensors]
        return ["model.embed_tokens.weight", *blocks, "model.norm.weight"]

    def extra_tensors(self) -> dict[str, NDArray[np.float32]]:
        """Tensors that are computed, not stored."""
        return {}

    def hyperparameters(self) -> list[Key]:
        """In llama.cpp's order, from block_count to the head lengths."""
        a = self.name
        keys = [
            Key(f"{a}.block_count", self.layers, Type.UINT32, None),
            Key(f"{a}.context_length", self._natural("max_position_embeddings"), Type.UINT32, None),
            Key(f"{a}.embedding_length", self.hidden, Type.UINT32, None),
            Key(f"{a}.feed_forward_length", self._natural("intermediate_size"), Type.UINT32, None),
            Key(f"{a}.attention.head_count", self.heads, Type.UINT32, None),
            Key(f"{a}.attention.head_count_kv", self.kv_heads, Type.UINT32, None),
            *self._rope_keys(),
            Key(f"{a}.attention.layer_norm_rms_epsilon", self._real("rms_norm_eps"), Type.FLOAT32, None),
        ]
        if "head_dim" in self.config:
            keys += [
                Key(f"{a}.attention.key_length", self.head_dim, Type.UINT32, None),
                Key(f"{a}.attention.value_length", self.head_dim, Type.UINT32, None),
            ]
        return keys

    def family_keys(self) -> list[Key]:
        """What follows `general.file_type` for this family alone."""
        return []

    def _rope_parameters(self) -> dict[str, Any]:
        stored = self.config.get("rope_parameters") or self.config.get("rope_scaling") or {}
        if not isinstance(stored, dict):
            raise InputRefused(_("config.json: rope_parameters is not an object"))
        rope = dict(stored)
        rope.setdefault("rope_type", rope.get("type", "default"))
        rope.setdefault("rope_theta", self.config.get("rope_theta", 10000.0))
        if rope["rope_type"] in ("llama3", "yarn"):
            rope.setdefault("original_max_position_embeddings", self.config["max_position_embeddings"])
        if rope["rope_type"] not in ("default", "linear", "yarn", "llama3"):
            raise InputRefused(
                _("config.json: rope type {kind!r} is not supported").format(kind=str(rope["rope_type"])[:40])
            )
        return rope

    def _rope_keys(self) -> list[Key]:
        prefix, keys = f"{self.name}.rope", list[Key]()
        kind = self.rope["rope_type"]
        if kind in ("linear", "yarn") and self.rope.get("factor") is not None:
            keys.append(Key(f"{prefix}.scaling.type", kind, Type.STRING, None))
            keys.append(Key(f"{prefix}.scaling.factor", self._rope_real("factor"), Type.FLOAT32, None))
        if kind == "yarn" and self.rope.get("factor") is not None:
            original = int(self._rope_real("original_max_position_embeddings"))
            keys.append(Key(f"{prefix}.scaling.original_context_length", original, Type.UINT32, None))
            attention = "attention_factor" if "attention_factor" in self.rope else "attn_factor"
            for name, source in (
                ("yarn_ext_factor", "extrapolation_factor"),
                ("yarn_attn_factor", attention),
                ("yarn_beta_fast", "beta_fast"),
                ("yarn_beta_slow", "beta_slow"),
            ):
                if self.rope.get(source) is not None:
                    keys.append(Key(f"{prefix}.scaling.{name}", self._rope_real(source), Type.FLOAT32, None))
        keys.append(Key(f"{prefix}.freq_base", self._rope_real("rope_theta"), Type.FLOAT32, None))
        return keys

    def _rope_real(self, name: str) -> float:
        value = self.rope.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e12:
            raise InputRefused(
                _("config.json: rope {name} is {value!r}, a positive number was expected").format(
                    name=name, value=str(value)[:40]
                )
            )
        return float(value)

    def _natural(self, name: str) -> int:
        value = self.config.get(name)
        if type(value) is not int or not 0 < value < 2**31:
            raise InputRefused(
                _("config.json: {name} is {value!r}, a positive integer was expected").format(
                    name=name, value=str(value)[:40]
                )
            )
        return value

    def _real(self, name: str) -> float:
        value = self.config.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
            raise InputRefused(
                _("config.json: {name} is {value!r}, a number was expected").format(name=name, value=str(value)[:40])
            )
        return float(value)
