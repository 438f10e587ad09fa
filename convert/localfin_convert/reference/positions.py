"""Rotary position embeddings as transformers computes them (`modeling_rope_utils.py`): default, scaled, extended."""

import math

import numpy as np

from localfin_convert.architectures import Family
from localfin_convert.architectures.phi3 import Phi3
from localfin_convert.architectures.rope import Rope
from localfin_convert.reference.weights import Floats
from localfin_models.errors import InputRefused
from localfin_models.language import _


def rotate(heads: Floats, cosines: Floats, sines: Floats) -> Floats:
    """(tokens, heads, dim), and (tokens, r / 2) each: turns the pairs (i, i + r / 2) of a head's first r values."""
    half = cosines.shape[-1]
    first, second = heads[..., :half], heads[..., half : 2 * half]
    c, s = cosines[:, None], sines[:, None]
    turned = heads.copy()
    turned[..., :half], turned[..., half : 2 * half] = first * c - second * s, second * c + first * s
    return turned


def rotation(family: Family, rope: Rope, dim: int, length: int) -> tuple[Floats, Floats]:
    """Cosines and sines for the positions of a text of `length` tokens: (length, dim / 2) each."""
    radians, magnitude = frequencies(family, rope, dim, length)
    angles = np.arange(length, dtype=np.float32)[:, None] * radians.astype(np.float32)
    return np.cos(angles) * np.float32(magnitude), np.sin(angles) * np.float32(magnitude)


def frequencies(family: Family, rope: Rope, dim: int, length: int) -> tuple[np.ndarray, float]:
    """Radians a position, (dim / 2,), and what the rotated values are multiplied by."""
    plain = rope.number("rope_theta") ** -(np.arange(0, dim, 2) / dim)
    if rope.kind == "linear":
        return plain / rope.number("factor", 1.0), 1.0
    if rope.kind == "llama3":
        return plain / rope.llama3_factors(dim, family.llama3_factor), 1.0
    if rope.kind == "yarn":
        return _yarn(rope, plain)
    if rope.kind == "longrope":
        return _longrope(family, rope, plain, length)
    return plain, 1.0


def _yarn(rope: Rope, frequencies: np.ndarray) -> tuple[np.ndarray, float]:
    """YaRN (Peng et al., arXiv:2309.00071): high frequencies stay, low ones are divided, a ramp between them."""
    dim, theta, factor = 2 * len(frequencies), rope.number("rope_theta"), rope.number("factor", 1.0)
    original = rope.number("original_max_position_embeddings")
    if theta <= 1:
        raise InputRefused(_("config.json: rope_theta is {theta}, more than 1 was expected").format(theta=theta))

    def dimension(turns: float) -> float:
        """Where a frequency makes so many turns over the original context."""
        return dim * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(theta))

    low, high = dimension(rope.number("beta_fast", 32)), dimension(rope.number("beta_slow", 1))
    if rope.parameters.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, dim - 1)
    ramp = np.clip((np.arange(dim // 2) - low) / (high - low if high != low else 0.001), 0, 1)
    mixed = frequencies / factor * ramp + frequencies * (1 - ramp)
    if rope.has("attention_factor"):
        return mixed, rope.number("attention_factor")
    if rope.parameters.get("mscale") and rope.parameters.get("mscale_all_dim"):
        return mixed, _mscale(factor, rope.number("mscale")) / _mscale(factor, rope.number("mscale_all_dim"))
    return mixed, _mscale(factor, 1.0)


def _mscale(factor: float, slope: float) -> float:
    return 0.1 * slope * math.log(factor) + 1 if factor > 1 else 1.0


def _longrope(family: Family, rope: Rope, frequencies: np.ndarray, length: int) -> tuple[np.ndarray, float]:
    """LongRoPE (Ding et al., arXiv:2402.13753): one set of divisors up to the original context, another beyond."""
    assert isinstance(family, Phi3)
    original = family.original_context
    divisors = family.extra_tensors()[f"rope_factors_{'long' if length > original else 'short'}.weight"]
    factor = rope.number("factor", family.config["max_position_embeddings"] / original)
    magnitude = math.sqrt(1 + math.log(factor) / math.log(original)) if factor > 1 else 1.0
    return frequencies / divisors, rope.number("attention_factor", magnitude)
