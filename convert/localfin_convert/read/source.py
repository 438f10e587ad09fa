"""Where the values of a tensor come from: stored as they are, stored quantized, or computed; read by rows."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from localfin_convert.read.positional import OpenFiles
from localfin_convert.read.safetensors_file import StoredTensor


class Source(Protocol):
    """A vector (one row) or a matrix of finite numbers, whatever form it is kept in."""

    @property
    def name(self) -> str:
        """In the checkpoint."""
        ...

    @property
    def dtype(self) -> str:
        """BF16, F16 or F32: what the values are rounded to, and rounded to again by each step of a merge."""
        ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def n_bytes(self) -> int:
        """Read from the disk when every row is asked for once; 0 where it is computed."""
        ...

    @property
    def stored(self) -> StoredTensor | None:
        """What holds its values in the checkpoint's files; None where they are computed."""
        ...

    def identity(self) -> bytes:
        """What its values follow from, so that a run is not resumed with another source."""
        ...

    def rows(self, files: OpenFiles, first: int, count: int) -> NDArray[np.float32]:
        """(count, columns) from row `first` on, exact in `dtype`. Raises InputRefused where the file does not serve."""
        ...


@dataclass(frozen=True, slots=True)
class Widened:
    """A source of 16 bits that a merge need not round to."""

    source: Source

    dtype = "F32"

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def n_bytes(self) -> int:
        return self.source.n_bytes

    @property
    def shape(self) -> tuple[int, ...]:
        return self.source.shape

    @property
    def stored(self) -> StoredTensor | None:
        return self.source.stored

    def identity(self) -> bytes:
        return b"widened " + self.source.identity()

    def rows(self, files: OpenFiles, first: int, count: int) -> NDArray[np.float32]:
        return self.source.rows(files, first, count)


@dataclass(frozen=True, slots=True)
class Computed:
    """What the plan itself computed, as a family's rope factors."""

    name: str
    values: NDArray[np.float32]

    dtype = "F32"
    n_bytes = 0
    stored = None

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    def identity(self) -> bytes:
        return self.values.tobytes()

    def rows(self, files: OpenFiles, first: int, count: int) -> NDArray[np.float32]:
        return self.values.reshape(-1, self.values.shape[-1])[first : first + count]
