"""The golden cases: which checkpoints and adapters are made, and into which types each is converted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Architecture = Literal[
    "llama", "mistral", "mixtral", "qwen2", "qwen3", "qwen3_moe", "gemma2", "gemma3_text", "phi3", "exaone", "exaone4"
]
"""config.json's `model_type`."""
Vocabulary = Literal[
    "llama-spm", "llama-spm-json", "llama-spm-json-ko", "llama-bpe", "llama-bpe-ko", "qwen2", "gpt-2", "deepseek-llm",
    "tekken",
]  # fmt: skip
"""llama-spm-json is Llama 2's vocabulary without its tokenizer.model; -ko stands for Korean words beside it."""
Dtype = Literal["bf16", "f16", "f32"]
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
LINEAR = (*ATTENTION, "gate_proj", "up_proj", "down_proj")


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter as peft writes it."""

    targets: tuple[str, ...] = ATTENTION
    r: int = 16
    alpha: float = 32
    dtype: Dtype = "f32"
    rslora: bool = False
    rank_pattern: Mapping[str, int] = field(default_factory=dict[str, int])
    alpha_pattern: Mapping[str, float] = field(default_factory=dict[str, float])
    weight: float = 1
    """`-a ADAPTER=WEIGHT`; peft's `set_scale` for every layer."""
    dora: bool = False
    layers: tuple[int, ...] = ()
    """`layers_to_transform`; all without."""
    save: tuple[str, ...] = ()
    """`modules_to_save`."""
    bias: Literal["none", "all", "lora_only"] = "none"
    lora_bias: bool = False
    fan_in_fan_out: bool = False
    token_indices: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    """`trainable_token_indices` by module."""
    added_tokens: tuple[str, ...] = ()
    """Tokens that the adapter's own tokenizer has behind the base's; embedding and head are resized for them."""
    experts: bool = False
    """Whether it trains the experts as transformers 5 fuses them (`target_parameters`)."""
    kind: Literal["LORA", "LOHA"] = "LORA"
    """A LoHa has nothing but targets, r and alpha."""


