"""Tiny Llama-shaped GGUFs, written with gguf-py: random ones, and ones that say exactly what a test wants."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import gguf
import numpy as np

BYTES = 3
"""Token ids: 0 <unk>, 1 <s>, 2 </s>, then 256 bytes, then pieces."""
END = 2
PIECES = ("▁", "▁hello", "▁world", "<|turn|>", "###▁입력:")
TURN, HEADING = BYTES + 256 + PIECES.index("<|turn|>"), BYTES + 256 + PIECES.index("###▁입력:")


@dataclass(frozen=True)
class Tiny:
    """What a tiny model is made of. `chain` maps a token to the one that follows it: the model says just that."""

    name: str = "tiny"
    n_ctx: int = 512
    width: int = 320
    layers: int = 2
    heads: int = 4
    template: str | None = None
    chain: Mapping[int, int] | None = None
    keys: Mapping[str, int] = field(default_factory=dict)
    """Integers that replace or add to the header's, for broken files."""


def byte(text: str) -> list[int]:
    return [BYTES + b for b in text.encode()]


def chain_of(*tokens: int) -> dict[int, int]:
    return dict(pairwise(tokens))


def write_tiny(path: Path, tiny: Tiny) -> Path:
    """A Llama-shaped f32 GGUF. With a chain, attention and feed-forward are zero and the head is a table."""
    writer = gguf.GGUFWriter(path, "llama")
    tokens = [b"<unk>", b"<s>", b"</s>", *(b"<0x%02X>" % b for b in range(256)), *(p.encode() for p in PIECES)]
    kinds = [2, 3, 3, *[6] * 256, 1, 1, 1, 3, 1]
    numbers = {
        "llama.context_length": tiny.n_ctx, "llama.embedding_length": tiny.width, "llama.block_count": tiny.layers,
        "llama.feed_forward_length": 64, "llama.attention.head_count": tiny.heads,
        "llama.attention.head_count_kv": tiny.heads, "llama.rope.dimension_count": tiny.width // tiny.heads,
        "llama.vocab_size": len(tokens), "general.file_type": 0,
    } | dict(tiny.keys)  # fmt: skip
    for key, value in numbers.items():
        writer.add_uint32(key, value)
    writer.add_name(tiny.name)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores([0.0] * 259 + [-float(i) for i in range(len(PIECES))])
    writer.add_token_types(kinds)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(END)
    writer.add_unk_token_id(0)
    writer.add_add_bos_token(True)
    if tiny.template:
        writer.add_chat_template(tiny.template)
    for name, values in _weights(tiny, len(tokens)).items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _weights(tiny: Tiny, vocabulary: int) -> dict[str, np.ndarray]:
    draw = np.random.default_rng(7)
    width = tiny.width

    def matrix(rows: int, columns: int, scale: float = 0.3) -> np.ndarray:
        return (draw.standard_normal((rows, columns)) * scale).astype(np.float32)

    inner = 0.0 if tiny.chain is not None else 0.3
    embedding, head = matrix(vocabulary, width), matrix(vocabulary, width)
    if tiny.chain is not None:
        embedding = np.eye(vocabulary, width, dtype=np.float32)
        head = np.zeros((vocabulary, width), np.float32)
        for token, following in tiny.chain.items():
            head[following, token] = 1.0
    weights = {"token_embd.weight": embedding, "output_norm.weight": np.ones(width, np.float32), "output.weight": head}
    for layer in range(tiny.layers):
        at = f"blk.{layer}."
        weights |= {
            at + "attn_norm.weight": np.ones(width, np.float32),
            at + "ffn_norm.weight": np.ones(width, np.float32),
        }
        weights |= {at + f"attn_{part}.weight": matrix(width, width, inner) for part in ("q", "k", "v", "output")}
        weights |= {at + "ffn_gate.weight": matrix(64, width, inner), at + "ffn_up.weight": matrix(64, width, inner)}
        weights[at + "ffn_down.weight"] = matrix(width, 64, inner)
    return weights


def write_lora(
    path: Path, pairs: Mapping[str, tuple[np.ndarray, np.ndarray]], *, alpha: float = 1.0, arch: str = "llama"
) -> Path:
    """A GGUF adapter. `pairs`: tensor of the base to A (rank, columns) and B (rows, rank)."""
    writer = gguf.GGUFWriter(path, arch)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_name(path.stem)
    writer.add_float32("adapter.lora.alpha", alpha)
    for name, (a, b) in pairs.items():
        writer.add_tensor(f"{name}.lora_a", a)
        writer.add_tensor(f"{name}.lora_b", b)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def says_after(following: Mapping[int, int], width: int = 320, strength: float = 5.0) -> dict[str, tuple]:
    """A pair for the head: after each token of `following` comes its value, whatever came there before."""
    a = np.zeros((len(following), width), np.float32)
    b = np.zeros((BYTES + 256 + len(PIECES), len(following)), np.float32)
    for rank, (token, then) in enumerate(following.items()):
        a[rank, token], b[then, rank] = 1, strength
    return {"output.weight": (a, b)}
