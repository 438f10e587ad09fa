"""Where each tensor of a merged checkpoint stands: the base's files, names, order and dtypes, as far as they can stay.

What the base does not store (the head of a model that was tied) is put at the end of the last file. The tensors of a
file are put in safetensors' own order, the widest dtypes first, only where one would otherwise not start at a multiple
of its values' size, as behind dequantized weights.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import prod
from pathlib import Path

from localfin_convert.adapter import Merge, Step
from localfin_convert.blocks import Place, place_of
from localfin_convert.read.checkpoint import INDEX, Checkpoint, read_json, shard_paths
from localfin_convert.read.safetensors_file import DTYPE_BYTES, StoredTensor, header_bytes, read_metadata
from localfin_convert.read.source import Source

_WHOLE = "model.safetensors"
"""The name by which a checkpoint in one file is found."""
_FORMAT = {"format": "pt"}
"""transformers refuses files that do not say so."""


@dataclass(frozen=True, slots=True)
class MergedTensor:
    name: str
    dtype: str
    shape: tuple[int, ...]
    source: Source
    changes: tuple[Step, ...]
    offset: int
    """From the start of the output, shard after shard."""

    unit = 1

    @property
    def n_bytes(self) -> int:
        return prod(self.shape) * DTYPE_BYTES[self.dtype]

    @property
    def rows(self) -> int:
        return prod(self.shape[:-1])

    @property
    def columns(self) -> int:
        return self.shape[-1] if self.shape else 1

    @property
    def read_bytes(self) -> int:
        return self.source.n_bytes

    @property
    def place(self) -> Place:
        return place_of(self.source.stored)

    @property
    def copied(self) -> StoredTensor | None:
        """What is copied byte for byte; None for a tensor that is merged, dequantized or of another shape."""
        source = self.source
        if isinstance(source, StoredTensor) and not self.changes and self.shape == source.shape:
            return source
        return None


@dataclass(frozen=True, slots=True)
class Shard:
    """A safetensors file of the output."""

    name: str
    header: bytes
    offset: int
    """Of its first byte in the whole output."""
    n_bytes: int


def lay_out(merge: Merge, base: Checkpoint) -> tuple[tuple[Shard, ...], tuple[MergedTensor, ...]]:
    """`base`: the checkpoint before the merge."""
    groups = _by_file(merge.checkpoint, base)
    shards, tensors, start = list[Shard](), list[MergedTensor](), 0
    for name, names in groups.items():
        drafts = _aligned([_draft(merge, one) for one in names])
        sizes = [draft.n_bytes for draft in drafts]
        entries = ((draft.name, draft.dtype, draft.shape, draft.n_bytes) for draft in drafts)
        header = header_bytes(entries, _FORMAT | read_metadata(base.folder / name))
        first = start + len(header)
        for draft, offset in zip(drafts, accumulate(sizes, initial=first), strict=False):
            tensors.append(MergedTensor(draft.name, draft.dtype, draft.shape, draft.source, draft.changes, offset))
        shards.append(Shard(name, header, start, len(header) + sum(sizes)))
        start += shards[-1].n_bytes
    return tuple(shards), tuple(tensors)


def index_bytes(folder: Path, shards: Sequence[Shard], tensors: Sequence[MergedTensor]) -> Mapping[str, bytes]:
    """The index by its name, as transformers writes it; nothing for a checkpoint in one file that had none."""
    index = folder / INDEX
    if not index.is_file() and [shard.name for shard in shards] == [_WHOLE]:
        return {}
    stored = read_json(index).get("metadata") if index.is_file() else None
    metadata = dict(stored) if isinstance(stored, dict) else {}
    metadata["total_size"] = sum(tensor.n_bytes for tensor in tensors)
    if "total_parameters" in metadata:
        metadata["total_parameters"] = sum(prod(tensor.shape) for tensor in tensors)
    ends = list(accumulate(shard.n_bytes for shard in shards))
    weight_map = {
        tensor.name: next(shard.name for shard, end in zip(shards, ends, strict=True) if tensor.offset < end)
        for tensor in tensors
        if tensor.n_bytes
    }
    whole = {"metadata": metadata, "weight_map": weight_map}
    return {INDEX: (json.dumps(whole, indent=2, sort_keys=True) + "\n").encode()}


def _by_file(merged: Checkpoint, base: Checkpoint) -> dict[str, list[str]]:
    """Names file by file, in the order of their bytes; a file of which nothing is left is left out."""
    groups: dict[str, list[tuple[int, str]]] = {path.name: [] for path in shard_paths(base.folder)}
    last = list(groups)[-1]
    for name in merged.tensors:
        if name in base.tensors:
            stored = base.tensors[name].stored
            assert stored is not None  # a checkpoint computes nothing
            groups[stored.path.name].append((stored.offset, name))
    ordered = {file: [name for _offset, name in sorted(names)] for file, names in groups.items()}
    ordered[last] += [name for name in merged.tensors if name not in base.tensors]
    return {file: names for file, names in ordered.items() if names}


def _draft(merge: Merge, name: str) -> MergedTensor:
    source = merge.checkpoint.tensors[name]
    return MergedTensor(name, source.dtype, merge.shape(name), source, merge.steps.get(name, ()), 0)


def _aligned(drafts: list[MergedTensor]) -> list[MergedTensor]:
    starts = accumulate((draft.n_bytes for draft in drafts), initial=0)
    if all(start % DTYPE_BYTES[draft.dtype] == 0 for start, draft in zip(starts, drafts, strict=False)):
        return drafts
    return sorted(drafts, key=lambda draft: -DTYPE_BYTES[draft.dtype])
