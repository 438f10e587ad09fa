"""An output's tensors cut into blocks of rows: what is under way at once, and so what bounds a conversion's memory."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from localfin_convert.read.safetensors_file import StoredTensor

BLOCK_ELEMENTS = 1 << 17


class Place(NamedTuple):
    """Where something is read from: what lies side by side is read side by side."""

    path: str
    """Empty for what is computed."""
    offset: int


def place_of(stored: StoredTensor | None) -> Place:
    return Place("", 0) if stored is None else Place(str(stored.path), stored.offset)


class Streamed(Protocol):
    """A tensor of an output, written from its first row to its last."""

    @property
    def name(self) -> str: ...

    @property
    def rows(self) -> int: ...

    @property
    def columns(self) -> int: ...

    @property
    def unit(self) -> int:
        """Rows that stay in one block."""
        ...

    @property
    def offset(self) -> int:
        """From the start of the output, file after file."""
        ...

    @property
    def n_bytes(self) -> int: ...

    @property
    def read_bytes(self) -> int: ...

    @property
    def place(self) -> Place: ...


Tensor = TypeVar("Tensor", bound=Streamed)


@dataclass(frozen=True, slots=True)
class Block(Generic[Tensor]):
    """Rows `first` to `first + count` of one tensor."""

    tensor: Tensor
    number: int
    """Of the tensor in the plan."""
    first: int
    count: int

    @property
    def offset(self) -> int:
        """In the output."""
        return self.tensor.offset + self.first * (self.tensor.n_bytes // self.tensor.rows)

    @property
    def place(self) -> Place:
        path, offset = self.tensor.place
        return Place(path, offset + self.tensor.read_bytes * self.first // self.tensor.rows)

    @property
    def is_last(self) -> bool:
        return self.first + self.count == self.tensor.rows

    @property
    def read_bytes(self) -> int:
        return self.tensor.read_bytes * self.count // self.tensor.rows


@dataclass(frozen=True, slots=True)
class Converted:
    """A block as it is written."""

    data: NDArray[np.uint8]
    changed: Counter[int]
    """By adapter, the weights it changed, after rounding to the base's dtype."""


def blocks(tensor: Tensor, number: int) -> Iterator[Block[Tensor]]:
    step = _rows(tensor)
    for first in range(0, tensor.rows, step):
        yield Block(tensor, number, first, min(step, tensor.rows - first))


def block_at(tensor: Tensor, row: int) -> Block[Tensor]:
    """The one of the tensor's blocks that has `row` in it."""
    step = _rows(tensor)
    first = row // step * step
    return Block(tensor, 0, first, min(step, tensor.rows - first))


def block_elements(tensor: Streamed) -> int:
    """Of its largest block."""
    return min(_rows(tensor), tensor.rows) * tensor.columns


def _rows(tensor: Streamed) -> int:
    return max(1, BLOCK_ELEMENTS // max(1, tensor.columns * tensor.unit)) * tensor.unit
