"""The adapters together on one base: who changes which tensor in what order, what becomes of its vocabulary and head.

Adapters are merged in the order given, each with its scale multiplied by its weight: peft's
`layer.set_scale(adapter, weight)` for every layer, then `merge_and_unload(adapter_names=[…])`.

A tied model has one tensor for embedding and head. It stays tied where peft trains it so: rows of single tokens,
embeddings that were resized, `ensure_weight_tying`. In every other case the trained model used two different
matrices, and the merge has two: peft's own merge of such a LoRA would add both deltas to the one shared tensor,
and warns of it; this equals peft's merge onto the untied base, as that warning advises.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from localfin_convert.adapter.changes import Change, Replaced, TokenRows, WeightDecomposed
from localfin_convert.adapter.folder import Folder, Weighted, open_folder
from localfin_convert.adapter.kinds import ALONE, TOGETHER, why_not
from localfin_convert.adapter.lora import read_lora
from localfin_convert.adapter.through_peft import ThroughPeft, read_through_peft
from localfin_convert.adapter.tokens import tokens_as_lora
from localfin_convert.adapter.whole import Found
from localfin_convert.architectures import family_of
from localfin_convert.read.checkpoint import Checkpoint
from localfin_convert.read.positional import read_at
from localfin_convert.read.safetensors_file import StoredTensor
from localfin_convert.read.source import Source
from localfin_convert.vocabulary.size import token_count
from localfin_models.errors import InputRefused
from localfin_models.language import _

HEAD = "lm_head.weight"
_COMPARED = 1 << 22  # bytes read at a time


@dataclass(frozen=True, slots=True)
class Step:
    """One adapter's change of one tensor."""

    adapter: int
    """Its place in `Merge.adapters`."""
    change: Change


@dataclass(frozen=True, slots=True)
class Adapter:
    folder: Path
    weight: float
    changes: dict[str, tuple[Change, ...]]
    """By the name of the base tensor they change."""
    unties: bool
    """Whether embedding and head of a tied base differ after it."""


@dataclass(frozen=True, slots=True)
class Merge:
    checkpoint: Checkpoint
    """The base as it will stand: vocab_size after resizing, a head of its own where it no longer is tied."""
    adapters: tuple[Adapter, ...]
    steps: Mapping[str, tuple[Step, ...]]
    """By the name of the checkpoint's tensor, in the order of merging."""
    rows: int | None
    """Of embedding and head, where the adapters resized the vocabulary."""
    embedding: str
    """The name of the checkpoint's input embedding."""
    tokenizer: Path
    """The folder whose tokenizer fits the merged model: the base's, or that of the adapter that added tokens."""

    def shape(self, name: str) -> tuple[int, ...]:
        """The merged tensor's."""
        shape = self.checkpoint.tensors[name].shape
        return shape if self.rows is None or name not in (self.embedding, HEAD) else (self.rows, *shape[1:])


def open_adapters(checkpoint: Checkpoint, asked: Sequence[Weighted]) -> Merge:
    """Reads the adapters whole (megabytes; whole tensors only their headers) and fits them to the base.

    Raises NotFound without a folder; InputRefused for an unsupported kind, a tensor that matches nothing, a shape that
    shows another base, a NaN, or adapters that exclude each other.
    """
    embedding = family_of(checkpoint.config).embedding
    if not asked:
        return Merge(checkpoint, (), {}, None, embedding, checkpoint.folder)
    if len({one.folder.resolve() for one in asked}) < len(asked):
        raise InputRefused(_("an adapter is given twice; give it once, with a weight if it shall count for more"))
    tensors = dict(checkpoint.tensors)
    tied = embedding in tensors and (HEAD not in tensors or bool(checkpoint.config.get("tie_word_embeddings")))
    if tied:  # transformers drops a duplicated head when it loads a tied model
        tensors.pop(HEAD, None)
    base = {**tensors, HEAD: tensors[embedding]} if tied else tensors
    adapters = tuple(_open(open_folder(one), checkpoint.config, base, embedding if tied else None) for one in asked)
    if any(adapter.unties for adapter in adapters):
        tensors = {HEAD: tensors[embedding], **tensors}
    steps = {name: found for name in tensors if (found := _steps(name, adapters))}
    for name, found in steps.items():
        _refuse_exclusive(name, found, adapters)
    rows = _vocabulary_rows(tensors, steps, embedding)
    config = checkpoint.config if rows is None else {**checkpoint.config, "vocab_size": rows}
    tokenizer = _tokenizer(checkpoint, adapters)
    if rows is not None and rows > tensors[embedding].shape[0] and tokenizer == checkpoint.folder:
        raise InputRefused(
            _("the adapters grow the vocabulary to {rows} tokens, but bring no tokenizer that names them").format(
                rows=rows
            )
        )
    return Merge(replace(checkpoint, config=config, tensors=tensors), adapters, steps, rows, embedding, tokenizer)


