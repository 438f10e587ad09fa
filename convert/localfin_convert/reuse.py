"""`--onto BASE.gguf`: tensors that no adapter changes are copied from a GGUF that was made of the same base.

Nothing is believed. Blocks of every tensor that is to be copied are computed beforehand and must be the same: one of
each where the file says what it was made of (`localfin.inputs`), and then the SHA-256 of the base's files must be those
it names; three of each where it does not say so. What has another type or shape there is computed.
"""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from localfin_convert.blocks import Block, block_at
from localfin_convert.merge import convert_block
from localfin_convert.plan import Plan, PlannedTensor, Ready
from localfin_convert.provenance.inputs import InputFile
from localfin_convert.read.positional import OpenFiles
from localfin_models.errors import InputRefused
from localfin_models.gguf_header import GgufHeader, TensorInfo, check_gguf, read_header
from localfin_models.language import _

_INPUTS = ("localfin.inputs", "localfin.inputs.sha256")
_SHAPING = ("merge_onto", "precision", "imatrix")
"""Options that change the bytes of a tensor which no adapter touches, its type apart."""


@dataclass(frozen=True, slots=True)
class Donor:
    """A GGUF whose blocks may be copied."""

    header: GgufHeader
    inputs: Mapping[str, str]
    """SHA-256 of what it was made of, by name; empty where it does not say."""

    def prove(self, plan: Plan, sha256: Mapping[InputFile, str]) -> None:
        """Raises InputRefused where the file names other inputs than these of the conversion."""
        if not self.inputs:
            return
        mine = {file.name: digest for file, digest in sha256.items()}
        if _shaping(mine) != _shaping(self.inputs):
            raise self._refusal(_("its header names another base"))
        imatrix = f"option/{plan.provenance.options.get('imatrix')}"
        if mine.get(imatrix) != self.inputs.get(imatrix):
            raise self._refusal(_("it was made with another {option}").format(option="--imatrix"))

    def give_to(self, plan: Plan, threads: int) -> Plan:
        """`plan` with tensors to be copied, after the samples. Raises InputRefused where this is of another base."""
        self._refuse_other_options(plan)
        stored = dict(self._tensors())
        nothing = None, self.header.path
        tensors = tuple(
            tensor for slices in plan.outputs for tensor in _with_ready(slices, *stored.get(slices[0].name, nothing))
        )
        copied = [tensor for tensor in tensors if tensor.ready is not None]
        if not copied:
            raise self._refusal(_("it holds no tensor that could be copied: its types or shapes are others"))
        with OpenFiles() as files, ThreadPoolExecutor(threads, "sample") as pool:
            equal = pool.map(partial(_is_equal, files=files), (block for one in copied for block in self._samples(one)))
            if not all(equal):
                raise self._refusal(_("its blocks are not those that the base gives"))
        return replace(plan, tensors=tensors)

    def _tensors(self) -> Iterator[tuple[str, tuple[TensorInfo, Path]]]:
        """With the file that each lies in."""
        for path in (self.header.path, *self.header.others):
            with path.open("rb") as file:
                for tensor in read_header(file, path, architecture=path == self.header.path).tensors:
                    yield tensor.name, (tensor, path)

    def _refuse_other_options(self, plan: Plan) -> None:
        keys = self.header.keys
        if keys.get("localfin.adapter.count", 0) != 0:
            raise self._refusal(_("adapters were merged into it"))
        try:
            made_with = json.loads(str(keys.get("localfin.options", "{}")))
        except (ValueError, RecursionError):
            made_with = None
        if not isinstance(made_with, dict):
            raise self._refusal(_("its header cannot be read"))
        mine = plan.provenance.options
        other = next((name for name in _SHAPING if self.inputs and made_with.get(name) != mine.get(name)), None)
        if other is not None:
            raise self._refusal(_("it was made with another {option}").format(option="--" + other.replace("_", "-")))

    def _samples(self, tensor: PlannedTensor) -> Iterator[Block[PlannedTensor]]:
        last = tensor.rows - 1
        for row in (0,) if self.inputs else sorted({0, last // 2, last}):
            yield replace(block_at(replace(tensor, ready=None), row), tensor=tensor)

    def _refusal(self, reason: str) -> InputRefused:
        return InputRefused(
            _("--onto {file}: {reason}; make it anew from this base, or leave --onto out").format(
                file=self.header.path, reason=reason
            )
        )


def open_donor(path: Path) -> Donor:
    """Raises NotFound or InputRefused."""
    header = check_gguf(path)
    with path.open("rb") as file:
        texts = read_header(file, path, texts=_INPUTS).texts
    names, digests = (texts.get(key, ()) for key in _INPUTS)
    return Donor(header, dict(zip(names, digests, strict=False)))


def _with_ready(slices: tuple[PlannedTensor, ...], stored: TensorInfo | None, path: Path) -> Iterator[PlannedTensor]:
    """Of one output tensor: an expert's slice lies in its stack as in the output's."""
    first, count = slices[0], len(slices)
    shape = (count, *first.shape) if count > 1 else first.shape
    fits = stored is not None and stored.type == first.choice.final and stored.shape == tuple(reversed(shape))
    for number, tensor in enumerate(slices):
        if fits and stored is not None and not tensor.changes and tensor.source.n_bytes:
            yield replace(tensor, ready=Ready(path, stored.offset + number * tensor.n_bytes))
        else:
            yield tensor


def _is_equal(block: Block[PlannedTensor], files: OpenFiles) -> bool:
    computed = replace(block, tensor=replace(block.tensor, ready=None))
    return convert_block(computed, files).data.tobytes() == convert_block(block, files).data.tobytes()


def _shaping(sha256: Mapping[str, str]) -> list[str]:
    """Of what a tensor's bytes follow from: the base's configuration, and its shards under whatever names."""
    shards = (digest for name, digest in sha256.items() if name.startswith("base/") and name.endswith(".safetensors"))
    return [sha256.get("base/config.json", ""), *sorted(shards)]
