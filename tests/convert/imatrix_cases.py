"""Models and a text to measure them on; the same bits on every machine."""

from pathlib import Path

import numpy as np
from tests.convert.random_models import case_of, written
from tests.convert.tiny import convert
from tests.golden.checkpoints import write_safetensors

N_CTX = 64
MODELS = {
    "llama": case_of("llama2-lora", {}),
    # No attention: llama.cpp keeps keys in float16, and by that alone some tokens would go to other experts.
    "mixtral": case_of("mixtral", {"num_local_experts": 8, "num_experts_per_tok": 2}),
    "qwen3": case_of("qwen3-spm", {}),
    "phi4": case_of("phi4", {"partial_rotary_factor": 0.75, "pad_token_id": 0}),
    "exaone35": case_of("exaone35", {}, vocab_size=50_304),  # its vocabulary has no BOS before a text
    "gemma2": case_of("gemma2", {"head_dim": 32, "sliding_window": 8, "query_pre_attn_scalar": 32}),
}


def checkpoint(name: str, folder: Path) -> Path:
    base, tensors = written(MODELS[name], folder)
    if name == "mixtral":
        zeros = {key: np.zeros_like(value) for key, value in tensors.items() if "o_proj" in key}
        write_safetensors(base / "model.safetensors", tensors | zeros, "f32")
    return base


def model(base: Path, folder: Path, quantization: str = "f32") -> Path:
    return convert(base, [], folder / "m.gguf", quantization).out


def text(folder: Path) -> Path:
    """Of 34 chunks and a rest: of N_CTX tokens, 32 are computed side by side."""
    letters = np.random.default_rng(3).integers(97, 123, 2300).tolist()
    path = folder / "text.txt"
    path.write_text("".join(map(chr, letters)) + "\n", encoding="ascii")
    return path
