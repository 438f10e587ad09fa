"""Llama 2, 3 and 3.1 (with `rope_freqs`), and Mistral, which differs in its defaults only."""

import math
from typing import Any, ClassVar

import gguf
import numpy as np
from gguf import GGUFValueType as Type
from numpy.typing import NDArray

from localfin_convert.architectures.family import Family
from localfin_convert.keys import Key

LINEARS = (
    "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj",
    "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj", "input_layernorm", "post_attention_layernorm",
)  # fmt: skip


class Llama(Family):
    arch = gguf.MODEL_ARCH.LLAMA
    block_tensors = tuple(f"{name}.weight" for name in LINEARS)
    defaults: ClassVar[dict[str, Any]] = {
        "vocab_size": 32000, "max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
    }  # fmt: skip

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.config.setdefault("head_dim", self.hidden // self.heads)

    def heads_to_permute(self, name: str) -> int:
        if name.endswith(("q_proj.weight", "q_proj.bias")):
            return self.heads
        if name.endswith(("k_proj.weight", "k_proj.bias")):
            return self.kv_heads
        return 0

    def family_keys(self) -> list[Key]:
        return [
            Key(f"{self.name}.vocab_size", self.vocab_size, Type.UINT32, None),
            Key(f"{self.name}.rope.dimension_count", self.head_dim, Type.UINT32, None),
        ]

    def extra_tensors(self) -> dict[str, NDArray[np.float32]]:
        return {"rope_freqs.weight": self._llama3_factors()} if self.rope["rope_type"] == "llama3" else {}

    def _llama3_factors(self) -> NDArray[np.float32]:
        """What llama.cpp divides each frequency by (`conversion/llama.py`), float32 as torch's: (head_dim / 2,).

        torch divides a Python number by a tensor as reciprocal, then product; so does this. Its vectorised float32
        power is within one unit in the last place, ours correctly rounded: about one power in a hundred differs, and
        only in the narrow blended band does that reach a factor (none for published thetas and head sizes).
        """
        one, dim = np.float32(1), self.head_dim
        exponents = np.arange(0, dim, 2, dtype=np.float32) / np.float32(dim)
        powers = np.power(np.float64(np.float32(self._rope_real("rope_theta"))), exponents.astype(np.float64))
        wavelengths = one / (one / powers.astype(np.float32)) * np.float32(2 * math.pi)
        factor = self._rope_or("factor", 8.0)
        low, high = self._rope_or("low_freq_factor", 1.0), self._rope_or("high_freq_factor", 4.0)
        original = self._rope_or("original_max_position_embeddings", 8192)
        smooth = (one / wavelengths * np.float32(original) - np.float32(low)) / np.float32(high - low)
        blended = one / ((one - smooth) / np.float32(factor) + smooth)
        factors = np.where(wavelengths > np.float32(original / low), np.float32(factor), blended)
        return np.where(wavelengths < np.float32(original / high), one, factors).astype(np.float32)

    def _rope_or(self, name: str, default: float) -> float:
        return self._rope_real(name) if name in self.rope else default


class Mistral(Llama):
    defaults: ClassVar[dict[str, Any]] = {
        "vocab_size": 32000, "max_position_embeddings": 4096 * 32, "rms_norm_eps": 1e-6, "rope_theta": 10000.0,
        "num_key_value_heads": 8,
    }  # fmt: skip
