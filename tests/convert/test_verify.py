"""Verification: what is right passes in every family, what was corrupted on its way does not, and leaves nothing."""

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.convert.random_models import case_of, written
from tests.golden.cases import Case
from tests.golden.checkpoints import _config

from localfin_convert import convert, pipeline
from localfin_convert.adapter import Weighted
from localfin_convert.architectures import FAMILIES
from localfin_convert.plan import Part, Plan, PlannedTensor
from localfin_models.errors import IntegrityFailed

Make = Callable[..., Path]
Change = Callable[[Plan], Plan]
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 256}  # fmt: skip
YARN = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
LONGROPE = {"type": "longrope", "long_factor": [2.0, 3.0, 5.0, 9.0], "short_factor": [1.0, 1.1, 1.3, 1.5]}
GEMMA = {"head_dim": 32, "sliding_window": 4096, "query_pre_attn_scalar": 32}
GPT2: dict[str, Any] = {"vocabulary": "gpt-2", "vocab_size": 50_304}
LLAMA = case_of("llama31-rope", {"rope_scaling": LLAMA3, "head_dim": 64}, heads=2, kv_heads=1)
MODELS = {
    "llama": LLAMA,
    "mistral": case_of("mistral-added-tokens", {"head_dim": 32}),
    "mixtral": case_of("mixtral", {"num_local_experts": 8, "num_experts_per_tok": 2}),
    "qwen2": case_of("qwen2-spm-biases", {"rope_scaling": YARN}),
    "qwen3": case_of("qwen3-spm", {}),
    "qwen3-moe": case_of("qwen3-moe", {"head_dim": 32, "num_experts": 12, "num_experts_per_tok": 4,
                                       "moe_intermediate_size": 32, "norm_topk_prob": True}, **GPT2),
    "gemma2": case_of("gemma2", GEMMA),
    "gemma3": case_of("gemma3", GEMMA | {"sliding_window": 8, "rope_scaling": {"rope_type": "linear", "factor": 8.0}},
                      layers=7),
    "phi3": case_of("phi3-longrope", {"rope_scaling": LONGROPE, "original_max_position_embeddings": 4096,
                                      "partial_rotary_factor": 0.5, "pad_token_id": 0}),
    "exaone": case_of("exaone35", {"rope_scaling": LLAMA3, "activation_function": "silu"}, **GPT2),
    "exaone4": case_of("exaone4", {"head_dim": 16, "sliding_window": None, "layer_types": ["full_attention"] * 3},
                       **GPT2),
}  # fmt: skip


def base_of(case: Case, folder: Path) -> Path:
    base, _tensors = written(case, folder)
    if case.architecture.startswith("gemma"):  # its own tokenizer.model puts no space in front
        model = base / "tokenizer.model"
        model.write_bytes(model.read_bytes().replace(b"identity\x18\x01", b"identity\x18\x00"))
    return base


@pytest.mark.parametrize("name", MODELS)
def test_every_family_is_verified(name: str, tmp_path: Path) -> None:
    found = convert(base_of(MODELS[name], tmp_path), [], tmp_path / "out.gguf", "q8_0").verification
    assert found is not None
    assert (found.conversations, found.tokens.limitations, found.logits.adapter) == (4, (), None)
    assert found.logits.layers == found.logits.of_layers == MODELS[name].layers
    assert 0 < found.logits.noise < found.logits.noise_limit / 2
    assert 0 < found.logits.quantization.kl_mean < 0.05


def test_no_family_is_left_out() -> None:
    verified = {_config(case)["architectures"][0] for case in MODELS.values()}
    assert verified == set(FAMILIES)


def tensors(change: Callable[[PlannedTensor], PlannedTensor]) -> Change:
    return lambda plan: replace(plan, tensors=tuple(map(change, plan.tensors)))


def header(change: Callable[[bytes], bytes]) -> Change:
    def changed(plan: Plan) -> Plan:
        (part,) = plan.parts
        new = change(part.header)
        assert len(new) == len(part.header)
        assert new != part.header
        return replace(plan, parts=(Part(new, part.offset, part.n_bytes),))

    return changed


