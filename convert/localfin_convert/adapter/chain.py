"""B @ A as a chain of fused multiply-adds in order of the rank, one float32 rounding a step, whatever BLAS numpy has.

That is what torch computes on a CPU, so merging with it gives peft's bytes; OpenBLAS orders the sums by processor.
torch's MKL cuts ranks above 192 into panels, each a chain of its own, added up in order (seen with MKL 2024.2 on AVX2).
A product of two float32 is exact in float64; adding a float32 to it and rounding twice (to 53, then 24 bits) differs
from one rounding only where the 53-bit sum lies exactly between two float32 and was itself inexact. Those few are
found by their bits and nudged towards the exact sum (Boldo and Melquiond 2008, rounding to odd).
"""

import numpy as np
from numpy.typing import NDArray

from localfin_convert.quantize.kernel import chosen_kernel
from localfin_convert.read.numbers import round_to

_PANEL = 192
_HALFWAY = np.int64(1 << 28)  # bit 28 set, bits 0-27 clear: half a unit in the last place of a float32
_BELOW_F32 = np.int64((1 << 29) - 1)
_SMALLEST_NORMAL = float(np.finfo(np.float32).tiny)
# A product this large is a multiple of 2**-149 (its 48 bits end there), and so is its sum with a float32: a subnormal
# result is then exact, and needs no care.
_SAFE_PRODUCT = 2.0**-100


def chain_product(b: NDArray[np.float32], a: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, r) @ (r, m) -> (n, m) float32: fma(b[:, r-1], a[r-1], … fma(b[:, 0], a[0], 0)), by panels of the rank."""
    width, kernel = _width(b), chosen_kernel()
    product = kernel.chain_product(b, a, width) if kernel is not None and width else None
    return in_numpy(b, a, width) if product is None else product


def add_product(
    rows: NDArray[np.float32], b: NDArray[np.float32], a: NDArray[np.float32], scale: float, dtype: str
) -> NDArray[np.float32]:
    """rows + chain_product(b, a) * scale, each step rounded to float32 and the sum to `dtype`; may overflow to Inf."""
    width, kernel = _width(b), chosen_kernel()
    if kernel is not None and width and dtype in ("F32", "BF16"):
        merged = kernel.chain_product(b, a, width, rows, scale, dtype)
        if merged is not None:
            return merged
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused by the caller
        delta: NDArray[np.float32] = chain_product(b, a) * np.float32(scale)
        return round_to(dtype, rows + delta)


def _width(b: NDArray[np.float32]) -> int:
    rank = len(b[0])
    return rank if rank <= _PANEL else min(_PANEL, rank // 2)


def in_numpy(b: NDArray[np.float32], a: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    """`chain_product` without the kernel, in panels of `width`."""
    rank = b.shape[1]
    total = _chain(b[:, :width], a[:width])
    for first in range(width, rank, width):
        total += _chain(b[:, first : first + width], a[first : first + width])
    return total


def fused(x: NDArray[np.float32], y: NDArray[np.float32], addend: NDArray[np.float32]) -> NDArray[np.float32]:
    """x * y + addend, element by element, rounded once (subnormal results apart)."""
    product, wide = np.multiply(x, y, dtype=np.float64), addend.astype(np.float64)
    return _round_to_odd(product, wide, product + wide).astype(np.float32)


def _chain(b: NDArray[np.float32], a: NDArray[np.float32]) -> NDArray[np.float32]:
    wide_b, wide_a = b.astype(np.float64), a.astype(np.float64)
    total = np.zeros((b.shape[0], a.shape[1]), np.float32)
    products, sums = np.empty(total.shape), np.empty(total.shape)
    bits, doubtful = np.empty(total.shape, np.int64), np.empty(total.shape, bool)
    for k in range(b.shape[1]):
        np.multiply.outer(wide_b[:, k], wide_a[k], out=products)
        np.add(products, total, out=sums)
        np.bitwise_and(sums.view(np.int64), _BELOW_F32, out=bits)
        np.equal(bits, _HALFWAY, out=doubtful)
        if _smallest(b[:, k]) * _smallest(a[k]) < _SAFE_PRODUCT:
            doubtful |= (np.abs(sums) < _SMALLEST_NORMAL) & (sums != 0)
        if doubtful.any():
            where = np.nonzero(doubtful)
            sums[where] = _round_to_odd(products[where], total[where].astype(np.float64), sums[where])
        with np.errstate(over="ignore", under="ignore"):  # overflow is refused later, with the tensor's name
            np.copyto(total, sums, casting="same_kind")
    return total


def _smallest(values: NDArray[np.float32]) -> float:
    """The smallest magnitude but zero; infinity where all are zero."""
    magnitudes = np.abs(values)
    return float(magnitudes.min(initial=np.inf, where=magnitudes > 0))


def _round_to_odd(x: NDArray[np.float64], y: NDArray[np.float64], rounded: NDArray[np.float64]) -> NDArray[np.float64]:
    """x + y in float64, where inexact forced to an odd last bit on the exact sum's side; then any rounding is right."""
    y_part = rounded - x  # Knuth's two-sum: the error of x + y, exactly
    error = (x - (rounded - y_part)) + (y - y_part)
    odd = (rounded.view(np.int64) & 1).astype(bool)
    towards = np.where(error > 0, np.inf, -np.inf)
    return np.where((error == 0) | odd, rounded, np.nextafter(rounded, towards))
