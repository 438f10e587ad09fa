"""Qwen2 and Qwen2.5: biases on q, k and v, no permutation, often tied embeddings."""

from typing import Any, ClassVar

import gguf

from localfin_convert.architectures.family import Family
from localfin_convert.architectures.llama import ATTENTION, MLP, NORMS


class Qwen2(Family):
    arch = gguf.MODEL_ARCH.QWEN2
    block_tensors: ClassVar[tuple[str, ...]] = (
        *ATTENTION,
        *MLP,
        *NORMS,
        *(f"self_attn.{side}_proj.bias" for side in "qkv"),
    )
    rope_kinds = ("default", "linear", "yarn")
    defaults: ClassVar[dict[str, Any]] = {
        "vocab_size": 151936, "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
    }  # fmt: skip

    @property
    def is_70b(self) -> bool:
        return self.layers == 80
