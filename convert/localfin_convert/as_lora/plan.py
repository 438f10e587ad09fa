"""What a GGUF adapter will hold and where, before it is written. Keys and order are convert_lora_to_gguf.py's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from gguf import GGML_QUANT_SIZES
from gguf import GGMLQuantizationType as Type
from gguf import GGUFValueType as ValueType

from localfin_convert.adapter import Weighted, open_adapters
from localfin_convert.adapter.changes import Rows
from localfin_convert.architectures import Family, family_of
from localfin_convert.as_lora.changes import Addition, additions
from localfin_convert.as_lora.pairs import pair, shared_alpha
from localfin_convert.keys import Key
from localfin_convert.metadata import version_key
from localfin_convert.plan import PlannedTensor
from localfin_convert.provenance import Provenance, provenance_of
from localfin_convert.quantize import ggml
from localfin_convert.quantize.types import Choice
from localfin_convert.read.checkpoint import open_checkpoint
from localfin_convert.read.source import Computed
from localfin_convert.write.gguf_file import Entry, header_bytes, padded
from localfin_models.errors import InputRefused
from localfin_models.language import _

TYPES = {"f32": Type.F32, "f16": Type.F16, "bf16": Type.BF16, "q8_0": Type.Q8_0}
"""What `-q` takes here, as convert_lora_to_gguf.py does; like it f32 by default: a LoRA is small, and f32 exact."""


@dataclass(frozen=True, slots=True)
class LoraPlan:
    """A GGUF adapter before it is written."""

    quantization: str
    alpha: float
    """`adapter.lora.alpha`."""
    provenance: Provenance
    header: bytes
    """With placeholders for the hashes of the inputs (`Provenance.sealed`)."""
    tensors: tuple[PlannedTensor, ...]
    """`NAME.lora_a` and `NAME.lora_b` by turns, in file order; computed, in memory."""
    total_bytes: int

    @property
    def parameters(self) -> int:
        return sum(prod(tensor.shape) for tensor in self.tensors)


def refuse_type(quantization: str) -> None:
    """Raises InputRefused for a type that no LoRA is written as."""
    if quantization not in TYPES:
        raise InputRefused(
            _("a LoRA is written as {types}, not as {quantization}").format(
                types=", ".join(TYPES), quantization=quantization
            )
        )


def plan_lora(base: Path, adapters: Sequence[Weighted], quantization: str, name: str) -> LoraPlan:
    """Reads the adapters whole, of the base configuration and headers. Raises NotFound or InputRefused."""
    refuse_type(quantization)
    if not adapters:
        raise InputRefused(_("no adapter is given; name one with -a FOLDER"))
    merge = open_adapters(open_checkpoint(base), adapters)
    family = family_of(merge.checkpoint.config)
    outputs = _outputs(additions(merge, family), family)
    alpha = shared_alpha(outputs)
    provenance = provenance_of(merge, {"quantization": quantization}, shards=False)
    keys = [
        Key("general.architecture", family.name, ValueType.STRING),
        Key("general.type", "adapter", ValueType.STRING),
        Key("adapter.type", "lora", ValueType.STRING),
        Key("general.name", name, ValueType.STRING),
        Key("adapter.lora.alpha", alpha, ValueType.FLOAT32),
        version_key(),
        *provenance.general_keys(),
        *provenance.own_keys(),
    ]
    pairs = {
        f"{output}.lora_{side}": values
        for output, slices in outputs.items()
        for side, values in zip("ab", pair(slices, alpha), strict=True)
    }
    return _lay_out(keys, pairs, quantization, alpha, provenance)


def _outputs(found: Sequence[Addition], family: Family) -> dict[str, list[Addition]]:
    """By GGUF name, in file order; more than one only for experts, each once."""
    outputs: dict[str, list[Addition]] = {}
    for addition in found:
        outputs.setdefault(addition.name, []).append(addition)
    for name, slices in outputs.items():
        numbers = [addition.target.expert for addition in slices]
        if numbers not in ([None], list(range(family.experts))):
            raise InputRefused(_("the checkpoint holds {name} twice, or not all of its experts").format(name=name))
    return outputs


def _lay_out(
    keys: Sequence[Key], pairs: Mapping[str, Rows], quantization: str, alpha: float, provenance: Provenance
) -> LoraPlan:
    entries, position = list[Entry](), 0
    for name, values in pairs.items():
        kind = _fitting(TYPES[quantization], values.shape[-1])
        entries.append(Entry(name, values.shape, kind, position))
        position += padded(_size(entries[-1]))
    header = header_bytes(keys, entries)
    tensors = tuple(
        PlannedTensor(
            entry.name, entry.shape, Computed(entry.name, pairs[entry.name]), changes=(), heads=0, shift=0.0,
            choice=Choice(Type.F32, entry.kind), offset=len(header) + entry.offset, n_bytes=_size(entry),
        )
        for entry in entries
    )  # fmt: skip
    return LoraPlan(quantization, alpha, provenance, header, tensors, len(header) + position)


def _fitting(kind: Type, columns: int) -> Type:
    """Rows of B are as long as the rank: where q8_0's blocks do not fit, f16, as convert_lora_to_gguf.py does."""
    return kind if columns % GGML_QUANT_SIZES[kind][0] == 0 else Type.F16


def _size(entry: Entry) -> int:
    return ggml.row_bytes(entry.kind, entry.shape[-1]) * prod(entry.shape[:-1])
