"""base + adapters -> a merged checkpoint: a Hugging Face folder like the base's, for programs that read no GGUF.

`plan.py` decides what stands in the folder, `shards.py` lays out the tensors, `files.py` and `card.py` make what stands
beside them; blocks are merged in `rows.py`, by the arithmetic of every conversion.
"""

import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from localfin_convert.adapter import Weighted, weighted
from localfin_convert.as_safetensors.plan import SafetensorsPlan, SafetensorsRequest, plan_digest, plan_safetensors
from localfin_convert.as_safetensors.rows import merge_block
from localfin_convert.estimate import MEMORY, threads_within
from localfin_convert.provenance.inputs import InputHashes
from localfin_convert.stream import Progress, refuse_unchanged, write_tensors
from localfin_convert.write.folder import (
    OpenFolder,
    folder_journal,
    refuse_existing_folder,
    stale_files,
    whole_folder,
)
from localfin_convert.write.journal import Journal, is_of_plan
from localfin_convert.write.output import Span, Written, refuse_full
from localfin_models.cores import available_cores
from localfin_models.errors import InputRefused
from localfin_models.language import _
from localfin_models.manifest import IN_FOLDER, HashedFile, manifest_path

__all__ = [
    "SafetensorsPlan", "SafetensorsReport", "SafetensorsRequest", "carry_out", "planned_for", "write_safetensors",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class SafetensorsReport:
    """The merged checkpoint that was made."""

    out: Path
    """The folder."""
    files: tuple[Written, ...]
    """All but the manifest; the shards first."""
    parameters: int
    changed: int
    """Weights the adapters changed, after rounding."""
    seconds: float
    licences: tuple[str, ...]
    """Of base and adapters."""
    remarks: tuple[str, ...]
    """What a user must hear."""

    @property
    def n_bytes(self) -> int:
        return sum(file.n_bytes for file in self.files)

    @property
    def manifest(self) -> Path:
        return manifest_path(self.out)


def write_safetensors(
    base: Path,
    adapters: Sequence[Path | Weighted],
    out: Path,
    *,
    prompt_format: str | None = None,
    merge_onto: str | None = None,
    force: bool = False,
    resume: bool = False,
    threads: int | None = None,
    memory: int = MEMORY,
    progress: Progress | None = None,
    remark: Callable[[str], None] | None = None,
) -> SafetensorsReport:
    """Merge `adapters` into `base` and write a Hugging Face folder; `out` appears only when whole.

    Options as those of `convert`; without adapters only a dequantized base can be written. `force` replaces nothing but
    a folder that was made so. Raises NotFound, InputRefused, NotEnough or IntegrityFailed; nothing is left behind then.
    """
    asked = SafetensorsRequest(base, weighted(adapters), prompt_format, merge_onto)
    return carry_out(
        asked, out, force=force, resume=resume, threads=threads, memory=memory, progress=progress, remark=remark
    )


def carry_out(
    asked: SafetensorsRequest,
    out: Path,
    *,
    force: bool = False,
    resume: bool = False,
    threads: int | None = None,
    memory: int = MEMORY,
    progress: Progress | None = None,
    remark: Callable[[str], None] | None = None,
) -> SafetensorsReport:
    """What `write_safetensors` does, of a request."""
    started, threads = time.monotonic(), threads or available_cores()
    plan = planned_for(asked, out, force=force)
    threads = threads_within(memory, plan.tensors, plan.header_bytes, threads)
    digest = plan_digest(plan)
    resume = resume and is_of_plan(folder_journal(out), digest)
    if remark is not None:
        for line in plan.remarks:
            remark(line)
    sizes = {shard.name: shard.n_bytes for shard in plan.shards}
    with (
        whole_folder(out, sizes, plan.total_bytes, force=force, resume=resume) as folder,
        InputHashes(plan.provenance.inputs, threads) as hashes,
    ):
        with closing(Journal(folder.journal, plan.tensors, digest, folder.tensors, resume=resume)) as journal:
            spans, changed = write_tensors(
                plan.tensors, merge_block, folder.tensors, journal, threads, progress, hashes.follow
            )
        refuse_unchanged(plan.merge.adapters, changed)
        spans += _write_headers(plan, folder)
        shards = map(HashedFile, sizes, sizes.values(), folder.tensors.hash_back(spans))
        made = (*shards, *(folder.add(name, content) for name, content in plan.files.items()))
        results = {"parameters": plan.parameters, "changed": changed.total()}
        folder.add(
            IN_FOLDER, plan.provenance.manifest(made, hashes.result(), **results).json().encode("utf-8", "replace")
        )
    files = tuple(Written(out / file.name, file.n_bytes, file.sha256) for file in made)
    licences = tuple(licence.key for licence in plan.provenance.licences)
    seconds = time.monotonic() - started
    return SafetensorsReport(out, files, plan.parameters, changed.total(), seconds, licences, plan.remarks)


def planned_for(asked: SafetensorsRequest, out: Path, *, force: bool) -> SafetensorsPlan:
    """The plan, where `out` may be made of it. Raises as `write_safetensors` does."""
    refuse_existing_folder(out, force=force)
    own = next((path for path in (asked.base, *(one.folder for one in asked.adapters)) if _same(path, out)), None)
    if own is not None:
        raise InputRefused(_("{out} is what is to be read; give another name").format(out=out))
    plan = plan_safetensors(asked, out.name)
    refuse_full(out.parent, plan.total_bytes, stale_files(out))
    return plan


def _same(path: Path, out: Path) -> bool:
    return path.exists() and out.exists() and path.samefile(out)


def _write_headers(plan: SafetensorsPlan, folder: OpenFolder) -> list[Span]:
    """Last of all: until then no shard can be taken for a whole one."""
    for shard in plan.shards:
        folder.tensors.write(shard.header, shard.offset)
    return [Span(shard.offset, len(shard.header), zlib.crc32(shard.header)) for shard in plan.shards]
