"""Adapters that peft merges, layer by layer: equal to its merge of the whole model, or refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGUFReader

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING  # noqa: E402
from tests.convert.beside_peft import differing, load, make_base, ours, pefts, train  # noqa: E402
from tests.convert.tiny import convert  # noqa: E402
from tests.golden.cases import CASES  # noqa: E402
from tests.golden.checkpoints import build, write_vocabulary  # noqa: E402

from localfin_convert.adapter.kinds import ALONE, TOGETHER, why_not  # noqa: E402
from localfin_models.errors import InputRefused  # noqa: E402

Make = Callable[..., Path]
pytestmark = pytest.mark.filterwarnings("ignore")
TARGETS = ["q_proj", "down_proj"]
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "LOHA": ("LoHaConfig", {"r": 4, "alpha": 8, "modules_to_save": ["lm_head", "norm"]}),
    "LOKR": ("LoKrConfig", {"r": 4, "alpha": 8, "decompose_both": True, "rank_pattern": {"down_proj": 2}}),
    "IA3": ("IA3Config", {"target_modules": ["k_proj", "down_proj"], "feedforward_modules": ["down_proj"]}),
    "OFT": ("OFTConfig", {"oft_block_size": 32, "bias": "all"}),
    "BOFT": ("BOFTConfig", {"boft_block_size": 8, "boft_n_butterfly_factor": 2}),
    "HRA": ("HRAConfig", {"r": 4, "apply_GS": True}),
    "FOURIERFT": ("FourierFTConfig", {"n_frequency": 50, "n_frequency_pattern": {"q_proj": 20}}),
    "MISS": ("MissConfig", {"r": 4, "init_weights": "bat"}),
    "LN_TUNING": ("LNTuningConfig", {"target_modules": ["input_layernorm", "norm"]}),
    "C3A": ("C3AConfig", {"target_modules": ["q_proj"], "block_size": 16}),
    "DELORA": ("DeloraConfig", {"r": 4, "layers_to_transform": [1]}),
    "WAVEFT": ("WaveFTConfig", {"n_frequency": 50}),
    "SHIRA": ("ShiraConfig", {"r": 2}),
    "ROAD": ("RoadConfig", {"variant": "road_2"}),
    "GLORA": ("GloraConfig", {"r": 4}),
    "HIRA": ("HiraConfig", {"r": 4, "target_modules": [*TARGETS, "embed_tokens"]}),
    "OSF": ("OSFConfig", {"effective_rank": 8}),
    "GRALORA": ("GraloraConfig", {"r": 8, "alpha": 8, "gralora_k": 2}),
    "PSOFT": ("PsoftConfig", {"r": 4}),
    "PEANUT": ("PeanutConfig", {"r": 4}),
    "SUPERTUNING": ("SupertuningConfig", {"sparsity": 0.1}),
    "DEFT": ("DeftConfig", {"r": 4}),
    "BEFT": ("BeftConfig", {"target_modules": ["v_proj"]}),
    "ADALORA": ("AdaLoraConfig", {"init_r": 6, "target_r": 4, "lora_alpha": 8, "total_step": 10, "bias": "all"}),
    "VERA": ("VeraConfig", {"r": 8, "modules_to_save": ["embed_tokens"]}),
    "PVERA": ("PveraConfig", {"r": 8}),
    "VBLORA": ("VBLoRAConfig", {"r": 4, "num_vectors": 20, "vector_length": 16, "save_only_topk_weights": True}),
    "UNILORA": ("UniLoraConfig", {"r": 4, "theta_d_length": 64}),
    "RANDLORA": ("RandLoraConfig", {"r": 8}),
    "TINYLORA": ("TinyLoraConfig", {"r": 2, "u": 4, "weight_tying": 0.5, "save_projection": False}),
    "TRAINABLE_TOKENS": ("TrainableTokensConfig", {"token_indices": [7, 3, 119], "target_modules": ["embed_tokens"]}),
}
OTHERS: dict[str, tuple[str, dict[str, Any]]] = {
    "VERA, drawn again": ("VeraConfig", {"r": 8, "save_projection": False, "bias": "all"}),
    "RANDLORA, drawn again": ("RandLoraConfig", {"r": 8, "save_projection": False}),
    "VBLORA, logits": ("VBLoRAConfig", {"r": 4, "num_vectors": 20, "vector_length": 16}),
    "WAVEFT, proportional": ("WaveFTConfig", {"n_frequency": 50, "proportional_parameters": True}),
    "MISS, mini": ("MissConfig", {"r": 8, "mini_r": 4, "init_weights": "mini"}),
    "OFT, shared blocks": ("OFTConfig", {"oft_block_size": 32, "coft": True, "block_share": True}),
}


VARIANTS: dict[str, dict[str, Any]] = {
    "pissa": {"init_lora_weights": "pissa", "use_rslora": True, "rank_pattern": {"q_proj": 2}},
    "olora": {"init_lora_weights": "olora", "modules_to_save": ["norm"], "trainable_token_indices": [3, 9]},
    "mica": {"init_lora_weights": "mica", "target_modules": ["q_proj", "embed_tokens"]},
    "orthogonal": {"init_lora_weights": "orthogonal"},
    "KaSA": {"kasa_config": peft.tuners.lora.config.KasaConfig()},
    "VeLoRA": {"velora_config": peft.tuners.lora.config.VeloraConfig()},
    "MonteCLoRA": {"monteclora_config": peft.tuners.lora.config.MontecloraConfig()},
    "BD-LoRA": {
        "use_bdlora": peft.tuners.lora.config.BdLoraConfig(
            target_modules_bd_a=["q_proj"], target_modules_bd_b=["down_proj"], nblocks=2
        )
    },
    "QALoRA on layers that are not quantized": {"use_qalora": True, "qalora_group_size": 16},
    "DoRA of the embedding": {"use_dora": True, "target_modules": ["embed_tokens", "lm_head", "q_proj"]},
    "PiSSA with DoRA and biases": {"init_lora_weights": "pissa", "use_dora": True, "bias": "lora_only"},
}


def resize_ranks(model: Any) -> None:
    """As AdaLoRA's allocator leaves them: ranks of their own for the layers, most of them cut."""
    config = model.peft_config["default"]
    if config.peft_type == "ADALORA":
        names = [name for name, _ in model.named_parameters() if "lora_E" in name]
        config.rank_pattern = {
            name.removeprefix("base_model.model.").removesuffix(".default"): [
                (place + number) % 3 > 0 for place in range(6)
            ]
            for number, name in enumerate(names)
        }


