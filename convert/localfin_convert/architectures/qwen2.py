"""Qwen2 and Qwen2.5: biases on q, k and v, no permutation, often tied embeddings."""

from typing import Any, ClassVar

import gguf

from localfin_convert.architectures.family import Family
from localfin_convert.architectures.llama import LINEARS


class Qwen2(Family):
    arch = gguf.MODEL_ARCH.QWEN2
    block_tensors = (
        *(f"{name}.weight" for name in LINEARS),
        *(f"self_attn.{side}_proj.bias" for side in "qkv"),
    )
    defaults: ClassVar[dict[str, Any]] = {
        "vocab_size": 151936, "max_position_embeddings": 32768, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
    }  # fmt: skip
