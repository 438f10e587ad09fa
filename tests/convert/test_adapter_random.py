"""Random adapters on random bases: our merge equals peft's, or is refused for a reason that stands here."""

import random
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")

from tests.convert.beside_peft import differing, load, make_base, ours, pefts, pefts_one_by_one, train  # noqa: E402

from localfin_convert.adapter import Weighted  # noqa: E402
from localfin_models.errors import InputRefused  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
BASES: dict[str, dict[str, Any]] = {
    "llama": {}, "qwen2": {}, "gemma2": {"head_dim": 16}, "phi3": {"pad_token_id": 0},
    "mixtral": {"num_local_experts": 4}, "qwen3_moe": {},
}  # fmt: skip
"""Four experts: torch multiplies batches of fewer than 400 products without the fused multiply-add of all others
(`bmm`, ATen/native/LinearAlgebra.cpp), and a router of 3 x 64 at rank 2 is such a one, as none of a real model is."""
ATTENTION = ["q_proj", "k_proj", "v_proj", "o_proj"]
LAYERS = {
    "phi3": ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"],
    "mixtral": ATTENTION,
    "qwen3_moe": ATTENTION,
}
PATTERNS = ["{}", "layers.0.{}", r".*\.1\..*{}", r"model\.layers\.\d+\.self_attn\.{}", "^{}", r"layers\.[01].mlp.{}"]
ALLOWED = {
    "does not only add": r"does not only add to .*weight means nothing",
    "bias without one": r"lora_bias, but .* has no bias in the base",
    "of parameters": r"(use_dora|lora_bias|pissa|olora) of a parameter",
    "second belongs to the base": r"belongs to the unmerged base|replaces it whole|replaces rows that another one",
    "trained untied": r"two different embeddings for a model that has one",
    "trained twice": r"in two ways at once",
}
"""Why we may refuse what peft merges."""

_FIXED = {"modules_to_save", "trainable_token_indices", "bias"}


@dataclass
class Combo:
    """A base and one or two adapters, drawn from a seed."""

    kind: str
    dtype: str
    tied: bool
    adapters: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    dtypes: list[str] = field(default_factory=list[str])
    weights: list[float] = field(default_factory=list[float])

    @property
    def starts_elsewhere(self) -> bool:
        """An initialisation changed the tied weight before the training: the embedding's, too, unless it was trained
        untied as here, which no file tells. We take it for tied."""
        return self.unties and any(one.get("init_lora_weights") in ("pissa", "olora") for one in self.adapters)

    @property
    def unties(self) -> bool:
        """peft's warning: LoRA of a tied embedding or head is merged onto the untied base. `layers_to_transform` passes
        by the embedding, but not by the head: its whole name is the target's."""
        return self.tied and any(
            "lm_head" in one["target_modules"]
            or ("embed_tokens" in one["target_modules"] and "layers_to_transform" not in one)
            for one in self.adapters
        )


def draw(seed: int) -> Combo:
    dice = random.Random(seed)
    kind = dice.choice(list(BASES))
    combo = Combo(kind, dice.choice(["bf16", "bf16", "f16", "f32"]), kind == "gemma2" or dice.random() < 0.3)
    for number in range(dice.choice([1, 1, 1, 2])):
        combo.adapters.append(_adapter(dice, combo, number))
        combo.dtypes.append(dice.choice(["f32", "bf16", "f16"]))
        weighted = dice.random() < (0.05 if _FIXED & combo.adapters[-1].keys() else 0.5)
        combo.weights.append(dice.choice([0.5, -0.3, 1.7]) if weighted else 1.0)
    return combo


