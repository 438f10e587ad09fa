"""What `-q` takes, and which tensors of a layer get other types than the rest: the table of `src/llama-quant.cpp`.

A mixture has one type for most matrices and a few more bits where an error costs most. Its rules are read from left to
right; the first whose condition holds decides, and the mixture's own type where none does. Columns of the table:

| column    | tensors                         | counted as a layer                     |
| --------- | ------------------------------- | -------------------------------------- |
| `value`   | attn_v, or the fused attn_qkv   | how many of them came before           |
| `down`    | ffn_down                        | the same; by name where experts are    |
| `output`  | attn_output                     | does not matter                        |

What holds for every mixture (the head, eight experts, models of 70B) is in `types.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gguf import GGMLQuantizationType as Type
from gguf import LlamaFileType


@dataclass(frozen=True, slots=True)
class Place:
    """A tensor among those of its kind."""

    layer: int
    layers: int
    heads_per_kv: int
    """Query heads that share one key and value head."""
    has_imatrix: bool


@dataclass(frozen=True, slots=True)
class Rule:
    kind: Type
    holds: Callable[[Place], bool] = lambda place: True


@dataclass(frozen=True, slots=True)
class Mixture:
    file_type: LlamaFileType
    kind: Type
    value: tuple[Rule, ...] = ()
    down: tuple[Rule, ...] = ()
    output: tuple[Rule, ...] = ()
    output_of_eight: Type | None = None
    """Of attn_output beside eight experts, in place of `output`; None keeps the mixture's own."""


def more_bits(layer: int, layers: int) -> bool:
    """The first and last eighth and every third between (llama.cpp's `use_more_bits`)."""
    return layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2


def _ends_and_thirds(place: Place) -> bool:
    return more_bits(place.layer, place.layers)


def _grouped(place: Place) -> bool:
    return place.heads_per_kv >= 4


def _first_sixteenth(place: Place) -> bool:
    return place.layer < place.layers // 16


def _first_eighth(place: Place) -> bool:
    return place.layer < place.layers // 8


def _first_eighth_without_imatrix(place: Place) -> bool:
    return _first_eighth(place) and not place.has_imatrix


def _first_eighth_with_imatrix(place: Place) -> bool:
    return _first_eighth(place) and place.has_imatrix


def _first(count: int) -> Callable[[Place], bool]:
    return lambda place: place.layer < count


_SIX_BITS = (Rule(Type.Q6_K, _ends_and_thirds),)


def _iq4(file_type: LlamaFileType, kind: Type) -> Mixture:
    value, down = Rule(Type.Q5_K, _grouped), Rule(Type.Q5_K, _first_eighth_without_imatrix)
    return Mixture(file_type, kind, value=(value,), down=(down,), output_of_eight=Type.Q5_K)


MIXTURES = {
    "q8_0": Mixture(LlamaFileType.MOSTLY_Q8_0, Type.Q8_0),
    "q6_k": Mixture(LlamaFileType.MOSTLY_Q6_K, Type.Q6_K),
    "q5_k_m": Mixture(LlamaFileType.MOSTLY_Q5_K_M, Type.Q5_K, value=_SIX_BITS, down=_SIX_BITS),
    "q5_k_s": Mixture(LlamaFileType.MOSTLY_Q5_K_S, Type.Q5_K),
    "q4_k_m": Mixture(
        LlamaFileType.MOSTLY_Q4_K_M, Type.Q4_K, value=_SIX_BITS, down=_SIX_BITS, output_of_eight=Type.Q5_K
    ),
    "q4_k_s": Mixture(
        LlamaFileType.MOSTLY_Q4_K_S, Type.Q4_K,
        value=(Rule(Type.Q5_K, _first(4)),), down=(Rule(Type.Q5_K, _first_eighth),), output_of_eight=Type.Q5_K,
    ),
    "q4_0": Mixture(LlamaFileType.MOSTLY_Q4_0, Type.Q4_0, down=(Rule(Type.Q4_1, _first_eighth_with_imatrix),)),
    "q3_k_m": Mixture(
        LlamaFileType.MOSTLY_Q3_K_M, Type.Q3_K,
        value=(Rule(Type.Q5_K, _first(2)), Rule(Type.Q4_K)),
        down=(Rule(Type.Q5_K, _first_sixteenth), Rule(Type.Q4_K)),
        output=(Rule(Type.Q4_K),), output_of_eight=Type.Q5_K,
    ),
    "q3_k_l": Mixture(
        LlamaFileType.MOSTLY_Q3_K_L, Type.Q3_K,
        value=(Rule(Type.Q5_K),), down=(Rule(Type.Q5_K),), output=(Rule(Type.Q5_K),),
    ),
    "q3_k_s": Mixture(LlamaFileType.MOSTLY_Q3_K_S, Type.Q3_K, output_of_eight=Type.Q5_K),
    "q2_k": Mixture(
        LlamaFileType.MOSTLY_Q2_K, Type.Q2_K,
        value=(Rule(Type.Q4_K, _grouped), Rule(Type.Q3_K)),
        down=(Rule(Type.Q3_K),), output=(Rule(Type.Q3_K),), output_of_eight=Type.Q5_K,
    ),
    "iq4_xs": _iq4(LlamaFileType.MOSTLY_IQ4_XS, Type.IQ4_XS),
    "iq4_nl": _iq4(LlamaFileType.MOSTLY_IQ4_NL, Type.IQ4_NL),
}  # fmt: skip

UNQUANTIZED = {
    "f16": (LlamaFileType.MOSTLY_F16, Type.F16),
    "bf16": (LlamaFileType.MOSTLY_BF16, Type.BF16),
    "f32": (LlamaFileType.ALL_F32, Type.F32),
}
"""What llama.cpp's converter writes, which its quantizer never sees."""

QUANTIZATIONS = (*MIXTURES, *UNQUANTIZED)
"""What `-q` takes."""
