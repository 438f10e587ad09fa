"""The matrices A and B of each tensor, with the scale that llama.cpp will apply.

For a tensor W llama.cpp computes W x + s * (alpha / r) * B (A x): s is the user's scale, alpha stands once in the file,
and r is the tensor's own rank (`llama_adapter_lora_weight::get_scale`; an alpha of 0 means alpha / r = 1). So alpha is
the one that most tensors need, and the others (rank and alpha patterns, several adapters) have the rest of their scale
multiplied into B, which is rounded to float32 once more. A plain LoRA, an rsLoRA or a weight for the whole need no such
thing; a plain one gets the bytes of llama.cpp's convert_lora_to_gguf.py, which reads no scale but lora_alpha.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from localfin_convert.adapter.changes import Rows
from localfin_convert.architectures.family import permute_rows
from localfin_convert.as_lora.changes import EMBEDDING_OUT, Addition
from localfin_models.errors import InputRefused
from localfin_models.language import _

_LARGEST = float(np.finfo(np.float32).max)


def rank_of(slices: Sequence[Addition]) -> int:
    return max(addition.rank for addition in slices)


def shared_alpha(outputs: Mapping[str, Sequence[Addition]]) -> float:
    """The float32 with which alpha / rank is the right scale of most tensors, not 0. Raises InputRefused if none is."""
    needed = [
        part.scale * rank_of(slices) for slices in outputs.values() for addition in slices for part in addition.parts
    ]
    usable = all(abs(alpha) <= _LARGEST for alpha in needed)  # false for NaN
    counts = Counter(float(np.float32(alpha)) for alpha in needed) if usable else Counter[float]()
    counts.pop(0.0, None)
    if not counts:
        raise InputRefused(_("the adapter's scale is no usable number: look at lora_alpha in adapter_config.json"))
    return counts.most_common(1)[0][0]


def pair(slices: Sequence[Addition], alpha: float) -> tuple[Rows, Rows]:
    """A (rank, columns) and B (rows, rank), (rows, rank) both of the embedding; experts stacked before them."""
    rank = rank_of(slices)
    a, b = zip(*(_padded(addition, rank, alpha) for addition in slices), strict=True)
    if slices[0].target.expert is not None:
        return np.stack(a), np.stack(b)
    return (np.ascontiguousarray(a[0].T) if slices[0].name == EMBEDDING_OUT else a[0]), b[0]


def _padded(addition: Addition, rank: int, alpha: float) -> tuple[Rows, Rows]:
    """The parts side by side along the rank, B's rows where the base has them, zeros up to `rank`."""
    rows, columns = addition.shape
    a, b, at = np.zeros((rank, columns), np.float32), np.zeros((rows, rank), np.float32), 0
    for part in addition.parts:
        own = part.b if np.float32(part.scale * rank) == alpha else _folded(part.b, part.scale * rank / alpha)
        span = slice(at, at + part.rank)
        a[span], b[:, span] = part.a, permute_rows(own, addition.target.heads) if addition.target.heads else own
        at += part.rank
    return a, b


def _folded(b: Rows, factor: float) -> Rows:
    with np.errstate(over="ignore"):  # refused when it is written, with the tensor's name
        return (b.astype(np.float64) * factor).astype(np.float32)
