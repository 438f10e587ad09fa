"""What is decided before a tensor is read: each output tensor, its source, its changes, its type, its bytes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import prod
from pathlib import Path
from typing import Protocol, TypeVar

import numpy as np
from gguf import GGMLQuantizationType as Type
from gguf import GGUFValueType
from numpy.typing import NDArray

from localfin_convert.adapter import Merge, Step, open_adapters
from localfin_convert.architectures import Family, Tensor, family_of
from localfin_convert.bitsandbytes.trained import onto
from localfin_convert.blocks import Place, place_of
from localfin_convert.fitting import refuse_incomplete, refuse_misfit
from localfin_convert.imatrix import read_imatrix
from localfin_convert.keys import Key
from localfin_convert.metadata import file_type_key, general_keys, imatrix_keys, size_label, version_key
from localfin_convert.prompt_format import resolve_prompt_format
from localfin_convert.provenance import Provenance, provenance_of
from localfin_convert.quantize import ggml, types
from localfin_convert.quantize.importance import Importance, importance_of, unweighed
from localfin_convert.quantize.overrides import read_override, refuse_idle
from localfin_convert.quantize.types import Choice
from localfin_convert.read.checkpoint import Checkpoint, open_checkpoint
from localfin_convert.read.source import Computed, Source
from localfin_convert.request import Request, refuse_unquantized
from localfin_convert.verify.template import check_templates
from localfin_convert.vocabulary import vocabulary_keys
from localfin_convert.vocabulary.files import open_tokenizer_files
from localfin_convert.vocabulary.name import model_name
from localfin_convert.write.gguf_file import ALIGNMENT, Entry, header_bytes, padded
from localfin_models.errors import InputRefused
from localfin_models.language import _

CHAT_TEMPLATE = "tokenizer.chat_template"
COPIED_BYTES = 1 << 20
"""Of a tensor that is copied, at once."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Where a tensor's blocks lie as they will be written."""

    path: Path
    offset: int