def _adapter(dice: random.Random, combo: Combo, number: int) -> dict[str, Any]:
    layers = LAYERS.get(combo.kind, [*ATTENTION, "gate_proj", "up_proj", "down_proj"])
    targets = dice.sample(layers, dice.randint(1, len(layers)))
    rank = dice.choice([1, 2, 3, 4, 7, 8])
    config: dict[str, Any] = {"r": rank, "lora_alpha": dice.choice([rank, 2 * rank, 3, 16, 0.5])}

    def sometimes(chance: float, **settings: Any) -> None:
        if dice.random() < chance:
            config.update(settings)

    sometimes(0.3, use_rslora=True)
    sometimes(0.25, use_dora=True)
    sometimes(0.15, bias=dice.choice(["all", "lora_only"]))
    sometimes(0.1 if combo.kind == "qwen2" and not config.get("use_dora") else 0, lora_bias=True)
    sometimes(0.2, layers_to_transform=dice.choice([[0], [1], 1]))
    sometimes(0.15, exclude_modules=dice.choice([[dice.choice(layers)], r".*\.0\..*" + dice.choice(layers)]))
    sometimes(0.3, rank_pattern={dice.choice(PATTERNS).format(dice.choice(layers)): dice.choice([2, 5])})
    sometimes(0.3, alpha_pattern={dice.choice(PATTERNS).format(dice.choice(layers)): dice.choice([1, 9])})
    inits = ["gaussian", "pissa", "olora", *(["orthogonal"] if rank % 2 == 0 else ["mica"] if len(config) == 2 else [])]
    sometimes(0.2, init_lora_weights=dice.choice(inits))
    sometimes(0.1, fan_in_fan_out=True)
    outer = dice.random()
    if outer < 0.15:
        targets += dice.sample(["embed_tokens", "lm_head"], dice.choice([1, 2]))
    elif outer < 0.3 and number == 0:
        config["modules_to_save"] = dice.sample(["lm_head", "embed_tokens", "norm", "input_layernorm"], 2)
    elif outer < 0.4:
        config["trainable_token_indices"] = dice.sample(range(120), 3)
    if combo.kind in ("mixtral", "qwen3_moe") and not {"use_dora", "fan_in_fan_out"} & config.keys():
        named = ["mlp.experts.gate_up_proj", "experts.down_proj", "gate.weight", "layers.1.mlp.experts.down_proj"]
        sometimes(0.7, target_parameters=dice.sample(named, dice.randint(1, 3)))
    config["target_modules"] = targets
    return config


def outcome(combo: Combo, folder: Path) -> str:
    """`equal`, or the reason why it was refused; AssertionError where the two differ."""
    config = BASES[combo.kind] | {"tie_word_embeddings": combo.tied}
    base = make_base(folder / "base", combo.kind, combo.dtype, **config)
    adapters: list[Weighted] = []
    for number, (arguments, dtype, weight) in enumerate(zip(combo.adapters, combo.dtypes, combo.weights, strict=True)):
        path = folder / f"adapter{number}"
        try:
            train(_model(base, combo), path, peft.LoraConfig(task_type="CAUSAL_LM", **arguments), dtype)
        except (ValueError, TypeError, RuntimeError, KeyError, AttributeError) as error:
            return f"peft does not train it: {type(error).__name__} {str(error)[:60]}"
        adapters.append(Weighted(path, weight))
    theirs = _theirs(base, combo, folder, adapters)
    mine = _mine(base, adapters)
    if isinstance(mine, str):
        reason = next((name for name, words in ALLOWED.items() if re.search(words, mine)), None)
        assert reason is not None or isinstance(theirs, str), mine
        return "refused by both" if isinstance(theirs, str) else f"refused: {reason}"
    assert not isinstance(theirs, str), theirs
    if combo.starts_elsewhere:
        mine = mine | {"model.embed_tokens.weight": theirs["model.embed_tokens.weight"]}
    assert not differing(mine, theirs), differing(mine, theirs)
    return "equal"


def _theirs(base: Path, combo: Combo, folder: Path, adapters: list[Weighted]) -> Any:
    """peft's tensors, or why there are none. Of adapters beside each other it loses biases: those of one whose module
    another one wraps match nothing any more."""
    why = ""
    biased = len(adapters) > 1 and any("bias" in one for one in combo.adapters)
    for merge in [pefts_one_by_one] if biased else (pefts, pefts_one_by_one)[: len(adapters)]:
        try:
            return merge(_model(base, combo), folder / merge.__name__, *adapters)
        except (ValueError, TypeError, RuntimeError, KeyError, AttributeError) as error:
            why = f"peft does not merge it: {type(error).__name__} {error}"
    return why


def _mine(base: Path, adapters: list[Weighted]) -> Any:
    """Our tensors, or why there are none."""
    try:
        return ours(base, *adapters)
    except InputRefused as refusal:
        return str(refusal)


def _model(base: Path, combo: Combo) -> Any:
    if not combo.unties:
        return load(base)
    model = load(base, tie_word_embeddings=False)
    model.lm_head.weight.data = model.model.embed_tokens.weight.data.clone()
    return model


@pytest.mark.parametrize("seed", range(12))
def test_a_few_random_adapters(seed: int, tmp_path: Path) -> None:
    outcome(draw(seed), tmp_path)


@pytest.mark.long
def test_many_random_adapters(tmp_path: Path) -> None:
    outcomes = Counter(outcome(draw(seed), tmp_path / str(seed)) for seed in range(100, 800))
    print(dict(outcomes))
    assert outcomes["equal"] > 400
