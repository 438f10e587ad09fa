"""Adapters that peft merges, layer by layer: equal to its merge of the whole model, or refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFReader
from tests.convert.tiny import HEADS, HIDDEN, KV_HEADS
from tests.golden.cases import CASES
from tests.golden.checkpoints import build, write_vocabulary

from localfin_convert import convert
from localfin_convert.adapter.through_peft import KINDS
from localfin_models.errors import InputRefused

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

Make = Callable[..., Path]
TARGETS = ["q_proj", "down_proj"]
CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "LOHA": ("LoHaConfig", {"r": 4, "alpha": 8, "target_modules": TARGETS}),
    "LOKR": ("LoKrConfig", {"r": 4, "alpha": 8, "target_modules": TARGETS}),
    "IA3": ("IA3Config", {"target_modules": ["k_proj", "down_proj"], "feedforward_modules": ["down_proj"]}),
    "OFT": ("OFTConfig", {"target_modules": TARGETS, "oft_block_size": 32}),
    "BOFT": ("BOFTConfig", {"target_modules": TARGETS, "boft_block_size": 32}),
    "HRA": ("HRAConfig", {"target_modules": TARGETS, "r": 4}),
    "FOURIERFT": ("FourierFTConfig", {"target_modules": TARGETS, "n_frequency": 50}),
    "MISS": ("MissConfig", {"target_modules": TARGETS, "r": 4}),
    "LN_TUNING": ("LNTuningConfig", {"target_modules": ["input_layernorm", "norm"]}),
    "C3A": ("C3AConfig", {"target_modules": ["q_proj"], "block_size": 16}),
    "DELORA": ("DeloraConfig", {"target_modules": TARGETS, "r": 4}),
    "WAVEFT": ("WaveFTConfig", {"target_modules": TARGETS, "n_frequency": 50}),
    "SHIRA": ("ShiraConfig", {"target_modules": TARGETS, "r": 2}),
    "ROAD": ("RoadConfig", {"target_modules": TARGETS}),
}
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")


def load(base: Path) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)


def train(base: Path, kind: str, folder: Path) -> None:
    """An adapter with something in it, saved by peft."""
    name, arguments = CONFIGS[kind]
    torch.manual_seed(7)
    model = peft.get_peft_model(load(base), getattr(peft, name)(task_type="CAUSAL_LM", **arguments))
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += torch.randn_like(parameter) * 0.05
    model.save_pretrained(folder)


def test_every_kind_is_tried() -> None:
    assert set(CONFIGS) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_equals_pefts_merge_of_the_whole_model(kind: str, checkpoint: Make, tmp_path: Path) -> None:
    base, folder, out = checkpoint(), tmp_path / "adapter", tmp_path / "out.gguf"
    train(base, kind, folder)
    merged = peft.PeftModel.from_pretrained(load(base), folder).merge_and_unload().state_dict()
    plain = load(base).state_dict()
    report = convert(base, [folder], out, "f32", threads=3)
    written = {tensor.name: np.array(tensor.data) for tensor in GGUFReader(out).tensors}
    names = {"mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "self_attn.v_proj": "attn_v"}
    for layer in range(4):
        for theirs, ours in names.items():
            expected = merged[f"model.layers.{layer}.{theirs}.weight"].float().numpy()
            assert np.array_equal(written[f"blk.{layer}.{ours}.weight"], expected)
        for theirs, ours, heads in (("q_proj", "attn_q", HEADS), ("k_proj", "attn_k", KV_HEADS)):
            expected = merged[f"model.layers.{layer}.self_attn.{theirs}.weight"].float().numpy()
            rows = expected.reshape(heads, 2, -1, HIDDEN).swapaxes(1, 2).reshape(-1, HIDDEN)
            assert np.array_equal(written[f"blk.{layer}.{ours}.weight"], rows)
    assert np.array_equal(written["output_norm.weight"], merged["model.norm.weight"].float().numpy())
    assert report.changed == sum(int((merged[name] != plain[name]).sum()) for name in plain)


def test_a_bias_is_scaled_with_its_layer(tmp_path: Path) -> None:
    """IA3 multiplies the outputs of k_proj, its bias too."""
    case = next(case for case in CASES if case.name == "qwen2-bias-all")
    base, _ = build(case, tmp_path)
    train(base, "IA3", tmp_path / "ia3")
    merged = peft.PeftModel.from_pretrained(load(base), tmp_path / "ia3").merge_and_unload().state_dict()
    convert(base, [tmp_path / "ia3"], tmp_path / "out.gguf", "f32")
    written = {tensor.name: np.array(tensor.data) for tensor in GGUFReader(tmp_path / "out.gguf").tensors}
    expected = merged["model.layers.1.self_attn.k_proj.bias"].float().numpy()
    assert np.array_equal(written["blk.1.attn_k.bias"], expected)
    assert not np.array_equal(load(base).state_dict()["model.layers.1.self_attn.k_proj.bias"].float().numpy(), expected)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"peft_type": "VERA"}, "known: LORA, LOHA"),
        ({"modules_to_save": ["lm_head"]}, "beside LOHA"),
        ({"r": 3}, "peft refuses it: .*size mismatch"),
    ],
)
def test_refused(change: dict[str, Any], words: str, checkpoint: Make, tmp_path: Path) -> None:
    base, folder = checkpoint(), tmp_path / "adapter"
    train(base, "LOHA", folder)
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputRefused, match=words):
        convert(base, [folder], tmp_path / "out.gguf")
    assert not (tmp_path / "out.gguf.part").exists()


SAVED: dict[str, dict[str, Any]] = {
    "plain": {"target_modules": ["q_proj"]},
    "saved": {"target_modules": ["q_proj"], "modules_to_save": ["lm_head", "embed_tokens"]},
    "saved embedding": {"target_modules": ["q_proj"], "modules_to_save": ["embed_tokens"]},
    "tokens": {"target_modules": ["q_proj"], "trainable_token_indices": [1000, 1001]},
}


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("kind", SAVED)
def test_resized_vocabularies_as_peft_saves_them(kind: str, tied: bool, tmp_path: Path) -> None:
    """peft keeps copies under the wrappers' names then; each tensor finds its place all the same."""
    case = next(case for case in CASES if case.name == ("llama2-resized-tied-tokens" if tied else "llama2-tokens"))
    base, _ = build(case, tmp_path)
    folder, rows = tmp_path / "trained", case.vocab_size + 2

    def grown(seed: int) -> Any:
        torch.manual_seed(seed)
        model = load(base)
        model.resize_token_embeddings(rows, mean_resizing=False)
        return model

    model = peft.get_peft_model(grown(1), peft.LoraConfig(task_type="CAUSAL_LM", r=2, lora_alpha=4, **SAVED[kind]))
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data += torch.randn_like(parameter) * 0.1
    model.save_pretrained(folder)
    write_vocabulary(case, folder, ("<|user|>", "<|bot|>"))
    merged = peft.PeftModel.from_pretrained(grown(2), folder).merge_and_unload()
    convert(base, [folder], tmp_path / "out.gguf", "f32")
    written = {tensor.name: np.array(tensor.data) for tensor in GGUFReader(tmp_path / "out.gguf").tensors}
    assert np.array_equal(written["token_embd.weight"], merged.model.embed_tokens.weight.detach().float().numpy())
    assert ("output.weight" in written) == (not merged.config.tie_word_embeddings)
    if not merged.config.tie_word_embeddings:
        assert np.array_equal(written["output.weight"], merged.lm_head.weight.detach().float().numpy())
