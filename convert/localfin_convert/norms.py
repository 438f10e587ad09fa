"""Row norms in the order in which torch sums on a CPU, so that DoRA's factors have peft's bytes.

`torch.linalg.norm(rows, dim=1)` of float32 keeps eight running sums, one for each column modulo eight, squares and adds
with a rounding each (no fused multiply-add), adds up the eight in order, then the columns left over
(`aten/src/ATen/native/cpu/ReduceOpsKernel.cpp`; the same under ATEN_CPU_CAPABILITY default and avx2).
"""

import numpy as np
from numpy.typing import NDArray

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
        for column in range(whole, columns):
            total += rows[:, column] * rows[:, column]
        return np.sqrt(total)
