"""Whether a checkpoint's tensors are those that its config.json promises; refused before one of them is read."""

from math import prod

from localfin_convert.architectures import Family, Tensor
from localfin_convert.read.checkpoint import Checkpoint
from localfin_convert.read.numbers import FLOATS
from localfin_convert.read.source import Source
from localfin_models.errors import InputRefused
from localfin_models.language import _


def refuse_incomplete(checkpoint: Checkpoint, family: Family) -> None:
    missing = next((name for name in family.required() if name not in checkpoint.tensors), None)
    if missing is not None:
        raise InputRefused(
            _("{name} lacks the tensor {missing!r}; a shard may be missing").format(
                name=checkpoint.folder.name, missing=missing
            )
        )


def refuse_misfit(stored: Source, name: str, shape: tuple[int, ...], target: Tensor, family: Family) -> None:
    """`shape`: the tensor's after the merge."""
    if stored.dtype not in FLOATS:
        raise InputRefused(
            _("tensor {name} is {dtype}; BF16, F16 or F32 were expected").format(name=stored.name, dtype=stored.dtype)
        )
    if len(stored.shape) not in (1, 2) or prod(stored.shape) == 0:
        raise InputRefused(
            _("tensor {name} has the shape {shape}; a vector or matrix was expected").format(
                name=stored.name, shape=list(stored.shape)
            )
        )
    expected = family.expected_shape(target.name)
    if expected is not None and shape != expected:
        raise InputRefused(
            _("tensor {name} is {shape} where config.json says {expected}").format(
                name=name, shape=list(shape), expected=list(expected)
            )
        )
