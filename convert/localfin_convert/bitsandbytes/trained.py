"""The two honest merges of an adapter that was trained over a quantized base: onto which weights is it added?

`16bit`: onto the base as it was published. `dequantized`: onto what the quantized base amounts to, as the adapter saw
it while it was trained. Where the base is at hand in 16 bits only, its linear layers are quantized and dequantized
again by the recipe of QLoRA: NF4, blocks of 64, double quantization. An adapter does not record how its base was
quantized; where it was otherwise, the checkpoint saved by bitsandbytes is the base to give.
"""

from collections import OrderedDict
from dataclasses import dataclass, replace
from math import prod
from threading import Lock

import numpy as np

from localfin_convert.architectures import family_of
from localfin_convert.bitsandbytes.arithmetic import TABLES, Floats, block_absmax, double_quantized, nf4_codes
from localfin_convert.read.checkpoint import Checkpoint
from localfin_convert.read.numbers import round_to
from localfin_convert.read.positional import OpenFiles
from localfin_convert.read.safetensors_file import StoredTensor
from localfin_convert.read.source import Source
from localfin_models.errors import InputRefused
from localfin_models.language import _

MERGES = ("16bit", "dequantized")
BLOCKSIZE = 64
_PART = 1 << 17  # values of a tensor read at a time for its scales; whole blocks
_KEPT = 4


def onto(checkpoint: Checkpoint, merge: str | None) -> tuple[Checkpoint, str]:
    """The base whose weights the adapters are added to, and which of MERGES that is; None asks for the base as it is.

    Raises InputRefused for 16 bits of a quantized base, and for a mixture of experts that would have to be quantized.
    """
    if checkpoint.is_quantized:
        if merge == "16bit":
            raise InputRefused(
                _("{name} is quantized, so there is no 16-bit base to merge onto; give the 16-bit base").format(
                    name=checkpoint.folder.name
                )
            )
        return checkpoint, "dequantized"
    if merge != "dequantized":
        return checkpoint, "16bit"
    family = family_of(checkpoint.config)
    if family.experts:  # older transformers keep experts as linear layers, newer ones as stacks left in 16 bits
        raise InputRefused(
            _("which experts of {name} were quantized depends on the training; give the checkpoint it used").format(
                name=checkpoint.folder.name
            )
        )
    recent = RecentScales()
    tensors = {
        name: AsTrained(source, recent)
        if len(source.shape) == 2 and name not in (family.embedding, family.head)
        else source
        for name, source in checkpoint.tensors.items()
    }
    return replace(checkpoint, tensors=tensors), "dequantized"


class RecentScales:
    """The scales of the tensors that were asked for last: 4 bytes for 64 weights, found in a first pass over each."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[str, Floats] = OrderedDict()

    def of(self, source: Source, files: OpenFiles) -> Floats:
        """(blocks,), after double quantization."""
        with self._lock:
            if source.name not in self._kept:
                self._kept[source.name] = double_quantized(_all_absmax(source, files))
            self._kept.move_to_end(source.name)
            if len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
            return self._kept[source.name]


@dataclass(frozen=True, slots=True)
class AsTrained:
    """A linear layer's weight, quantized and dequantized again: bitsandbytes' `quantize_4bit` and `dequantize_4bit`."""

    source: Source
    recent: RecentScales

    @property
    def name(self) -> str:
        return self.source.name

    @property
    def dtype(self) -> str:
        return self.source.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self.source.shape

    @property
    def n_bytes(self) -> int:
        return self.source.n_bytes

    @property
    def stored(self) -> StoredTensor | None:
        return self.source.stored

    def identity(self) -> bytes:
        return b"nf4 64 nested " + self.source.identity()

    def rows(self, files: OpenFiles, first: int, count: int) -> Floats:
        begin, end = first * self.shape[1], (first + count) * self.shape[1]
        block, last = begin // BLOCKSIZE, -(-end // BLOCKSIZE)
        start = block * BLOCKSIZE
        codes = nf4_codes(_flat(self.source, files, start, last * BLOCKSIZE), BLOCKSIZE)
        scales = np.repeat(self.recent.of(self.source, files)[block:last], BLOCKSIZE)[: len(codes)]
        values = round_to(self.dtype, TABLES["nf4"][codes] * scales)
        return values[begin - start : end - start].reshape(count, self.shape[1])


def _all_absmax(source: Source, files: OpenFiles) -> Floats:
    parts = range(0, prod(source.shape), _PART)
    return np.concatenate([block_absmax(_flat(source, files, start, start + _PART), BLOCKSIZE) for start in parts])


def _flat(source: Source, files: OpenFiles, start: int, end: int) -> Floats:
    """The values from `start` to `end`, or to the tensor's, in row-major order. Raises InputRefused for NaN or Inf."""
    rows, columns = source.shape
    first, last = start // columns, min(-(-end // columns), rows)
    values = source.rows(files, first, last - first).reshape(-1)[start - first * columns : end - first * columns]
    if not np.isfinite(values).all():
        raise InputRefused(_("tensor {name} holds NaN or Inf").format(name=source.name))
    return values
