"""An output's tensors cut into blocks of rows: what is under way at once, and so what bounds a conversion's memory."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

BLOCK_ELEMENTS = 1 << 17


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
        """Rows that must stay in one block."""
        ...

    @property
    def offset(self) -> int:
        """From the start of the output, file after file."""
        ...

    @property
    def n_bytes(self) -> int: ...

    @property
    def read_bytes(self) -> int: ...


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
    step = max(1, BLOCK_ELEMENTS // max(1, tensor.columns * tensor.unit)) * tensor.unit
    for first in range(0, tensor.rows, step):
        yield Block(tensor, number, first, min(step, tensor.rows - first))
