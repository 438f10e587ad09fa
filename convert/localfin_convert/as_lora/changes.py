"""What the adapters add to which tensor of the base. What no LoRA can say is refused by name: it can be merged."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from localfin_convert.adapter import HEAD, Adapter, Change, Merge
from localfin_convert.adapter.changes import AddedBias, LowRank, Replaced, TokenRows, WeightDecomposed
from localfin_convert.architectures import Family, Tensor
from localfin_convert.blocks import BLOCK_ELEMENTS
from localfin_convert.plan import stacked
from localfin_convert.read.positional import OpenFiles
from localfin_convert.read.source import Source
from localfin_models.errors import InputRefused
from localfin_models.language import _

EMBEDDING_OUT = "token_embd.weight"
_WHAT: dict[type, str] = {
    WeightDecomposed: _("DoRA"),
    Replaced: _("a whole tensor (modules_to_save, a resized vocabulary, a trained bias)"),
    TokenRows: _("rows of single tokens"),
    AddedBias: "lora_bias",
}


@dataclass(frozen=True, slots=True)
class Addition:
    """What the adapters add to one tensor of the base, or to one expert's slice of a stacked one."""

    target: Tensor
    parts: tuple[LowRank, ...]
    """One an adapter; of the embedding transposed, as llama.cpp applies it."""
    shape: tuple[int, int]
    """Rows and columns of the base's tensor, of the embedding the other way round."""

    @property
    def name(self) -> str:
        return self.target.name

    @property
    def rank(self) -> int:
        return sum(part.rank for part in self.parts)


def additions(merge: Merge, family: Family) -> list[Addition]:
    """By the base's names, experts where llama.cpp's converter stacks them. Raises InputRefused."""
    parts: dict[str, list[LowRank]] = {}
    for adapter in merge.adapters:
        mine = list(_low_ranks(adapter, merge))
        if not any(part.scale and part.a.any() and part.b.any() for _name, part in mine):
            raise InputRefused(
                _("the adapter {name} changes no weight: it has no effect on this base").format(
                    name=adapter.folder.name
                )
            )
        for name, part in mine:
            parts.setdefault(name, []).append(part)
    _refuse_tied(merge, family, parts)
    return stacked([_addition(name, tuple(found), merge, family) for name, found in sorted(parts.items())], family)


def _addition(name: str, parts: tuple[LowRank, ...], merge: Merge, family: Family) -> Addition:
    target = family.tensor(name)
    if target is None:
        raise InputRefused(_("the adapter changes {name}, which this family does not keep").format(name=name))
    rows, columns = merge.checkpoint.tensors[name].shape
    if target.name != EMBEDDING_OUT:
        return Addition(target, parts, (rows, columns))
    return Addition(target, tuple(LowRank(part.b.T, part.a.T, part.scale) for part in parts), (columns, rows))


def _low_ranks(adapter: Adapter, merge: Merge) -> Iterator[tuple[str, LowRank]]:
    tensors = merge.checkpoint.tensors
    for name, changes in adapter.changes.items():
        if name not in tensors:
            continue  # a tied head, whose changes are those of the embedding
        for change in changes:
            if isinstance(change, LowRank):
                yield name, change
            elif not (isinstance(change, Replaced) and _is_copy(change, tensors[name])):
                raise InputRefused(
                    _("{adapter} changes {name} by {what}, which no LoRA can at run time; leave out --as-lora").format(
                        adapter=adapter.folder.name, name=name, what=_words(change)
                    )
                )


def _words(change: Change) -> str:
    return _WHAT.get(type(change), _("another kind of adapter than LoRA"))


def _is_copy(change: Replaced, stored: Source) -> bool:
    """Whether it is the base's own tensor: peft saves a copy of each embedding that a LoRA targets."""
    if change.stored.shape != stored.shape:
        return False
    count = prod(stored.shape[:-1])
    step = max(1, BLOCK_ELEMENTS // stored.shape[-1])
    with OpenFiles() as files:
        for first in range(0, count, step):
            rows = stored.rows(files, first, min(step, count - first))
            if not np.array_equal(change.merge(rows, first, stored.dtype), rows):
                return False
    return True


def _refuse_tied(merge: Merge, family: Family, parts: Mapping[str, list[LowRank]]) -> None:
    """The one tensor of a tied model is embedding and head at once in llama.cpp, which a LoRA of either is not."""
    changed = next((name for name in (merge.embedding, HEAD) if name in parts), None)
    tied = any(adapter.unties for adapter in merge.adapters) or family.tensor(HEAD) is None
    if changed is not None and tied:
        raise InputRefused(
            _(
                "the adapter changes {name} of a base whose embedding and head are one; llama.cpp cannot apply that at "
                "run time; leave out --as-lora"
            ).format(name=changed)
        )
