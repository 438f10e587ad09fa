"""Which type each tensor gets. For q4_k_m the rules and counters of `src/llama-quant.cpp`, in its tensor order."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gguf import GGML_QUANT_SIZES, LlamaFileType
from gguf import GGMLQuantizationType as Type

QUANTIZATIONS = ("q4_k_m", "q8_0", "f16", "bf16", "f32")
"""What `-q` takes."""
_UNQUANTIZED = {
    "f16": (LlamaFileType.MOSTLY_F16, Type.F16),
    "bf16": (LlamaFileType.MOSTLY_BF16, Type.BF16),
    "f32": (LlamaFileType.ALL_F32, Type.F32),
}
_QUANTIZED = {
    "q4_k_m": (LlamaFileType.MOSTLY_Q4_K_M, Type.Q4_K),
    "q8_0": (LlamaFileType.MOSTLY_Q8_0, Type.Q8_0),
}
_FALLBACK = {Type.Q4_K: Type.Q5_0, Type.Q5_K: Type.Q5_1, Type.Q6_K: Type.Q8_0}
_BLOCK = re.compile(r"^blk\.(\d+)\.")


@dataclass(frozen=True, slots=True)
class Choice:
    intermediate: Type
    """The 16-bit (or F32) type the converter would have written; the values are rounded to it first."""
    final: Type


@dataclass(frozen=True, slots=True)
class Shape:
    """A tensor as the chooser sees it."""

    name: str
    shape: tuple[int, ...]
    """Rows, columns; columns alone for a vector."""


@dataclass(frozen=True, slots=True)
class Context:
    layers: int
    is_70b: bool
    """80 layers with fewer kv heads than heads: llama.cpp gives attn_v more bits there."""


def file_type(quantization: str) -> LlamaFileType:
    return (_QUANTIZED | _UNQUANTIZED)[quantization][0]


def is_quantized(quantization: str) -> bool:
    return quantization in _QUANTIZED


def intermediate_type(dtypes_of_matrices: Iterable[str]) -> Type:
    """`--outtype auto`: what the first matrix stored in 16 bits has; F16 where none is."""
    for dtype in dtypes_of_matrices:
        if dtype in ("BF16", "F16"):
            return Type[dtype]
    return Type.F16


def sort_key(name: str) -> tuple[int, bytes]:
    """Tensors outside blocks first, then by layer, then bytewise (`llama-model-loader.h`)."""
    match = _BLOCK.match(name)
    return (int(match[1]) if match else -1, name.encode())


def choose(tensors: list[Shape], quantization: str, auto: Type, context: Context) -> dict[str, Choice]:
    """Types for all `tensors`, which stand in the order of the output file."""
    if quantization in _UNQUANTIZED:
        target = _UNQUANTIZED[quantization][1]
        return {tensor.name: Choice(kind := _stored(tensor, target), kind) for tensor in tensors}
    default = _QUANTIZED[quantization][1]
    chooser = _Chooser(tensors, default, context)
    choices: dict[str, Choice] = {}
    for tensor in tensors:
        stored = _stored(tensor, auto)
        final = chooser.next(tensor) if _may_quantize(tensor) else stored
        choices[tensor.name] = Choice(stored, final)
    return choices


def _stored(tensor: Shape, target: Type) -> Type:
    """The converter keeps vectors, norms and anything that is no weight in F32."""
    plain = len(tensor.shape) > 1 and tensor.name.endswith(".weight") and not tensor.name.endswith("_norm.weight")
    return target if plain else Type.F32


def _may_quantize(tensor: Shape) -> bool:
    return (
        len(tensor.shape) > 1
        and tensor.name.endswith("weight")
        and "_norm.weight" not in tensor.name
        and "ffn_gate_inp.weight" not in tensor.name
    )


class _Chooser:
    """llama.cpp counts attn_v and ffn_down tensors as it goes; the counts decide which get more bits."""

    def __init__(self, tensors: list[Shape], default: Type, context: Context) -> None:
        self.default, self.context = default, context
        self.tied = all(tensor.name != "output.weight" for tensor in tensors)
        self.values = sum("attn_v.weight" in tensor.name for tensor in tensors)
        self.value = self.down = 0

    def next(self, tensor: Shape) -> Type:
        return _fitting(self._wanted(tensor), tensor.shape[-1])

    def _wanted(self, tensor: Shape) -> Type:
        mixed, name = self.default is Type.Q4_K, tensor.name
        if name == "output.weight" or (self.tied and name == "token_embd.weight"):
            fits = tensor.shape[-1] % GGML_QUANT_SIZES[self.default][0] == 0
            return Type.Q6_K if mixed and fits else Type.Q8_0
        if "attn_v.weight" in name:
            kind = Type.Q6_K if mixed and more_bits(self.value, self.values) else self.default
            self.value += 1
            return Type.Q5_K if self.context.is_70b and kind is Type.Q4_K else kind
        if "ffn_down" in name:
            kind = Type.Q6_K if mixed and more_bits(self.down, self.context.layers) else self.default
            self.down += 1
            return kind
        return self.default


def more_bits(i: int, n: int) -> bool:
    """The first and last eighth and every third between (llama.cpp's `use_more_bits`)."""
    return i < n // 8 or i >= 7 * n // 8 or (i - n // 8) % 3 == 2


def _fitting(kind: Type, columns: int) -> Type:
    if columns % GGML_QUANT_SIZES[kind][0] == 0:
        return kind
    kind = _FALLBACK.get(kind, kind)
    return kind if columns % GGML_QUANT_SIZES[kind][0] == 0 else Type.F16
