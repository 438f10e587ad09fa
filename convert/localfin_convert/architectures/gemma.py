"""Gemma 2 and Gemma 3 (text): norms stored less one, four norms a layer, soft caps, sliding windows, a tied head."""

from typing import Any, ClassVar

import gguf

from localfin_convert.architectures.family import Family, Tensor
from localfin_convert.architectures.llama import ATTENTION, MLP, NORMS
from localfin_convert.architectures.qwen3 import HEAD_NORMS
from localfin_convert.architectures.rope import Rope, read_rope
from localfin_convert.keys import Key

_FEEDFORWARD_NORMS = ("pre_feedforward_layernorm.weight", "post_feedforward_layernorm.weight")


class Gemma2(Family):
    arch = gguf.MODEL_ARCH.GEMMA2
    block_tensors: ClassVar[tuple[str, ...]] = (*ATTENTION, *MLP, *NORMS, *_FEEDFORWARD_NORMS)
    rope_kinds: ClassVar[tuple[str, ...]] = ("default",)
    defaults: ClassVar[dict[str, Any]] = {
        "vocab_size": 256000, "max_position_embeddings": 8192, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
        "num_key_value_heads": 4, "head_dim": 256, "sliding_window": 4096, "attn_logit_softcapping": 50.0,
        "final_logit_softcapping": 30.0, "tie_word_embeddings": True,
    }  # fmt: skip

    def tensor(self, name: str) -> Tensor | None:
        return None if name == "lm_head.weight" else super().tensor(name)  # llama.cpp uses the embeddings

    def shift(self, name: str) -> float:
        return 1.0 if name.endswith("norm.weight") else 0.0

    def hyperparameters(self) -> list[Key]:
        return [
            self._count("context_length", self._natural("max_position_embeddings")),
            self._count("embedding_length", self.hidden),
            self._count("block_count", self.layers),
            self._count("feed_forward_length", self._natural("intermediate_size")),
            *self._head_count_keys(),
            self._epsilon_key(),
            *self._head_length_keys(),
        ]

    def family_keys(self) -> list[Key]:
        return [
            self._number("attn_logit_softcapping", self._real("attn_logit_softcapping")),
            self._number("final_logit_softcapping", self._real("final_logit_softcapping")),
            self._count("attention.sliding_window", self._natural("sliding_window")),
        ]


class Gemma3(Gemma2):
    arch = gguf.MODEL_ARCH.GEMMA3
    block_tensors = (*Gemma2.block_tensors, *HEAD_NORMS)
    rope_kinds = ("default", "linear")
    defaults: ClassVar[dict[str, Any]] = {
        "vocab_size": 262208, "max_position_embeddings": 131072, "rms_norm_eps": 1e-6, "rope_theta": 1_000_000.0,
        "rope_local_base_freq": 10000.0, "num_key_value_heads": 4, "head_dim": 256, "sliding_window": 4096,
        "tie_word_embeddings": True,
    }  # fmt: skip

    def read_rope(self) -> Rope:
        return read_rope(self.config, self.rope_kinds, "full_attention")

    def local_rope(self) -> Rope:
        """Of the layers that see only a window."""
        local = {"rope_theta": self.config["rope_local_base_freq"]}
        stored = self.config.get("rope_parameters")
        if isinstance(stored, dict) and "sliding_attention" in stored:
            local["rope_parameters"] = stored
        return read_rope(local, ("default",), "sliding_attention")

    def rope_keys(self) -> list[Key]:
        return [*self.rope.keys(self.name), self._number("rope.freq_base_swa", self.local_rope().number("rope_theta"))]

    def hyperparameters(self) -> list[Key]:
        return Family.hyperparameters(self)

    def family_keys(self) -> list[Key]:
        keys = list[Key]()
        if self.config.get("final_logit_softcapping"):
            keys.append(self._number("final_logit_softcapping", self._real("final_logit_softcapping")))
        if self.config.get("sliding_window_pattern") != 1:
            keys.append(self._count("attention.sliding_window", self._natural("sliding_window")))
        return keys
