"""Whether the weights in a file are those of the merged checkpoint, as exactly as their types allow."""

import math
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from gguf import GGMLQuantizationType as Type
from numpy.typing import NDArray

from localfin_convert.architectures import family_of
from localfin_convert.plan import Plan
from localfin_convert.reference import Weights
from localfin_models.errors import IntegrityFailed
from localfin_models.language import _

_BITS = {
    Type.F32: 24, Type.F16: 11, Type.BF16: 8, Type.Q8_0: 7, Type.Q6_K: 6, Type.Q5_K: 5, Type.Q5_0: 5, Type.Q5_1: 5,
    Type.Q4_K: 4, Type.Q4_0: 4, Type.Q4_1: 4, Type.IQ4_NL: 4, Type.IQ4_XS: 4, Type.MXFP4: 3, Type.Q3_K: 3,
    Type.IQ3_S: 3, Type.IQ3_XXS: 2, Type.Q2_K: 2, Type.IQ2_S: 2, Type.IQ2_XS: 2, Type.IQ2_XXS: 1, Type.IQ1_M: 1,
    Type.IQ1_S: 1, Type.TQ2_0: 1, Type.TQ1_0: 1,
}  # fmt: skip
"""Of a weight's size, beside the largest in its block."""
_MOST = 0.95
"""Of the weights' root mean square: zeros in their place come to once that, other weights to 1.4 times."""
_HALF_STEP = 2.0**-25
"""Half the distance of the smallest float16 numbers, in which scales are stored, too."""
_LEAST_CHANGE, _MOST_DEVIATION, _MOST_MISSING = 0.1, 1 / 12, 0.5
"""Of a change's size beside the error's, of the standard deviation of what seems missing of it, and of that itself."""
Floats = NDArray[np.float32]


@dataclass(slots=True)
class _Sums:
    error: float = 0.0
    norm: float = 0.0
    count: int = 0
    change: float = 0.0
    """Squares of what the adapters add."""
    change_norm: float = 0.0
    """What they add, times the weights; so the errors below."""
    error_change: float = 0.0
    error_norm: float = 0.0

    def add(self, found: Floats, wanted: Floats, before: Floats | None) -> None:
        error = found - wanted
        self.error += _dot(error, error)
        self.norm += _dot(wanted, wanted)
        self.count += wanted.size
        if before is not None:
            change = wanted - before
            self.change += _dot(change, change)
            self.change_norm += _dot(change, wanted)
            self.error_change += _dot(error, change)
            self.error_norm += _dot(error, wanted)

    @property
    def apart(self) -> float:
        """Root mean square of the error."""
        return math.sqrt(self.error / self.count)

    def allowed(self, bits: int, *, weighed: bool) -> float:
        """Three times 2^-bits of the weights' root mean square: normal weights come to about once that.

        Where importance weighs the columns, those that weigh little may be off by more: nine times.
        """
        share = min((9 if weighed else 3) * 2.0**-bits, _MOST)
        return share * math.sqrt(self.norm / self.count) + _HALF_STEP

    @property
    def missing(self) -> float | None:
        """0 where the file holds what the adapters add, 1 where it does not; None where quantization hides it.

        The errors of quantization do not lie along what was added, but without the merge they are its opposite: over
        many weights that shows far below the error of one. What was added along the weights themselves is left out:
        there quantization does err, as it makes weights smaller.
        """
        along = self.change_norm / self.norm if self.norm else 0.0
        across = self.change - along * self.change_norm
        deviation = math.sqrt(self.error / self.count / across) if across > 0 else math.inf
        if across < _LEAST_CHANGE**2 * self.error or deviation > _MOST_DEVIATION:
            return None
        return -(self.error_change - along * self.error_norm) / across


def _dot(first: Floats, second: Floats) -> float:
    return float(np.sum(first * second, dtype=np.float64))


@contextmanager
def compared(plan: Plan, base: Weights, merged: Weights, stored: Weights) -> Generator[Weights]:
    """`merged`, of which all that is asked for is compared with `stored`. Raises IntegrityFailed in the end.

    `base`: before the merge.
    """
    family = family_of(plan.merge.checkpoint.config)
    planned = {tensor.name: tensor for tensor in plan.tensors}
    sums: dict[str, _Sums] = {}

    def weights(name: str, rows: range | None = None, /) -> Floats:
        wanted = merged(name, rows)
        before = base(name, rows) if plan.merge.steps.get(name) else None
        sums.setdefault(name, _Sums()).add(stored(name, rows), wanted, before)
        return wanted

    yield weights
    for name, mine in sums.items():
        target = family.tensor(name)
        assert target is not None
        tensor = planned[target.name]
        allowed = mine.allowed(_BITS[tensor.choice.final], weighed=tensor.importance is not None)
        if not mine.apart <= allowed:
            raise IntegrityFailed(
                _("tensor {name} of the file is not the merged checkpoint's: {apart:.2g} apart, {allowed:.2g} at most "
                  "were expected").format(name=target.name, apart=mine.apart, allowed=allowed)
            )  # fmt: skip
        if (missing := mine.missing) is not None and abs(missing) > _MOST_MISSING:
            raise IntegrityFailed(
                _("tensor {name} of the file lacks {missing:.0%} of what the adapters change").format(
                    name=target.name, missing=missing
                )
            )