@dataclass(frozen=True, slots=True)
class PlannedTensor:
    """A tensor of the output, or one expert's slice of a stacked one: what has one source."""

    name: str
    shape: tuple[int, ...]
    """Rows, columns; columns alone for a vector (the reverse of ggml's order)."""
    source: Source
    changes: tuple[Step, ...]
    heads: int
    """Attention heads whose rows are reordered; 0 for none."""
    shift: float
    """Added to every value."""
    choice: Choice
    offset: int
    """From the start of the output, part after part."""
    n_bytes: int
    importance: NDArray[np.float32] | None = None
    """(columns,), by which the quantizer weighs errors."""
    ready: Ready | None = None
    """Copied from there; None where it is computed."""

    @property
    def columns(self) -> int:
        return self.shape[-1]

    @property
    def rows(self) -> int:
        return prod(self.shape[:-1])

    @property
    def unit(self) -> int:
        """Whole heads where rows are reordered, so that the reordering stays within a block; a good read for a copy."""
        if self.ready is not None:
            return max(1, COPIED_BYTES * self.rows // self.n_bytes)
        return self.rows // self.heads if self.heads and len(self.shape) > 1 else 1

    @property
    def place(self) -> Place:
        ready = self.ready
        return place_of(self.source.stored) if ready is None else Place(str(ready.path), ready.offset)

    @property
    def read_bytes(self) -> int:
        return self.source.n_bytes if self.ready is None else self.n_bytes


@dataclass(frozen=True, slots=True)
class Part:
    """A file of the output."""

    header: bytes
    """With placeholders for the hashes of the inputs (`Provenance.sealed`)."""
    offset: int
    """Of its first byte in the whole output."""
    n_bytes: int


@dataclass(frozen=True, slots=True)
class Plan:
    merge: Merge
    provenance: Provenance
    merge_onto: str
    """`16bit` or `dequantized`."""
    quantization: str
    parts: tuple[Part, ...]
    """The files: one, or those of a split model."""
    tensors: tuple[PlannedTensor, ...]
    """In file order."""
    unweighed: tuple[str, ...] = ()
    """Tensors that are quantized without importance, though an imatrix is given."""

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a user must hear before the first tensor is read."""
        if not self.unweighed:
            return self.provenance.remarks
        line = _("the imatrix has nothing on {count} tensors, such as {name}; they are quantized without").format(
            count=len(self.unweighed), name=self.unweighed[0]
        )
        return (*self.provenance.remarks, line)

    @property
    def total_bytes(self) -> int:
        return sum(part.n_bytes for part in self.parts)

    @property
    def header_bytes(self) -> int:
        """Of the first file, which has the vocabulary."""
        return len(self.parts[0].header)

    @property
    def outputs(self) -> list[tuple[PlannedTensor, ...]]:
        """Output tensor by output tensor: what each is put together from; more than one only for stacked experts."""
        return [tuple(slices) for _name, slices in groupby(self.tensors, key=lambda tensor: tensor.name)]

    @property
    def parameters(self) -> int:
        return sum(prod(tensor.shape) for tensor in self.tensors)

    @property
    def read_bytes(self) -> int:
        return sum(tensor.read_bytes for tensor in self.tensors)

    @property
    def read_files(self) -> set[Path]:
        """All that must not be written to."""
        copied_from = (tensor.ready.path for tensor in self.tensors if tensor.ready is not None)
        return {*(file.path for file in self.provenance.inputs), *copied_from}

    @property
    def copied_bytes(self) -> int:
        """Of tensors that are copied from another GGUF."""
        return sum(tensor.n_bytes for tensor in self.tensors if tensor.ready is not None)


class HasTarget(Protocol):
    """Something that goes into one tensor of the output, or into one expert's slice of it."""

    @property
    def target(self) -> Tensor: ...


Placed = TypeVar("Placed", bound=HasTarget)


@dataclass(frozen=True, slots=True)
class _Draft:
    target: Tensor
    source: Source
    shape: tuple[int, ...]
    changes: tuple[Step, ...] = ()

    @property
    def name(self) -> str:
        return self.target.name


def make_plan(asked: Request) -> Plan:
    """Reads configurations, headers and adapters, no base tensor. Raises NotFound or InputRefused."""
    refuse_unquantized(asked)
    base, merge_onto = onto(open_checkpoint(asked.base), asked.merge_onto)
    base = base.widened() if asked.precision == "f32" else base
    imatrix = None if asked.imatrix is None else read_imatrix(asked.imatrix)
    merge = open_adapters(base, asked.adapters)
    family = family_of(merge.checkpoint.config)
    drafts = _drafts(merge, family)
    if types.is_quantized(asked.quantization):
        drafts.sort(key=lambda draft: types.sort_key(draft.name))
    shapes = _shapes(drafts, family)
    template = resolve_prompt_format(asked.prompt_format, asked.base, [one.folder for one in asked.adapters])
    config = {**merge.checkpoint.config, "vocab_size": family.vocab_size}
    vocabulary = _with_template(vocabulary_keys(merge.tokenizer, config, family.name), template)
    check_templates(vocabulary)
    name = _name(asked.name, merge, vocabulary)
    general = general_keys(asked.base, family.name, name, _size_label(shapes, family), family.first_keys())
    named = [types.Shape(name, shape) for name, shape in shapes.items()]
    choices = _choices(named, family, asked, merge.checkpoint)
    importance = importance_of(imatrix, named, choices)
    provenance = provenance_of(merge, asked.options())
    model = _model_keys(family, asked.quantization, vocabulary)
    weighed = [] if imatrix is None else imatrix_keys(imatrix)
    keys = [*general, *provenance.general_keys(), *model, *weighed, *provenance.own_keys()]
    parts, tensors = _lay_out(keys, drafts, shapes, choices, importance, asked.split_max_bytes)
    without = () if imatrix is None else tuple(unweighed(named, choices, importance))
    return Plan(merge, provenance, merge_onto, asked.quantization, parts, tensors, without)


def _name(name: str, merge: Merge, vocabulary: Sequence[Key]) -> str:
    tokens = next(key.value for key in vocabulary if key.name == "tokenizer.ggml.tokens")
    assert isinstance(tokens, list)
    files = open_tokenizer_files(merge.tokenizer, str(merge.checkpoint.config.get("model_type", "")))
    return model_name(name, files, tokens)


def _drafts(merge: Merge, family: Family) -> list[_Draft]:
    checkpoint = merge.checkpoint
    refuse_incomplete(checkpoint, family)
    drafts = [
        _Draft(Tensor(name), Computed(name, values), values.shape) for name, values in family.extra_tensors().items()
    ]
    for name, stored in checkpoint.tensors.items():
        target = family.tensor(name)
        if target is None:
            if merge.steps.get(name):
                raise InputRefused(_("the adapter changes {name}, which this family does not keep").format(name=name))
            continue
        shape = merge.shape(name)
        refuse_misfit(stored, name, shape, target, family)
        drafts.append(_Draft(target, stored, shape, merge.steps.get(name, ())))
    return stacked(drafts, family)


def stacked(drafts: Sequence[Placed], family: Family) -> list[Placed]:
    """The slices of each stacked tensor side by side, where llama.cpp's converter meets the last of their layer."""
    layers = [draft.target.name.partition(".ffn_")[0] for draft in drafts]
    last = {
        layer: at
        for at, (layer, draft) in enumerate(zip(layers, drafts, strict=True))
        if draft.target.expert is not None
    }

    def place(item: tuple[int, Placed]) -> tuple[int, int, int]:
        at, draft = item
        if draft.target.expert is None:
            return at, 0, 0
        kind = draft.target.name.split(".")[2]
        return last[layers[at]], family.expert_order.index(kind), draft.target.expert

    return [draft for _at, draft in sorted(enumerate(drafts), key=place)]


def _shapes(drafts: list[_Draft], family: Family) -> dict[str, tuple[int, ...]]:
    """Of each output tensor, in file order. Raises InputRefused where a stack is not whole or a name stands twice."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, group in groupby(drafts, key=lambda draft: draft.name):
        parts = list(group)
        first = parts[0].shape
        stack = parts[0].target.expert is not None
        numbers = [part.target.expert for part in parts]
        if name in shapes or numbers != (list(range(family.experts)) if stack else [None]):
            raise InputRefused(_("the checkpoint holds {name} twice, or not all of its experts").format(name=name))
        if any(part.shape != first for part in parts):
            raise InputRefused(_("the experts in {name} differ in shape").format(name=name))
        shapes[name] = (len(parts), *first) if stack else first
    return shapes


def _size_label(shapes: Mapping[str, tuple[int, ...]], family: Family) -> str:
    total = sum(prod(shape) for shape in shapes.values())
    return size_label(total, sum(prod(shape) for shape in shapes.values() if len(shape) == 3), family.experts)


def _model_keys(family: Family, quantized_as: str, vocabulary: list[Key]) -> list[Key]:
    version, file_type = version_key(), file_type_key(quantized_as)
    hyper = family.hyperparameters()
    if types.is_quantized(quantized_as):  # llama.cpp's quantizer takes both out and appends them
        return [*hyper, *family.family_keys(), *vocabulary, version, file_type]
    return [*hyper, file_type, *family.family_keys(), version, *vocabulary]


def _with_template(vocabulary: list[Key], template: str | None) -> list[Key]:
    if template is None:
        return vocabulary
    key = Key(CHAT_TEMPLATE, template, GGUFValueType.STRING, None)
    if all(found.name != CHAT_TEMPLATE for found in vocabulary):
        return [*vocabulary, key]
    return [key if found.name == CHAT_TEMPLATE else found for found in vocabulary]


def _choices(
    tensors: Sequence[types.Shape], family: Family, asked: Request, checkpoint: Checkpoint
) -> dict[str, Choice]:
    matrices = (tensor.dtype for tensor in checkpoint.tensors.values() if len(tensor.shape) > 1)
    auto = Type.F32 if asked.precision == "f32" else types.intermediate_type(matrices)
    overrides = tuple(map(read_override, asked.tensor_types))
    refuse_idle(overrides, [tensor.name for tensor in tensors if types.may_quantize(tensor)])
    context = types.Context(
        family.layers, family.is_70b, family.experts, family.heads // family.kv_heads, asked.imatrix is not None,
        overrides,
    )  # fmt: skip
    return types.choose(tensors, asked.quantization, auto, context)


def _lay_out(
    keys: list[Key],
    drafts: list[_Draft],
    shapes: Mapping[str, tuple[int, ...]],
    choices: Mapping[str, Choice],
    importance: Importance,
    split_max_bytes: int | None,
) -> tuple[tuple[Part, ...], tuple[PlannedTensor, ...]]:
    """Headers, and what goes where. An expert's slice follows that of the expert before it."""
    sizes = {
        name: padded(ggml.row_bytes(choices[name].final, shape[-1]) * prod(shape[:-1]))
        for name, shape in shapes.items()
    }
    groups = _groups(sizes, split_max_bytes)
    parts, offsets, start = list[Part](), dict[str, int](), 0
    for number, names in enumerate(groups):
        entries, position = list[Entry](), 0
        for name in names:
            entries.append(Entry(name, shapes[name], choices[name].final, position))
            position += sizes[name]
        split = _split_keys(number, len(groups), len(shapes)) if len(groups) > 1 else []
        header = header_bytes([*keys, *split] if number == 0 else split, entries)
        assert len(header) % ALIGNMENT == 0
        offsets |= {entry.name: start + len(header) + entry.offset for entry in entries}
        parts.append(Part(header, start, len(header) + position))
        start += len(header) + position
    tensors = list[PlannedTensor]()
    for draft in drafts:
        target, shape, choice = draft.target, draft.shape, choices[draft.name]
        size = ggml.row_bytes(choice.final, shape[-1]) * prod(shape[:-1])
        offset = offsets[draft.name] + (target.expert or 0) * size
        weights = importance.get(draft.name)
        planned = PlannedTensor(
            draft.name, shape, draft.source, draft.changes, target.heads, target.shift, choice, offset, size,
            None if weights is None else weights[target.expert or 0],
        )  # fmt: skip
        tensors.append(planned)
    return tuple(parts), tuple(tensors)


def _groups(sizes: Mapping[str, int], most: int | None) -> list[list[str]]:
    """Names file by file, as `llama-gguf-split --split-max-size` cuts: before the tensor that would exceed `most`."""
    groups, held = [list[str]()], 0
    for name, size in sizes.items():
        if most is not None and groups[-1] and held + size > most:
            groups.append([])
            held = 0
        groups[-1].append(name)
        held += size
    return groups


def _split_keys(number: int, count: int, tensors: int) -> list[Key]:
    return [
        Key("split.no", number, GGUFValueType.UINT16),
        Key("split.tensors.count", tensors, GGUFValueType.INT32),
        Key("split.count", count, GGUFValueType.UINT16),
    ]


def types_summary(plan: Plan) -> dict[Type, int]:
    """Bytes by type, largest first."""
    totals: dict[Type, int] = {}
    for tensor in plan.tensors:
        totals[tensor.choice.final] = totals.get(tensor.choice.final, 0) + tensor.n_bytes
    return dict(sorted(totals.items(), key=lambda item: -item[1]))