def key(name: str, form: str, value: float) -> Change:
    """Another value for a scalar key, which stands behind its name and its type."""

    def change(raw: bytes) -> bytes:
        at = raw.index(struct.pack("<Q", len(name)) + name.encode()) + 8 + len(name) + 4
        return raw[:at] + struct.pack(form, value) + raw[at + struct.calcsize(form) :]

    return header(change)


def other_rows(tensor: PlannedTensor) -> PlannedTensor:
    """What lies behind the gates in the checkpoint, where the gates should be."""
    source: Any = tensor.source
    elsewhere = replace(source, offset=source.offset + source.n_bytes) if "ffn_gate" in tensor.name else source
    return replace(tensor, source=elsewhere)


def unless(name: str, **changes: Any) -> Change:
    return tensors(lambda tensor: replace(tensor, **changes) if name in tensor.name else tensor)


CORRUPTIONS: dict[str, tuple[str, Change, str]] = {
    "rows not reordered": ("llama", unless("attn_q", heads=0), "computes other logits"),
    "heads counted wrong": ("llama", unless("attn_k", heads=2), "computes other logits"),
    "norms not shifted": ("gemma2", unless("attn_norm", shift=0.0), "computes other logits"),
    "another rope base": ("llama", key("llama.rope.freq_base", "<f", 20_000.0), "other frequencies"),
    "another rope scale": ("qwen2", key("qwen2.rope.scaling.factor", "<f", 1.0), "other frequencies"),
    "another epsilon": ("llama", key("llama.attention.layer_norm_rms_epsilon", "<f", 1e-6), "epsilon"),
    "another end": ("llama", key("tokenizer.ggml.eos_token_id", "<I", 5), "eos token"),
    "a head count": ("llama", key("llama.attention.head_count", "<I", 1), "cannot load it"),
    "another tensor": ("llama", tensors(other_rows), "ffn_gate.weight of the file is not"),
    "another template": ("llama", header(lambda raw: raw.replace(b"[INST]", b"[TSNI]")), "stored chat template makes"),
    "another word": ("llama", header(lambda raw: raw.replace("▁in".encode(), "▁ni".encode())), "splits"),
    "a word twice": ("llama", header(lambda raw: raw.replace(b"<0xEC>", b"<0xED>")), "SIGABRT"),
}  # fmt: skip


@pytest.fixture
def corrupted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Change], None]:
    def corrupt(change: Change) -> None:
        make_plan = pipeline.make_plan
        monkeypatch.setattr(pipeline, "make_plan", lambda asked: change(make_plan(asked)))

    return corrupt


@pytest.mark.parametrize("what", CORRUPTIONS)
def test_what_is_corrupted_on_its_way_fails_and_leaves_nothing(
    what: str, corrupted: Callable[[Change], None], tmp_path: Path
) -> None:
    name, change, words = CORRUPTIONS[what]
    base, out = base_of(MODELS[name], tmp_path), tmp_path / "made" / "out.gguf"
    out.parent.mkdir()
    corrupted(change)
    with pytest.raises(IntegrityFailed, match=words):
        convert(base, [], out, "q8_0")
    assert not list(out.parent.iterdir())


@pytest.mark.parametrize(("quantization", "weight"), [("q4_k_m", 0.1), ("q2_k", 1.0)])
def test_a_file_that_lacks_most_of_the_merge_fails(
    quantization: str, weight: float, corrupted: Callable[[Change], None], top: Path, tmp_path: Path
) -> None:
    starter = top / "models" / "starter"
    adapters = [Weighted(starter / "adapter", weight)]
    whole = convert(starter / "base", adapters, tmp_path / "whole.gguf", quantization)
    corrupted(tensors(lambda one: one if one.name == "blk.0.attn_k.weight" else replace(one, changes=())))
    with pytest.raises(IntegrityFailed, match=r"lacks \d+% of what the adapters change"):
        convert(starter / "base", adapters, tmp_path / "out.gguf", quantization)
    assert whole.verification is not None
    assert not (tmp_path / "out.gguf").exists()
