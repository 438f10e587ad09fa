"""NF4, FP4 and nested scales as bitsandbytes 0.50 computes them on a CPU, bit for bit. Knows no files.

A tensor is cut into blocks of its values in row-major order, whatever its rows. Each value is a code of 4 bits into a
table of 16, two to a byte, the first in the upper half; the table times the block's absmax is the value. Double
quantization stores the absmax in 8 bits: they are shifted by their mean, and blocks of 256 of them have a table of 256
and a float32 absmax (Dettmers et al., QLoRA, https://arxiv.org/abs/2305.14314).
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

BLOCKSIZES = (32, 64, 128, 256, 512, 1024, 2048, 4096)
NESTED_BLOCK = 256
TABLES: dict[str, Floats] = {
    "nf4": np.array([
        -1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
        -0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634,
        0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0,
    ], np.float32),
    "fp4": np.array([0, 0.0625, 8, 12, 4, 6, 2, 3, 0, -0.0625, -8, -12, -4, -6, -2, -3], np.float32) / np.float32(12),
}  # fmt: skip
_LEAST = np.float32(1e-38)
_GRID = 65535


def dequantize_4bit(packed: Bytes, scales: Floats, blocksize: int, kind: str) -> Floats:
    """(n,) bytes of whole blocks, the last one perhaps cut, and a scale a block -> (2n,) float32."""
    table = TABLES[kind]
    pairs = np.stack([np.repeat(table, 16), np.tile(table, 16)], axis=1)
    values = pairs[packed].reshape(-1)
    count = len(values)
    padded = np.pad(values, (0, -count % blocksize)).reshape(-1, blocksize)
    with np.errstate(over="ignore", invalid="ignore"):  # the caller refuses what is not finite, with the tensor's name
        return (padded * scales[:, None]).reshape(-1)[:count]


def nested_scales(codes: Bytes, absmax: Floats, table: Floats, offset: np.float32) -> Floats:
    """(n,) codes of 8 bits, an absmax for each of them, the table of 256 and the mean -> (n,) scales."""
    with np.errstate(over="ignore", invalid="ignore"):
        return table[codes] * absmax + offset


def block_absmax(values: Floats, blocksize: int) -> Floats:
    """(n,) values of whole blocks, the last one perhaps cut -> the scale of each block, before double quantization."""
    whole = len(values) // blocksize * blocksize
    absmax: Floats = np.abs(values[:whole]).reshape(-1, blocksize).max(axis=1)
    if whole == len(values):
        return absmax
    return np.append(absmax, np.maximum(np.abs(values[whole:]).max(), _LEAST))


def nf4_codes(values: Floats, blocksize: int) -> Bytes:
    """(n,) values of whole blocks, the last one perhaps cut -> (n,) codes from 0 to 15, the nearest in the table."""
    whole = len(values) // blocksize * blocksize
    scales = np.maximum(block_absmax(values, blocksize), _LEAST)
    blocks = values[:whole].reshape(-1, blocksize) * (np.float32(1) / scales[: whole // blocksize])[:, None]
    scaled = np.append(blocks.reshape(-1), values[whole:] / scales[-1:])
    table, codes = TABLES["nf4"], np.zeros(len(values), np.uint8)
    for bound in (table[:-1] + table[1:]) / 2:  # 13 times as fast as searchsorted
        codes += scaled > bound
    return codes


def double_quantized(absmax: Floats) -> Floats:
    """(n,) scales -> what is left of them after double quantization.

    bitsandbytes' CPU kernel looks the 8-bit code up on a grid of 65536 values, which takes the neighbour of the nearest
    code where two are about as near.
    """
    offset = _sum(absmax) / np.float32(len(absmax))
    centred = absmax - offset
    padded = np.pad(centred, (0, -len(centred) % NESTED_BLOCK)).reshape(-1, NESTED_BLOCK)
    nested = np.abs(padded).max(axis=1)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scaled = np.clip(padded * (np.float32(1) / nested)[:, None], -1, 1)
    scaled[np.isnan(scaled)] = -1  # the mean itself in a block of nothing else, or next to nothing: code 0
    position = ((scaled + np.float32(1)) * np.float32(0.5)).astype(np.float64) * _GRID + 0.5  # fused: rounded once
    codes = _grid_codes()[position.astype(np.float32).astype(np.int32)].reshape(-1)[: len(absmax)]
    return nested_scales(codes, np.repeat(nested, NESTED_BLOCK)[: len(absmax)], dynamic_table(), offset)


@cache
def dynamic_table() -> Floats:
    """(256,) ascending: bitsandbytes' signed dynamic map, seven decades of ever finer steps.

    Each decade has the means of neighbours on a line from 0.1 to 1, which torch computes fused from either end.
    """
    values = [0.0, 1.0]
    for decade in range(7):
        steps = 1 << decade
        step, index = float(np.float32(np.float32(1) - np.float32(0.1)) / np.float32(steps)), np.arange(steps + 1)
        line = np.where(index <= steps // 2, float(np.float32(0.1)) + step * index, 1 - step * (steps - index))
        bounds = line.astype(np.float32)
        means = (bounds[:-1] + bounds[1:]) / np.float32(2) * np.float32(10.0 ** (decade - 6))
        values += [*means.tolist(), *(-means).tolist()]
    return np.sort(np.array(values, np.float32))


@cache
def _grid_codes() -> Bytes:
    table = dynamic_table()
    grid = np.arange(_GRID + 1, dtype=np.float32) * 2 / np.float32(_GRID) - 1
    return np.searchsorted((table[:-1] + table[1:]) / 2, grid).astype(np.uint8)


def _sum(values: Floats) -> np.float32:
    """The float32 sum of (n,) values in the order in which one thread of torch adds them.

    Eight lanes, or one for fewer than eight values, in four rows; each row's running sums cascade into three higher
    levels, so that no sum of very many takes a single small value (`aten/src/ATen/native/cpu/SumKernel.cpp` of torch
    2.13).
    """
    lanes, rows, levels = (8 if len(values) >= 8 else 1), 4, 4
    vectors = values[: len(values) // lanes * lanes].reshape(-1, lanes)
    size = len(vectors) // rows
    stacked = vectors[: size * rows].reshape(size, rows, lanes)
    power = max(4, (size - 1).bit_length() // levels)  # of the values summed before they go up a level
    step = 1 << power
    sums = np.zeros((levels, rows, lanes), np.float32)
    for start in range(0, size, step):
        part = stacked[start : start + step]
        sums[0] = np.add.accumulate(np.concatenate([sums[:1], part]), axis=0)[-1]
        if len(part) < step:
            break
        for level in range(1, levels):
            sums[level] += sums[level - 1]
            sums[level - 1] = 0
            if (start + step) & ((step - 1) << (level * power)):
                break
    for level in range(1, levels):
        sums[0] += sums[level]
    running = sums[0]
    for vector in vectors[size * rows :]:
        running[0] += vector
    for row in range(1, rows):
        running[0] += running[row]
    left = np.concatenate([np.zeros(1, np.float32), values[len(vectors) * lanes :], running[0]])
    return np.float32(np.add.accumulate(left)[-1])
