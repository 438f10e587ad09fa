"""Our choice of types and our bytes beside `llama_model_quantize`, on GGUF files with the names of large models.

Only names, widths and a few keys decide, so the tensors have two rows and whole configurations take milliseconds.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type
from numpy.typing import NDArray
from tests.convert.llama_quantize import llama_quantize, tensors_of

from localfin_convert.quantize import ggml, types
from localfin_convert.quantize.mixtures import MIXTURES
from localfin_convert.quantize.overrides import Override, read_override
from localfin_models.errors import InputRefused

Values = dict[str, NDArray[np.float32]]
_WIDTHS = (256, 512, 768, 96, 64, 80)
_HEADS = ((8, 8), (8, 4), (8, 2), (8, 1))


@dataclass(frozen=True, slots=True)
class Model:
    """Names and widths of a model's tensors, and the keys by which llama.cpp's quantizer judges it."""

    arch: str
    layers: int
    heads: int
    kv_heads: int
    experts: int
    widths: dict[str, int] = field(repr=False)

    @property
    def is_70b(self) -> bool:
        if self.layers != 80 or self.arch not in ("llama", "qwen2"):
            return False
        return self.arch == "qwen2" or (self.heads != self.kv_heads and self.experts != 8)

    @property
    def context(self) -> types.Context:
        return types.Context(self.layers, self.is_70b, self.experts, self.heads // self.kv_heads)


def random_model(random: np.random.Generator) -> Model:
    arch, (heads, kv_heads) = str(random.choice(["llama", "qwen2", "qwen3moe", "phi3"])), _HEADS[random.integers(4)]
    experts = int(random.choice([4, 8, 12])) if arch == "qwen3moe" else int(random.choice([0, 0, 8]))
    experts = experts if arch in ("llama", "qwen3moe") else 0
    layers = 80 if arch in ("llama", "qwen2") and random.random() < 0.3 else int(random.integers(1, 50))
    names = ["token_embd.weight", "output_norm.weight"] + ["output.weight"] * bool(random.integers(2))
    attention = ["attn_qkv"] if arch == "phi3" else ["attn_q", "attn_k", "attn_v"]
    ffn = ["ffn_gate_exps", "ffn_up_exps", "ffn_down_exps", "ffn_gate_inp"] if experts else ["ffn_up", "ffn_down"]
    block = [*attention, "attn_output", *ffn, "attn_norm"]
    names += [f"blk.{layer}.{name}.weight" for layer in range(layers) for name in block]
    usual = int(random.choice(_WIDTHS))
    widths = {name: int(random.choice(_WIDTHS)) if random.random() < 0.2 else usual for name in names}
    return Model(arch, layers, heads, kv_heads, experts, widths)


def random_values(model: Model, random: np.random.Generator) -> Values:
    """In the order of an output file."""
    values: Values = {}
    for name in sorted(model.widths, key=types.sort_key):
        width = model.widths[name]
        shape = (model.experts, 2, width) if "_exps" in name else (width,) if "_norm" in name else (2, width)
        values[name] = random.standard_normal(shape).astype(np.float16).astype(np.float32)
    return values


def write_gguf(path: Path, model: Model, values: Values) -> None:
    """As the converter leaves it: matrices in F16, norms and expert gates in F32."""
    writer = gguf.GGUFWriter(path, model.arch)
    writer.add_block_count(model.layers)
    writer.add_context_length(64)
    writer.add_embedding_length(256)
    writer.add_feed_forward_length(256)
    writer.add_head_count(model.heads)
    writer.add_head_count_kv(model.kv_heads)
    writer.add_rope_dimension_count(32)
    writer.add_layer_norm_rms_eps(1e-5)
    if model.experts:
        writer.add_expert_count(model.experts)
        writer.add_expert_used_count(2)
        writer.add_expert_feed_forward_length(256)
    for name, array in values.items():
        plain = array.ndim > 1 and "ffn_gate_inp" not in name
        writer.add_tensor(name, array.astype(np.float16) if plain else array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def random_overrides(random: np.random.Generator) -> list[Override]:
    """Up to three, of types that need no importance matrix."""
    patterns = ("ffn_down", r"blk\.\d+\.attn_v", "attn_(q|k)", "token_embd|output.weight", r"^blk\.[0-4]\.", "norm")
    kinds = ("q8_0", "q6_k", "f16", "bf16", "f32", "iq3_s", "q5_1", "q2_k", "tq2_0", "mxfp4")
    count = int(random.choice([0, 0, 1, 3]))
    return [read_override(f"{random.choice(patterns)}={random.choice(kinds)}") for _number in range(count)]


def compare(source: Path, random: np.random.Generator, quantization: str) -> None:
    """One random model with random options, ours beside llama.cpp's."""
    model = random_model(random)
    values = random_values(model, random)
    write_gguf(source, model, values)
    overrides = random_overrides(random)
    importance: Values = {}
    if random.integers(2):
        importance = {
            name: random.random(array.shape[:1] * (array.ndim == 3) + array.shape[-1:]).astype(np.float32)
            for name, array in values.items()
            if array.ndim > 1 and random.random() < 0.8
        }
    llama_quantize(source, source.with_suffix(".out"), quantization, overrides, importance)
    theirs = tensors_of(source.with_suffix(".out"))
    context = replace(model.context, has_imatrix=bool(importance), overrides=tuple(overrides))
    shapes = [types.Shape(name, array.shape) for name, array in values.items()]
    choices = types.choose(shapes, quantization, Type.F16, context)
    assert {name: choice.final for name, choice in choices.items()} == {
        name: kind for name, (kind, _) in theirs.items()
    }
    for name, choice in choices.items():
        assert encoded(values[name], choice, importance.get(name)) == theirs[name][1], name


