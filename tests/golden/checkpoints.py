"""Builds the golden checkpoints and adapters, bit for bit the same on every machine.

Weights are integers from a PCG64 bit stream (the part of numpy's random numbers that is promised to stay) times powers
of two, rounded to the storage type on the bits: no floating-point function whose result could depend on the machine.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tests.golden.cases import Adapter, Case, Dtype
from tests.golden.layouts import embedding, shapes
from tests.golden.tokenizer_files import ends, write_json, write_vocabulary

Tensors = dict[str, np.ndarray[Any, Any]]
_NAMES = {"bf16": "BF16", "f16": "F16", "f32": "F32"}
_TORCH = {"bf16": "bfloat16", "f16": "float16", "f32": "float32"}
_ARCHITECTURES = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "mixtral": "MixtralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    "gemma2": "Gemma2ForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
    "phi3": "Phi3ForCausalLM",
    "exaone": "ExaoneForCausalLM",
    "exaone4": "Exaone4ForCausalLM",
}


def build(case: Case, folder: Path) -> tuple[Path, list[Path]]:
    """Writes the case's base and adapters below `folder`; returns their paths."""
    return write_base(case, folder / "base"), write_adapters(case, folder, case.name)


def write_base(case: Case, base: Path) -> Path:
    base.mkdir(parents=True)
    write_json(base / "config.json", _config(case))
    if case.vocabulary != "qwen2":  # a folder without one, too
        write_json(base / "generation_config.json", {"do_sample": True, "temperature": 0.6, "top_p": 0.9})
    write_vocabulary(case, base)
    _write_shards(base, {name: _weight(case, name, shape) for name, shape in shapes(case)}, case)
    return base


def write_adapters(case: Case, folder: Path, seed: str) -> list[Path]:
    """Below `folder`, which may not yet exist; their values follow from `seed`."""
    paths: list[Path] = []
    for number, adapter in enumerate(case.adapters, 1):
        path = folder / f"adapter{number}"
        path.mkdir(parents=True)
        write_json(path / "adapter_config.json", _adapter_config(case, adapter))
        tensors = dict(sorted(adapter_tensors(case, adapter, f"{seed}/{number}").items()))
        write_safetensors(path / "adapter_model.safetensors", tensors, adapter.dtype)
        if adapter.added_tokens:
            write_vocabulary(case, path, adapter.added_tokens)
        paths.append(path)
    return paths


