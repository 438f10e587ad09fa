"""Stored floats as numbers, and the roundings of a merge. bfloat16 is held as uint16 bits: numpy lacks it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FLOATS: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2")}


def to_f32(rows: NDArray[Any]) -> NDArray[np.float32]:
    """Exact for every stored float type."""
    if rows.dtype == np.uint16:
        return (rows.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return rows.astype(np.float32)


def round_to(dtype: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Finite `values` rounded to nearest even in `dtype` (F32, F16, BF16) and widened again; may overflow to Inf."""
    if dtype == "F32":
        return values
    if dtype == "F16":
        with np.errstate(over="ignore"):  # the caller refuses what became infinite, with the tensor's name
            return values.astype(np.float16).astype(np.float32)
    return (bf16_bits(values).astype(np.uint32) << np.uint32(16)).view(np.float32)


def bf16_bits(values: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Round to nearest even on the bits, as torch and ggml do; finite input."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    rounded = (bits + (np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))) >> np.uint32(16)
    return rounded.astype(np.uint16)
