"""The grid of architectures and adapters: its rows, its columns, and the case in each cell.

A cell is a small checkpoint whose config.json equals the named models' in everything but sizes, and an adapter on it.
What no cell can hold follows from the row's tensors; what is refused, from rules that stand here with their reason.
"""

import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from tests.golden.cases import ATTENTION, LINEAR, Adapter, Architecture, Case, Vocabulary
from tests.golden.layouts import embedding, shapes
from tests.golden.vocabularies import SPECIAL

Whose = Literal["own", "other"]
_PIECES = 320
"""Tokens that a cell's vocabulary has beside its special ones: enough for every byte and some words."""
_WIDTH = 256
"""The least that k-quants take."""


@dataclass(frozen=True, slots=True)
class Row:
    """An architecture as its published models have it."""

    key: str
    name: str
    models: str
    """Published models of this shape."""
    case: Case
    """The checkpoint; its name is `key`."""
    whose: Whose
    """Whether the vocabulary is the family's own; Qwen3's has more special tokens than Qwen2's."""
    pretokenizer: str | None
    """llama.cpp's name of the family's pre-tokenizer: both sides are told it, because a part of a vocabulary has
    another fingerprint than the whole. None where the vocabulary is SentencePiece's."""
    whole: str
    """The case in `cases.py` that has this vocabulary as it is, nothing told; empty where none has."""

    @property
    def linear(self) -> tuple[str, ...]:
        """The linear layers that every model of the family has: experts are no layers of their own in transformers."""
        match self.case.architecture:
            case "phi3":
                return ("qkv_proj", "o_proj", "gate_up_proj", "down_proj")
            case "exaone":
                return ("q_proj", "k_proj", "v_proj", "out_proj", "c_fc_0", "c_fc_1", "c_proj")
            case "mixtral" | "qwen3_moe":
                return ATTENTION
            case _:
                return LINEAR

    @property
    def embedding(self) -> str:
        return embedding(self.case).rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Column:
    """A kind of adapter."""

    key: str
    adapters: Callable[[Row], tuple[Adapter, ...]]
    exists: Callable[[Row], bool] = lambda _row: True


@dataclass(frozen=True, slots=True)
class Cell:
    row: Row
    column: Column

    @property
    def case(self) -> Case:
        return replace(self.row.case, adapters=self.column.adapters(self.row))

    @property
    def name(self) -> str:
        """Also the seed of its adapters' values."""
        return f"{self.row.key}/{self.column.key}"

    @property
    def quantization(self) -> str:
        """bf16, which shows every rounding of a merge, in about a third of the cells; q4_k_m in the others."""
        return "bf16" if zlib.crc32(self.name.encode()) % 3 == 0 else "q4_k_m"

    @property
    def refusal(self) -> str | None:
        """Part of the sentence with which the cell is refused; None where it is converted."""
        gemma = self.row.case.architecture in ("gemma2", "gemma3_text")
        return "does not keep" if gemma and self.column.key in ("saved", "embedding") else None


def cells() -> Iterator[Cell]:
    """Every cell that can exist, row by row."""
    for row in ROWS:
        yield from (Cell(row, column) for column in COLUMNS if column.exists(row))


def _row(
    key: str,
    name: str,
    models: str,
    architecture: Architecture,
    vocabulary: Vocabulary,
    config: Mapping[str, Any],
    *,
    whose: Whose = "own",
    pretokenizer: str | None = None,
    whole: str = "",
    tied: bool = False,
    kv_heads: int = 2,
    experts: int = 0,
    layers: int = 2,
    added_tokens: tuple[str, ...] = (),
) -> Row:
    special = SPECIAL.get("llama-bpe" if vocabulary == "llama-bpe-ko" else vocabulary, 0)
    more = 64 if vocabulary.endswith("-ko") else 0
    size = _PIECES + special + more + len(added_tokens)
    case = Case(
        key, architecture, vocabulary, size, _WIDTH, layers, 4, kv_heads, _WIDTH,
        tied=tied, config=config, experts=experts, added_tokens=added_tokens,
    )  # fmt: skip
    return Row(key, name, models, case, whose, pretokenizer, whole)


def llama3_rope(factor: float) -> dict[str, Any]:
    return {
        "factor": factor,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
    }


def longrope(count: int) -> dict[str, Any]:
    return {
        "long_factor": [1.0 + index / 7 for index in range(count)],
        "short_factor": [1.0 + index / 70 for index in range(count)],
        "type": "longrope",
    }


