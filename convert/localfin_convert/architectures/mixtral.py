"""Mixtral: Mistral with experts, which GGUF stacks into one tensor a projection and layer."""

from collections.abc import Mapping
from typing import Any, ClassVar

from localfin_convert.architectures.family import MAX_EXPERTS, Family
from localfin_convert.architectures.llama import ATTENTION, NORMS, Mistral


class Mixtral(Mistral):
    block_tensors = (
        *ATTENTION,
        *NORMS,
        "block_sparse_moe.gate.weight",
        *(f"block_sparse_moe.experts.{{}}.{name}.weight" for name in ("w1", "w2", "w3")),
    )
    expert_order = ("ffn_gate_exps", "ffn_down_exps", "ffn_up_exps")
    defaults: ClassVar[dict[str, Any]] = Mistral.defaults | {
        "rms_norm_eps": 1e-5, "rope_theta": 1_000_000.0, "num_local_experts": 8, "num_experts_per_tok": 2,
    }  # fmt: skip

    def __init__(self, config: Mapping[str, Any]) -> None:
        Family.__init__(self, config)  # transformers fills in no head_dim here, so that its keys stay away

    @property
    def experts(self) -> int:
        return self._natural("num_local_experts", MAX_EXPERTS)
