"""What an adapter does to one tensor of the base: each kind is one step on a block of rows, and gives peft's bytes.

A block comes as float32 that holds values of the base's own type, and leaves so: every step ends in that rounding,
because peft merges into the model's own weights.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from localfin_convert.adapter.chain import add_product, chain_product
from localfin_convert.adapter.norms import row_norms
from localfin_convert.read.numbers import round_to
from localfin_convert.read.positional import OpenFiles
from localfin_convert.read.safetensors_file import StoredTensor
from localfin_models.errors import InputRefused
from localfin_models.language import _

Rows = NDArray[np.float32]
_PRODUCT_ELEMENTS = 1 << 15  # float64 temporaries of the chain product stay in the L2 cache


class Change(Protocol):
    """One step of a merge."""

    @property
    def rank(self) -> int:
        """Multiplications for each weight, for the estimate; 0 where that is next to nothing."""
        ...

    @property
    def n_bytes(self) -> int:
        """Held in memory while converting."""
        ...

    def identity(self) -> bytes:
        """What its outcome follows from, so that a run is not resumed with another change."""
        ...

    def merge(self, rows: Rows, first: int, dtype: str) -> Rows:
        """(n, columns) rows from row `first` on, of the base's `dtype` -> the same rows, changed and rounded to it."""
        ...


@dataclass(frozen=True, slots=True)
class LowRank:
    """W + (b @ a) * scale."""

    a: Rows
    """(r, in)"""
    b: Rows
    """(out, r)"""
    scale: float
    rounds_delta: bool = False
    """Whether the delta is rounded to the weight's type before it is added, as peft does for embeddings."""

    @property
    def rank(self) -> int:
        return len(self.a)

    @property
    def n_bytes(self) -> int:
        return self.a.nbytes + self.b.nbytes

    def identity(self) -> bytes:
        return self.a.tobytes() + self.b.tobytes() + repr((self.scale, self.rounds_delta)).encode()

    def merge(self, rows: Rows, first: int, dtype: str) -> Rows:
        merged = np.empty_like(rows)
        if self.rounds_delta:
            for part, delta in self.deltas(rows, first):
                with np.errstate(over="ignore"):
                    merged[part] = round_to(dtype, rows[part] + round_to(dtype, delta))
        else:
            for part in _parts(rows):
                b = self.b[first + part.start : first + part.stop]
                merged[part] = add_product(rows[part], b, self.a, self.scale, dtype)
        return merged

    def deltas(self, rows: Rows, first: int) -> Iterator[tuple[slice, Rows]]:
        """The scaled product, a few rows at a time."""
        for part in _parts(rows):
            with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is refused with the sum
                delta = chain_product(self.b[first + part.start : first + part.stop], self.a) * np.float32(self.scale)
            yield part, delta


def _parts(rows: Rows) -> Iterator[slice]:
    step = max(1, _PRODUCT_ELEMENTS // rows.shape[1])
    for start in range(0, len(rows), step):
        yield slice(start, min(start + step, len(rows)))


@dataclass(frozen=True, slots=True)
class WeightDecomposed:
    """DoRA: m / ||W + delta|| * (W + delta), the norm over each row."""

    low_rank: LowRank
    magnitude: Rows
    """(out,)"""

    @property
    def rank(self) -> int:
        return self.low_rank.rank

    @property
    def n_bytes(self) -> int:
        return self.low_rank.n_bytes + self.magnitude.nbytes

    def identity(self) -> bytes:
        return self.low_rank.identity() + self.magnitude.tobytes()

    def merge(self, rows: Rows, first: int, dtype: str) -> Rows:
        moved = np.empty_like(rows)
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            for part, delta in self.low_rank.deltas(rows, first):
                np.add(rows[part], delta, out=moved[part])
            factors = self.magnitude[first : first + len(rows)] / row_norms(moved)
            moved *= factors[:, None]
            return round_to(dtype, moved)


@dataclass(frozen=True, slots=True)
class Replaced:
    """The whole tensor is the adapter's: `modules_to_save`, trained biases, embeddings saved with the adapter."""

    stored: StoredTensor

    rank = 0
    n_bytes = 0

    def identity(self) -> bytes:
        return self.stored.identity()

    def merge(self, rows: Rows, first: int, dtype: str) -> Rows:
        with OpenFiles() as files:
            values = self.stored.rows(files, first, len(rows))
        if not np.isfinite(values).all():
            raise InputRefused(_("adapter tensor {name} holds NaN or Inf").format(name=self.stored.name))
        return round_to(dtype, values)


@dataclass(frozen=True, slots=True)
class TokenRows:
    """Some rows of an embedding are the adapter's (`trainable_token_indices`)."""

    indices: NDArray[np.int64]
    """(n,), each once, ascending."""
    values: Rows
    """(n, columns)"""

    rank = 0

    @property
    def n_bytes(self) -> int:
        return self.values.nbytes

    def identity(self) -> bytes:
        return self.indices.tobytes() + self.values.tobytes()

    def merge(self, rows: Rows, first: int, dtype: str) -> Rows:
        merged = rows.copy()
        begin, end = np.searchsorted(self.indices, (first, first + len(rows)))
        merged[self.indices[begin:end] - first] = round_to(dtype, self.values[begin:end])
        return merged


@dataclass(frozen=True, slots=True)
class AddedBias:
    """bias + values * scale (`lora_bias`)."""

    values: Rows
    """(1, out)"""
    scale: float

    rank = 0

    @property
    def n_bytes(self) -> int:
        return self.values.nbytes

    def identity(self) -> bytes:
        return self.values.tobytes() + repr(self.scale).encode()

    def merge(self, rows: Rows, first: int, dtype: str) -> Rows:
        with np.errstate(over="ignore"):
            return round_to(dtype, np.add(rows, self.values * np.float32(self.scale), dtype=np.float32))
