"""The steps of a forward pass that have no weights of their own, or one vector; float32 in, float32 out."""

import math
from collections.abc import Callable

import numpy as np

from localfin_convert.reference.weights import Floats


def rms_norm(x: Floats, weight: Floats, epsilon: float) -> Floats:
    """Over the last axis (Zhang and Sennrich, arXiv:1910.07467)."""
    root: Floats = np.sqrt(np.mean(x * x, axis=-1, keepdims=True, dtype=np.float32) + np.float32(epsilon))
    return x / root * weight


def attend(q: Floats, k: Floats, v: Floats, scale: float, cap: float | None, window: int | None) -> Floats:
    """Causal attention of one text: (tokens, heads, dim), (tokens, kv heads, dim) twice -> (tokens, heads * dim)."""
    count, heads, dim = q.shape
    groups = q.reshape(count, k.shape[1], -1, dim).transpose(1, 2, 0, 3)
    keys, values = (x.transpose(1, 0, 2)[:, None] for x in (k, v))
    scores = soft_cap(groups @ keys.swapaxes(-1, -2) * np.float32(scale), cap)
    distance = np.arange(count)[:, None] - np.arange(count)
    seen = (distance >= 0) & (distance < (window or count))
    mixed: Floats = softmax(np.where(seen, scores, np.float32(-np.inf))) @ values
    joined: Floats = mixed.transpose(2, 0, 1, 3).reshape(count, heads * dim)
    return joined


def softmax(x: Floats) -> Floats:
    """Over the last axis."""
    powers: Floats = np.exp(x - x.max(axis=-1, keepdims=True))
    powers /= powers.sum(axis=-1, keepdims=True)
    return powers


def soft_cap(x: Floats, cap: float | None) -> Floats:
    """Squashed to within `cap` either way (Bello et al., arXiv:1611.09940); None leaves it."""
    return x if cap is None else np.tanh(x / np.float32(cap)) * np.float32(cap)


def silu(x: Floats) -> Floats:
    gate: Floats = 1 + np.exp(-x)  # infinite for a very negative x, and the quotient 0
    return x / gate


def gelu_tanh(x: Floats) -> Floats:
    """The tanh approximation (Hendrycks and Gimpel, arXiv:1606.08415)."""
    slope = np.float32(math.sqrt(2 / math.pi))
    bent: Floats = np.tanh(slope * (x + np.float32(0.044715) * x * x * x))
    return x * np.float32(0.5) * (1 + bent)


ACTIVATIONS: dict[str, Callable[[Floats], Floats]] = {"silu": silu, "gelu_pytorch_tanh": gelu_tanh}