_LLAMA: dict[str, Any] = {
    "attention_bias": False, "attention_dropout": 0.0, "hidden_act": "silu", "initializer_range": 0.02,
    "mlp_bias": False, "pretraining_tp": 1, "rms_norm_eps": 1e-5, "rope_scaling": None, "use_cache": True,
}  # fmt: skip
_LLAMA3 = _LLAMA | {"rope_theta": 500_000.0}
_LLAMA31 = _LLAMA3 | {"max_position_embeddings": 131_072, "rope_scaling": llama3_rope(8.0)}
_MISTRAL: dict[str, Any] = {
    "attention_dropout": 0.0, "hidden_act": "silu", "initializer_range": 0.02, "rms_norm_eps": 1e-5,
    "rope_theta": 1_000_000.0, "sliding_window": None, "use_cache": True, "max_position_embeddings": 32_768,
}  # fmt: skip
_QWEN2: dict[str, Any] = {
    "attention_dropout": 0.0, "hidden_act": "silu", "initializer_range": 0.02, "max_position_embeddings": 131_072,
    "max_window_layers": 28, "rms_norm_eps": 1e-6, "rope_theta": 1_000_000.0, "sliding_window": 131_072,
    "use_cache": True, "use_sliding_window": False,
}  # fmt: skip
_QWEN3 = _QWEN2 | {
    "attention_bias": False, "head_dim": 128, "max_position_embeddings": 40_960, "max_window_layers": 36,
    "rope_scaling": None, "sliding_window": None,
}  # fmt: skip
_GEMMA2: dict[str, Any] = {
    "attention_bias": False, "attention_dropout": 0.0, "attn_logit_softcapping": 50.0, "cache_implementation": "hybrid",
    "final_logit_softcapping": 30.0, "head_dim": 64, "hidden_act": "gelu_pytorch_tanh",
    "hidden_activation": "gelu_pytorch_tanh", "initializer_range": 0.02, "max_position_embeddings": 8192,
    "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-6, "sliding_window": 4096, "use_cache": True,
}  # fmt: skip
_GEMMA3: dict[str, Any] = {
    "attention_bias": False, "attention_dropout": 0.0, "attn_logit_softcapping": None, "cache_implementation": "hybrid",
    "final_logit_softcapping": None, "head_dim": 64, "hidden_activation": "gelu_pytorch_tanh",
    "initializer_range": 0.02, "max_position_embeddings": 32_768, "query_pre_attn_scalar": 256, "rms_norm_eps": 1e-6,
    "rope_local_base_freq": 10_000, "rope_scaling": None, "rope_theta": 1_000_000, "sliding_window": 512,
    "sliding_window_pattern": 6, "use_cache": True,
}  # fmt: skip
_PHI3: dict[str, Any] = {
    "attention_bias": False, "attention_dropout": 0.0, "embd_pdrop": 0.0, "hidden_act": "silu",
    "initializer_range": 0.02, "max_position_embeddings": 131_072, "original_max_position_embeddings": 4096,
    "pad_token_id": _PIECES, "resid_pdrop": 0.0, "rms_norm_eps": 1e-5, "rope_scaling": longrope(32),
    "rope_theta": 10_000.0, "sliding_window": 262_144, "use_cache": True,
}  # fmt: skip
_EXAONE35: dict[str, Any] = {
    "activation_function": "silu", "attention_dropout": 0.0, "embed_dropout": 0.0, "head_dim": 64,
    "initializer_range": 0.02, "layer_norm_epsilon": 1e-5, "max_position_embeddings": 32_768,
    "rope_scaling": llama3_rope(8.0), "rope_theta": 1_000_000, "use_cache": True,
}  # fmt: skip
_EXAONE4: dict[str, Any] = {
    "attention_dropout": 0.0, "head_dim": 128, "hidden_act": "silu", "initializer_range": 0.02,
    "layer_types": ["sliding_attention"] * 3 + ["full_attention"], "max_position_embeddings": 131_072,
    "rms_norm_eps": 1e-5, "rope_scaling": llama3_rope(16.0), "rope_theta": 1_000_000, "sliding_window": 4096,
    "sliding_window_pattern": "LLLG", "use_cache": True,
}  # fmt: skip

