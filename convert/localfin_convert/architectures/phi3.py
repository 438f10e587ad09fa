"""Phi-3, Phi-3.5 and Phi-4: q, k and v in one tensor, gate and up in one, two sets of rope factors for long texts."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import gguf
import numpy as np
from numpy.typing import NDArray

from localfin_convert.architectures.family import Family
from localfin_convert.architectures.llama import NORMS
from localfin_convert.architectures.rope import Rope, read_rope
from localfin_convert.keys import Key
from localfin_models.errors import InputRefused
from localfin_models.language import _


class Phi3(Family):
    ups = 2
    arch = gguf.MODEL_ARCH.PHI3
    own_code = "phi3"
    block_tensors = (
        "self_attn.qkv_proj.weight", "self_attn.o_proj.weight", "mlp.gate_up_proj.weight", "mlp.down_proj.weight",
        *NORMS,
    )  # fmt: skip
    rope_kinds = ("default", "longrope")
    defaults: ClassVar[dict[str, Any]] = {
        "vocab_size": 32064, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "original_max_position_embeddings": 4096, "partial_rotary_factor": 1.0,
    }  # fmt: skip

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.original_context = self._natural("original_max_position_embeddings")
        if self.original_context == 1:  # its logarithm divides
            raise InputRefused(_("config.json: original_max_position_embeddings is 1, more was expected"))
        factor = self.rope.number("partial_rotary_factor", self._real("partial_rotary_factor"))
        self.rotated = int(factor * self.hidden) // self.heads

    def read_rope(self) -> Rope:
        scaling: object = self.config.get("rope_scaling")
        if isinstance(scaling, dict) and scaling.get("rope_type", scaling.get("type")) in ("su", "yarn"):
            self.config["rope_scaling"] = scaling | {"rope_type": "longrope"}  # what Phi-3's first releases called it
        return read_rope(self.config, self.rope_kinds)

    def first_keys(self) -> list[Key]:
        if self.rope.kind != "longrope":
            return []
        scale = self._natural("max_position_embeddings") / self.original_context
        factor = math.sqrt(1 + math.log(scale) / math.log(self.original_context)) if scale > 1 else 1.0
        return [self._number("rope.scaling.attn_factor", factor)]

    def hyperparameters(self) -> list[Key]:
        return [
            self._count("context_length", self._natural("max_position_embeddings")),
            self._count("rope.scaling.original_context_length", self.original_context),
            self._count("embedding_length", self.hidden),
            self._count("feed_forward_length", self._natural("intermediate_size")),
            self._count("block_count", self.layers),
            *self._head_count_keys(),
            self._epsilon_key(),
            self._count("rope.dimension_count", self.rotated),
            *self.rope_keys(),
        ]

    def family_keys(self) -> list[Key]:
        window = self._natural("sliding_window") if "sliding_window" in self.config else 0
        return [self._count("attention.sliding_window", window)]

    def extra_tensors(self) -> dict[str, NDArray[np.float32]]:
        if self.rope.kind != "longrope":
            return {}
        return {f"rope_factors_{length}.weight": self._factors(f"{length}_factor") for length in ("long", "short")}

    def _factors(self, name: str) -> NDArray[np.float32]:
        """(rotated / 2,)"""
        values: object = self.rope.parameters.get(name)
        numbers = isinstance(values, list) and all(type(value) in (int, float) for value in values)
        if not isinstance(values, list) or not numbers or len(values) * 2 != self.rotated:
            raise InputRefused(
                _("config.json: rope {name} is not a list of {count} numbers").format(
                    name=name, count=self.rotated // 2
                )
            )
        return np.array(values, np.float32)