def write_safetensors(path: Path, tensors: Mapping[str, np.ndarray[Any, Any]], dtype: Dtype) -> None:
    """Writes a safetensors file; bf16 tensors come as uint16 bit patterns."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, array in tensors.items():
        header[name] = {
            "dtype": _NAMES[dtype],
            "shape": list(array.shape),
            "data_offsets": [offset, offset + array.nbytes],
        }
        offset += array.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for array in tensors.values():
            file.write(array.tobytes())


def random_weights(seed: str, shape: tuple[int, ...], scale: int, dtype: Dtype) -> np.ndarray[Any, Any]:
    """Triangular random numbers of standard deviation about 1.6 * 2**scale, stored as `dtype` (bf16 as uint16).

    A float32 comes from two 32-bit integers, so that its significand is full; a 16-bit type from two of 16 bits.
    """
    count = int(np.prod(shape))
    bits = 32 if dtype == "f32" else 16
    key = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:16], "little")
    raw = np.asarray(np.random.PCG64(key).random_raw(-(-count * bits // 32)), dtype="<u8")
    sums = raw.view(f"<i{bits // 8}").reshape(-1, 2).astype(np.int64).sum(axis=1)[:count]
    values = np.ldexp(sums.astype(np.float64), scale + 2 - bits).astype(np.float32).reshape(shape)
    return _store(values, dtype)


def _store(values: np.ndarray[Any, np.dtype[np.float32]], dtype: Dtype) -> np.ndarray[Any, Any]:
    if dtype == "bf16":
        bits = values.view(np.uint32)
        return ((bits + (0x7FFF + (bits >> 16 & 1))) >> 16).astype("<u2")
    return values.astype("<f2" if dtype == "f16" else "<f4")


def _wide(stored: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.float32]]:
    if stored.dtype == np.uint16:
        return (stored.astype(np.uint32) << 16).view(np.float32)
    return stored.astype(np.float32)


def _weight(case: Case, name: str, shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    seed = f"{case.name}/{name}"
    if len(shape) == 1 and not name.endswith("bias"):
        return _store(1 + random_weights(seed, shape, -4, "f32"), case.dtype)
    values = random_weights(seed, shape, -6, case.dtype)
    if values.ndim == 2 and "proj" in name:
        values[0] = 0  # rows that quantizers treat apart: all zero, all alike, one far outlier
        values[1] = values[1, 0]
        values[2, 5] = _store(np.full(1, -3.0, np.float32), case.dtype)[0]
    return values


def _write_shards(base: Path, tensors: Tensors, case: Case) -> None:
    if case.shards == 1:
        write_safetensors(base / "model.safetensors", tensors, case.dtype)
        return
    names = list(tensors)
    weight_map: dict[str, str] = {}
    for shard in range(case.shards):
        own = names[shard * len(names) // case.shards : (shard + 1) * len(names) // case.shards]
        file = f"model-{shard + 1:05}-of-{case.shards:05}.safetensors"
        write_safetensors(base / file, {name: tensors[name] for name in own}, case.dtype)
        weight_map |= dict.fromkeys(own, file)
    size = sum(array.nbytes for array in tensors.values())
    write_json(base / "model.safetensors.index.json", {"metadata": {"total_size": size}, "weight_map": weight_map})


def adapter_tensors(case: Case, adapter: Adapter, seed: str) -> Tensors:
    """What peft's `save_pretrained` would write for the adapter."""
    tensors: Tensors = {}

    def add(name: str, *shape: int, scale: int = -6, around: int = 0) -> None:
        key = f"base_model.model.{name}"
        tensors[key] = random_weights(f"{seed}/{key}", shape, scale, adapter.dtype)
        if around:
            tensors[key] = _store(around + _wide(tensors[key]), adapter.dtype)

    if adapter.experts:
        inner = case.config.get("moe_intermediate_size", case.intermediate)
        for layer in range(case.layers):  # the wrapper of the one parameter stands inside that of the other
            stem, ranks = f"model.layers.{layer}.mlp.experts", case.experts * adapter.r
            for wrapper, wide, rows in ((f"{stem}.base_layer", case.hidden, 2 * inner), (stem, inner, case.hidden)):
                add(f"{wrapper}.lora_A.weight", ranks, wide)
                add(f"{wrapper}.lora_B.weight", rows, ranks)
    for name, shape in _adapted_shapes(case, adapter):
        module, _, kind = name.rpartition(".")
        targeted = module.endswith(adapter.targets) and _layer(module) in (adapter.layers or (_layer(module),))
        tokens = next((ids for key, ids in adapter.token_indices.items() if module.endswith(key)), ())
        rank, inner = rank_of(module, adapter), ".base_layer" if targeted else ""
        if kind == "bias":
            if adapter.bias == "all" or (adapter.bias == "lora_only" and targeted):
                add(f"{module}{inner}.bias", *shape)
            continue
        if module.endswith(adapter.save or ("-",)):
            add(name, *shape, around=int(module.endswith("norm")))
        elif tokens:
            add(f"{module}.token_adapter.trainable_tokens_delta", len(tokens), shape[1])
            if adapter.added_tokens:
                add(f"{module}.token_adapter.base_layer.weight", *shape)
        elif _is_embedding(module) and (targeted or (adapter.added_tokens and not adapter.token_indices)):
            add(f"{module}{inner}.weight", *shape)
            if case.tied and not adapter.added_tokens:  # a copy of the base's, which both names share in peft
                copied = _weight(case, f"{embedding(case)}.weight", shape)
                tensors[f"base_model.model.{module}{inner}.weight"] = _store(_wide(copied), adapter.dtype)
        if targeted and adapter.kind == "LOHA":
            for half in ("w1", "w2"):  # their product, element by element: large enough to change a 16-bit weight
                add(f"{module}.hada_{half}_a", shape[0], rank, scale=-3)
                add(f"{module}.hada_{half}_b", rank, shape[1], scale=-3)
        elif targeted and module == embedding(case):
            add(f"{module}.lora_embedding_A", rank, shape[0])
            add(f"{module}.lora_embedding_B", shape[1], rank)
        elif targeted:
            add(f"{module}.lora_A.weight", rank, shape[1])
            add(f"{module}.lora_B.weight", shape[0], rank)
            if adapter.lora_bias:
                add(f"{module}.lora_B.bias", shape[0])
        if targeted and adapter.dora:
            add(f"{module}.lora_magnitude_vector", shape[0], scale=-4, around=1)
    if case.tied and adapter.added_tokens:  # peft saves the one matrix under both names
        for key in [key for key in tensors if f".{embedding(case)}." in key]:
            tensors[key.replace(f".{embedding(case)}.", ".lm_head.")] = tensors[key]
    return tensors