def encoded(values: NDArray[np.float32], choice: types.Choice, importance: NDArray[np.float32] | None) -> bytes:
    if choice.final is Type.F32:
        return values.tobytes()
    if choice.final is choice.intermediate:
        return values.astype(np.float16).tobytes()
    if values.ndim == 2:
        return ggml.quantize(choice.final, values, importance).tobytes()
    weights = [None] * len(values) if importance is None else importance
    slices = zip(values, weights, strict=True)
    return b"".join(ggml.quantize(choice.final, one, weight).tobytes() for one, weight in slices)


@pytest.mark.parametrize("quantization", MIXTURES)
def test_types_and_bytes_are_those_of_llama_model_quantize(quantization: str, tmp_path: Path) -> None:
    random = np.random.default_rng([*quantization.encode()])
    for _number in range(4):
        compare(tmp_path / "model.gguf", random, quantization)


@pytest.mark.long
@pytest.mark.parametrize("quantization", MIXTURES)
def test_types_and_bytes_of_many_models(quantization: str, tmp_path: Path) -> None:
    random = np.random.default_rng([*quantization.encode(), 1])
    for _number in range(200):
        compare(tmp_path / "model.gguf", random, quantization)


_PIECES = (
    "blk", "ffn", "attn", "down", "_", "v", "q", "k", "0", "1", "2", "weight", "norm", "exps", "a", "z",
    r"\.", ".", "|", "(", ")", "(?:", "(?=", "(?!", "[", "[^", "]", "-", "*", "+", "?", "*?", "+?", "??", "{2}", "{1,}",
    "{,2}", "{0,2}", "{", "}", "^", "$", r"\d", r"\D", r"\w", r"\W", r"\s", r"\b", r"\B", r"\_", r"\-", r"\1", r"\n",
    "[0-9]", "[a-f]", "[_.]", "[^.]", "[[:digit:]]", "[a-", ",", " ", "#", "&&", "~", "/", r"\\", r"\$", r"\x30",
)  # fmt: skip


def compare_patterns(folder: Path, random: np.random.Generator, count: int) -> int:
    """Random patterns that are taken find the same names in llama.cpp; returns how many were taken."""
    kinds = ("attn_q", "attn_v", "ffn_down", "ffn_up")
    names = [f"blk.{layer}.{kind}.weight" for layer in (0, 1, 2, 10, 21) for kind in kinds]
    model = Model("llama", 22, 8, 8, 0, dict.fromkeys([*names, "token_embd.weight", "output.weight"], 32))
    values = random_values(model, random)
    write_gguf(folder / "model.gguf", model, values)
    taken = 0
    for _number in range(count):
        text = "".join(random.choice(_PIECES, int(random.integers(1, 7))))
        try:
            override = read_override(f"{text}=q5_1")
        except InputRefused:
            continue
        taken += 1
        llama_quantize(folder / "model.gguf", folder / "model.out", "q8_0", [override])
        theirs = {name for name, (kind, _) in tensors_of(folder / "model.out").items() if kind is Type.Q5_1}
        assert {name for name in values if override.matches(name)} == theirs, text
    return taken


def test_patterns_find_what_they_find_in_llama_cpp(tmp_path: Path) -> None:
    assert compare_patterns(tmp_path, np.random.default_rng(0), 150) > 50


@pytest.mark.long
def test_many_patterns_find_what_they_find_in_llama_cpp(tmp_path: Path) -> None:
    compare_patterns(tmp_path, np.random.default_rng(1), 20_000)
