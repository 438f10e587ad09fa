"""What stands in the folder of a merged checkpoint, decided before a tensor is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path

from gguf import GGUFValueType

from localfin_convert.adapter import Merge, Weighted, open_adapters
from localfin_convert.architectures import Family, family_of
from localfin_convert.as_safetensors.card import card_text
from localfin_convert.as_safetensors.files import (
    Content,
    carried,
    config_bytes,
    dropped_code,
    input_files,
    licence_files,
)
from localfin_convert.as_safetensors.shards import MergedTensor, Shard, index_bytes, lay_out
from localfin_convert.bitsandbytes.trained import onto
from localfin_convert.fitting import refuse_incomplete, refuse_misfit
from localfin_convert.keys import Key
from localfin_convert.prompt_format import BASE, SEED, resolve_prompt_format
from localfin_convert.provenance import Provenance, provenance_of
from localfin_convert.read.checkpoint import open_checkpoint
from localfin_convert.verify.template import check_templates
from localfin_convert.vocabulary.files import open_tokenizer_files
from localfin_convert.vocabulary.size import token_count
from localfin_convert.vocabulary.templates import CHAT_TEMPLATE
from localfin_convert.write.journal import digest_of
from localfin_models.errors import InputRefused
from localfin_models.language import _


@dataclass(frozen=True, slots=True)
class SafetensorsRequest:
    """What is asked for, as in `plan.Request`."""

    base: Path
    adapters: tuple[Weighted, ...]
    prompt_format: str | None = None
    merge_onto: str | None = None

    def options(self) -> dict[str, object]:
        """Those that are not at their default, by name; a file among them as its path."""
        given: dict[str, object] = {"to": "safetensors"}
        if self.prompt_format is not None:
            named = self.prompt_format in (SEED, BASE)
            given["prompt_format"] = self.prompt_format if named else Path(self.prompt_format)
        return given if self.merge_onto is None else {**given, "merge_onto": self.merge_onto}


@dataclass(frozen=True, slots=True)
class SafetensorsPlan:
    merge: Merge
    provenance: Provenance
    merge_onto: str
    """`16bit` or `dequantized`."""
    shards: tuple[Shard, ...]
    tensors: tuple[MergedTensor, ...]
    """Shard by shard, in the order of their bytes."""
    files: Mapping[str, Content]
    """What stands beside the shards, but for the manifest."""
    remarks: tuple[str, ...]
    """What a user must hear."""

    @property
    def header_bytes(self) -> int:
        """Of all shards."""
        return sum(len(shard.header) for shard in self.shards)

    @property
    def total_bytes(self) -> int:
        small = (
            len(content) if isinstance(content, bytes) else content.stat().st_size for content in self.files.values()
        )
        return sum(shard.n_bytes for shard in self.shards) + sum(small)

    @property
    def parameters(self) -> int:
        return sum(prod(tensor.shape) for tensor in self.tensors)

    @property
    def read_bytes(self) -> int:
        return sum(tensor.read_bytes for tensor in self.tensors)


def plan_safetensors(asked: SafetensorsRequest, name: str) -> SafetensorsPlan:
    """Reads configurations, headers and adapters, no base tensor. Raises NotFound or InputRefused."""
    base, merge_onto = onto(open_checkpoint(asked.base), asked.merge_onto)
    if not asked.adapters and merge_onto != "dequantized":
        raise InputRefused(_("nothing to merge: name an adapter with -a FOLDER"))
    merge = open_adapters(base, asked.adapters)
    _refuse_unfit(merge, family_of(merge.checkpoint.config))
    adapters = [adapter.folder for adapter in merge.adapters]
    template = _template(asked, merge)
    shards, tensors = lay_out(merge, base)
    files: dict[str, Content] = {
        **index_bytes(base.folder, shards, tensors),
        "config.json": config_bytes(base, merge),
        **carried(base.folder, merge.tokenizer, template),
        **licence_files(base.folder, adapters),
    }
    provenance = provenance_of(merge, asked.options(), input_files(files, base.folder, adapters))
    files["README.md"] = card_text(provenance, merge_onto, name).encode("utf-8", "replace")
    remarks = (*provenance.remarks, *dropped_code([base.folder, merge.tokenizer]))
    return SafetensorsPlan(merge, provenance, merge_onto, shards, tensors, files, remarks)


def plan_digest(plan: SafetensorsPlan) -> str:
    return digest_of(
        (shard.name.encode() + shard.header for shard in plan.shards),
        ((tensor.source, tensor.name.encode(), tensor.changes) for tensor in plan.tensors),
    )


def _refuse_unfit(merge: Merge, family: Family) -> None:
    checkpoint = merge.checkpoint
    family.hyperparameters()  # raises for values of config.json that no model can have
    refuse_incomplete(checkpoint, family)
    for name, stored in checkpoint.tensors.items():
        target = family.tensor(name)
        if target is not None:
            refuse_misfit(stored, name, merge.shape(name), target, family)
        elif merge.steps.get(name) and name != family.head:  # GGUF has no place for some heads; a checkpoint does
            raise InputRefused(_("the adapter changes {name}, which this family does not keep").format(name=name))
    kind = str(checkpoint.config.get("model_type", family.name))
    open_tokenizer_files(merge.tokenizer, kind)
    known = token_count(merge.tokenizer, kind)
    if known > family.vocab_size and merge.tokenizer != checkpoint.folder:  # a base may be published so
        raise InputRefused(
            _("the tokenizer in {folder} knows {known} tokens, the model {rows}").format(
                folder=merge.tokenizer.name, known=known, rows=family.vocab_size
            )
        )


def _template(asked: SafetensorsRequest, merge: Merge) -> str | None:
    """The one that is chosen, if it takes a question; None for those of the tokenizer."""
    template = resolve_prompt_format(asked.prompt_format, asked.base, [one.folder for one in asked.adapters])
    if template is not None:
        check_templates([Key(CHAT_TEMPLATE, template, GGUFValueType.STRING)])
    return template
