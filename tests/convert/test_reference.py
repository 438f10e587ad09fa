"""Our float32 forward pass beside transformers and llama.cpp; and the weights read back from a GGUF file."""

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import gguf
import llama_cpp  # here, before another test puts its ctypes layer alone into its place
import numpy as np
import pytest
from tests.convert.random_models import VOCABULARY, case_of, written
from tests.convert.tiny import convert
from tests.golden.cases import ATTENTION, Adapter, Case
from tests.golden.checkpoints import _config, build, write_safetensors

from localfin_convert.adapter import weighted
from localfin_convert.architectures import FAMILIES
from localfin_convert.plan import Plan, make_plan
from localfin_convert.quantize import ggml
from localfin_convert.read.checkpoint import open_checkpoint
from localfin_convert.read.positional import OpenFiles
from localfin_convert.reference import Reference, base_weights, forward, gguf_weights, merged_weights
from localfin_convert.request import Request
from localfin_convert.write.output import Output
from localfin_models.errors import InputRefused

QUERY = "model.layers.1.self_attn.q_proj.weight"
TEXTS = [np.random.default_rng(length).integers(3, VOCABULARY, length).tolist() for length in (5, 23, 40)]
WINDOW = 8
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 64}  # fmt: skip
YARN = {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
LONGROPE = {"type": "longrope", "long_factor": [2.0, 3.0, 5.0, 9.0], "short_factor": [1.0, 1.1, 1.3, 1.5]}
EXAONE4 = {"head_dim": 32, "rope_scaling": LLAMA3}
GEMMA3_ROPES = {"full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 30_000.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 100.0}}  # fmt: skip


MODELS = {
    "llama2": case_of("llama2-lora", {}),
    "llama-tied-linear": case_of("llama2-tied-no-adapter", {"rope_scaling": {"type": "linear", "factor": 2.0}}),
    "llama31-biases": case_of("llama31-rope", {"rope_scaling": LLAMA3, "attention_bias": True, "mlp_bias": True}),
    "llama-yarn": case_of(
        "llama2-lora", {"rope_scaling": YARN | {"beta_fast": 2.0, "mscale": 0.8, "mscale_all_dim": 0.5}}
    ),
    "mistral-window": case_of("mistral-tekken", {"head_dim": 32, "sliding_window": WINDOW}),
    "mixtral": case_of("mixtral", {"num_local_experts": 8, "num_experts_per_tok": 2}),
    "qwen2-yarn": case_of("qwen2-spm-biases", {"rope_scaling": YARN}),
    "qwen2-window": case_of(
        "qwen2-tied", {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 1}
    ),
    "qwen3": case_of("qwen3-spm", {}),
    "qwen3-moe": case_of(
        "qwen3-moe", {"head_dim": 32, "num_experts": 12, "num_experts_per_tok": 4, "moe_intermediate_size": 24,
                      "norm_topk_prob": True},
    ),
    "qwen3-moe-unnormalized": case_of(
        "qwen3-moe", {"head_dim": 16, "num_experts": 12, "num_experts_per_tok": 3, "moe_intermediate_size": 24,
                      "use_sliding_window": True, "sliding_window": WINDOW},
    ),
    "gemma2": case_of("gemma2", {"head_dim": 32, "sliding_window": WINDOW, "query_pre_attn_scalar": 50,
                                 "attn_logit_softcapping": 3.0, "final_logit_softcapping": 5.0}),
    "gemma3": case_of("gemma3", {"head_dim": 32, "sliding_window": WINDOW, "sliding_window_pattern": 2,
                                 "rope_local_base_freq": 100.0, "query_pre_attn_scalar": 20,
                                 "rope_scaling": {"rope_type": "linear", "factor": 8.0}}),
    "gemma3-nested-ropes": case_of("gemma3", {"head_dim": 32, "sliding_window": WINDOW, "sliding_window_pattern": 3,
                                              "rope_parameters": GEMMA3_ROPES}),
    "phi3-longrope": case_of("phi3-longrope", {"rope_scaling": LONGROPE, "original_max_position_embeddings": 16,
                                               "partial_rotary_factor": 0.5, "sliding_window": WINDOW,
                                               "pad_token_id": 0}),
    "phi4": case_of("phi4", {"partial_rotary_factor": 0.75, "pad_token_id": 0}),
    "exaone4": case_of("exaone4", EXAONE4 | {"sliding_window": WINDOW, "sliding_window_pattern": 4}, layers=5),
    "exaone4-windowless": case_of(
        "exaone4", EXAONE4 | {"sliding_window": None, "layer_types": ["full_attention"] * 3}
    ),
}  # fmt: skip

EXAONE35 = case_of("exaone35", {"rope_scaling": LLAMA3, "activation_function": "silu"}, vocab_size=50_304)


def from_memory(tensors: dict[str, np.ndarray]) -> Callable[..., np.ndarray]:
    return lambda name, rows=None: tensors[name] if rows is None else tensors[name][rows.start : rows.stop]


def reference_of(base: Path) -> Reference:
    return Reference(open_checkpoint(base))


def assert_close(ours: list[np.ndarray], theirs: list[np.ndarray], tolerance: float = 1e-4) -> None:
    """`tolerance` is relative to the largest logit."""
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.shape == other.shape
        assert mine.dtype == np.float32
        assert np.abs(mine - other).max() <= tolerance * np.abs(other).max()


def transformers_model(base: Path) -> Any:
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = transformers.AutoModelForCausalLM.from_pretrained(
            base, dtype=torch.float32, attn_implementation="eager", local_files_only=True
        )
    return model.eval()


def transformers_logits(base: Path) -> list[np.ndarray]:
    model, torch = transformers_model(base), pytest.importorskip("torch")
    with torch.no_grad():
        return [model(torch.tensor([text]), use_cache=False).logits[0].numpy() for text in TEXTS]


@pytest.mark.parametrize("name", MODELS)
def test_logits_equal_those_of_transformers(name: str, tmp_path: Path) -> None:
    base, tensors = written(MODELS[name], tmp_path)
    assert_close(reference_of(base).logits(from_memory(tensors), TEXTS), transformers_logits(base))


def llama_twin(base: Path, tensors: dict[str, np.ndarray]) -> None:
    """Turns an EXAONE 3.5 checkpoint, which transformers does not know, into the Llama of the same numbers."""
    config = json.loads((base / "config.json").read_text())
    config |= {"architectures": ["LlamaForCausalLM"], "model_type": "llama",
               "num_hidden_layers": config["num_layers"], "rms_norm_eps": config["layer_norm_epsilon"]}  # fmt: skip
    (base / "config.json").write_text(json.dumps(config))
    names = {"transformer.wte": "model.embed_tokens", "transformer.ln_f": "model.norm", "transformer.h": "model.layers",
             "attn.attention": "self_attn", "out_proj": "o_proj", "ln_1": "input_layernorm",
             "ln_2": "post_attention_layernorm", "c_fc_0": "gate_proj", "c_fc_1": "up_proj",
             "mlp.c_proj": "mlp.down_proj"}  # fmt: skip
    renamed = dict[str, np.ndarray]()
    for name, tensor in tensors.items():
        for old, new in names.items():
            name = name.replace(old, new)
        renamed[name] = tensor
    write_safetensors(base / "model.safetensors", renamed, "f32")


def test_exaone35_equals_its_llama_twin_in_transformers(tmp_path: Path) -> None:
    base, tensors = written(EXAONE35, tmp_path)
    ours = reference_of(base).logits(from_memory(tensors), TEXTS)
    llama_twin(base, tensors)
    assert_close(ours, transformers_logits(base))


def test_every_family_is_compared() -> None:
    compared = {_config(case)["architectures"][0] for case in (*MODELS.values(), EXAONE35)}
    assert compared == set(FAMILIES)


def test_an_early_exit_applies_norm_and_head_to_the_layer(tmp_path: Path) -> None:
    base, tensors = written(MODELS["gemma2"], tmp_path)
    model, torch = transformers_model(base), pytest.importorskip("torch")
    theirs = list[np.ndarray]()
    with torch.no_grad():
        for text in TEXTS:
            states = model.model(torch.tensor([text]), output_hidden_states=True, use_cache=False).hidden_states
            logits = model.lm_head(model.model.norm(states[1]))[0] / 5.0
            theirs.append((torch.tanh(logits) * 5.0).numpy())
    assert_close(reference_of(base).logits(from_memory(tensors), TEXTS, layers=1), theirs)


def test_logits_of_the_positions_asked_for(tmp_path: Path) -> None:
    base, tensors = written(MODELS["llama2"], tmp_path)
    every = reference_of(base).logits(from_memory(tensors), TEXTS)
    asked = [[4], [0, 22, 7], []]
    some = reference_of(base).logits(from_memory(tensors), TEXTS, positions=asked)
    assert [logits.shape for logits in some] == [(1, VOCABULARY), (3, VOCABULARY), (0, VOCABULARY)]
    for mine, all_of_it, rows in zip(some, every, asked, strict=True):
        np.testing.assert_allclose(mine, all_of_it[rows], rtol=0, atol=1e-4)


def test_a_tensor_is_asked_for_once_and_experts_only_where_a_token_goes(tmp_path: Path) -> None:
    base, tensors = written(MODELS["mixtral"], tmp_path)
    asked = list[str]()

    def weights(name: str, rows: range | None = None) -> np.ndarray:
        asked.append(name if rows is None else "rows")
        return from_memory(tensors)(name, rows)

    reference_of(base).logits(weights, [[5]], layers=2)
    whole = [name for name in asked if name != "rows"]
    assert len(whole) == len(set(whole)) == 2 * (4 + 2 + 1 + 2 * 3) + 1


def test_the_head_is_multiplied_in_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base, tensors = written(MODELS["llama2"], tmp_path)
    whole = reference_of(base).logits(from_memory(tensors), TEXTS)
    monkeypatch.setattr(forward, "_HEAD_ELEMENTS", 100 * 64)
    assert_close(reference_of(base).logits(from_memory(tensors), TEXTS), whole, 1e-6)


REFUSED = [
    ("llama2-lora", {"hidden_act": "gelu"}, r"hidden_act is 'gelu', but llama\.cpp runs this family with 'silu'"),
    ("gemma2", {"query_pre_attn_scalar": 0}, "query_pre_attn_scalar is '0', a positive number"),
    ("gemma3", {"sliding_window_pattern": "6"}, "sliding_window_pattern is '6', a positive number"),
    ("qwen2-tied", {"use_sliding_window": True, "max_window_layers": "all"}, "max_window_layers is 'all'"),
    ("llama2-lora", {"rope_scaling": YARN, "rope_theta": 1.0}, r"rope_theta is 1\.0, more than 1"),
    ("phi3-longrope", {"original_max_position_embeddings": 1}, "original_max_position_embeddings is 1"),
]


@pytest.mark.parametrize(("golden", "config", "words"), REFUSED)
def test_what_config_json_says_amiss_is_refused(
    golden: str, config: dict[str, Any], words: str, tmp_path: Path
) -> None:
    base, tensors = written(case_of(golden, config), tmp_path)
    with pytest.raises(InputRefused, match=words):
        reference_of(base).logits(from_memory(tensors), TEXTS, layers=1)


def test_weights_that_overflow_give_nan_without_a_warning(tmp_path: Path) -> None:
    base, tensors = written(MODELS["llama2"], tmp_path)
    tensors["model.layers.1.mlp.up_proj.weight"] *= np.float32(1e38)
    logits = reference_of(base).logits(from_memory(tensors), TEXTS)
    assert not any(np.isfinite(own).all() for own in logits)


def llama_cpp_logits(file: Path) -> list[np.ndarray]:
    """On the processor, with keys and values in float32."""
    model = llama_cpp.Llama(
        str(file), n_ctx=64, n_threads=1, n_gpu_layers=0, logits_all=True, verbose=False,
        type_k=llama_cpp.GGML_TYPE_F32, type_v=llama_cpp.GGML_TYPE_F32,
    )  # fmt: skip
    logits = list[np.ndarray]()
    for text in TEXTS:
        model.reset()
        model.eval(text)
        logits.append(model.scores[: len(text)].astype(np.float32))
    model.close()
    return logits


@pytest.mark.parametrize("name", ["exaone35", "llama31-biases", "qwen2-yarn", "qwen3", "mixtral", "phi4"])
def test_logits_equal_those_of_llama_cpp(name: str, tmp_path: Path) -> None:
    base, tensors = written((MODELS | {"exaone35": EXAONE35})[name], tmp_path)
    convert(base, [], out := tmp_path / "out.gguf", "f32")
    ours = reference_of(base).logits(from_memory(tensors), TEXTS)
    assert_close(ours, llama_cpp_logits(out), 1e-3)


@contextmanager
def opened(out: Path) -> Iterator[Output]:
    with out.open("rb") as file:
        yield Output([file], [out], [out.stat().st_size])


def test_weights_before_and_after_a_merge(tmp_path: Path) -> None:
    """The merge's own bytes are compared elsewhere: here the weights beside those that the output holds."""
    adapter = Adapter((*ATTENTION, "lm_head"), r=4, alpha=64, added_tokens=("<|user|>", "<|bot|>"))
    base, adapters = build(replace(MODELS["llama2"], dtype="bf16", adapters=(adapter,)), tmp_path)
    convert(base, adapters, out := tmp_path / "out.gguf", "f32")
    plan = make_plan(Request(base, weighted(adapters), "f32", "out"))
    with OpenFiles() as files, opened(out) as output:
        before, after, made = (
            base_weights(plan.merge, files),
            merged_weights(plan.merge, files),
            gguf_weights(plan, output),
        )
        for name in plan.merge.checkpoint.tensors:
            np.testing.assert_array_equal(after(name), made(name))
        assert not np.array_equal(before(QUERY), after(QUERY))
        assert before("lm_head.weight").shape == after("lm_head.weight").shape == (VOCABULARY + 2, 64)
        assert not before("lm_head.weight", range(VOCABULARY, VOCABULARY + 2)).any()
        (ours,) = Reference(plan.merge.checkpoint).logits(after, [[VOCABULARY + 1, 5]])
        assert ours.shape == (2, VOCABULARY + 2)


def converted(case: Case, quantization: str, folder: Path) -> tuple[Plan, Path, dict[str, np.ndarray]]:
    base, tensors = written(case, folder)
    convert(base, [], out := folder / "out.gguf", quantization)
    return make_plan(Request(base, (), quantization, "out")), out, tensors


@pytest.mark.parametrize("name", ["llama31-biases", "mixtral", "gemma3", "phi3-longrope", "exaone35"])
def test_a_gguf_files_weights_are_the_checkpoints(name: str, tmp_path: Path) -> None:
    """In float32 nothing is lost but what lies between a Gemma norm and that norm plus one."""
    plan, out, tensors = converted((MODELS | {"exaone35": EXAONE35})[name], "f32", tmp_path)
    with opened(out) as output:
        weights = gguf_weights(plan, output)
        for tensor, values in tensors.items():
            np.testing.assert_allclose(weights(tensor), values, rtol=0, atol=1e-6 if "norm" in tensor else 0)
            if values.ndim == 2:
                np.testing.assert_array_equal(weights(tensor, range(2, 5)), values[2:5])


def test_weights_of_a_quantized_file_are_those_that_ggufs_own_reader_sees(tmp_path: Path) -> None:
    plan, out, tensors = converted(replace(MODELS["llama2"], hidden=256), "q4_k_m", tmp_path)
    stored = {tensor.name: tensor for tensor in gguf.GGUFReader(out).tensors}
    head, down = stored["output.weight"], stored["blk.0.ffn_down.weight"]
    with opened(out) as output:
        weights = gguf_weights(plan, output)
        for name, tensor in (("lm_head.weight", head), ("model.layers.0.mlp.down_proj.weight", down)):
            np.testing.assert_array_equal(weights(name), gguf.quants.dequantize(tensor.data, tensor.tensor_type))
        query = weights(QUERY)
    difference = np.abs(query - tensors[QUERY]).max()
    assert 0 < difference < 0.1 * np.abs(query).max()


KINDS = [kind for kind in gguf.GGMLQuantizationType if kind.name in (
    "F32", "F16", "BF16", "Q4_0", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ4_NL", "IQ4_XS",
)]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_dequantizing_equals_ggufs(kind: gguf.GGMLQuantizationType) -> None:
    rows = np.random.default_rng(3).normal(size=(5, 512)).astype(np.float32)
    data = gguf.quants.quantize(rows, kind) if kind.name in ("F32", "F16", "BF16") else ggml.quantize(kind, rows)
    expected = gguf.quants.dequantize(np.ascontiguousarray(data), kind)
    np.testing.assert_array_equal(ggml.dequantize(kind, data.tobytes(), 512), expected)
