"""Row norms in the order in which torch sums on a CPU, so that DoRA's factors have peft's bytes.

`torch.linalg.norm(rows, dim=1)` of float32 keeps eight running sums, one for each column modulo eight, squares and
adds with a rounding each, adds up the eight in order, then the columns left over: the first four of them likewise, the
others by fused multiply-add (`aten/src/ATen/native/cpu/ReduceOpsKernel.cpp` of torch 2.13, on a processor with AVX2).
Where the width is a multiple of four, as in every published model, nothing is fused, and
ATEN_CPU_CAPABILITY=default gives the same.
"""

import numpy as np
from numpy.typing import NDArray

from localfin_convert.adapter.chain import fused

_LANES = 8


def row_norms(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, m) float32 -> (n,) float32."""
    count, columns = rows.shape
    whole = columns - columns % _LANES
    sums = np.zeros((count, _LANES), np.float32)
    with np.errstate(over="ignore", invalid="ignore"):  # what became infinite is refused later, by its tensor's name
        for column in range(0, whole, _LANES):
            part = rows[:, column : column + _LANES]
            sums += part * part
        total = np.zeros(count, np.float32)
        for lane in range(_LANES):
            total += sums[:, lane]
        for column in range(whole, columns - columns % 4):
            total += rows[:, column] * rows[:, column]
        for column in range(columns - columns % 4, columns):
            total = fused(rows[:, column], rows[:, column], total)
        return np.sqrt(total)