def test_every_kind_of_pefts_is_merged_or_has_a_reason() -> None:
    merged = {*ALONE, *TOGETHER, "LORA", "TRAINABLE_TOKENS"}
    assert {"LORA", *KINDS} == merged
    for kind in peft.PeftType:
        assert (kind.value in merged) == (why_not(kind.value) is None)
    assert why_not("UNHEARD_OF") is None


@pytest.mark.parametrize("name", [*KINDS, *OTHERS])
def test_equals_pefts_merge_of_the_whole_model(name: str, tmp_path: Path) -> None:
    config, arguments = (KINDS | OTHERS)[name]
    base = make_base(tmp_path / "base", "qwen2" if name in ("BEFT", "IA3", "OFT", "VERA, drawn again") else "llama")
    arguments = {"task_type": "CAUSAL_LM", "target_modules": TARGETS} | arguments
    adapter = train(base, tmp_path / "adapter", getattr(peft, config)(**arguments), before_saving=resize_ranks)
    merged = ours(base, adapter)
    assert differing(merged, pefts(load(base), tmp_path / "merged", adapter)) == {}
    assert differing(merged, ours(base))


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_of_lora_equal_peft(name: str, tmp_path: Path) -> None:
    base = make_base(tmp_path / "base", "qwen2" if "bias" in VARIANTS[name] else "llama", "f16")
    arguments = {"task_type": "CAUSAL_LM", "target_modules": TARGETS, "r": 4, "lora_alpha": 6} | VARIANTS[name]
    adapter = train(base, tmp_path / "adapter", peft.LoraConfig(**arguments))
    merged = ours(base, adapter)
    assert differing(merged, pefts(load(base), tmp_path / "merged", adapter)) == {}
    assert differing(merged, ours(base))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"init_lora_weights": "pissa_niter_16"}, "cannot be computed again; save the adapter with save_pretrained"),
        ({"init_lora_weights": "loftq"}, "path_initial_model_for_weight_conversion"),
        ({"init_lora_weights": "lora_ga"}, "init_lora_weights='lora_ga' changed the base"),
        ({"alora_invocation_tokens": [3]}, "works only behind its invocation tokens"),
        ({"arrow_config": {"top_k": 1}}, "chooses among adapters at run time"),
        ({"layer_replication": [[0, 2]]}, "layers that the base does not have"),
    ],
)
def test_what_cannot_be_merged_of_lora_is_refused(config: dict[str, Any], words: str, tmp_path: Path) -> None:
    base = make_base(tmp_path / "base")
    lora = peft.LoraConfig(task_type="CAUSAL_LM", target_modules=TARGETS, r=4)
    adapter = train(base, tmp_path / "adapter", lora)
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **config}))
    with pytest.raises(InputRefused, match=words):
        ours(base, adapter)