@dataclass(frozen=True, slots=True)
class Case:
    """A checkpoint, its adapters, and the types it is converted to."""

    name: str
    architecture: Architecture
    vocabulary: Vocabulary
    vocab_size: int
    """Rows of the embedding; of a vocabulary that is larger so many tokens are taken, less `padding`."""
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
    """Tokens behind a SentencePiece vocabulary; those in `<|` and `|>` are special."""
    experts: int = 0
    """Of a layer; 0 in a dense model."""
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further entries of config.json."""
    adapters: tuple[Adapter, ...] = ()
    quantizations: tuple[str, ...] = ("q4_k_m",)


_LLAMA3_ROPE = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
_YARN = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768}
_LONGROPE = {
    "type": "longrope",
    "long_factor": [1.0 + index / 7 for index in range(32)],
    "short_factor": [1.0 + index / 70 for index in range(32)],
}
_PHI3_ADDED = (
    "<|endoftext|>", "<|assistant|>", *(f"<|placeholder{number}|>" for number in range(1, 5)), "<|system|>", "<|end|>",
    "<|placeholder5|>", "<|placeholder6|>", "<|user|>",
)  # fmt: skip
_MIXED_RANKS = {"layers.1.self_attn.q_proj": 5, "v_proj": 3, "model.layers.2.self_attn.o_proj": 24}
_MIXED_ALPHAS = {"v_proj": 7, "layers.0.self_attn.k_proj": 1}

CASES = (
    # The plain main job: Llama 2's vocabulary in full, eight layers, so that q4_k_m's mixture shows whole.
    Case(
        "llama2-lora", "llama", "llama-spm", 32_000, 256, 8, 4, 2, 512,
        adapters=(Adapter(),),
    ),
    # Every linear layer, rsLoRA, shards, a layer count with other borders of the mixture, no grouped heads.
    Case(
        "llama2-rslora-sharded", "llama", "llama-spm", 4_000, 256, 10, 8, 8, 768, shards=3,
        adapters=(Adapter(LINEAR, r=8, alpha=12, rslora=True),),
        quantizations=("q4_k_m", "bf16", "q5_k_m", "q4_k_s", "q3_k_m"),
    ),
    # A 16-bit float source; ranks and alphas that differ by layer, in a bf16 adapter.
    Case(
        "llama2-f16-patterns", "llama", "llama-spm", 4_000, 256, 4, 4, 2, 512, dtype="f16",
        adapters=(Adapter(r=8, alpha=16, dtype="bf16", rslora=True, rank_pattern=_MIXED_RANKS,
                        alpha_pattern=_MIXED_ALPHAS),),
        quantizations=("q4_k_m", "f16", "f32"),
    ),
    # A 32-bit source into every type; `auto` makes f16 of it before quantizing.
    Case(
        "llama2-f32", "llama", "llama-spm", 4_000, 256, 4, 4, 4, 512, dtype="f32",
        adapters=(Adapter(r=6, alpha=9, rank_pattern=_MIXED_RANKS, alpha_pattern=_MIXED_ALPHAS),),
        quantizations=("q4_k_m", "q8_0", "f16", "bf16", "f32"),
    ),
    # Widths that are no multiples of 256, and one that is no multiple of 32: the fallback types.
    Case(
        "llama2-odd-widths", "llama", "llama-spm", 4_000, 320, 6, 5, 1, 900,
        adapters=(Adapter(LINEAR, r=16, alpha=16),),
        quantizations=("q4_k_m", "q8_0", "f16", "q6_k", "q3_k_s", "q2_k", "iq4_xs"),
    ),
    # No adapter; a tied head; linear rope scaling as older configurations spell it.
    Case(
        "llama2-tied-no-adapter", "llama", "llama-spm", 4_000, 256, 5, 4, 4, 512, tied=True,
        config={"rope_scaling": {"type": "linear", "factor": 2.0}},
        quantizations=("q4_k_m", "q8_0", "bf16", "f32", "q4_0", "q5_k_s"),
    ),
    Case(
        "llama3-lora", "llama", "llama-bpe", 128_256, 64, 2, 4, 2, 256,
        config={"rope_theta": 500_000.0}, adapters=(Adapter(),),
    ),
    # Llama 3.1's rope frequencies, several end tokens, tied head as in 3.2.
    Case(
        "llama31-rope", "llama", "llama-bpe", 128_256, 64, 2, 4, 1, 192, tied=True, shards=2,
        config={"rope_theta": 500_000.0, "rope_scaling": _LLAMA3_ROPE, "head_dim": 32,
                "max_position_embeddings": 131_072, "eos_token_id": [128_001, 128_008, 128_009]},
        adapters=(Adapter(LINEAR, r=4, alpha=8, dtype="bf16"),),
        quantizations=("q8_0", "q4_k_m"),
    ),
    # Mistral: heads narrower than hidden / heads, added tokens, padding, rope as newer configurations spell it.
    Case(
        "mistral-added-tokens", "mistral", "llama-spm", 4_032, 256, 4, 4, 2, 512, padding=26,
        added_tokens=("[INST]", "[/INST]", "<|tool|>", "▁won", "원화", "<unused0>"),
        config={"head_dim": 32, "sliding_window": None,
                "rope_parameters": {"rope_type": "default", "rope_theta": 1_000_000.0}},
        adapters=(Adapter(LINEAR, r=4, alpha=8),),
        quantizations=("q4_k_m", "f16"),
    ),
    # A vocabulary that comes as tokenizer.json alone; two adapters, merged one after the other.
    Case(
        "llama2-json-two-adapters", "llama", "llama-spm-json", 8_008, 256, 4, 4, 2, 512,
        added_tokens=("<|user|>", "<|assistant|>", "계좌", " 이체", "a  b", "<pad>", "\n\n", "[END]"),
        adapters=(Adapter(r=8, alpha=16), Adapter(LINEAR, r=4, alpha=4, dtype="bf16", rslora=True)),
    ),
    Case(
        "qwen2-tied", "qwen2", "qwen2", 151_936, 64, 2, 4, 2, 160, tied=True,
        config={"rope_theta": 1_000_000.0, "sliding_window": 32_768, "use_sliding_window": False},
        adapters=(Adapter(LINEAR),),
    ),
    Case(
        "qwen25-untied", "qwen2", "qwen2", 152_064, 64, 2, 2, 1, 128, dtype="f16",
        config={"rope_theta": 1_000_000.0},
        quantizations=("q8_0",),
    ),
    # K-quants beside biases, which a byte-level vocabulary would make slow; yarn rope scaling.
    Case(
        "qwen2-spm-biases", "qwen2", "llama-spm", 4_000, 256, 4, 4, 2, 512,
        config={"rope_scaling": _YARN},
        adapters=(Adapter(ATTENTION, r=8, alpha=16),),
        quantizations=("q4_k_m", "f32"),
    ),
    # Llama 3.2: like 3.1, with its own factor.
    Case(
        "llama32-tied", "llama", "llama-bpe", 128_256, 64, 2, 4, 1, 128, tied=True,
        config={"rope_theta": 500_000.0, "rope_scaling": _LLAMA3_ROPE | {"factor": 32.0}, "head_dim": 64,
                "max_position_embeddings": 131_072},
    ),
    # Bllossom: Llama 3 with words of its own, which must not make its pre-tokenizer unknown.
    Case(
        "llama3-expanded", "llama", "llama-bpe-ko", 128_277, 64, 2, 4, 2, 128, config={"rope_theta": 500_000.0},
    ),
    # SOLAR 10.7B: Llama, 48 layers deep.
    Case(
        "solar", "llama", "llama-spm", 2_000, 64, 48, 8, 2, 96,
        adapters=(Adapter(("q_proj", "down_proj"), r=2, alpha=4),),
    ),
    # Mistral NeMo: byte-level, heads wider than hidden / heads.
    Case(
        "mistral-tekken", "mistral", "tekken", 131_072, 64, 2, 4, 2, 128,
        config={"head_dim": 32, "rope_theta": 1_000_000.0}, adapters=(Adapter(r=4),),
    ),
    Case("deepseek-llm", "llama", "deepseek-llm", 102_400, 64, 3, 4, 4, 128, adapters=(Adapter(r=4),)),
    # Heads wider than hidden / heads, by default 128.
    Case(
        "qwen3-spm", "qwen3", "llama-spm", 4_000, 256, 4, 4, 2, 512, tied=True,
        adapters=(Adapter(LINEAR, r=8, alpha=16),),
        quantizations=("q4_k_m", "f16", "q3_k_l"),
    ),
    Case(
        "qwen3-lora", "qwen3", "qwen2", 151_936, 64, 2, 2, 1, 128, dtype="f16",
        config={"head_dim": 64, "rope_theta": 1_000_000.0}, adapters=(Adapter(LINEAR, r=4),),
        quantizations=("q8_0",),
    ),
    # More than ten experts, so that their names sort otherwise than their numbers.
    Case(
        "qwen3-moe", "qwen3_moe", "gpt-2", 50_304, 256, 3, 4, 2, 256, experts=12, shards=2,
        config={"head_dim": 32, "num_experts": 12, "num_experts_per_tok": 4, "moe_intermediate_size": 96,
                "norm_topk_prob": True},
        adapters=(Adapter(r=4, alpha=8),),
    ),
    # Eight experts get more bits for attention; the plain types keep another order of tensors.
    Case(
        "mixtral", "mixtral", "llama-spm", 4_000, 256, 4, 4, 2, 256, experts=8,
        config={"num_local_experts": 8, "num_experts_per_tok": 2, "rope_theta": 1_000_000.0},
        adapters=(Adapter(r=4, alpha=8),),
        quantizations=("q4_k_m", "q8_0", "bf16", "q3_k_m", "q3_k_l", "q2_k", "iq4_nl"),
    ),
    Case(
        "gemma2", "gemma2", "llama-spm", 4_000, 256, 4, 4, 2, 512, tied=True,
        config={"head_dim": 32, "sliding_window": 1024, "hidden_activation": "gelu_pytorch_tanh"},
        adapters=(Adapter(LINEAR, r=4, alpha=8),),
        quantizations=("q4_k_m", "f32"),
    ),
    # A norm stored in float16 is shifted in float16.
    Case(
        "gemma3", "gemma3_text", "llama-spm", 4_000, 256, 7, 4, 1, 256, dtype="f16", tied=True, padding=10,
        added_tokens=("<start_of_turn>", "<end_of_turn>", "<unused0>"),
        config={"head_dim": 64, "sliding_window": 512, "sliding_window_pattern": 6, "rope_theta": 1_000_000.0,
                "rope_local_base_freq": 10_000.0, "rope_scaling": {"rope_type": "linear", "factor": 8.0}},
        adapters=(Adapter(r=4, alpha=8),),
        quantizations=("q4_k_m", "f16", "iq4_xs"),
    ),
    Case(
        "phi3-longrope", "phi3", "llama-spm", 4_064, 256, 5, 4, 2, 512, padding=53, added_tokens=_PHI3_ADDED,
        config={"rope_scaling": _LONGROPE, "max_position_embeddings": 131_072, "sliding_window": 262_144,
                "original_max_position_embeddings": 4096, "pad_token_id": 4_000},
        adapters=(Adapter(("qkv_proj", "gate_up_proj", "o_proj", "down_proj"), r=4, alpha=8),),
        quantizations=("q4_k_m", "bf16", "q5_k_m", "q2_k"),
    ),
    # Phi-4: byte-level, no window; three quarters of each head rotated as in Phi-4 mini.
    Case(
        "phi4", "phi3", "gpt-2", 50_304, 64, 2, 2, 1, 128,
        config={"partial_rotary_factor": 0.75, "sliding_window": None, "pad_token_id": 50_256},
    ),
    Case(
        "exaone35", "exaone", "gpt-2", 50_304, 64, 3, 4, 2, 128, tied=True,
        config={"rope_theta": 1_000_000.0, "rope_scaling": _LLAMA3_ROPE, "activation_function": "silu"},
    ),
    Case(
        "exaone4", "exaone4", "gpt-2", 50_304, 64, 5, 4, 2, 128,
        config={"rope_theta": 1_000_000.0, "rope_scaling": _LLAMA3_ROPE | {"factor": 16.0}, "head_dim": 32,
                "sliding_window": 4096, "sliding_window_pattern": "LLLG",
                "layer_types": [*["sliding_attention"] * 3, "full_attention", "sliding_attention"]},
        adapters=(Adapter(LINEAR, r=4, alpha=8),),
    ),
    # EXAONE 4 1.2B: no layer has a window.
    Case(
        "exaone4-windowless", "exaone4", "gpt-2", 50_304, 64, 2, 4, 2, 128, tied=True,
        config={"rope_theta": 1_000_000.0, "rope_scaling": _LLAMA3_ROPE | {"factor": 16.0}, "head_dim": 16,
                "sliding_window": None, "sliding_window_pattern": None, "layer_types": ["full_attention"] * 2},
    ),
    # Two adapters with weights, one of them for some layers only.
    Case(
        "llama2-weighted", "llama", "llama-spm", 1_000, 256, 3, 4, 2, 512,
        adapters=(Adapter(r=8, alpha=16, weight=0.7, fan_in_fan_out=True),
                  Adapter(LINEAR, r=4, alpha=8, dtype="f16", rslora=True, weight=-0.3, layers=(0, 2))),
        quantizations=("q4_k_m", "bf16"),
    ),
    # DoRA, rows of a width that torch's eight running sums do not divide; a plain adapter with a weight after it.
    Case(
        "llama2-dora", "llama", "llama-spm", 1_000, 256, 3, 4, 2, 500,
        adapters=(Adapter(LINEAR, r=8, alpha=16, dora=True), Adapter(r=4, alpha=4, weight=0.5)),
        quantizations=("q4_k_m", "bf16"),
    ),
    Case(
        "llama2-dora-f16", "llama", "llama-spm", 1_000, 64, 2, 4, 4, 196, dtype="f16",
        adapters=(Adapter(LINEAR, r=6, alpha=9, dora=True, rslora=True, dtype="bf16", weight=1.5),),
        quantizations=("f16",),
    ),
    Case(
        "llama2-dora-f32", "llama", "llama-spm", 1_000, 64, 2, 4, 4, 192, dtype="f32",
        adapters=(Adapter(LINEAR, r=6, alpha=9, dora=True),),
        quantizations=("f32",),
    ),
    # Whole modules beside LoRA: embedding, head and every norm.
    Case(
        "llama2-saved-modules", "llama", "llama-spm", 1_000, 256, 2, 4, 2, 512,
        adapters=(Adapter(r=8, alpha=16, save=("embed_tokens", "lm_head", "norm")),),
        quantizations=("q4_k_m", "bf16"),
    ),
    # A tied model whose head alone was trained whole: it is tied no longer.
    Case(
        "llama2-tied-saved-head", "llama", "llama-spm", 1_000, 256, 2, 4, 2, 512, tied=True,
        adapters=(Adapter(r=8, alpha=16, save=("lm_head",)),),
        quantizations=("q4_k_m",),
    ),
    Case(
        "qwen2-bias-all", "qwen2", "llama-spm", 1_000, 64, 2, 4, 2, 192,
        adapters=(Adapter(("q_proj", "o_proj"), r=4, alpha=8, bias="all"),),
        quantizations=("f32",),
    ),
    Case(
        "qwen2-bias-lora-only", "qwen2", "llama-spm", 1_000, 64, 2, 4, 2, 192, tied=True,
        adapters=(Adapter(("q_proj", "up_proj"), r=4, alpha=8, bias="lora_only"),
                  Adapter(("k_proj", "v_proj"), r=4, alpha=6, lora_bias=True, weight=0.5)),
        quantizations=("f32",),
    ),
    # LoRA of embedding and head, with the copies of both that peft saves then.
    Case(
        "llama2-embedding-lora", "llama", "llama-spm", 1_000, 256, 2, 4, 2, 512,
        adapters=(Adapter(("q_proj", "embed_tokens", "lm_head"), r=8, alpha=16),),
        quantizations=("q4_k_m", "bf16"),
    ),
    # The same on tied models, which peft's warning says to untie first.
    Case(
        "qwen2-tied-embedding-lora", "qwen2", "llama-spm", 1_000, 64, 2, 4, 2, 192, tied=True,
        adapters=(Adapter(("q_proj", "embed_tokens"), r=4, alpha=8),),
        quantizations=("bf16",),
    ),
    Case(
        "llama2-tied-head-lora", "llama", "llama-spm", 1_000, 64, 2, 4, 2, 192, tied=True,
        adapters=(Adapter(("q_proj", "lm_head"), r=4, alpha=8),),
        quantizations=("bf16",),
    ),
    # Rows of single tokens; a tied head follows.
    Case(
        "llama2-tied-tokens", "llama", "llama-spm", 1_000, 64, 2, 4, 2, 192, tied=True,
        adapters=(Adapter(r=4, alpha=8, token_indices={"embed_tokens": (700, 3, 999, 5)}),),
        quantizations=("bf16",),
    ),
    Case(
        "llama2-tokens", "llama", "llama-spm", 1_000, 64, 2, 4, 2, 192,
        adapters=(Adapter(r=4, alpha=8, token_indices={"embed_tokens": (700, 3), "lm_head": (3, 41, 40)}),),
        quantizations=("bf16",),
    ),
    # Resized vocabularies: the adapter brings the tokenizer, and embedding and head whole, by the ways there are.
    Case(
        "llama2-resized", "llama", "llama-spm", 1_000, 256, 2, 4, 2, 512,
        adapters=(Adapter(r=8, alpha=16, added_tokens=("<|user|>", "<|bot|>", "원화", "[END]")),),
        quantizations=("q4_k_m",),
    ),
    Case(
        "llama2-resized-saved", "llama", "llama-spm-json", 1_000, 64, 2, 4, 2, 192,
        adapters=(Adapter(r=4, alpha=8, save=("embed_tokens", "lm_head"), added_tokens=("<|user|>", "<|bot|>")),),
        quantizations=("bf16",),
    ),
    Case(
        "llama2-resized-tied-tokens", "llama", "llama-spm", 1_000, 64, 2, 4, 2, 192, tied=True,
        adapters=(Adapter(r=4, alpha=8, token_indices={"embed_tokens": (1_000, 1_001)},
                          added_tokens=("<|user|>", "<|bot|>")),),
        quantizations=("bf16",),
    ),
)  # fmt: skip
