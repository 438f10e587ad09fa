"""Qwen3: norms on the heads of q and k instead of biases; and Qwen3-MoE, whose experts GGUF stacks."""

from typing import Any, ClassVar

import gguf

from localfin_convert.architectures.family import MAX_EXPERTS
from localfin_convert.architectures.llama import ATTENTION, MLP, NORMS
from localfin_convert.architectures.qwen2 import Qwen2
from localfin_convert.keys import Key

HEAD_NORMS = ("self_attn.q_norm.weight", "self_attn.k_norm.weight")


class Qwen3(Qwen2):
    arch = gguf.MODEL_ARCH.QWEN3
    block_tensors: ClassVar[tuple[str, ...]] = (*ATTENTION, *HEAD_NORMS, *MLP, *NORMS)
    defaults: ClassVar[dict[str, Any]] = Qwen2.defaults | {"head_dim": 128}

    @property
    def is_70b(self) -> bool:
        return False


class Qwen3Moe(Qwen3):
    """Every layer has experts: llama.cpp knows no others, though `mlp_only_layers` could ask for some."""

    arch = gguf.MODEL_ARCH.QWEN3MOE
    block_tensors = (
        *ATTENTION, *HEAD_NORMS, *NORMS, "mlp.gate.weight",
        *(f"mlp.experts.{{}}.{name}_proj.weight" for name in ("gate", "up", "down")),
    )  # fmt: skip
    expert_order = ("ffn_down_exps", "ffn_gate_exps", "ffn_up_exps")
    defaults: ClassVar[dict[str, Any]] = Qwen2.defaults | {
        "num_key_value_heads": 4, "num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768,
        "intermediate_size": 6144,
    }  # fmt: skip

    @property
    def experts(self) -> int:
        name = "num_local_experts" if "num_local_experts" in self.config else "num_experts"  # transformers 5.20 and on
        return self._natural(name, MAX_EXPERTS)

    def family_keys(self) -> list[Key]:
        return [self._count("expert_feed_forward_length", self._natural("moe_intermediate_size"))]
