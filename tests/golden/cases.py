"""The golden cases: which checkpoints and adapters are made, and into which types each is converted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Dtype = Literal["bf16", "f16", "f32"]
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
LINEAR = (*ATTENTION, "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, slots=True)
class Adapter:
    """A LoRA adapter as peft writes it."""

    targets: tuple[str, ...] = ATTENTION
    r: int = 16
    alpha: float = 32
    dtype: Dtype = "f32"
    rslora: bool = False
    rank_pattern: Mapping[str, int] = field(default_factory=dict[str, int])
    alpha_pattern: Mapping[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True, slots=True)
class Case:
    """A checkpoint, its adapter, and the types it is converted to."""

    name: str
    architecture: Literal["llama", "mistral", "qwen2"]
    vocabulary: Literal["llama-spm", "llama-bpe", "qwen2"]
    vocab_size: int
    """Rows of the embedding; of a SentencePiece vocabulary so many pieces are taken, less `padding`."""
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    intermediate: int
    dtype: Dtype = "bf16"
    tied: bool = False
    shards: int = 1
    padding: int = 0
    """Rows of the embedding for which the vocabulary has no token."""
    added_tokens: tuple[str, ...] = ()
    """Tokens behind a SentencePiece vocabulary, as `tokenizer_config.json` lists them."""
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further entries of config.json."""
    adapter: Adapter | None = None
    quantizations: tuple[str, ...] = ("q4_k_m",)


_LLAMA3_ROPE = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}

CASES = (
    # The plain main job: Llama 2's vocabulary in full, eight layers, so that q4_k_m's mixture shows whole.
    Case(
        "llama2-lora", "llama", "llama-spm", 32_000, 256, 8, 4, 2, 512,
        adapter=Adapter(),
    ),
)  # fmt: skip
