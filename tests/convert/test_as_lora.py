"""`--as-lora`: base + GGUF adapter in llama.cpp says what the merged GGUF says; what no LoRA can say is refused."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pytest
from gguf import GGUFReader
from safetensors.numpy import load_file, save_file
from tests.convert.logits import logits
from tests.convert.tiny import convert
from tests.golden.cases import LINEAR, Adapter, Case
from tests.golden.checkpoints import build

from localfin_convert import write_lora
from localfin_convert.adapter import Weighted
from localfin_convert.command import convert as command
from localfin_models.errors import InputRefused

TOLERANCE = 1e-3
"""Of the largest change an adapter makes to a logit: B(Ax) is added to Wx here, and BA to W there, all in float32."""

LLAMA = Case("llama", "llama", "llama-spm", 600, 64, 2, 4, 2, 96, dtype="f32", quantizations=("f32",))
ALPHAS = {"v_proj": 40, "layers.0.self_attn.k_proj": 1}
RANKS = {"layers.1.self_attn.q_proj": 5, "down_proj": 12}


def case(*adapters: Adapter, **fields: object) -> Case:
    return replace(LLAMA, adapters=adapters, **fields)  # type: ignore[arg-type]


SCALES = {
    "plain": case(Adapter(LINEAR, r=8, alpha=16)),
    "rslora": case(Adapter(LINEAR, r=8, alpha=16, rslora=True)),
    "patterns": case(Adapter(LINEAR, r=8, alpha=16, alpha_pattern=ALPHAS, rank_pattern=RANKS)),
    "rslora-patterns": case(Adapter(LINEAR, r=8, alpha=16, rslora=True, alpha_pattern=ALPHAS, rank_pattern=RANKS)),
    "weight": case(Adapter(LINEAR, r=8, alpha=16, weight=-0.7)),
    "several": case(
        Adapter(LINEAR, r=8, alpha=16, weight=0.7), Adapter(("q_proj", "up_proj"), r=3, alpha=9, rslora=True, weight=2)
    ),
}
FAMILIES = {
    "qwen2": case(Adapter(LINEAR, r=8), architecture="qwen2"),
    "qwen3": case(Adapter(LINEAR, r=8), architecture="qwen3", config={"head_dim": 32}, tied=True),
    "mixtral": case(
        Adapter(("q_proj", "gate", "w1", "w2", "w3"), r=8),
        architecture="mixtral", experts=3, config={"num_local_experts": 3, "num_experts_per_tok": 2},
    ),
    "qwen3_moe": case(
        Adapter(("k_proj", "gate", "gate_proj", "up_proj"), r=8),
        architecture="qwen3_moe", vocabulary="gpt-2", vocab_size=50_304, experts=3,
        config={"head_dim": 32, "num_experts": 3, "num_experts_per_tok": 2, "moe_intermediate_size": 32,
                "norm_topk_prob": True},
    ),
    "gemma2": case(Adapter(LINEAR, r=8), architecture="gemma2", tied=True,
                   config={"head_dim": 32, "sliding_window": 32}),
    "gemma3": case(Adapter(LINEAR, r=8), architecture="gemma3_text", tied=True,
                   config={"head_dim": 32, "sliding_window": 32, "sliding_window_pattern": 6}),
    "phi3": case(Adapter(("qkv_proj", "gate_up_proj", "o_proj", "down_proj"), r=8), architecture="phi3",
                 config={"pad_token_id": 0}),
    "exaone": case(
        Adapter(("q_proj", "out_proj", "c_fc_0", "c_proj", "wte", "lm_head"), r=8),
        architecture="exaone", vocabulary="gpt-2", vocab_size=50_304, config={"activation_function": "silu"},
    ),
    "exaone4": case(
        Adapter(LINEAR, r=8), architecture="exaone4", vocabulary="gpt-2", vocab_size=50_304,
        config={"head_dim": 16, "sliding_window": 4096, "sliding_window_pattern": "LG",
                "layer_types": ["sliding_attention", "full_attention"]},
    ),
    "head": case(Adapter(("q_proj", "lm_head"), r=8)),
    "embedding": case(Adapter(("embed_tokens", "q_proj"), r=8)),
}  # fmt: skip


def built(asked: Case, folder: Path) -> tuple[Path, list[Weighted]]:
    """As `build`; the copies of embedding and head that peft saves beside their LoRA are the base's own."""
    base, adapters = build(asked, folder)
    stored = load_file(base / "model.safetensors")
    if asked.tied:
        stored.setdefault("lm_head.weight", stored["model.embed_tokens.weight"])
    for adapter in adapters:
        file = adapter / "adapter_model.safetensors"
        tensors = load_file(file)
        for name in tensors:
            if ".base_layer." in name:
                tensors[name] = stored[name.removeprefix("base_model.model.").replace(".base_layer", "")]
        save_file(tensors, file)
    return base, [Weighted(path, adapter.weight) for path, adapter in zip(adapters, asked.adapters, strict=True)]


