"""Which type each tensor gets: what `llama_model_quantize` would choose, counting in its order of tensors.

Follows `src/llama-quant.cpp`, for the names that our families' tensors have; `mixtures.py` holds its table.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import prod

from gguf import GGML_QUANT_SIZES, LlamaFileType
from gguf import GGMLQuantizationType as Type

from localfin_convert.quantize.mixtures import MIXTURES, UNQUANTIZED, Place, Rule
from localfin_convert.quantize.overrides import Override

_FALLBACK = {
    Type.Q2_K: Type.Q4_0, Type.Q3_K: Type.Q4_0, Type.Q4_K: Type.Q5_0, Type.Q5_K: Type.Q5_1, Type.Q6_K: Type.Q8_0,
    Type.TQ1_0: Type.Q4_0, Type.TQ2_0: Type.Q4_0,
    **dict.fromkeys(
        (Type.IQ1_S, Type.IQ1_M, Type.IQ2_XXS, Type.IQ2_XS, Type.IQ2_S, Type.IQ3_XXS, Type.IQ3_S, Type.IQ4_XS),
        Type.IQ4_NL,
    ),
}  # fmt: skip
"""Where the columns fill no block of 256: a type of 32."""
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
    """Rows, columns; columns alone for a vector; experts before both for a stack."""


@dataclass(frozen=True, slots=True)
class Context:
    layers: int
    is_70b: bool
    """llama.cpp gives attn_v more bits there."""
    experts: int = 0
    """Of a layer; attention gets more bits beside eight of them."""
    heads_per_kv: int = 1
    """Query heads that share one key and value head."""
    has_imatrix: bool = False
    overrides: tuple[Override, ...] = ()
    """The first that matches a tensor's name decides, and llama.cpp's rules do not count that tensor."""


def file_type(quantization: str) -> LlamaFileType:
    return UNQUANTIZED[quantization][0] if quantization in UNQUANTIZED else MIXTURES[quantization].file_type


def is_quantized(quantization: str) -> bool:
    return quantization in MIXTURES


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


def choose(tensors: Sequence[Shape], quantization: str, auto: Type, context: Context) -> dict[str, Choice]:
    """Types for all `tensors`, which stand in the order of the output file; `auto` is what most are converted to."""
    if quantization in UNQUANTIZED:
        target = UNQUANTIZED[quantization][1]
        return {tensor.name: Choice(kind := _stored(tensor, target), kind) for tensor in tensors}
    chooser = _Chooser(tensors, quantization, context)
    choices: dict[str, Choice] = {}
    for tensor in tensors:
        stored = _stored(tensor, auto)
        final = chooser.next(tensor) if may_quantize(tensor) else stored
        choices[tensor.name] = Choice(stored, final)
    return choices


def _stored(tensor: Shape, target: Type) -> Type:
    """The converter keeps vectors, norms, expert gates and anything that is no weight in F32."""
    plain = len(tensor.shape) > 1 and tensor.name.endswith(".weight") and not tensor.name.endswith(_KEPT)
    return target if plain else Type.F32


def may_quantize(tensor: Shape) -> bool:
    """ggml counts a matrix of one row as a vector."""
    plain = tensor.name.endswith("weight") and not any(kept in tensor.name for kept in _KEPT)
    return plain and prod(tensor.shape[:-1]) > 1


class _Chooser:
    """llama.cpp counts attn_v and ffn_down tensors as it goes; the counts decide which get more bits."""

    def __init__(self, tensors: Sequence[Shape], quantization: str, context: Context) -> None:
        self.mixture, self.context = MIXTURES[quantization], context
        self.tied = all(tensor.name != "output.weight" for tensor in tensors)
        self.values = sum(any(value in tensor.name for value in _VALUES) for tensor in tensors)
        self.value = self.down = 0

    def next(self, tensor: Shape) -> Type:
        chosen = next((one.kind for one in self.context.overrides if one.matches(tensor.name)), None)
        return _fitting(chosen if chosen is not None else self._wanted(tensor), tensor.shape[-1])

    def _wanted(self, tensor: Shape) -> Type:
        name, mixture, eight = tensor.name, self.mixture, self.context.experts == 8
        if name == "output.weight" or (self.tied and name == "token_embd.weight"):
            fits = tensor.shape[-1] % GGML_QUANT_SIZES[mixture.kind][0] == 0
            return Type.Q6_K if fits and mixture.kind is not Type.Q8_0 else Type.Q8_0
        if any(value in name for value in _VALUES):
            return self._value()
        if "ffn_down" in name:
            return self._down(name)
        if "attn_k.weight" in name and eight:
            return Type.Q8_0
        if "attn_output.weight" in name:
            return (mixture.output_of_eight or mixture.kind) if eight else self._first(mixture.output, 0, 1)
        return mixture.kind

    def _value(self) -> Type:
        kind = self._first(self.mixture.value, self.value, self.values)
        self.value += 1
        if self.context.experts == 8:
            return Type.Q8_0
        return Type.Q5_K if self.context.is_70b and kind in (Type.Q3_K, Type.Q4_K) else kind

    def _down(self, name: str) -> Type:
        match = _BLOCK.match(name) if self.context.experts > 1 else None
        kind = self._first(self.mixture.down, int(match[1]) if match else self.down, self.context.layers)
        self.down += 1
        return kind

    def _first(self, rules: tuple[Rule, ...], layer: int, layers: int) -> Type:
        place = Place(layer, layers, self.context.heads_per_kv, self.context.has_imatrix)
        return next((rule.kind for rule in rules if rule.holds(place)), self.mixture.kind)


def _fitting(kind: Type, columns: int) -> Type:
    """`kind`, or what llama.cpp takes where the columns do not fill its blocks; F16 as the last resort."""
    if columns % GGML_QUANT_SIZES[kind][0] == 0:
        return kind
    kind = _FALLBACK.get(kind, kind)
    return kind if columns % GGML_QUANT_SIZES[kind][0] == 0 else Type.F16
