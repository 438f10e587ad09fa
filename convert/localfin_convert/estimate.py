"""What a plan will cost, for `--dry-run`: bytes exact, time from a sample timed now, memory from the blocks."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Protocol

import numpy as np
from gguf import GGMLQuantizationType as Type

from localfin_convert.adapter import Step
from localfin_convert.adapter.chain import chain_product
from localfin_convert.blocks import Streamed, block_elements
from localfin_convert.plan import Plan
from localfin_convert.quantize import ggml
from localfin_convert.read.numbers import bf16_bits
from localfin_models.errors import NotEnough
from localfin_models.language import _

_SAMPLE = (64, 1024)
_BYTES_PER_ELEMENT = 26  # of one block under way: stored, float32 before and after, their comparison, quantized twice
_INTERPRETER = 110_000_000  # bytes: Python, numpy, gguf, ggml and the tokenizer's tables
MEMORY = 4 * 10**9
"""Bytes that a conversion may take where nothing else is said: half of a small laptop's."""


@dataclass(frozen=True, slots=True)
class Estimate:
    seconds: float
    memory_bytes: int


class Planned(Streamed, Protocol):
    """A tensor of an output."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def changes(self) -> Sequence[Step]: ...


def estimate(plan: Plan, threads: int) -> Estimate:
    """Times one block of each type in the plan on this machine (well under a second), and scales up."""
    rows, elements = _sample(), prod(_SAMPLE)
    per_type: dict[tuple[Type, bool], float] = {}
    seconds = 0.0
    for tensor in plan.tensors:
        if tensor.ready is not None:
            continue
        key = tensor.choice.final, tensor.importance is not None
        if key not in per_type:
            per_type[key] = _timed_quantize(*key, rows) / elements
        seconds += per_type[key] * prod(tensor.shape)
    return _estimate(plan.tensors, seconds, plan.header_bytes, threads)


def estimate_unquantized(tensors: Sequence[Planned], header_bytes: int, threads: int) -> Estimate:
    """As `estimate`, where tensors keep their dtype."""
    started = time.perf_counter()
    bf16_bits(_sample())
    seconds = (time.perf_counter() - started) / prod(_SAMPLE) * sum(prod(tensor.shape) for tensor in tensors)
    return _estimate(tensors, seconds, header_bytes, threads)


def _estimate(tensors: Sequence[Planned], seconds: float, header_bytes: int, threads: int) -> Estimate:
    """`seconds`: those of all but the merge, on one thread."""
    ranked = sum(prod(tensor.shape) * step.change.rank for tensor in tensors for step in tensor.changes)
    if ranked:
        seconds += _timed_product(_sample()) / prod(_SAMPLE) * ranked
    return Estimate(seconds / threads, memory_bytes(tensors, header_bytes, threads))


def memory_bytes(tensors: Sequence[Planned], header_bytes: int, threads: int) -> int:
    """At most resident at once, but for verification and for what peft takes where it merges itself."""
    adapters = sum(step.change.n_bytes for tensor in tensors for step in tensor.changes)
    under_way = threads * max(map(block_elements, tensors), default=0) * _BYTES_PER_ELEMENT
    return _INTERPRETER + header_bytes * 4 + adapters + under_way


def threads_within(memory: int, tensors: Sequence[Planned], header_bytes: int, threads: int) -> int:
    """How many of `threads` fit into `memory` bytes. Raises NotEnough where none does."""
    fitting = (count for count in range(threads, 0, -1) if memory_bytes(tensors, header_bytes, count) <= memory)
    found = next(fitting, 0)
    if not found:
        raise NotEnough(
            _("converting takes {needed} MB of memory, and {allowed} MB are allowed; give more with --memory").format(
                needed=-(-memory_bytes(tensors, header_bytes, 1) // 10**6), allowed=memory // 10**6
            )
        )
    return found


def _sample() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.random.default_rng(0).standard_normal(_SAMPLE, np.float32)


def _timed_quantize(kind: Type, weighed: bool, rows: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> float:
    importance = np.ones(rows.shape[1], np.float32) if weighed else None
    started = time.perf_counter()
    ggml.quantize(kind, rows, importance)
    return time.perf_counter() - started


def _timed_product(rows: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> float:
    """Seconds of the chain product a step of the rank."""
    b = rows[:, :4].copy()
    started = time.perf_counter()
    chain_product(b, rows[:4])
    return (time.perf_counter() - started) / 4