def _open(folder: Folder, config: Mapping[str, Any], base: Mapping[str, Source], tied: str | None) -> Adapter:
    """`config` is the base's; `tied` the name of the embedding that is its head, too, None where they are two."""
    found = _read(folder, config, base)
    whole = found.loaded | found.saved
    assert whole.keys() | found.changes.keys() <= base.keys()
    names = dict.fromkeys((*whole, *found.changes))
    changes = {name: _in_order(whole.get(name), found.changes.get(name, ())) for name in names}
    unties = tied is not None and (tied in names or HEAD in names) and _tie(folder, found, changes, tied)
    if not changes:
        raise InputRefused(_("{name} changes nothing: its file holds no tensor").format(name=folder.name))
    _refuse_weight(folder, changes)
    return Adapter(folder.path, folder.weight, changes, unties)


def _read(folder: Folder, config: Mapping[str, Any], base: Mapping[str, Source]) -> Found:
    kind = str(folder.config.get("peft_type"))[:40]
    if kind == "LORA":
        return read_lora(folder, base)
    if kind == "TRAINABLE_TOKENS":
        return read_lora(tokens_as_lora(folder), base)
    if kind in ALONE or kind in TOGETHER:
        return read_through_peft(folder, config, base)
    reason = why_not(kind)
    if reason is not None:
        raise InputRefused(_("{name} is a {kind} adapter: {reason}").format(name=folder.name, kind=kind, reason=reason))
    known = ", ".join(("LORA", "TRAINABLE_TOKENS", *ALONE, *TOGETHER))
    raise InputRefused(
        _("{name}: peft_type is {kind!r}; known: {known}").format(name=folder.name, kind=kind, known=known)
    )


def _in_order(whole: StoredTensor | None, changes: tuple[Change, ...]) -> tuple[Change, ...]:
    return changes if whole is None else (Replaced(whole), *changes)


def _refuse_weight(folder: Folder, changes: Mapping[str, tuple[Change, ...]]) -> None:
    fixed = next(
        (name for name, own in changes.items() if own and isinstance(own[0], Replaced | TokenRows | ThroughPeft)), None
    )
    if folder.weight != 1 and fixed is not None:
        raise InputRefused(
            _("{name} does not only add to {tensor}, so a weight means nothing there; name it without =WEIGHT").format(
                name=folder.name, tensor=fixed
            )
        )


def _tie(folder: Folder, found: Found, changes: dict[str, tuple[Change, ...]], embedding: str) -> bool:
    """Gives embedding and head of a tied base what each becomes; whether they differ then."""
    loaded = _one(folder, [found.loaded[name] for name in (embedding, HEAD) if name in found.loaded])
    saved = [found.saved[name] for name in (embedding, HEAD) if name in found.saved]
    if folder.config.get("ensure_weight_tying") and len(saved) == 2:
        loaded, saved = _one(folder, saved), []
    first = {name: found.saved.get(name, loaded) if saved else loaded for name in (embedding, HEAD)}
    own = {name: found.changes.get(name, ()) for name in (embedding, HEAD)}
    if all(isinstance(change, TokenRows) for change in own[embedding]) and (
        not own[HEAD] or _same_rows(own[embedding], own[HEAD])
    ):
        own[HEAD] = own[embedding]
    changes |= {name: _in_order(first[name], own[name]) for name in (embedding, HEAD)}
    return first[embedding] is not first[HEAD] or own[embedding] is not own[HEAD]


