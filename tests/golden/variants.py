"""Configurations of published models that differ from their row of the grid: converted without an adapter."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.golden.grid import ROWS, Row, llama3_rope, longrope

_YARN = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32_768}
_ROPE = {"rope_theta": 1_000_000.0, "rope_type": "default"}
_LINEAR = {"rope_theta": 1_000_000.0, "rope_type": "linear", "factor": 8.0}
_LOCAL = {"rope_theta": 10_000.0, "rope_type": "default"}
_DEEP: dict[str, Any] = {"layers": 80, "intermediate": 64}
_GEMMA_ROPE = ("rope_theta", "rope_local_base_freq", "rope_scaling")


@dataclass(frozen=True, slots=True)
class Variant:
    key: str
    """Of its row, and a name."""
    difference: str
    """From the row's configuration, in the field's words."""
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Entries of config.json that differ."""
    without: tuple[str, ...] = ()
    """Entries that are not there."""
    shape: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Fields of the row's case that differ."""

    @property
    def row(self) -> Row:
        (row,) = (row for row in ROWS if row.key == self.key.partition("/")[0])
        kept = {key: value for key, value in (row.case.config | self.config).items() if key not in self.without}
        return replace(row, case=replace(row.case, config=kept, **self.shape))


VARIANTS = (
    Variant("llama-2/70b", "80 layers, grouped heads", shape=_DEEP | {"kv_heads": 2}),
    Variant("llama-2/65b", "80 layers, no grouped heads", shape=_DEEP),
    Variant("llama-3/null", "`head_dim: null`", {"head_dim": None}),
    Variant(
        "llama-3.1/saved", "as transformers 5 saves it",
        {"rope_parameters": llama3_rope(8.0) | {"rope_theta": 500_000.0}},
        without=("rope_theta", "rope_scaling"),
    ),
    Variant("deepseek-llm/67b", "grouped heads", shape={"kv_heads": 1}),
    Variant("mistral/v0.1", "`sliding_window: 4096`", {"sliding_window": 4096, "rope_theta": 10_000.0}),
    Variant("mistral-tekken/small", "`rope_theta: 100000000`", {"rope_theta": 100_000_000.0}),
    Variant(
        "mixtral/saved", "as transformers 5 saves it", {"rope_parameters": _ROPE}, without=("rope_theta",),
    ),
    Variant("qwen2/7b", "untied", shape={"tied": False}),
    Variant(
        "qwen2.5/window", "`use_sliding_window: true`",
        {"use_sliding_window": True, "sliding_window": 4096, "max_window_layers": 1},
    ),
    Variant("qwen2.5/yarn", "yarn", {"rope_scaling": _YARN}),
    Variant("qwen2.5/72b", "80 layers", shape=_DEEP),
    Variant("qwen3/32b", "untied, yarn", {"rope_scaling": _YARN | {"rope_type": "yarn"}}, shape={"tied": False}),
    Variant("qwen3-moe/layer-types", "`layer_types`", {"layer_types": ["full_attention"] * 2}),
    Variant("gemma-2/27b", "`query_pre_attn_scalar: 144`", {"query_pre_attn_scalar": 144, "head_dim": 128}),
    Variant(
        "gemma-3/270m", "`_sliding_window_pattern`, `layer_types`",
        {"_sliding_window_pattern": 6, "layer_types": ["sliding_attention", "full_attention"],
         "use_bidirectional_attention": False},
        without=("sliding_window_pattern",),
    ),
    Variant(
        "gemma-3/saved", "as transformers 5 saves it",
        {"rope_parameters": {"full_attention": _ROPE, "sliding_attention": _LOCAL}}, without=_GEMMA_ROPE,
    ),
    Variant(
        "gemma-3/linear", "the same with linear scaling",
        {"rope_parameters": {"full_attention": _LINEAR, "sliding_attention": _LOCAL}}, without=_GEMMA_ROPE,
    ),
    Variant(
        "gemma-3/apart", "nested ropes without their thetas",
        {"rope_parameters": {"full_attention": {"factor": 8.0, "rope_type": "linear"},
                             "sliding_attention": {"rope_type": "default"}}},
        without=("rope_scaling",),
    ),
    Variant(
        "phi-3/4k", "no longrope, `sliding_window: 2047`",
        {"rope_scaling": None, "max_position_embeddings": 4096, "sliding_window": 2047},
    ),
    Variant("phi-3/su", "longrope under its first name, `su`", {"rope_scaling": longrope(32) | {"type": "su"}}),
    Variant("phi-3/medium", "grouped heads", shape={"kv_heads": 1}),
    Variant(
        "phi-4/reasoning", "`rope_theta: 500000`",
        {"rope_theta": 500_000, "max_position_embeddings": 32_768, "original_max_position_embeddings": 32_768},
    ),
    Variant(
        "phi-4-mini/saved", "`partial_rotary_factor` among the rope's parameters",
        {"rope_scaling": longrope(24) | {"partial_rotary_factor": 0.75}}, without=("partial_rotary_factor",),
    ),
    Variant(
        "exaone-3.5/3.0", "no rope scaling, untied",
        {"rope_scaling": None, "rope_theta": 500_000.0, "max_position_embeddings": 4096}, shape={"tied": False},
    ),
    Variant("exaone-3.5/7.8b", "untied", shape={"tied": False}),
    Variant("exaone-3.5/plain", "no `head_dim`", without=("head_dim",)),
    Variant(
        "exaone-4/1.2b", "`sliding_window: null`, tied",
        {"sliding_window": None, "sliding_window_pattern": None, "layer_types": ["full_attention"] * 4},
        shape={"tied": True},
    ),
    Variant("exaone-4/pattern", "a pattern that is a number", {"sliding_window_pattern": 4}, without=("layer_types",)),
)  # fmt: skip
