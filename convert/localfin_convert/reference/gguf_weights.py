"""The weights that a finished GGUF file holds, dequantized and put back into the checkpoint's own layout."""

import numpy as np

from localfin_convert.architectures import family_of
from localfin_convert.architectures.family import unpermute_rows
from localfin_convert.plan import Plan, PlannedTensor
from localfin_convert.quantize import ggml
from localfin_convert.reference.weights import Floats, Weights
from localfin_convert.write.output import Output


def gguf_weights(plan: Plan, output: Output) -> Weights:
    """Of `output`, which was written after `plan`. They raise InputRefused where it ends early, KeyError for a name."""
    family = family_of(plan.merge.checkpoint.config)
    slices = {(planned.name, number): planned for output in plan.outputs for number, planned in enumerate(output)}

    def weights(name: str, rows: range | None = None, /) -> Floats:
        target = family.tensor(name)
        if target is None:
            raise KeyError(name)
        planned = slices[target.name, target.expert or 0]
        return _read(output, planned, range(planned.rows) if rows is None else rows)

    return weights


def _read(output: Output, planned: PlannedTensor, rows: range) -> Floats:
    whole = range(planned.rows) if planned.heads else rows  # the rows asked for lie elsewhere in the file
    row_bytes = planned.n_bytes // planned.rows
    data = output.read(len(whole) * row_bytes, planned.offset + whole.start * row_bytes)
    values = ggml.dequantize(planned.choice.final, data, planned.columns)
    if planned.shift:
        values = values - np.float32(planned.shift)
    if len(planned.shape) == 1:
        return unpermute_rows(values[0], planned.heads) if planned.heads else values[0]
    return unpermute_rows(values, planned.heads)[rows.start : rows.stop] if planned.heads else values