def _one(folder: Folder, alike: Sequence[StoredTensor]) -> StoredTensor | None:
    if len(alike) == 2 and not _same_bytes(*alike):
        raise InputRefused(_("{name} holds two different embeddings for a model that has one").format(name=folder.name))
    return alike[0] if alike else None


def _same_rows(mine: Sequence[Change], theirs: Sequence[Change]) -> bool:
    return len(mine) == len(theirs) and all(
        isinstance(one, TokenRows)
        and isinstance(other, TokenRows)
        and np.array_equal(one.indices, other.indices)
        and np.array_equal(one.values, other.values)
        for one, other in zip(mine, theirs, strict=True)
    )


def _same_bytes(one: StoredTensor, other: StoredTensor) -> bool:
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        return False
    with one.path.open("rb") as file:
        return all(
            read_at(file, size, one.offset + start) == read_at(file, size, other.offset + start)
            for start in range(0, one.n_bytes, _COMPARED)
            if (size := min(_COMPARED, one.n_bytes - start))
        )


def _steps(name: str, adapters: Sequence[Adapter]) -> tuple[Step, ...]:
    return tuple(
        Step(number, change) for number, adapter in enumerate(adapters) for change in adapter.changes.get(name, ())
    )


def _refuse_exclusive(name: str, steps: Sequence[Step], adapters: Sequence[Adapter]) -> None:
    """What only one adapter can do to a tensor, or only the first."""
    first, owners = steps[0].adapter, {step.adapter for step in steps}
    if len(owners) == 1:
        return
    seen: set[int] = set()
    for step in steps:
        reason = None
        if isinstance(step.change, Replaced):
            reason = _("replaces it whole")
        elif isinstance(step.change, WeightDecomposed | ThroughPeft) and step.adapter != first:
            reason = _("belongs to the unmerged base; name it first")
        elif isinstance(step.change, TokenRows):
            if seen & set(step.change.indices.tolist()):
                reason = _("replaces rows that another one replaces")
            seen |= set(step.change.indices.tolist())
        if reason is not None:
            raise InputRefused(
                _("{count} adapters change {tensor}, and {name} {reason}").format(
                    count=len(owners), tensor=name, name=adapters[step.adapter].folder.name, reason=reason
                )
            )


def _vocabulary_rows(
    tensors: Mapping[str, Source], steps: Mapping[str, tuple[Step, ...]], embedding: str
) -> int | None:
    """Rows of embedding and head after the merge; None where they are the base's."""
    rows = {name: _rows(name, tensors[name], steps.get(name, ())) for name in (embedding, HEAD) if name in tensors}
    if len(set(rows.values())) > 1:
        raise InputRefused(
            _("the adapters resize the vocabulary unevenly: {rows}").format(
                rows=", ".join(f"{name} {count}" for name, count in rows.items())
            )
        )
    return next((count for name, count in rows.items() if count != tensors[name].shape[0]), None)


def _rows(name: str, stored: Source, steps: Sequence[Step]) -> int:
    count = stored.shape[0]
    for step in steps:
        if isinstance(step.change, Replaced):
            count = step.change.stored.shape[0]
    new = np.concatenate(
        [step.change.indices for step in steps if isinstance(step.change, TokenRows)] or [np.array([])]
    )
    new = np.unique(new[new >= count])
    if len(new) and not np.array_equal(new, np.arange(count, count + len(new))):
        raise InputRefused(
            _("the adapters train rows of {name} up to {last}, but not every one from {count} on").format(
                name=name, last=int(new[-1]), count=count
            )
        )
    return count + len(new)


def _tokenizer(checkpoint: Checkpoint, adapters: Sequence[Adapter]) -> Path:
    """The base's folder, or that of the adapter whose tokenizer knows more tokens."""
    kind = str(checkpoint.config.get("model_type", ""))
    counts = {adapter.folder: token_count(adapter.folder, kind) for adapter in adapters}
    known = token_count(checkpoint.folder, kind) if any(counts.values()) else 0
    richer = {folder: count for folder, count in counts.items() if count > known}
    if len(set(richer.values())) > 1:
        raise InputRefused(
            _("{adapters} bring different vocabularies; only one can fit").format(
                adapters=", ".join(folder.name for folder in richer)
            )
        )
    return next(iter(richer), checkpoint.folder)
