"""EXAONE 3 and 3.5, with names of their own, and EXAONE 4, whose norms follow attention and feed-forward."""

from collections.abc import Mapping
from typing import Any, ClassVar

import gguf
from gguf import GGUFValueType as Type

from localfin_convert.architectures.family import Family
from localfin_convert.architectures.llama import ATTENTION, MLP
from localfin_convert.architectures.qwen3 import HEAD_NORMS
from localfin_convert.keys import Key


class Exaone(Family):
    """transformers does not know it, so nothing fills config.json's gaps.

    Its epsilon belongs to an RMS norm. llama.cpp's converter (as of llama-cpp-python 0.3.36) takes it by its name for
    a layer norm's and writes a file that llama.cpp then refuses; here it gets the key that llama.cpp reads.
    """

    arch = gguf.MODEL_ARCH.EXAONE
    own_code = "exaone"
    embedding = "transformer.wte.weight"
    final_norm = "transformer.ln_f.weight"
    block = "transformer.h.{}."
    block_tensors = (
        *(f"attn.attention.{name}_proj.weight" for name in ("q", "k", "v", "out")),
        "mlp.c_fc_0.weight", "mlp.c_fc_1.weight", "mlp.c_proj.weight", "ln_1.weight", "ln_2.weight",
    )  # fmt: skip
    norm_epsilon = "layer_norm_epsilon"

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__({"num_hidden_layers": config.get("num_layers"), **config})

    def family_keys(self) -> list[Key]:
        return [self._count("rope.dimension_count", self.hidden // self.heads)]


class Exaone4(Family):
    arch = gguf.MODEL_ARCH.EXAONE4
    block_tensors = (
        *ATTENTION, *HEAD_NORMS, *MLP, "post_attention_layernorm.weight", "post_feedforward_layernorm.weight",
    )  # fmt: skip
    llama3_factor = 16.0
    defaults: ClassVar[dict[str, Any]] = {
        "vocab_size": 102400, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "num_key_value_heads": 32,
    }  # fmt: skip

    def __init__(self, config: Mapping[str, Any]) -> None:
        kinds = config.get("layer_types")
        windowless = isinstance(kinds, list) and "sliding_attention" not in kinds  # its sliding_window is null
        windows = {} if "sliding_window" in config or windowless else {"sliding_window": 4096}
        super().__init__({**windows, **config})

    def family_keys(self) -> list[Key]:
        keys = [self._count("vocab_size", self.vocab_size)]
        if "sliding_window" in self.config:
            keys.append(self._count("attention.sliding_window", self._natural("sliding_window")))
            pattern = Key(f"{self.name}.attention.sliding_window_pattern", self.sliding(), Type.ARRAY, Type.BOOL)
            keys.append(pattern)
        return keys

    def sliding(self) -> list[bool]:
        """Whether each layer sees only a window."""
        kinds: object = self.config.get("layer_types")
        if isinstance(kinds, list) and len(kinds) == self.layers:
            return [kind == "sliding_attention" for kind in kinds]
        pattern: object = self.config.get("sliding_window_pattern", 4)
        if isinstance(pattern, str) and pattern:  # such as LLLG
            return [pattern[layer % len(pattern)] == "L" for layer in range(self.layers)]
        every = self._natural("sliding_window_pattern") if "sliding_window_pattern" in self.config else 4
        return [(layer + 1) % every != 0 for layer in range(self.layers)]