def _adapted_shapes(case: Case, adapter: Adapter) -> Iterator[tuple[str, tuple[int, ...]]]:
    """As `shapes`, embedding and head as the adapter resized them; the head of a tied model as peft sees it."""
    rows = case.vocab_size + len(adapter.added_tokens)
    for name, shape in shapes(case):
        yield name, (rows, *shape[1:]) if _is_embedding(name.removesuffix(".weight")) else shape
    if case.tied and not adapter.added_tokens:
        yield "lm_head.weight", (rows, case.hidden)


def _is_embedding(module: str) -> bool:
    return module.endswith(("embed_tokens", "wte", "lm_head"))


def _layer(module: str) -> int:
    """The layer's number; -1 outside of layers."""
    return int(module.split(".")[2]) if module.startswith(("model.layers.", "transformer.h.")) else -1


def rank_of(module: str, adapter: Adapter) -> int:
    """The rank of a module's pair: the first of `rank_pattern` that the end of its name matches, else `r`.

    The golden cases use plain names as patterns, so that no regular expression is needed here.
    """
    ranks = (rank for key, rank in adapter.rank_pattern.items() if f".{module}".endswith(f".{key}"))
    return next(ranks, adapter.r)


def _adapter_config(case: Case, adapter: Adapter) -> dict[str, Any]:
    if adapter.kind == "LOHA":
        targets = list(adapter.targets)
        return {"peft_type": "LOHA", "r": adapter.r, "alpha": adapter.alpha, "target_modules": targets}
    return {
        "alpha_pattern": dict(adapter.alpha_pattern),
        "base_model_name_or_path": "base",
        "bias": adapter.bias,
        "fan_in_fan_out": adapter.fan_in_fan_out,
        "inference_mode": True,
        "init_lora_weights": True,
        "layers_to_transform": list(adapter.layers) or None,
        "lora_alpha": adapter.alpha,
        "lora_bias": adapter.lora_bias,
        "lora_dropout": 0.0 if case.experts else 0.05,  # none on parameters
        "modules_to_save": list(adapter.save) or None,
        "peft_type": "LORA",
        "r": adapter.r,
        "rank_pattern": dict(adapter.rank_pattern),
        "target_modules": list(adapter.targets),
        "target_parameters": ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"] if adapter.experts else None,
        "task_type": "CAUSAL_LM",
        "trainable_token_indices": {name: list(ids) for name, ids in adapter.token_indices.items()} or None,
        "use_dora": adapter.dora,
        "use_rslora": adapter.rslora,
    }


def _config(case: Case) -> dict[str, Any]:
    bos, eos = ends(case)
    config: dict[str, Any] = {
        "architectures": [_ARCHITECTURES[case.architecture]],
        "model_type": case.architecture,
        "vocab_size": case.vocab_size,
        "hidden_size": case.hidden,
        "num_layers" if case.architecture == "exaone" else "num_hidden_layers": case.layers,
        "num_attention_heads": case.heads,
        "num_key_value_heads": case.kv_heads,
        "intermediate_size": case.intermediate,
        "hidden_act": "silu",
        "max_position_embeddings": 4096,
        "layer_norm_epsilon" if case.architecture == "exaone" else "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "tie_word_embeddings": case.tied,
        "bos_token_id": bos,
        "eos_token_id": eos,
        "torch_dtype": _TORCH[case.dtype],
    } | dict(case.config)
    if "rope_parameters" in config:  # as transformers 5 writes it
        del config["rope_theta"]
        config["dtype"] = config.pop("torch_dtype")
    return config
