"""One block of rows on its way: read, merge, reorder, quantize. Peak memory: a few times `BLOCK_ELEMENTS` a thread."""

from collections import Counter
from collections.abc import Sequence
from math import prod

import numpy as np
from gguf import GGMLQuantizationType as Type
from numpy.typing import NDArray

from localfin_convert.adapter import Step
from localfin_convert.architectures.family import permute_rows
from localfin_convert.blocks import Block, Converted
from localfin_convert.plan import PlannedTensor
from localfin_convert.quantize import ggml
from localfin_convert.read.numbers import bf16_bits, round_to
from localfin_convert.read.positional import OpenFiles
from localfin_convert.read.safetensors_file import StoredTensor
from localfin_convert.read.source import Source
from localfin_models.errors import InputRefused
from localfin_models.language import _


def convert_block(block: Block[PlannedTensor], files: OpenFiles) -> Converted:
    """Raises InputRefused for NaN or Inf, read or made."""
    tensor = block.tensor
    if tensor.ready is not None:
        row_bytes = tensor.n_bytes // tensor.rows
        copied = files.read(tensor.ready.path, block.count * row_bytes, tensor.ready.offset + block.first * row_bytes)
        return Converted(np.frombuffer(copied, np.uint8), Counter())
    quantized = _straight(block, files)
    if quantized is not None:
        return Converted(quantized, Counter())
    rows, changed = merged_rows(tensor.source, tensor.changes, files, block.first, block.count)
    if tensor.shift:  # in float16 where the tensor is: bfloat16 alone is widened first
        rows = round_to("F16" if tensor.source.dtype == "F16" else "F32", rows + np.float32(tensor.shift))
    if tensor.heads and len(tensor.shape) == 1:
        rows = permute_rows(rows.T, tensor.heads).T
    elif tensor.heads:
        rows = permute_rows(rows, block.count // tensor.unit)
    return Converted(_encode(rows, tensor), changed)


def _straight(block: Block[PlannedTensor], files: OpenFiles) -> NDArray[np.uint8] | None:
    """The stored bfloat16 of a matrix that nothing changes, quantized as it is; None where the way is longer."""
    tensor, source = block.tensor, block.tensor.source
    changed = bool(tensor.changes) or bool(tensor.shift) or tensor.shape != source.shape
    if changed or tensor.importance is not None or not isinstance(source, StoredTensor):
        return None
    if not source.dtype == tensor.choice.intermediate.name == "BF16" or not ggml.has_kernel(tensor.choice.final):
        return None
    bits = source.stored_rows(files, block.first, block.count)
    if tensor.heads:
        bits = permute_rows(bits, block.count // tensor.unit)
    data = ggml.quantize_brief(tensor.choice.final, bits)
    return data if data is not None and ggml.is_valid(tensor.choice.final, data) else None


def merged_rows(
    source: Source, changes: Sequence[Step], files: OpenFiles, first: int, count: int
) -> tuple[NDArray[np.float32], Counter[int]]:
    """The checkpoint's rows `first` to `first + count` after the merge, and the weights each adapter changed in them.

    Float32 (count, columns) that holds values of `source.dtype`, in the checkpoint's own order; infinite where a merge
    overflows. Rows beyond the source's, which an adapter lets the tensor grow by, start as zeros. Raises InputRefused
    for NaN or Inf in the source.
    """
    stored = prod(source.shape[:-1])
    begin, end = min(first, stored), min(first + count, stored)
    rows, changed = source.rows(files, begin, end - begin), Counter[int]()
    if not np.isfinite(rows).all():
        raise InputRefused(_("tensor {name} holds NaN or Inf").format(name=source.name))
    if end - begin < count:
        rows = np.pad(rows, ((0, count - (end - begin)), (0, 0)))
    for step in changes:
        before, rows = rows, step.change.merge(rows, first, source.dtype)
        changed[step.adapter] += int(np.count_nonzero(before != rows))
    return rows, changed


def _encode(rows: NDArray[np.float32], tensor: PlannedTensor) -> NDArray[np.uint8]:
    intermediate, final = tensor.choice.intermediate, tensor.choice.final
    values = rows
    if tensor.source.dtype != intermediate.name:
        values = round_to(intermediate.name, rows)
    as_read = values is rows and not tensor.changes and not tensor.shift  # which was found to be finite
    if not as_read and not np.isfinite(values).all():
        raise InputRefused(
            _("tensor {name} grows beyond {dtype} when it is merged").format(name=tensor.name, dtype=intermediate.name)
        )
    if final is Type.F32:
        return np.ascontiguousarray(values).view(np.uint8)
    if final is Type.BF16:
        return bf16_bits(values).view(np.uint8)
    if final is Type.F16:
        with np.errstate(over="ignore"):
            halves = values.astype(np.float16)
        if not np.isfinite(halves).all():
            raise InputRefused(
                _("tensor {name} holds values beyond float16; choose -q bf16 or f32").format(name=tensor.name)
            )
        return halves.view(np.uint8)
    data = ggml.quantize(final, values, tensor.importance) if ggml.can_search(final, values) else None
    if data is None or not ggml.is_valid(final, data):
        raise InputRefused(
            _("tensor {name} holds values that {type} cannot: its scales overflow").format(
                name=tensor.name, type=final.name
            )
        )
    return data
