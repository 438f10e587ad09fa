"""Llama 2, 3, 3.1 and 3.2 (with `rope_freqs`), and what has its shape: Mistral, Solar, DeepSeek LLM."""

from collections.abc import Mapping
from typing import Any, ClassVar

import gguf

from localfin_convert.architectures.family import Family
from localfin_convert.keys import Key

ATTENTION = (
    "self_attn.q_proj.weight", "self_attn.k_proj.weight", "self_attn.v_proj.weight", "self_attn.o_proj.weight",
)  # fmt: skip
MLP = ("mlp.gate_proj.weight", "mlp.up_proj.weight", "mlp.down_proj.weight")
NORMS = ("input_layernorm.weight", "post_attention_layernorm.weight")


class Llama(Family):
    arch = gguf.MODEL_ARCH.LLAMA
    block_tensors: ClassVar[tuple[str, ...]] = (*ATTENTION, *MLP, *NORMS)
    defaults: ClassVar[dict[str, Any]] = {
        "vocab_size": 32000, "max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
    }  # fmt: skip

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.config.setdefault("head_dim", self.hidden // self.heads)

    @property
    def is_70b(self) -> bool:
        return self.layers == 80 and self.heads != self.kv_heads and self.experts != 8

    def heads_to_permute(self, name: str) -> int:
        if name.endswith(("q_proj.weight", "q_proj.bias")):
            return self.heads
        if name.endswith(("k_proj.weight", "k_proj.bias")):
            return self.kv_heads
        return 0

    def family_keys(self) -> list[Key]:
        return [self._count("vocab_size", self.vocab_size), self._count("rope.dimension_count", self.head_dim)]


class Mistral(Llama):
    defaults: ClassVar[dict[str, Any]] = {
        "vocab_size": 32000, "max_position_embeddings": 4096 * 32, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
        "num_key_value_heads": 8,
    }  # fmt: skip