def plain_copy(adapter: Path, folder: Path) -> Path:
    """The adapter as convert_lora_to_gguf.py reads it: of the scale it sees lora_alpha and each tensor's rank."""
    folder.mkdir()
    config = json.loads((adapter / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps(config | {"use_rslora": False, "alpha_pattern": {}}))
    (folder / "adapter_model.safetensors").write_bytes((adapter / "adapter_model.safetensors").read_bytes())
    return folder


@pytest.mark.parametrize("asked", [
    pytest.param(c, id=name, marks=[pytest.mark.long] if c.architecture.startswith("exaone") else [])
    for name, c in (SCALES | FAMILIES).items()
])  # fmt: skip
def test_base_and_lora_say_what_the_merged_says(asked: Case, tmp_path: Path) -> None:
    base, adapters = built(asked, tmp_path)
    convert(base, [], tmp_path / "base.gguf", "f32")
    convert(base, adapters, tmp_path / "merged.gguf", "f32")
    write_lora(base, adapters, tmp_path / "lora.gguf")
    alone, merged = logits(tmp_path / "base.gguf"), logits(tmp_path / "merged.gguf")
    effect = np.abs(merged - alone).max()
    assert effect > 0.01 * np.abs(alone).max()
    assert np.abs(logits(tmp_path / "base.gguf", tmp_path / "lora.gguf") - merged).max() < TOLERANCE * effect


@pytest.mark.parametrize("name", ["rslora", "patterns", "rslora-patterns"])
def test_the_scale_that_llama_cpps_own_script_writes_fails_that_test(name: str, tmp_path: Path) -> None:
    base, (adapter,) = built(SCALES[name], tmp_path)
    convert(base, [], tmp_path / "base.gguf", "f32")
    convert(base, [adapter], tmp_path / "merged.gguf", "f32")
    write_lora(base, [plain_copy(adapter.folder, tmp_path / "plain")], tmp_path / "naive.gguf")
    alone, merged = logits(tmp_path / "base.gguf"), logits(tmp_path / "merged.gguf")
    naive = logits(tmp_path / "base.gguf", tmp_path / "naive.gguf")
    assert np.abs(naive - merged).max() > 20 * TOLERANCE * np.abs(merged - alone).max()


@pytest.mark.parametrize("kind", ["f16", "bf16", "q8_0"])
def test_smaller_types_cost_little(kind: str, tmp_path: Path) -> None:
    base, adapters = built(SCALES["rslora-patterns"], tmp_path)
    convert(base, [], tmp_path / "base.gguf", "f32")
    write_lora(base, adapters, tmp_path / "exact.gguf")
    report = write_lora(base, adapters, tmp_path / "small.gguf", kind)
    assert report.n_bytes < 0.7 * (tmp_path / "exact.gguf").stat().st_size
    alone, exact, small = (
        logits(tmp_path / "base.gguf", *(tmp_path / name for name in names))
        for names in ((), ("exact.gguf",), ("small.gguf",))
    )
    assert 0 < np.abs(small - exact).max() < 0.05 * np.abs(exact - alone).max()


def test_alpha_is_what_most_tensors_need_and_theirs_is_stored_unchanged(tmp_path: Path) -> None:
    base, (adapter,) = built(SCALES["rslora-patterns"], tmp_path)
    report = write_lora(base, [adapter], tmp_path / "lora.gguf")
    assert report.alpha == np.float32(16 * 8**0.5)
    stored = load_file(adapter.folder / "adapter_model.safetensors")
    found = {tensor.name: tensor.data for tensor in GGUFReader(tmp_path / "lora.gguf").tensors}
    up = "base_model.model.model.layers.0.mlp.up_proj.lora_B.weight"
    assert np.array_equal(found["blk.0.ffn_up.weight.lora_b"], stored[up])
    values = stored["base_model.model.model.layers.0.self_attn.v_proj.lora_B.weight"]
    np.testing.assert_allclose(found["blk.0.attn_v.weight.lora_b"], values * np.float32(40 / 16), rtol=2e-7)


REFUSED = {
    "dora": (case(Adapter(r=4, dora=True)), "by DoRA, which no LoRA can at run time; leave out --as-lora"),
    "saved": (case(Adapter(r=4, save=("norm",))), "input_layernorm.weight by a whole tensor"),
    "tokens": (case(Adapter(r=4, token_indices={"embed_tokens": (3, 5)})), "by rows of single tokens"),
    "bias": (case(Adapter(("q_proj",), r=4, bias="all"), architecture="qwen2"), "by a whole tensor"),
    "lora-bias": (case(Adapter(("q_proj",), r=4, lora_bias=True), architecture="qwen2"), "by lora_bias"),
    "resized": (case(Adapter(r=4, added_tokens=("<|user|>", "<|bot|>"))), "by a whole tensor"),
    "tied-embedding": (case(Adapter(("embed_tokens",), r=4), tied=True), "embedding and head are one"),
    "tied-head": (case(Adapter(("lm_head",), r=4), tied=True), "embedding and head are one"),
    "gemma-embedding": (
        case(Adapter(("embed_tokens",), r=4), architecture="gemma2", tied=True, config={"head_dim": 32}),
        "embedding and head are one",
    ),
    "alpha-0": (case(Adapter(r=4, alpha=0)), "has no effect on this base"),
    "alpha-huge": (case(Adapter(r=4, alpha=1e300)), "usable"),
    "alpha-tiny": (case(Adapter(r=4, alpha=1e-60)), "scale is no usable number"),
}


@pytest.mark.parametrize(("asked", "reason"), [pytest.param(*value, id=name) for name, value in REFUSED.items()])
def test_what_no_lora_can_say_is_refused_and_nothing_written(asked: Case, reason: str, tmp_path: Path) -> None:
    base, adapters = built(asked, tmp_path)
    with pytest.raises(InputRefused, match=reason):
        write_lora(base, adapters, tmp_path / "lora.gguf")
    assert not list(tmp_path.glob("lora.gguf*"))


def test_an_embedding_that_is_no_copy_of_the_bases_is_refused(tmp_path: Path) -> None:
    base, (folder,) = build(FAMILIES["embedding"], tmp_path)
    with pytest.raises(InputRefused, match=r"model.embed_tokens.weight by a whole tensor"):
        write_lora(base, [folder], tmp_path / "lora.gguf")


def test_half_precision_that_overflows_is_refused(tmp_path: Path) -> None:
    base, (adapter,) = built(SCALES["plain"], tmp_path)
    file = adapter.folder / "adapter_model.safetensors"
    tensors = load_file(file)
    tensors["base_model.model.model.layers.0.mlp.up_proj.lora_B.weight"][0, 0] = 1e6
    save_file(tensors, file)
    with pytest.raises(InputRefused, match=r"blk\.0\.ffn_up\.weight\.lora_b holds values beyond float16"):
        write_lora(base, [adapter], tmp_path / "lora.gguf", "f16")
    assert not list(tmp_path.glob("lora.gguf*"))
    write_lora(base, [adapter], tmp_path / "lora.gguf", "bf16")


def test_an_existing_file_is_replaced_only_by_force(tmp_path: Path) -> None:
    base, adapters = built(SCALES["plain"], tmp_path)
    out = tmp_path / "lora.gguf"
    first = write_lora(base, adapters, out)
    assert hashlib.sha256(out.read_bytes()).hexdigest() == first.sha256
    with pytest.raises(InputRefused, match="--force"):
        write_lora(base, adapters, out)
    assert write_lora(base, adapters, out, force=True).sha256 == first.sha256


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base, (adapter,) = built(SCALES["rslora"], tmp_path)
    arguments = [str(base), "-a", str(adapter.folder), "-o", str(tmp_path / "lora.gguf"), "--as-lora", "--json"]
    command(["--dry-run", *arguments], standalone_mode=False)
    plan = json.loads(capsys.readouterr().out)
    assert not (tmp_path / "lora.gguf").exists()
    command(arguments, standalone_mode=False)
    report = json.loads(capsys.readouterr().out)
    assert report["bytes"] == plan["write_bytes"] == (tmp_path / "lora.gguf").stat().st_size
    assert (report["quantization"], report["tensors"], len(plan["tensors"])) == ("f32", 14, 28)
    for extra in (["--resume"], ["--prompt-format", "seed"]):
        with pytest.raises(click.UsageError):
            command([*arguments, *extra], standalone_mode=False)
    with pytest.raises(click.UsageError, match="not as q4_k_m"):
        command([*arguments, "--force", "-q", "q4_k_m"], standalone_mode=False)
    with pytest.raises(click.UsageError, match="name one with -a"):
        command([str(base), "-o", str(tmp_path / "x.gguf"), "--as-lora"], standalone_mode=False)
