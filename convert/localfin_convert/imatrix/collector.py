"""What llama-imatrix sums up while a graph is computed: of each matrix's input, the square of every column.

Which multiplications count, in which order the tokens are added, and that float32 is added to float32 is as in
`collect_imatrix` of llama.cpp's `tools/imatrix/imatrix.cpp`: sums and counts are its own, bit for bit.
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from localfin_convert.imatrix.graph import F32, Operations, Tensor
from localfin_models.errors import InputRefused
from localfin_models.language import _

FEWEST_TOKENS = 16
"""A matrix is not measured on fewer at once."""
_LAST = b"result_norm"
"""What the output matrix is multiplied by, which is not measured: nothing behind is computed."""
_ROWS = 64
"""Added at a time, so that their squares stay in the cache."""


@dataclass(slots=True)
class Running:
    """The sums so far of one tensor."""

    squares: NDArray[np.float32]
    """(matrices, columns)."""
    counts: NDArray[np.int64]
    """(experts,) of tokens; (1,) for what is no tensor of experts."""

    def by_expert(self) -> NDArray[np.float32]:
        """One row a count."""
        return self.squares.reshape(len(self.counts), -1)

    def add(self, matrix: int, rows: NDArray[np.float32]) -> None:
        """(tokens, columns), one token after the other."""
        buffer = np.empty((_ROWS + 1, rows.shape[1]), np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            for first in range(0, len(rows), _ROWS):
                block = rows[first : first + _ROWS]
                buffer[0] = self.squares[matrix]
                np.multiply(block, block, out=buffer[1 : len(block) + 1])
                # numpy adds the rows of a whole array one by one, from the first.
                np.add.reduce(buffer[: len(block) + 1], axis=0, out=self.squares[matrix])


class Collector:
    """ggml's callback for each operation. `failed` holds what went wrong in it, where no exception can leave it."""

    def __init__(self, binding: Any, operations: Operations) -> None:
        self.found: dict[str, Running] = {}
        self.failed: Exception | None = None
        self._operations = operations
        self.callback = binding.ggml_backend_sched_eval_callback(self._receive)

    def _receive(self, address: int, asking: bool, _user_data: object) -> bool:
        """Asked, whether the operation's values are wanted; then, when they are there, whether to go on."""
        try:
            tensor = Tensor.from_address(address)
            if asking:
                return self._wants(tensor)
            return tensor.name != _LAST and self._collect(tensor)
        except Exception as error:  # noqa: BLE001 - C calls this
            self.failed = error
            return False

    def _wants(self, tensor: Tensor) -> bool:
        if tensor.op == self._operations.mul_mat_id:
            return True
        if tensor.op != self._operations.mul_mat:
            return bool(tensor.name == _LAST)
        put_in = tensor.source(1)
        few = put_in.ne[1] < FEWEST_TOKENS or put_in.type != F32
        return not few and tensor.source(0).name.startswith(b"blk.")

    def _collect(self, tensor: Tensor) -> bool:
        weights, put_in = tensor.source(0), tensor.source(1)
        name, columns = weights.name.decode("utf-8", "replace"), put_in.ne[0]
        matrices = weights.ne[2] * weights.ne[3]
        routed = tensor.op == self._operations.mul_mat_id
        running = self.found.get(name)
        if running is None:
            counts = np.zeros(matrices if routed else 1, np.int64)
            running = self.found[name] = Running(np.zeros((matrices, columns), np.float32), counts)
        if routed:
            _add_routed(running, put_in.array()[0], tensor.source(2).array()[0, 0])
        else:
            _add_plain(running, put_in.array(), weights.ne[2], weights.ne[3])
        if not np.isfinite(running.squares).all():
            raise InputRefused(_("the model multiplies {name} by what are no finite numbers").format(name=name))
        return True


def _add_plain(running: Running, put_in: NDArray[Any], inner: int, outer: int) -> None:
    """`put_in`: (outer, inner, tokens, columns); one that has more of these dimensions than the matrices goes round."""
    for third, second in product(*map(range, put_in.shape[:2])):
        running.add(third % outer * inner + second % inner, put_in[third, second])
    running.counts += put_in[..., 0].size // (inner * outer)


def _add_routed(running: Running, put_in: NDArray[Any], ids: NDArray[Any]) -> None:
    """`put_in`: (tokens, 1 or experts used, columns); `ids`: (tokens, experts used), which expert each went through."""
    by_place = ids.T.ravel()
    for expert in np.unique(by_place).tolist():
        places, tokens = np.divmod(np.flatnonzero(by_place == expert), len(ids))
        running.add(expert, put_in[tokens, places % put_in.shape[1]])
        running.counts[expert] += len(tokens)