@pytest.mark.parametrize("kind", ["TRAINABLE_TOKENS", "HIRA", "VERA"])
def test_embeddings_that_are_the_head_too(kind: str, tmp_path: Path) -> None:
    """Rows of tokens stay shared; anything else unties the two, as peft's warning about tied layers advises."""
    base = make_base(tmp_path / "base", "llama", tie_word_embeddings=True)
    config, arguments = KINDS[kind]
    arguments = {"task_type": "CAUSAL_LM", "target_modules": TARGETS} | arguments
    adapter = train(base, tmp_path / "adapter", getattr(peft, config)(**arguments))
    model = load(base) if kind == "TRAINABLE_TOKENS" else load(base, tie_word_embeddings=False)
    if kind != "TRAINABLE_TOKENS":
        model.lm_head.weight.data = model.model.embed_tokens.weight.data.clone()
    assert differing(ours(base, adapter), pefts(model, tmp_path / "merged", adapter)) == {}


def test_a_prompt_has_nothing_to_merge_and_the_routed_kinds_no_merge() -> None:
    """The reasons for which those kinds are refused, read off peft itself."""
    for kind, tuner in PEFT_TYPE_TO_TUNER_MAPPING.items():
        if "prompt" in (why_not(kind.value) or ""):
            assert not hasattr(tuner, "merge_and_unload")


@pytest.mark.parametrize(
    ("config", "arguments"),
    [("PolyConfig", {"r": 4, "n_tasks": 1, "n_skills": 2}), ("LilyConfig", {"r": 4, "stride_A": 1, "num_B": 2})],
)
def test_what_peft_cannot_merge_is_refused(config: str, arguments: dict[str, Any], tmp_path: Path) -> None:
    base = make_base(tmp_path / "base")
    whole = getattr(peft, config)(task_type="CAUSAL_LM", target_modules=TARGETS, **arguments)
    adapter = train(base, tmp_path / "adapter", whole)
    with pytest.raises(NotImplementedError):
        pefts(load(base), tmp_path / "merged", adapter)
    with pytest.raises(InputRefused, match="depends on the input or the task"):
        ours(base, adapter)


def test_in_a_gguf_file_with_several_threads(tmp_path: Path, checkpoint: Make) -> None:
    base = checkpoint()
    adapter = train(base, tmp_path / "adapter", peft.LoHaConfig(task_type="CAUSAL_LM", r=4, target_modules=TARGETS))
    report = convert(base, [adapter], tmp_path / "out.gguf", "f32", threads=3)
    merged, plain = pefts(load(base), tmp_path / "merged", adapter), ours(base)
    written = {tensor.name: np.array(tensor.data) for tensor in GGUFReader(tmp_path / "out.gguf").tensors}
    for layer in range(4):
        assert np.array_equal(
            written[f"blk.{layer}.ffn_down.weight"], merged[f"model.layers.{layer}.mlp.down_proj.weight"]
        )
    assert report.changed == sum(differing(merged, plain).values())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"peft_type": "FLORA"}, "known: LORA, TRAINABLE_TOKENS, LOHA"),
        ({"peft_type": "PREFIX_TUNING"}, "no merge of weights can hold"),
        ({"peft_type": "FROD"}, "computed from all layers of the base anew"),
        ({"modules_to_save": ["norm"]}, "promises norm"),
        ({"r": 3}, "peft refuses it: .*size mismatch"),
        ({"target_modules": ["q_proj"]}, "peft refuses it: Target modules"),
    ],
)
def test_refused(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    base = make_base(tmp_path / "base")
    adapter = train(base, tmp_path / "adapter", peft.LoHaConfig(task_type="CAUSAL_LM", r=4, target_modules=TARGETS))
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputRefused, match=words):
        ours(base, adapter)


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