ROWS = (
    _row("llama-2", "Llama 2", "Llama 2 7B", "llama", "llama-spm", _LLAMA, kv_heads=4, whole="llama2-lora"),
    _row(
        "llama-2-ko", "Llama 2, BPE in tokenizer.json", "beomi/llama-2-ko-7b", "llama", "llama-spm-json-ko",
        _LLAMA | {"max_position_embeddings": 2048}, kv_heads=4, whose="other",
    ),
    _row(
        "llama-3", "Llama 3", "Llama 3 8B", "llama", "llama-bpe", _LLAMA3 | {"max_position_embeddings": 8192},
        pretokenizer="llama-bpe", whole="llama3-lora",
    ),
    _row(
        "bllossom", "Llama 3, expanded vocabulary", "Bllossom 8B", "llama", "llama-bpe-ko",
        _LLAMA3 | {"max_position_embeddings": 8192}, whose="other", pretokenizer="llama-bpe", whole="llama3-expanded",
    ),
    _row(
        "llama-3.1", "Llama 3.1, 3.3", "Llama 3.1 8B, Llama 3.3 70B", "llama", "llama-bpe", _LLAMA31,
        pretokenizer="llama-bpe", whole="llama31-rope",
    ),
    _row(
        "llama-3.2", "Llama 3.2", "Llama 3.2 1B, 3B", "llama", "llama-bpe",
        _LLAMA31 | {"head_dim": 64, "rope_scaling": llama3_rope(32.0)}, tied=True,
        pretokenizer="llama-bpe", whole="llama32-tied",
    ),
    _row("mistral", "Mistral", "Mistral 7B v0.3", "mistral", "llama-spm", _MISTRAL, whose="other"),
    _row(
        "mistral-tekken", "Mistral, tekken", "Mistral Nemo, Mistral Small 24B", "mistral", "tekken",
        _MISTRAL | {"head_dim": 32, "max_position_embeddings": 131_072}, pretokenizer="tekken", whole="mistral-tekken",
    ),
    _row(
        "mixtral", "Mixtral", "Mixtral 8x7B", "mixtral", "llama-spm",
        _MISTRAL | {"num_experts_per_tok": 2, "num_local_experts": 8, "output_router_logits": False,
                    "router_aux_loss_coef": 0.02},
        whose="other", experts=8,
    ),
    _row(
        "qwen2", "Qwen2", "Qwen2 0.5B, 1.5B", "qwen2", "qwen2", _QWEN2, tied=True,
        pretokenizer="qwen2", whole="qwen2-tied",
    ),
    _row(
        "qwen2.5", "Qwen2.5", "Qwen2.5 7B", "qwen2", "qwen2", _QWEN2 | {"max_position_embeddings": 32_768},
        pretokenizer="qwen2", whole="qwen25-untied",
    ),
    _row(
        "qwen3", "Qwen3", "Qwen3 0.6B to 4B", "qwen3", "qwen2", _QWEN3, tied=True,
        whose="other", pretokenizer="qwen2", whole="qwen3-lora",
    ),
    _row(
        "qwen3-moe", "Qwen3-MoE", "Qwen3 30B-A3B", "qwen3_moe", "qwen2",
        _QWEN3 | {"decoder_sparse_step": 1, "head_dim": 64, "max_window_layers": 48, "mlp_only_layers": [],
                  "moe_intermediate_size": 96, "norm_topk_prob": True, "num_experts": 12, "num_experts_per_tok": 8,
                  "output_router_logits": False, "router_aux_loss_coef": 0.001},
        whose="other", pretokenizer="qwen2", experts=12,
    ),
    _row("gemma-2", "Gemma 2", "Gemma 2 2B, 9B", "gemma2", "llama-spm", _GEMMA2, whose="other", tied=True),
    _row(
        "gemma-3", "Gemma 3 (text)", "Gemma 3 270M, 1B", "gemma3_text", "llama-spm", _GEMMA3, whose="other", tied=True,
    ),
    _row(
        "phi-3", "Phi-3, 3.5", "Phi-3 mini, Phi-3.5 mini", "phi3", "llama-spm", _PHI3, kv_heads=4,
        added_tokens=("<|endoftext|>", "<|assistant|>", "<|end|>", "<|user|>"),
    ),
    _row(
        "phi-4", "Phi-4", "Phi-4 14B", "phi3", "gpt-2",
        _PHI3 | {"max_position_embeddings": 16_384, "original_max_position_embeddings": 16_384, "rope_scaling": None,
                 "rope_theta": 250_000, "sliding_window": None},
        whose="other", pretokenizer="dbrx",
    ),
    _row(
        "phi-4-mini", "Phi-4 mini", "Phi-4 mini", "phi3", "gpt-2",
        _PHI3 | {"partial_rotary_factor": 0.75, "rope_scaling": longrope(24)},
        whose="other", pretokenizer="gpt-4o", tied=True,
    ),
    _row(
        "exaone-3.5", "EXAONE 3.5", "EXAONE 3.5 2.4B", "exaone", "gpt-2", _EXAONE35,
        whose="other", pretokenizer="exaone", tied=True,
    ),
    _row(
        "exaone-4", "EXAONE 4", "EXAONE 4.0 32B", "exaone4", "gpt-2", _EXAONE4,
        whose="other", pretokenizer="exaone4", layers=4,
    ),
    _row("solar", "SOLAR", "SOLAR 10.7B, KULLM3", "llama", "llama-spm", _LLAMA, whole="llama2-lora"),
    _row(
        "deepseek-llm", "DeepSeek LLM", "DeepSeek LLM 7B", "llama", "deepseek-llm", _LLAMA | {"rms_norm_eps": 1e-6},
        kv_heads=4, pretokenizer="deepseek-llm", whole="deepseek-llm",
    ),
)  # fmt: skip


