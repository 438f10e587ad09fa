"""The weights of a forward pass, asked for tensor by tensor: a base's own, or what a merge makes of them."""

from dataclasses import replace
from math import prod
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from localfin_convert.adapter.combine import Merge
from localfin_convert.merge import merged_rows
from localfin_convert.read.positional import OpenFiles

Floats = NDArray[np.float32]


class Weights(Protocol):
    """A model's weights by their checkpoint names and in the checkpoint's layout."""

    def __call__(self, name: str, rows: range | None = None, /) -> Floats:
        """The whole tensor, (out, in) or (n,); of a matrix `rows` alone, if given. KeyError for an unknown name."""
        ...


def merged_weights(merge: Merge, files: OpenFiles) -> Weights:
    """Rounded to the base's own type, as a conversion merges them. They raise InputRefused for what it would refuse."""

    def weights(name: str, rows: range | None = None, /) -> Floats:
        shape, source, steps = merge.shape(name), merge.checkpoint.tensors[name], merge.steps.get(name, ())
        wanted = range(prod(shape[:-1])) if rows is None else rows
        merged, _changed = merged_rows(source, steps, files, wanted.start, len(wanted))
        return merged[0] if len(shape) == 1 else merged

    return weights


def base_weights(merge: Merge, files: OpenFiles) -> Weights:
    """Before the merge, in its shapes: rows that an adapter adds are zeros."""
    return merged_weights(replace(merge, steps={}), files)
