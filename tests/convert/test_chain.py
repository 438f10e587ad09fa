"""The LoRA product: one rounding a step, checked with exact fractions, and equal to torch's."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from localfin_convert.adapter.chain import chain_product

finite = st.floats(width=32, allow_nan=False, allow_infinity=False, min_value=-(2.0**60), max_value=2.0**60)


def rounded(exact: Fraction) -> np.float32:
    """Nearest float32, ties to even, in integers alone."""
    if exact == 0:
        return np.float32(0)
    magnitude = abs(exact)
    exponent = max(magnitude.numerator.bit_length() - magnitude.denominator.bit_length(), -126)
    if magnitude < Fraction(2) ** exponent and exponent > -126:
        exponent -= 1
    unit = Fraction(2) ** (exponent - 23)
    count, rest = divmod(magnitude, unit)
    if rest * 2 > unit or (rest * 2 == unit and count % 2):
        count += 1
    return np.float32(float(count * unit) * (1 if exact > 0 else -1))


def one_rounding_a_step(b: np.ndarray, a: np.ndarray) -> np.ndarray:
    out = np.zeros((b.shape[0], a.shape[1]), np.float32)
    for i, j in np.ndindex(out.shape):
        total = np.float32(0)
        for k in range(b.shape[1]):
            total = rounded(Fraction(float(b[i, k])) * Fraction(float(a[k, j])) + Fraction(float(total)))
        out[i, j] = total
    return out


@settings(max_examples=150, deadline=None)
@given(arrays(np.float32, (3, 4), elements=finite), arrays(np.float32, (4, 3), elements=finite))
def test_every_step_is_rounded_once(b: np.ndarray, a: np.ndarray) -> None:
    assert np.array_equal(chain_product(b, a), one_rounding_a_step(b, a))


def test_a_sum_halfway_between_two_floats_is_not_rounded_twice() -> None:
    # 1 + 2**-24 lies halfway between two float32; the last product pushes the exact sum just above it.
    tiny = np.float32(2.0**-60)
    b = np.array([[1.0, 1.0]], np.float32)
    a = np.array([[1.0], [2.0**-24]], np.float32)
    assert chain_product(b, a)[0, 0] == np.float32(1)
    near = np.array([[np.float32(2.0**-24) * (1 + np.float32(2.0**-23)), 1.0]], np.float32)
    assert chain_product(near[:, ::-1], np.array([[1.0], [1.0]], np.float32))[0, 0] == np.float32(1 + 2.0**-23)
    subnormal = np.array([[tiny * tiny]], np.float32)
    assert np.array_equal(chain_product(subnormal, subnormal), np.zeros((1, 1), np.float32))


@pytest.mark.parametrize("rank", [1, 8, 16, 64, 192])
@pytest.mark.parametrize(("rows", "columns"), [(64, 256), (256, 512), (320, 96)])
def test_equals_torch(rank: int, rows: int, columns: int) -> None:
    torch = pytest.importorskip("torch")
    generator = np.random.default_rng(rank)
    b = (generator.standard_normal((rows, rank)) * 0.02).astype(np.float32)
    a = (generator.standard_normal((rank, columns)) * 0.02).astype(np.float32)
    assert np.array_equal(chain_product(b, a), (torch.from_numpy(b) @ torch.from_numpy(a)).numpy())