def _has_bias(row: Row) -> bool:
    return any(name.endswith(".bias") for name, _shape in shapes(row.case))


def _has_experts(row: Row) -> bool:
    return row.case.experts > 0


def _expert_layers(row: Row) -> tuple[str, ...]:
    """The layers of each expert, as transformers 4 had them and checkpoints store them."""
    return ("w1", "w2", "w3") if row.case.architecture == "mixtral" else ("gate_proj", "up_proj", "down_proj")


def _patterns(row: Row) -> tuple[Adapter, ...]:
    """Ranks and alphas by the end of a name, and for one layer by the whole of it."""
    first, last = row.linear[0], row.linear[-1]
    (module,) = (n.removesuffix(".weight") for n, _ in shapes(row.case) if ".1." in n and n.endswith(f"{last}.weight"))
    return (
        Adapter(
            row.linear, r=4, alpha=8, dtype="bf16", rslora=True,
            rank_pattern={first: 3, module: 6}, alpha_pattern={first: 5, module: 1},
        ),
    )  # fmt: skip


def _saved(row: Row) -> tuple[Adapter, ...]:
    """Embedding and head whole; of a tied model the head alone, which is tied no longer then."""
    saved = ("lm_head",) if row.case.tied else (row.embedding, "lm_head")
    return (Adapter(row.linear[:1], r=4, alpha=8, save=saved),)


def _embedding(row: Row) -> tuple[Adapter, ...]:
    targets = (row.embedding,) if row.case.tied else (row.embedding, "lm_head")
    return (Adapter((row.linear[0], *targets), r=4, alpha=8),)


def _several(row: Row) -> tuple[Adapter, ...]:
    return (
        Adapter(row.linear, r=4, alpha=8, weight=0.7),
        Adapter(row.linear[:2], r=2, alpha=2, dtype="f16", rslora=True, weight=-0.3),
    )


COLUMNS = (
    Column("lora", lambda row: (Adapter(row.linear, r=4, alpha=8),)),
    Column("patterns", _patterns),
    Column("dora", lambda row: (Adapter(row.linear, r=4, alpha=8, dora=True),)),
    Column("saved", _saved),
    Column("embedding", _embedding),
    Column(
        "tokens",
        lambda row: (Adapter(row.linear[:2], r=2, alpha=4, token_indices={row.embedding: (300, 7, 299, 20)}),),
    ),
    Column(
        "added",
        lambda row: (Adapter(row.linear[:2], r=2, alpha=4, added_tokens=("<|user|>", "<|bot|>", "원화", "[END]")),),
    ),
    Column("bias", lambda row: (Adapter(row.linear[:1], r=2, alpha=4, bias="all"),), _has_bias),
    Column("lora-bias", lambda row: (Adapter(row.linear[:2], r=2, alpha=4, bias="lora_only"),), _has_bias),
    Column("layers", lambda row: (Adapter(row.linear, r=4, alpha=8, layers=(1,)),)),
    Column("several", _several),
    Column("fan", lambda row: (Adapter(row.linear, r=4, alpha=8, fan_in_fan_out=True),)),
    Column("experts", lambda row: (Adapter(row.linear[:1], r=2, alpha=4, experts=True),), _has_experts),
    Column("single-experts", lambda row: (Adapter((row.linear[0], *_expert_layers(row)), r=2, alpha=4),), _has_experts),
    Column("loha", lambda row: (Adapter(row.linear, r=2, alpha=4, kind="LOHA"),)),
)
