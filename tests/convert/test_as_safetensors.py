"""Merged checkpoints beside peft's own merge, as transformers loads them; and as the converter reads them again."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

from gguf import GGUFReader  # noqa: E402
from safetensors import safe_open  # noqa: E402
from tests.convert.beside_peft import load, make_base, train  # noqa: E402
from tests.convert.random_models import case_of  # noqa: E402
from tests.convert.small_tokenizers import byte_level_json, write_folder  # noqa: E402
from tests.convert.tiny import convert  # noqa: E402
from tests.golden.cases import CASES, Adapter  # noqa: E402
from tests.golden.checkpoints import build  # noqa: E402

from localfin_convert import write_safetensors  # noqa: E402
from localfin_convert.adapter import Weighted  # noqa: E402
from localfin_convert.read.safetensors_file import StoredTensor, read_header, read_metadata  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
VOCABULARY = 300
KINDS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "llama": ("llama", {}, {"target_modules": ["q_proj", "down_proj"], "modules_to_save": ["lm_head"]}),
    "llama, a LoRA of the tied embedding": (
        "llama", {"tie_word_embeddings": True}, {"target_modules": ["embed_tokens", "v_proj"]},
    ),
    "gemma2, a LoRA of the tied embedding": (
        "gemma2", {"tie_word_embeddings": True, "head_dim": 16}, {"target_modules": ["embed_tokens", "q_proj"]},
    ),
    "mixtral": ("mixtral", {}, {"target_modules": ["q_proj"], "target_parameters": ["gate_up_proj", "down_proj"]}),
    "qwen3_moe": ("qwen3_moe", {}, {"target_modules": ["k_proj"], "target_parameters": ["gate_up_proj", "down_proj"]}),
    "qwen2, biases": ("qwen2", {}, {"target_modules": ["q_proj", "v_proj"], "bias": "all"}),
}  # fmt: skip


def make(folder: Path, kind: str, shard: str | None = None, **config: Any) -> Path:
    base = make_base(folder, kind, **({"vocab_size": VOCABULARY} | config))
    if shard is not None:
        model = load(base)
        (base / "model.safetensors").unlink()
        model.save_pretrained(base, max_shard_size=shard)
        assert len(list(base.glob("model-*.safetensors"))) > 1
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": "a"}
    return write_folder(base, {"tokenizer.json": byte_level_json(), "tokenizer_config.json": settings})


def bits(model: Any) -> dict[str, Any]:
    integers = {torch.bfloat16: torch.int16, torch.float16: torch.int16, torch.float32: torch.int32}
    return {name: values.contiguous().view(integers[values.dtype]) for name, values in model.state_dict().items()}


def assert_equal(loaded: Any, merged: Any) -> None:
    mine, theirs = bits(loaded), bits(merged)
    assert mine.keys() == theirs.keys()
    assert [name for name in mine if not torch.equal(mine[name], theirs[name])] == []
    assert {values.dtype for values in loaded.state_dict().values()} == {
        values.dtype for values in merged.state_dict().values()
    }


def stored(folder: Path) -> dict[str, StoredTensor]:
    return {name: tensor for path in sorted(folder.glob("*.safetensors")) for name, tensor in read_header(path).items()}


def layout(folder: Path) -> Mapping[str, list[tuple[str, str, tuple[int, ...]]]]:
    """Names, dtypes and shapes file by file, in the order of their bytes."""
    return {
        path.name: [
            (tensor.name, tensor.dtype, tensor.shape)
            for tensor in sorted(read_header(path).values(), key=lambda tensor: tensor.offset)
        ]
        for path in sorted(folder.glob("*.safetensors"))
    }


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("shard", [None, "60KB"])
def test_transformers_loads_what_peft_merges(name: str, shard: str | None, tmp_path: Path) -> None:
    kind, config, lora = KINDS[name]
    base = make(tmp_path / "base", kind, shard, **config)
    adapter = train(base, tmp_path / "adapter", peft.LoraConfig(task_type="CAUSAL_LM", r=4, lora_alpha=8, **lora))
    report = write_safetensors(base, [adapter], tmp_path / "out")
    untied = {"tie_word_embeddings": False} if config.get("tie_word_embeddings") else {}
    model = load(base, **untied)
    if untied:
        model.lm_head.weight.data = model.model.embed_tokens.weight.data.clone()
    merged = peft.PeftModel.from_pretrained(model, adapter).merge_and_unload()
    loaded = load(report.out)
    assert_equal(loaded, merged)
    assert transformers.AutoTokenizer.from_pretrained(report.out)("the").input_ids
    assert loaded.config.tie_word_embeddings is False
    ours, theirs = layout(report.out), layout(base)
    assert ours.keys() == theirs.keys()
    last = list(ours)[-1]
    assert {**ours, last: [one for one in ours[last] if one[0] != "lm_head.weight" or not untied]} == theirs
    assert all(read_metadata(report.out / file) == read_metadata(base / file) for file in ours)
    for file in ours:  # the library that others read it with
        with safe_open(report.out / file, "pt") as opened:
            assert sorted(opened.keys()) == sorted(tensor for tensor, *_ in ours[file])
    if shard is not None:
        index = json.loads((report.out / "model.safetensors.index.json").read_text())
        assert index["weight_map"] == {tensor: file for file, held in ours.items() for tensor, *_ in held}
        assert index["metadata"]["total_size"] == sum(tensor.n_bytes for tensor in stored(report.out).values())


@pytest.mark.parametrize("dtype", ["f16", "f32"])
def test_other_dtypes_and_two_adapters_with_weights(dtype: str, tmp_path: Path) -> None:
    base = make(tmp_path / "base", "llama", dtype=dtype)
    adapters = [
        Weighted(train(base, tmp_path / f"adapter{number}", peft.LoraConfig(r=4, target_modules=[target])), weight)
        for number, (target, weight) in enumerate((("q_proj", 0.7), ("o_proj", -0.3)))
    ]
    report = write_safetensors(base, adapters, tmp_path / "out", threads=1)
    model = peft.PeftModel.from_pretrained(load(base), adapters[0].folder, adapter_name="0")
    model.load_adapter(adapters[1].folder, "1")
    for module in model.modules():
        if isinstance(module, peft.tuners.lora.LoraLayer):
            for number, one in enumerate(adapters):
                module.set_scale(str(number), one.weight)
    assert_equal(load(report.out), model.merge_and_unload(adapter_names=["0", "1"]))


def test_what_peft_itself_merges(tmp_path: Path) -> None:
    base = make(tmp_path / "base", "llama")
    config = peft.LoHaConfig(task_type="CAUSAL_LM", r=4, alpha=8, target_modules=["q_proj", "down_proj"])
    adapter = train(base, tmp_path / "adapter", config)
    report = write_safetensors(base, [adapter], tmp_path / "out")
    assert_equal(load(report.out), peft.PeftModel.from_pretrained(load(base), adapter).merge_and_unload())


def test_what_is_not_changed_keeps_its_bytes(tmp_path: Path) -> None:
    base = make(tmp_path / "base", "llama", "60KB")
    adapter = train(base, tmp_path / "adapter", peft.LoraConfig(r=4, target_modules=["q_proj"]))
    report = write_safetensors(base, [adapter], tmp_path / "out")
    before, after = stored(base), stored(report.out)
    assert [name for name in before if "q_proj" in name] == [
        name for name in before if content(before[name]) != content(after[name])
    ]
    assert report.changed == sum(
        int((np.frombuffer(content(before[n]), np.uint16) != np.frombuffer(content(after[n]), np.uint16)).sum())
        for n in before
    )

    for file in base.glob("*.safetensors"):
        assert header(file) == header(report.out / file.name)
    for name in ("model.safetensors.index.json", "config.json", "generation_config.json", "tokenizer.json"):
        assert (base / name).read_bytes() == (report.out / name).read_bytes()


def header(file: Path) -> bytes:
    raw = file.read_bytes()
    return raw[: 8 + int.from_bytes(raw[:8], "little")]


def content(tensor: StoredTensor) -> bytes:
    with tensor.path.open("rb") as file:
        file.seek(tensor.offset)
        return file.read(tensor.n_bytes)


def test_added_tokens_grow_embedding_head_and_configuration(tmp_path: Path) -> None:
    base = make(tmp_path / "base", "llama", vocab_size=261)
    model = load(base)
    model.resize_token_embeddings(264)
    config = peft.LoraConfig(r=4, target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head"])
    adapter = train(model, tmp_path / "adapter", config)
    tokens = [{"content": f"<|new{number}|>"} for number in range(3)]
    settings = {"tokenizer_class": "PreTrainedTokenizerFast"}
    write_folder(adapter, {"tokenizer.json": byte_level_json(tokens), "tokenizer_config.json": settings})
    report = write_safetensors(base, [adapter], tmp_path / "out")
    grown = load(base)
    grown.resize_token_embeddings(264)
    assert_equal(load(report.out), peft.PeftModel.from_pretrained(grown, adapter).merge_and_unload())
    tokenizer = transformers.AutoTokenizer.from_pretrained(report.out)
    assert tokenizer.convert_tokens_to_ids("<|new2|>") == 263
    assert json.loads((report.out / "config.json").read_text())["vocab_size"] == 264


@pytest.mark.parametrize(
    ("golden", "changes"),
    [
        ("llama2-lora", {"shards": 3}),
        ("mixtral", {}),
        pytest.param("qwen3-moe", {"vocabulary": "gpt-2", "vocab_size": 50_304}, marks=pytest.mark.long),
        ("gemma3", {}),
        ("phi3-longrope", {}),
        pytest.param("exaone35", {"vocab_size": 50_304}, marks=pytest.mark.long),
        pytest.param("exaone4", {"vocab_size": 50_304}, marks=pytest.mark.long),
    ],
)
def test_converted_again_it_gives_the_same_tensors(golden: str, changes: dict[str, Any], tmp_path: Path) -> None:
    case = next(case for case in CASES if case.name == golden)
    config = {} if golden == "phi3-longrope" else dict(case.config)
    adapter = Adapter(("qkv_proj" if golden == "phi3-longrope" else "v_proj",), r=4, alpha=8)
    small = case_of(golden, config, dtype="bf16", adapters=(adapter,), **changes)
    base, adapters = build(small, tmp_path)
    assert_round_trip(base, adapters, tmp_path)


@pytest.mark.parametrize(
    "golden",
    ["llama2-tied-head-lora", "qwen2-tied-embedding-lora", "llama2-resized-tied-tokens", "llama2-resized-saved"],
)
def test_heads_and_vocabularies_come_through(golden: str, tmp_path: Path) -> None:
    base, adapters = build(next(case for case in CASES if case.name == golden), tmp_path)
    assert_round_trip(base, adapters, tmp_path)


def assert_round_trip(base: Path, adapters: list[Path], folder: Path) -> None:
    report = write_safetensors(base, adapters, folder / "merged")
    convert(base, adapters, folder / "once.gguf", "q8_0")
    convert(report.out, [], folder / "again.gguf", "q8_0")
    once, again = (GGUFReader(folder / f"{name}.gguf").tensors for name in ("once", "again"))
    assert [(one.name, one.tensor_type, one.data.tobytes()) for one in once] == [
        (one.name, one.tensor_type, one.data.tobytes()) for one in again
    ]
