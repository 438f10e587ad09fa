"""What is decided before a tensor is read: each output tensor, its source, its changes, its type, its bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFValueType
from numpy.typing import NDArray

from localfin_convert import ggml, quantization
from localfin_convert.adapter import EMBEDDING, HEAD, Merge, Step, Weighted, open_adapters
from localfin_convert.architectures import Family, family_of
from localfin_convert.checkpoint import Checkpoint, open_checkpoint
from localfin_convert.gguf_file import ALIGNMENT, Entry, header_bytes, padded
from localfin_convert.keys import Key
from localfin_convert.metadata import file_type_key, general_keys, version_key
from localfin_convert.numbers import FLOATS
from localfin_convert.prompt_format import resolve_prompt_format
from localfin_convert.quantization import Choice
from localfin_convert.safetensors_file import StoredTensor
from localfin_convert.vocabulary import vocabulary_keys
from localfin_models.errors import InputRefused
from localfin_models.language import _

CHAT_TEMPLATE = "tokenizer.chat_template"


@dataclass(frozen=True, slots=True)
class PlannedTensor:
    name: str
    shape: tuple[int, ...]
    """Rows, columns; columns alone for a vector (the reverse of ggml's order)."""
    source: StoredTensor | NDArray[np.float32]
    """A stored tensor, or one computed at planning time."""
    changes: tuple[Step, ...]
    heads: int
    """Attention heads whose rows are reordered; 0 for none."""
    choice: Choice
    offset: int
    """From the start of the output file."""
    n_bytes: int

    @property
    def columns(self) -> int:
        return self.shape[-1]

    @property
    def rows(self) -> int:
        return prod(self.shape[:-1])

    @property
    def read_bytes(self) -> int:
        return self.source.n_bytes if isinstance(self.source, StoredTensor) else 0


@dataclass(frozen=True, slots=True)
class Plan:
    merge: Merge
    quantization: str
    header: bytes
    tensors: tuple[PlannedTensor, ...]
    """In file order."""
    total_bytes: int

    @property
    def parameters(self) -> int:
        return sum(prod(tensor.shape) for tensor in self.tensors)

    @property
    def read_bytes(self) -> int:
        return sum(tensor.read_bytes for tensor in self.tensors)


@dataclass(frozen=True, slots=True)
class _Draft:
    name: str
    source: StoredTensor | NDArray[np.float32]
    shape: tuple[int, ...]
    changes: tuple[Step, ...]
    heads: int


def make_plan(
    base: Path, adapters: Sequence[Path | Weighted], quantized_as: str, prompt_format: str | None, *, name: str
) -> Plan:
    """Reads configurations, headers and adapters, no base tensor. Raises NotFound or InputRefused."""
    asked = [adapter if isinstance(adapter, Weighted) else Weighted(adapter) for adapter in adapters]
    merge = open_adapters(open_checkpoint(base), asked)
    family = family_of(merge.checkpoint.config)
    drafts = _drafts(merge, family)
    if quantization.is_quantized(quantized_as):
        drafts.sort(key=lambda draft: quantization.sort_key(draft.name))
    elements = sum(prod(draft.shape) for draft in drafts)
    template = resolve_prompt_format(prompt_format, base, [one.folder for one in asked])
    vocabulary = _with_template(vocabulary_keys(merge.tokenizer, merge.checkpoint.config, family.name), template)
    keys = [*general_keys(base, family.name, name, elements), *_model_keys(family, quantized_as, vocabulary)]
    choices = _choices(drafts, family, quantized_as, merge.checkpoint)
    header, tensors, total = _lay_out(keys, drafts, choices)
    return Plan(merge, quantized_as, header, tensors, total)


def _drafts(merge: Merge, family: Family) -> list[_Draft]:
    checkpoint = merge.checkpoint
    missing = next((name for name in family.required() if name not in checkpoint.tensors), None)
    if missing is not None:
        raise InputRefused(
            _("{name} lacks the tensor {missing!r}; a shard may be missing").format(
                name=checkpoint.folder.name, missing=missing
            )
        )
    drafts = [_Draft(name, values, values.shape, (), 0) for name, values in family.extra_tensors().items()]
    for name, stored in checkpoint.tensors.items():
        target = family.tensor(name)
        if target is None:
            continue
        shape = merge.shape(name)
        _check(stored, name, shape, target.heads, family)
        drafts.append(_Draft(target.name, stored, shape, merge.steps.get(name, ()), target.heads))
    return drafts


def _check(stored: StoredTensor, name: str, shape: tuple[int, ...], heads: int, family: Family) -> None:
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
    if heads and stored.shape[0] != heads * family.head_dim:
        raise InputRefused(
            _("tensor {name} has {rows} rows where config.json says {heads} heads of {head_dim}").format(
                name=stored.name, rows=stored.shape[0], heads=heads, head_dim=family.head_dim
            )
        )
    if name in (EMBEDDING, HEAD) and shape != (family.vocab_size, family.hidden):
        raise InputRefused(
            _("tensor {name} is {shape} where config.json says {expected}").format(
                name=name, shape=list(shape), expected=[family.vocab_size, family.hidden]
            )
        )


def _model_keys(family: Family, quantized_as: str, vocabulary: list[Key]) -> list[Key]:
    version, file_type = version_key(), file_type_key(quantized_as)
    hyper = family.hyperparameters()
    if quantization.is_quantized(quantized_as):  # llama.cpp's quantizer takes both out and appends them
        return [*hyper, *family.family_keys(), *vocabulary, version, file_type]
    return [*hyper, file_type, *family.family_keys(), version, *vocabulary]


def _with_template(vocabulary: list[Key], template: str | None) -> list[Key]:
    if template is None:
        return vocabulary
    key = Key(CHAT_TEMPLATE, template, GGUFValueType.STRING, None)
    if all(found.name != CHAT_TEMPLATE for found in vocabulary):
        return [*vocabulary, key]
    return [key if found.name == CHAT_TEMPLATE else found for found in vocabulary]


def _choices(drafts: list[_Draft], family: Family, quantized_as: str, checkpoint: Checkpoint) -> dict[str, Choice]:
    matrices = (tensor.dtype for tensor in checkpoint.tensors.values() if len(tensor.shape) > 1)
    auto = quantization.intermediate_type(matrices)
    context = quantization.Context(family.layers, family.layers == 80 and family.heads != family.kv_heads)
    shapes = [quantization.Shape(draft.name, draft.shape) for draft in drafts]
    return quantization.choose(shapes, quantized_as, auto, context)


def _lay_out(
    keys: list[Key], drafts: list[_Draft], choices: Mapping[str, Choice]
) -> tuple[bytes, tuple[PlannedTensor, ...], int]:
    entries, sizes, position = list[Entry](), list[int](), 0
    for draft in drafts:
        shape, kind = draft.shape, choices[draft.name].final
        size = ggml.row_bytes(kind, shape[-1]) * prod(shape[:-1])
        entries.append(Entry(draft.name, shape, kind, position))
        sizes.append(size)
        position += padded(size)
    header = header_bytes(keys, entries)
    tensors = tuple(
        PlannedTensor(
            draft.name, entry.shape, draft.source, draft.changes, draft.heads, choices[draft.name],
            len(header) + entry.offset, size,
        )
        for draft, entry, size in zip(drafts, entries, sizes, strict=True)
    )  # fmt: skip
    assert len(header) % ALIGNMENT == 0
    return header, tensors, len(header) + position


def types_summary(plan: Plan) -> dict[Type, int]:
    """Bytes by type, largest first."""
    totals: dict[Type, int] = {}
    for tensor in plan.tensors:
        totals[tensor.choice.final] = totals.get(tensor.choice.final, 0) + tensor.n_bytes
    return dict(sorted(totals.items(), key=lambda item: -item[1]))
