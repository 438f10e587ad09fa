"""One block of rows of a merged checkpoint: copied as it is stored, or merged and rounded to the base's own dtype."""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from localfin_convert.as_safetensors.shards import MergedTensor
from localfin_convert.blocks import Block, Converted
from localfin_convert.merge import merged_rows
from localfin_convert.read.numbers import FLOATS, bf16_bits
from localfin_convert.read.positional import OpenFiles
from localfin_convert.read.safetensors_file import StoredTensor
from localfin_models.errors import InputRefused
from localfin_models.language import _

_EXPONENT = {"BF16": 0x7F80, "F16": 0x7C00, "F32": 0x7F80_0000}
"""The bits that are all set in NaN and Inf."""


def merge_block(block: Block[MergedTensor], files: OpenFiles) -> Converted:
    """Raises InputRefused for NaN or Inf, read or made."""
    tensor = block.tensor
    copied = tensor.copied
    if copied is not None:
        return Converted(_copy(copied, block, files), Counter())
    rows, changed = merged_rows(tensor.source, tensor.changes, files, block.first, block.count)
    if not np.isfinite(rows).all():
        raise InputRefused(
            _("tensor {name} grows beyond {dtype} when it is merged").format(name=tensor.name, dtype=tensor.dtype)
        )
    if tensor.dtype == "BF16":
        return Converted(bf16_bits(rows).view(np.uint8), changed)
    return Converted(np.ascontiguousarray(rows, FLOATS[tensor.dtype]).view(np.uint8), changed)


def _copy(stored: StoredTensor, block: Block[MergedTensor], files: OpenFiles) -> NDArray[np.uint8]:
    columns = block.tensor.columns
    raw = np.frombuffer(stored.values(files, block.first * columns, block.count * columns), np.uint8)
    if stored.dtype in _EXPONENT:
        bits, exponent = raw.view(f"<u{FLOATS[stored.dtype].itemsize}"), _EXPONENT[stored.dtype]
        if ((bits & exponent) == exponent).any():
            raise InputRefused(_("tensor {name} holds NaN or Inf").format(name=stored.name))
    return raw
