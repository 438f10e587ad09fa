"""LoRA on experts and routers beside peft's own merge of the fused model; both forms in which peft saves it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")

from safetensors.torch import load_file, save_file  # noqa: E402
from tests.convert.beside_peft import differing, load, make_base, ours, pefts, train  # noqa: E402

from localfin_convert.adapter import Weighted  # noqa: E402
from localfin_models.errors import InputRefused  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
KINDS = ("mixtral", "qwen3_moe")
SINGLE = {"mixtral": ["w1", "w2", "w3"], "qwen3_moe": ["gate_proj", "up_proj", "down_proj"]}
FUSED: dict[str, dict[str, Any]] = {
    "both": {"target_parameters": ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"], "target_modules": ["q_proj"]},
    "gate_up, rsLoRA": {"target_parameters": ["gate_up_proj"], "use_rslora": True},
    "down, router": {"target_parameters": ["experts.down_proj", "gate.weight"], "rank_pattern": {"gate.weight": 2}},
    "patterns": {
        "target_parameters": ["gate_up_proj", "down_proj"],
        "rank_pattern": {"layers.1.mlp.experts.gate_up_proj": 3},
        "alpha_pattern": {"down_proj": 5, ".*0.*gate_up.*": 7},
    },
    "one layer": {"target_parameters": ["model.layers.1.mlp.experts.down_proj", "layers.0.mlp.experts.gate_up_proj"]},
    "a layer's weight": {"target_parameters": ["q_proj.weight", "embed_tokens.weight"], "target_modules": ["k_proj"]},
    "saved": {"target_modules": ["q_proj"], "modules_to_save": ["experts"]},
}


@pytest.mark.parametrize(("form", "kind"), [*zip(FUSED, KINDS * 4, strict=False), ("both", "qwen3_moe")])
def test_fused_experts_equal_peft(form: str, kind: str, tmp_path: Path) -> None:
    base = make_base(tmp_path / "base", kind, "f16" if form == "patterns" else "bf16")
    arguments = {"target_modules": []} | FUSED[form]
    config = peft.LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, **arguments)
    adapter = train(base, tmp_path / "adapter", config)
    asked = adapter if form == "saved" else Weighted(adapter, 0.7)
    merged = ours(base, asked)
    assert differing(merged, pefts(load(base), tmp_path / "merged", asked)) == {}
    assert differing(merged, ours(base))


def single_lora(folder: Path, base: Path, names: list[str], **config: Any) -> Path:
    """An adapter as transformers 4 trained it: LoRA for each expert's layer, under the checkpoint's names."""
    folder.mkdir()
    torch.manual_seed(5)
    whole = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "r": 4, "lora_alpha": 8, "target_modules": names} | config
    (folder / "adapter_config.json").write_text(json.dumps(whole))
    tensors = {}
    for name, values in ours(base).items():
        module = name.removesuffix(".weight")
        if values.ndim == 2 and module.rpartition(".")[2] in names:
            rank = whole.get("rank_pattern", {}).get(module.rpartition(".")[2], whole["r"])
            for side, shape in (("A", (rank, values.shape[1])), ("B", (values.shape[0], rank))):
                tensors[f"base_model.model.{module}.lora_{side}.weight"] = torch.randn(shape) * 0.1
    save_file(tensors, folder / "adapter_model.safetensors", {"format": "pt"})
    return folder


@pytest.mark.parametrize(("kind", "weight"), [("mixtral", 1.0), ("qwen3_moe", -0.4)])
def test_single_experts_equal_peft(kind: str, weight: float, tmp_path: Path) -> None:
    base = make_base(tmp_path / "base", kind)
    adapter = Weighted(single_lora(tmp_path / "old", base, [*SINGLE[kind], "gate", "v_proj"]), weight)
    merged = ours(base, adapter)
    assert differing(merged, pefts(load(base), tmp_path / "merged", adapter)) == {}
    assert len(differing(merged, ours(base))) == sum(
        bool(re.search(r"(w\d|v_proj|gate|experts.*proj)\.weight$", name)) for name in merged
    )


@pytest.mark.parametrize(
    ("names", "config", "words"),
    [
        (["w1", "w2"], {}, "trains some experts but not .*experts.0.w3; peft needs all of .*experts.gate_up_proj"),
        (["w1", "w2", "w3"], {"use_rslora": True}, "experts.0.w1 another rank or scale"),
        (["w2"], {"alpha_pattern": {"w2": 16}}, "experts.0.w2 another rank or scale"),
        (["w2"], {"rank_pattern": {"w2": 2}}, "experts.0.w2 another rank or scale"),
        (["gate"], {"alpha_pattern": {"gate": 16}}, "gate another rank or scale"),
        (["w2"], {"use_dora": True}, "use_dora of a parameter .*mlp.experts.down_proj"),
        (["gate"], {"lora_bias": True}, "lora_bias of a parameter .*mlp.gate.weight"),
        (["w2"], {"r": 3}, "would fit"),
    ],
)
def test_what_peft_would_fuse_otherwise_is_refused(
    names: list[str], config: dict[str, Any], words: str, tmp_path: Path
) -> None:
    base = make_base(tmp_path / "base", "mixtral")
    adapter = single_lora(tmp_path / "old", base, names, **config)
    if config.get("r"):
        path = adapter / "adapter_config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "r": 4, "lora_alpha": 8}))
    with pytest.raises(InputRefused, match=words):
        ours(base, adapter)


def test_peft_scales_fused_rslora_by_the_root_of_two(tmp_path: Path) -> None:
    """Why that is refused: peft doubles rank and alpha alike, and divides by the root of the rank."""
    base = make_base(tmp_path / "base", "mixtral", "f32")
    adapter = single_lora(tmp_path / "old", base, ["w1", "w2", "w3"], use_rslora=True)
    before, merged = ours(base), pefts(load(base), tmp_path / "merged", adapter)
    name = "model.layers.0.block_sparse_moe.experts.1.w1"
    sides = load_file(adapter / "adapter_model.safetensors")
    a, b = (sides[f"base_model.model.{name}.lora_{side}.weight"] for side in "AB")
    trained = (b @ a * (8 / 4**0.5)).numpy()
    delta = merged[f"{name}.weight"] - before[f"{name}.weight"]
    assert float((delta * trained).sum() / (trained * trained).sum()) == pytest.approx(2**0.5, rel=1e-3)
