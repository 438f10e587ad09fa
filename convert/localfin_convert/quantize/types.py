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
_KEPT = ("_norm.weight", "ffn_gate_inp.weight")
"""Never quantized: norms, and what chooses the experts."""
_VALUES = ("attn_v.weight", "attn_qkv.weight")
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
    """llama.cpp gives attn_v more bits there."""
    experts: int = 0
    """Of a layer; attention gets more bits beside eight of them."""


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
    """The converter keeps vectors, norms, expert gates and anything that is no weight in F32."""
    plain = len(tensor.shape) > 1 and tensor.name.endswith(".weight") and not tensor.name.endswith(_KEPT)
    return target if plain else Type.F32


def _may_quantize(tensor: Shape) -> bool:
    return len(tensor.shape) > 1 and tensor.name.endswith("weight") and not any(kept in tensor.name for kept in _KEPT)


class _Chooser:
    """llama.cpp counts attn_v and ffn_down tensors as it goes; the counts decide which get more bits."""

    def __init__(self, tensors: list[Shape], default: Type, context: Context) -> None:
        self.default, self.context = default, context
        self.tied = all(tensor.name != "output.weight" for tensor in tensors)
        self.values = sum(any(value in tensor.name for value in _VALUES) for tensor in tensors)
        self.value = self.down = 0

    def next(self, tensor: Shape) -> Type:
        return _fitting(self._wanted(tensor), tensor.shape[-1])

    def _wanted(self, tensor: Shape) -> Type:
        mixed, name = self.default is Type.Q4_K, tensor.name
        if name == "output.weight" or (self.tied and name == "token_embd.weight"):
            fits = tensor.shape[-1] % GGML_QUANT_SIZES[self.default][0] == 0
            return Type.Q6_K if mixed and fits else Type.Q8_0
        if any(value in name for value in _VALUES):
            kind = Type.Q6_K if mixed and more_bits(self.value, self.values) else self.default
            self.value += 1
            if self.context.experts == 8:
                return Type.Q8_0
            return Type.Q5_K if self.context.is_70b and kind is Type.Q4_K else kind
        if "ffn_down" in name:
            kind = Type.Q6_K if mixed and more_bits(self._layer_of_down(name), self.context.layers) else self.default
            self.down += 1
            return kind
        if self.context.experts == 8 and "attn_k.weight" in name:
            return Type.Q8_0
        if self.context.experts == 8 and "attn_output.weight" in name and mixed:
            return Type.Q5_K
        return self.default

    def _layer_of_down(self, name: str) -> int:
        """Counted; read from the name where there are experts."""
        match = _BLOCK.match(name) if self.context.experts > 1 else None
        return int(match[1]) if match else self.down


def more_bits(i: int, n: int) -> bool:
    """The first and last eighth and every third between (llama.cpp's `use_more_bits`)."""
    return i < n // 8 or i >= 7 * n // 8 or (i - n // 8) % 3 == 2


def _fitting(kind: Type, columns: int) -> Type:
    if columns % GGML_QUANT_SIZES[kind][0] == 0:
        return kind
    kind = _FALLBACK.get(kind, kind)
    return kind if columns % GGML_QUANT_SIZES[kind][0] == 0 else Type.F16
