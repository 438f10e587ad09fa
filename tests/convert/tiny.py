"""Tensors and configurations of tiny checkpoints and adapters, written byte by byte."""

import functools
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import localfin_convert

convert = functools.partial(localfin_convert.convert, verify=False)
"""Where the bytes are the point; verification has its own tests, and random weights for them."""
HIDDEN, FFN, LAYERS, HEADS, KV_HEADS, VOCAB = 256, 512, 4, 4, 2, 320


def write_safetensors(path: Path, tensors: Mapping[str, tuple[str, np.ndarray]]) -> None:
    """`tensors`: name to (dtype as safetensors spells it, array whose bytes are stored)."""
    header: dict[str, Any] = {}
    position = 0
    for name, (dtype, array) in tensors.items():
        header[name] = {"dtype": dtype, "shape": array.shape, "data_offsets": [position, position + array.nbytes]}
        position += array.nbytes
    raw = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw)) + raw + b"".join(array.tobytes() for _, array in tensors.values()))


def bf16(generator: np.random.Generator, *shape: int, scale: float = 0.02) -> tuple[str, np.ndarray]:
    values = (generator.standard_normal(shape) * scale).astype(np.float32)
    return "BF16", (values.view(np.uint32) >> 16).astype(np.uint16)


def llama_tensors(seed: int = 0) -> dict[str, tuple[str, np.ndarray]]:
    generator = np.random.default_rng(seed)
    kv = HIDDEN // HEADS * KV_HEADS
    shapes = {
        "self_attn.q_proj": (HIDDEN, HIDDEN),
        "self_attn.k_proj": (kv, HIDDEN),
        "self_attn.v_proj": (kv, HIDDEN),
        "self_attn.o_proj": (HIDDEN, HIDDEN),
        "mlp.gate_proj": (FFN, HIDDEN),
        "mlp.up_proj": (FFN, HIDDEN),
        "mlp.down_proj": (HIDDEN, FFN),
        "input_layernorm": (HIDDEN,),
        "post_attention_layernorm": (HIDDEN,),
    }
    tensors = {
        "model.embed_tokens.weight": bf16(generator, VOCAB, HIDDEN),
        "model.norm.weight": bf16(generator, HIDDEN),
    }
    for layer in range(LAYERS):
        for name, shape in shapes.items():
            tensors[f"model.layers.{layer}.{name}.weight"] = bf16(generator, *shape)
    tensors["lm_head.weight"] = bf16(generator, VOCAB, HIDDEN)
    return tensors


def lora_tensors(rank: int = 8, seed: int = 1) -> dict[str, tuple[str, np.ndarray]]:
    generator = np.random.default_rng(seed)
    kv = HIDDEN // HEADS * KV_HEADS
    tensors = {}
    for layer in range(LAYERS):
        for name, out in (("q_proj", HIDDEN), ("v_proj", kv)):
            prefix = f"base_model.model.model.layers.{layer}.self_attn.{name}"
            for side, shape in (("A", (rank, HIDDEN)), ("B", (out, rank))):
                values = (generator.standard_normal(shape) * 0.05).astype(np.float32)
                tensors[f"{prefix}.lora_{side}.weight"] = ("F32", values)
    return tensors


CONFIG = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": FFN,
    "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "vocab_size": VOCAB,
    "max_position_embeddings": 512, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": False,
    "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
ADAPTER_CONFIG = {
    "peft_type": "LORA", "r": 8, "lora_alpha": 16, "target_modules": ["q_proj", "v_proj"], "bias": "none",
    "base_model_name_or_path": "tiny",
}  # fmt: skip
