"""Weights stored by bitsandbytes as sources of rows: what a block of rows needs is read and dequantized, no more.

Equal to bitsandbytes' `dequantize_4bit` and `int8_vectorwise_dequant`, then rounded to the model's own type, as peft
and transformers round them before anything is added. Merged weights are not quantized again, as peft would do.
"""

from dataclasses import dataclass
from math import prod
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from localfin_convert.bitsandbytes.arithmetic import Floats, dequantize_4bit, nested_scales
from localfin_convert.read.numbers import round_to
from localfin_convert.read.positional import OpenFiles
from localfin_convert.read.safetensors_file import StoredTensor
from localfin_models.errors import InputRefused
from localfin_models.language import _

_INT8_STEP = np.float32(7.874015718698502e-3)  # 1 / 127, as bitsandbytes has it


class Scales(Protocol):
    """One for each block of a weight."""

    @property
    def parts(self) -> tuple[StoredTensor, ...]: ...

    def read(self, files: OpenFiles, first: int, end: int) -> Floats:
        """(end - first,)"""
        ...


@dataclass(frozen=True, slots=True)
class PlainScales:
    absmax: StoredTensor
    """F32"""

    @property
    def parts(self) -> tuple[StoredTensor, ...]:
        return (self.absmax,)

    def read(self, files: OpenFiles, first: int, end: int) -> Floats:
        return np.frombuffer(self.absmax.values(files, first, end - first), "<f4")


@dataclass(frozen=True, slots=True)
class NestedScales:
    """Double quantization."""

    codes: StoredTensor
    """U8"""
    absmax: StoredTensor
    """F32, one for each block of codes."""
    table: Floats
    """(256,)"""
    offset: np.float32
    blocksize: int

    @property
    def parts(self) -> tuple[StoredTensor, ...]:
        return self.codes, self.absmax

    def read(self, files: OpenFiles, first: int, end: int) -> Floats:
        codes = np.frombuffer(self.codes.values(files, first, end - first), np.uint8)
        block, last = first // self.blocksize, -(-end // self.blocksize)
        absmax = np.frombuffer(self.absmax.values(files, block, last - block), "<f4")
        return nested_scales(codes, absmax[np.arange(first, end) // self.blocksize - block], self.table, self.offset)


@dataclass(frozen=True, slots=True)
class FourBit:
    name: str
    dtype: str
    shape: tuple[int, int]
    kind: str
    """nf4 or fp4"""
    blocksize: int
    packed: StoredTensor
    """Two values a byte, whatever dtype it is stored under."""
    scales: Scales

    @property
    def n_bytes(self) -> int:
        return self.packed.n_bytes + sum(part.n_bytes for part in self.scales.parts)

    @property
    def stored(self) -> StoredTensor:
        return self.packed

    def identity(self) -> bytes:
        return b"".join(part.identity() for part in (self.packed, *self.scales.parts)) + repr(self.dtype).encode()

    def rows(self, files: OpenFiles, first: int, count: int) -> NDArray[np.float32]:
        begin, end = first * self.shape[1], (first + count) * self.shape[1]
        block, last = begin // self.blocksize, -(-end // self.blocksize)
        start, stop = block * self.blocksize, min(last * self.blocksize, prod(self.shape))
        packed = files.read(self.packed.path, (stop + 1) // 2 - start // 2, self.packed.offset + start // 2)
        scales = _finite(self.name, self.scales.read(files, block, last))
        values = dequantize_4bit(np.frombuffer(packed, np.uint8), scales, self.blocksize, self.kind)
        return round_to(self.dtype, values[begin - start : end - start]).reshape(count, self.shape[1])


@dataclass(frozen=True, slots=True)
class EightBit:
    """LLM.int8: each row in steps of its absmax / 127 (https://arxiv.org/abs/2208.07339)."""

    name: str
    dtype: str
    weight: StoredTensor
    """I8"""
    absmax: StoredTensor
    """F32, one a row."""

    @property
    def shape(self) -> tuple[int, ...]:
        return self.weight.shape

    @property
    def n_bytes(self) -> int:
        return self.weight.n_bytes + self.absmax.n_bytes

    @property
    def stored(self) -> StoredTensor:
        return self.weight

    def identity(self) -> bytes:
        return self.weight.identity() + self.absmax.identity() + repr(self.dtype).encode()

    def rows(self, files: OpenFiles, first: int, count: int) -> NDArray[np.float32]:
        columns = self.shape[1]
        steps = np.frombuffer(self.weight.values(files, first * columns, count * columns), np.int8)
        absmax = _finite(self.name, np.frombuffer(self.absmax.values(files, first, count), "<f4"))
        with np.errstate(over="ignore"):
            return round_to(self.dtype, steps.reshape(count, columns) * absmax[:, None] * _INT8_STEP)


def _finite(name: str, scales: Floats) -> Floats:
    if not np.isfinite(scales).all():  # NaN would not survive the rounding to bfloat16
        raise InputRefused(_("tensor {name} holds NaN or Inf").format(name=name))
    return scales
