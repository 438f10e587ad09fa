"""The whole conversion on tiny checkpoints: what comes out, and what is refused with nothing left behind."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from gguf import GGUFReader
from tests.convert.tiny import ADAPTER_CONFIG, HEADS, HIDDEN, VOCAB, bf16, convert, llama_tensors, lora_tensors

from localfin_convert.read.numbers import bf16_bits, to_f32
from localfin_models.errors import InputRefused, LocalfinError, NotEnough, NotFound

Make = Callable[..., Path]


def tensors_of(path: Path) -> dict[str, np.ndarray]:
    return {tensor.name: np.array(tensor.data) for tensor in GGUFReader(path).tensors}


def test_merges_by_the_formula(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    out = tmp_path / "out.gguf"
    report = convert(checkpoint(), [adapter()], out, "f32")
    base, lora = llama_tensors(), lora_tensors()
    weight = to_f32(base["model.layers.1.self_attn.v_proj.weight"][1])
    prefix = "base_model.model.model.layers.1.self_attn.v_proj.lora_"
    delta = lora[prefix + "B.weight"][1].astype(np.float64) @ lora[prefix + "A.weight"][1] * 2.0
    merged = to_f32(bf16_bits((weight + delta).astype(np.float32)))
    found = tensors_of(out)
    near = np.abs(found["blk.1.attn_v.weight"] - merged)
    assert (near == 0).mean() > 0.999  # float64 sums tip a rounding now and then
    assert np.array_equal(found["blk.1.ffn_up.weight"], to_f32(base["model.layers.1.mlp.up_proj.weight"][1]))
    assert report.changed > 1000
    assert report.n_bytes == out.stat().st_size


def test_q_rows_are_interleaved_per_head(checkpoint: Make, tmp_path: Path) -> None:
    out = tmp_path / "out.gguf"
    convert(checkpoint(), [], out, "bf16")
    stored = to_f32(llama_tensors()["model.layers.0.self_attn.q_proj.weight"][1])
    half = HIDDEN // HEADS // 2
    written = to_f32(tensors_of(out)["blk.0.attn_q.weight"].view(np.uint16).reshape(HIDDEN, HIDDEN))
    assert np.array_equal(written[0], stored[0])
    assert np.array_equal(written[1], stored[half])
    assert np.array_equal(written[2 * half + 2], stored[2 * half + 1])


def test_shards_threads_and_repeats_change_nothing(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    lora = adapter()
    outs = [tmp_path / name / "model.gguf" for name in ("a", "b", "c")]
    for out in outs:
        out.parent.mkdir()
    whole, split = checkpoint("whole"), checkpoint("split", shards=3)
    convert(whole, [lora], outs[0], threads=1)
    convert(split, [lora], outs[1], threads=2)
    convert(whole, [lora], outs[2], threads=5)
    assert outs[0].read_bytes() == outs[2].read_bytes()
    first, second = (GGUFReader(out) for out in outs[:2])  # the names and hashes of the shards are in the header
    assert [(t.name, t.data.tobytes()) for t in first.tensors] == [(t.name, t.data.tobytes()) for t in second.tensors]


def test_output_is_there_only_when_whole(checkpoint: Make, tmp_path: Path) -> None:
    out = tmp_path / "out.gguf"

    def interrupt(done: int, total: int) -> None:
        assert not out.exists()
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert(checkpoint(), [], out, progress=interrupt)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base"]


def test_a_stale_part_is_replaced(checkpoint: Make, tmp_path: Path) -> None:
    out = tmp_path / "out.gguf"
    (tmp_path / "out.gguf.part").write_bytes(b"x" * 50_000_000)
    convert(checkpoint(), [], out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "out.gguf", "out.gguf.json"]


def spoil(tensors: dict, name: str, value: int) -> dict:
    tensors[name][1].flat[5] = value
    return tensors


def without(tensors: dict, name: str) -> dict:
    return {key: value for key, value in tensors.items() if key != name}


NAN, INF = 0x7FC0, 0x7F80
BAD_BASES = [
    ({"tensors": spoil(llama_tensors(), "model.layers.2.mlp.up_proj.weight", NAN)}, "up_proj.weight holds NaN"),
    ({"tensors": spoil(llama_tensors(), "lm_head.weight", INF)}, "lm_head.weight holds NaN or Inf"),
    ({"tensors": without(llama_tensors(), "model.layers.3.mlp.up_proj.weight")}, "lacks the tensor"),
    ({"tensors": {**llama_tensors(), "model.layers.9.mlp.up_proj.weight": ("F32", np.ones((2, 2)))}}, "does not fill"),
    ({"tensors": {**llama_tensors(), "stray.weight": ("I32", np.ones((2, 2), np.int32))}}, "does not belong"),
    ({"config": {"architectures": ["GPT2LMHeadModel"]}}, "known: LlamaForCausalLM, MistralForCausalLM"),
    ({"config": {"architectures": None}}, "unknown architecture"),
    ({"config": {"auto_map": {"AutoModel": "evil.Model"}}}, "its own code"),
    ({"config": {"quantization_config": {"bits": 4}}}, "quantized with None, and only bitsandbytes is read"),
    ({"config": {"quantization_config": {"quant_method": "gptq", "bits": 4}}}, "quantized with gptq"),
    ({"config": {"quantization_config": {"quant_method": ["awq"]}}}, "only bitsandbytes is read"),
    ({"config": {"quantization_config": "fp8"}}, "only bitsandbytes is read"),
    ({"config": {"num_attention_heads": 5}}, "do not divide"),
    ({"config": {"num_attention_heads": "4"}}, "positive integer"),
    ({"config": {"num_attention_heads": 8}}, "where config.json says"),
    ({"config": {"vocab_size": 321}}, "where config.json says"),
    ({"config": {"num_hidden_layers": 5}}, "lacks the tensor"),
    ({"config": {"num_hidden_layers": 3}}, "does not belong"),
    ({"config": {"rope_scaling": {"rope_type": "spiral"}}}, "not supported"),
]


@pytest.mark.parametrize(("base", "words"), BAD_BASES, ids=[words for _, words in BAD_BASES])
def test_bad_bases(checkpoint: Make, tmp_path: Path, base: dict, words: str) -> None:
    refused(checkpoint(**base), [], tmp_path, InputRefused, words)


def refused(base: Path, adapters: list[Path], folder: Path, kind: type[LocalfinError], words: str) -> None:
    before = sorted(folder.iterdir())
    with pytest.raises(kind, match=words) as caught:
        convert(base, adapters, folder / "out.gguf")
    assert "\n" not in str(caught.value)
    assert sorted(folder.iterdir()) == before


def rename(tensors: dict, old: str, new: str) -> dict:
    return {key.replace(old, new): value for key, value in tensors.items()}


FIRST = "base_model.model.model.layers.0.self_attn.q_proj.lora_"
WIDER = {key: (kind, np.ones((*a.shape[:-1], a.shape[-1] + 8), a.dtype)) for key, (kind, a) in lora_tensors().items()}
MAGNITUDE = "base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector"
WHOLE = "base_model.model.lm_head.weight"
GROWN = {
    f"base_model.model.{name}.weight": bf16(np.random.default_rng(3), VOCAB + 8, HIDDEN)
    for name in ("lm_head", "model.embed_tokens")
}
BAD_ADAPTERS = [
    ({"tensors": rename(lora_tensors(), "layers.3", "layers.7")}, r"match nothing.*layers\.7.*…"),
    ({"tensors": WIDER}, r"another base: .*layers\.0.*\[8, 264\], \[8, 256\] would fit"),
    (
        {"tensors": without(lora_tensors(), FIRST + "B.weight")},
        "one half",
    ),
    (
        {"tensors": spoil(lora_tensors(), FIRST + "A.weight", np.nan)},
        "NaN",
    ),
    ({"config": {"r": 4}}, "another base"),
    ({"config": {"r": "8"}}, "no usable r"),
    ({"config": {"peft_type": "PROMPT_TUNING"}}, "PROMPT_TUNING"),
    ({"config": {"use_dora": True}}, "no DoRA magnitudes"),
    ({"config": {"modules_to_save": ["lm_head"]}}, "promises lm_head"),
    ({"config": {"trainable_token_indices": [3]}}, "promises embed_tokens"),
    ({"config": {"trainable_token_indices": [3, -1]}}, "malformed trainable_token_indices"),
    ({"config": {"lora_bias": True}}, "no bias in the"),
    ({"config": {"bias": "some"}}, "bias='some'"),
    ({"config": {"init_lora_weights": "corda"}}, "init_lora_weights='corda'.*path_initial_model_for_weight"),
    ({"config": {"alora_invocation_tokens": [1]}}, "aLoRA"),
    ({"config": {"target_modules": ["q_proj"]}}, "does not target model.layers.0.self_attn.v_proj"),
    ({"tensors": {**lora_tensors(), MAGNITUDE: ("F32", np.ones(HIDDEN, np.float32))}}, "match nothing.*magnitude"),
    ({"tensors": {**lora_tensors(), WHOLE: bf16(np.random.default_rng(3), VOCAB, 8)}}, "another base: lm_head"),
    ({"tensors": {**lora_tensors(), WHOLE: bf16(np.random.default_rng(3), VOCAB + 8, HIDDEN)}}, "unevenly"),
    ({"tensors": {**lora_tensors(), **GROWN}}, "bring no tokenizer"),
    ({"config": {"alpha_pattern": {"(": 3}}}, "malformed pattern"),
    ({"config": {"lora_alpha": 0}}, "changes no weight"),
]


@pytest.mark.parametrize(("lora", "words"), BAD_ADAPTERS, ids=[words for _, words in BAD_ADAPTERS])
def test_bad_adapters(checkpoint: Make, adapter: Make, tmp_path: Path, lora: dict, words: str) -> None:
    refused(checkpoint(), [adapter(**lora)], tmp_path, InputRefused, words)


def test_missing_things(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    base, lora = checkpoint(shards=3), adapter()
    refused(tmp_path / "nowhere", [], tmp_path, NotFound, "nowhere")
    refused(base, [tmp_path / "nowhere"], tmp_path, NotFound, "nowhere")
    shard = base / "model-00002-of-00003.safetensors"
    kept = shard.read_bytes()
    shard.write_bytes(kept[:-100])
    refused(base, [lora], tmp_path, InputRefused, "cut short")
    shard.unlink()
    refused(base, [lora], tmp_path, InputRefused, "00002-of-00003.safetensors is missing")


def test_pickles_are_named_not_opened(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    base, lora = checkpoint(), adapter()
    (lora / "adapter_model.safetensors").rename(lora / "adapter_model.bin")
    refused(base, [lora], tmp_path, InputRefused, "pickle")
    (base / "model.safetensors").rename(base / "pytorch_model.bin")
    refused(base, [], tmp_path, InputRefused, "pytorch_model.bin is a pickle")


@pytest.mark.parametrize("path", ["../outside.safetensors", "/etc/passwd", "model.bin", 3])
def test_an_index_points_only_beside_itself(checkpoint: Make, tmp_path: Path, path: object) -> None:
    base = checkpoint(shards=2)
    index = base / "model.safetensors.index.json"
    stored = json.loads(index.read_text())
    stored["weight_map"]["lm_head.weight"] = path
    index.write_text(json.dumps(stored))
    refused(base, [], tmp_path, InputRefused, "no safetensors file beside it")


def test_an_existing_output_needs_force(checkpoint: Make, tmp_path: Path) -> None:
    base, out = checkpoint(), tmp_path / "out.gguf"
    out.write_bytes(b"mine")
    refused(base, [], tmp_path, InputRefused, "--force")
    assert out.read_bytes() == b"mine"
    convert(base, [], out, force=True)
    assert out.read_bytes()[:4] == b"GGUF"


@pytest.mark.skipif(not hasattr(os, "statvfs"), reason="needs statvfs")
def test_a_small_disk_is_refused_with_the_figure(
    checkpoint: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.statvfs(tmp_path)
    small = os.statvfs_result((real.f_bsize, 512, *list(real)[2:4], 100, *list(real)[5:]))
    monkeypatch.setattr(os, "statvfs", lambda path: small)
    refused(checkpoint(), [], tmp_path, NotEnough, r"0 MB free; 2 MB are needed")


def test_rank_and_alpha_patterns(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    """rsLoRA with a pattern scales one module by alpha / sqrt(r) of its own alpha."""
    base = checkpoint()
    config = {**ADAPTER_CONFIG, "use_rslora": True, "alpha_pattern": {"layers.1.self_attn.v_proj": 4}}
    convert(base, [adapter(config=config)], tmp_path / "out.gguf", "f32")
    found = tensors_of(tmp_path / "out.gguf")
    stored, lora = llama_tensors(), lora_tensors()
    for layer, alpha in ((1, 4), (2, 16)):
        prefix = f"base_model.model.model.layers.{layer}.self_attn.v_proj.lora_"
        delta = lora[prefix + "B.weight"][1].astype(np.float64) @ lora[prefix + "A.weight"][1] * (alpha / np.sqrt(8))
        weight = to_f32(stored[f"model.layers.{layer}.self_attn.v_proj.weight"][1])
        assert np.abs(found[f"blk.{layer}.attn_v.weight"] - (weight + delta)).max() < 2e-3


def test_biases_of_q_and_k_are_interleaved_too(checkpoint: Make, tmp_path: Path) -> None:
    tensors = llama_tensors()
    for layer in range(4):
        for name, rows in (("q", HIDDEN), ("k", HIDDEN // 2), ("v", HIDDEN // 2), ("o", HIDDEN)):
            values = np.arange(rows, dtype=np.float32)
            tensors[f"model.layers.{layer}.self_attn.{name}_proj.bias"] = ("F32", values)
    out = tmp_path / "out.gguf"
    convert(checkpoint(tensors=tensors, config={"attention_bias": True}), [], out, "f32")
    found, half = tensors_of(out), HIDDEN // HEADS // 2
    assert found["blk.2.attn_q.bias"][:4].tolist() == [0, half, 1, half + 1]
    assert found["blk.2.attn_k.bias"][:4].tolist() == [0, half, 1, half + 1]
    assert found["blk.2.attn_v.bias"].tolist() == list(range(HIDDEN // 2))


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("model.layers.1.mlp.down_proj.weight", np.ones((256, 256), np.uint16), r"\[256, 256\] where .* \[256, 512\]"),
        ("model.layers.1.self_attn.o_proj.weight", np.ones((256, 128), np.uint16), "o_proj"),
        ("model.norm.weight", np.ones(128, np.uint16), r"\[128\] where .* \[256\]"),
    ],
)
def test_shapes_are_those_of_the_configuration(
    checkpoint: Make, tmp_path: Path, name: str, array: np.ndarray, words: str
) -> None:
    refused(checkpoint(tensors={**llama_tensors(), name: ("BF16", array)}), [], tmp_path, InputRefused, words)


def test_an_untied_model_needs_its_head(checkpoint: Make, tmp_path: Path) -> None:
    headless = without(llama_tensors(), "lm_head.weight")
    refused(checkpoint("untied", tensors=headless), [], tmp_path, InputRefused, "lm_head.weight")
    tied = checkpoint("tied", tensors=headless, config={"tie_word_embeddings": True})
    convert(tied, [], tmp_path / "out.gguf")


def test_nulls_are_settings_left_out(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    nulls = {"vocab_size": None, "rope_scaling": {"type": None}, "head_dim": None, "quantization_config": None}
    base = checkpoint(config=nulls)
    with pytest.raises(InputRefused, match="320, 256"):  # Llama's default vocabulary is another
        convert(base, [], tmp_path / "out.gguf")
    base = checkpoint("other", config=nulls | {"vocab_size": 320, "rope_parameters": {"rope_theta": None}})
    convert(base, [adapter(config={"bias": None, "modules_to_save": None})], tmp_path / "out.gguf")


def test_one_output_is_written_by_one_conversion(checkpoint: Make, tmp_path: Path) -> None:
    base, out = checkpoint(), tmp_path / "out.gguf"
    tried = []

    def second(done: int, total: int) -> None:
        if not tried:
            tried.append(True)
            with pytest.raises(InputRefused, match="another conversion"):
                convert(base, [], out)

    convert(base, [], out, progress=second)
    assert tried
    assert out.read_bytes()[:4] == b"GGUF"


def test_an_adapter_given_twice_is_refused(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    lora = adapter()
    refused(checkpoint(), [lora, tmp_path / "base" / ".." / "adapter"], tmp_path, InputRefused, "given twice")


@pytest.mark.parametrize("name", ["x" * 300 + ".gguf", "nowhere/out.gguf"])
def test_names_that_cannot_be(checkpoint: Make, tmp_path: Path, name: str) -> None:
    with pytest.raises(LocalfinError):
        convert(checkpoint(), [], tmp_path / name)


def test_a_name_that_is_no_utf8(checkpoint: Make, tmp_path: Path) -> None:
    out = tmp_path / os.fsdecode(b"\xff.gguf")
    convert(checkpoint(), [], out)
    assert out.stat().st_size > 1000
