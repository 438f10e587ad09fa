"""Which modules a configuration names, and with which rank and scale: as peft's own functions say."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("torch")
pytest.importorskip("peft")

from peft import LoraConfig
from peft.tuners.tuners_utils import check_target_module_exists
from peft.utils.other import get_pattern_key

from localfin_convert.adapter.targets import by_pattern, names_module
from localfin_models.errors import InputRefused

pytestmark = pytest.mark.filterwarnings("ignore")
LEAVES = ["self_attn.q_proj", "self_attn.k_proj", "mlp.down_proj", "mlp.experts.3.w1", "input_layernorm"]
MODULES = [f"model.layers.{layer}.{leaf}" for layer in (0, 1, 11) for leaf in LEAVES] + [
    "lm_head",
    "model.embed_tokens",
]
NAMES = [
    "q_proj", "proj", "k_proj", "mlp.down_proj", "layers.1.self_attn.q_proj", "model.layers.11.mlp.down_proj", "w1",
    "experts.3.w1", "lm_head", "embed_tokens", "1.mlp.down_proj", "self_attn",
]  # fmt: skip
PATTERNS = [
    ".*q_proj", r".*\.1\..*", "q_proj", r"model\.layers\.\d+\.self_attn\.(q|k)_proj", "^q_proj", "layers.1.*",
    "q_proj|w1", r".*(?<!q)_proj", "lm_head", "down_proj$",
]  # fmt: skip
some = st.lists(st.sampled_from(NAMES), max_size=4)
patterns = st.sampled_from(PATTERNS)


@given(
    st.sampled_from(MODULES),
    some | patterns,
    st.none() | some | patterns,
    st.none() | st.lists(st.sampled_from(["lm_head", "input_layernorm", "mlp"]), max_size=2),
    st.none() | st.integers(0, 11) | st.lists(st.sampled_from([0, 1, 3, 11]), max_size=2),
    st.none() | st.sampled_from(["layers", "experts", ["experts", "layers"], ["h"], []]),
)
def test_modules_are_named_as_peft_names_them(
    module: str, targets: Any, excluded: Any, saved: Any, layers: Any, pattern: Any
) -> None:
    if isinstance(targets, str):
        layers = pattern = None
    if layers is None:
        pattern = None
    settings = {
        "target_modules": targets, "exclude_modules": excluded, "modules_to_save": saved,
        "layers_to_transform": layers, "layers_pattern": pattern,
    }  # fmt: skip
    named = check_target_module_exists(LoraConfig(**settings), module)
    given_ones = {key: value for key, value in settings.items() if value is not None}
    assert names_module(given_ones, module) == bool(named)


@given(st.sampled_from(MODULES), st.dictionaries(st.sampled_from(NAMES + PATTERNS), st.integers(1, 9), max_size=4))
def test_patterns_match_as_in_peft(module: str, values: dict[str, int]) -> None:
    assert by_pattern(values, module, 0) == values.get(get_pattern_key(values.keys(), module), 0)


@pytest.mark.parametrize("setting", ["target_modules", "exclude_modules"])
@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("q_(proj", "malformed pattern"),
        (r"(\w+\.?)+X", "match for hours"),
        (r"(?:x{2,})+", "match for hours"),
        (r".*a.*b.*c.*d.*e", "match for hours"),
        (r"(?:.*a|.*b|.*c.*d.*e)|f", "match for hours"),
    ],
)
def test_a_malformed_or_endless_pattern_is_refused(setting: str, pattern: str, words: str) -> None:
    with pytest.raises(InputRefused, match=words):
        names_module({"target_modules": "q_proj", setting: pattern}, "model.layers.0.self_attn.q_proj")


def test_a_pattern_as_unsloth_writes_them_is_taken() -> None:
    pattern = (
        r"(?:.*?(?:language|text).*?(?:self_attn|attention|mlp).*?(?:q_proj|k_proj|down_proj).*?)|"
        r"(?:\bmodel\.layers\.[\d]{1,}\.(?:self_attn|mlp)\.(?:(?:q_proj|k_proj|down_proj)))"
    )
    named = [module for module in MODULES if names_module({"target_modules": pattern}, module)]
    assert len(named) == 9


def test_all_linear_is_every_layer_but_embedding_and_head() -> None:
    named = [module for module in MODULES if names_module({"target_modules": "all-linear"}, module)]
    assert {"lm_head", "model.embed_tokens"} == set(MODULES) - set(named)
