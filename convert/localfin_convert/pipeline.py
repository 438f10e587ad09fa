"""base + adapters -> GGUF in one pass: plan, then read, merge, quantize and write block by block, then read back."""

import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from localfin_convert.adapter import Weighted, weighted
from localfin_convert.estimate import MEMORY, threads_within
from localfin_convert.merge import convert_block
from localfin_convert.plan import Plan, make_plan
from localfin_convert.provenance.inputs import InputFile, InputHashes
from localfin_convert.request import PRECISIONS, Request
from localfin_convert.reuse import open_donor
from localfin_convert.stream import Progress, refuse_unchanged, write_tensors
from localfin_convert.verify.verification import Verification, Verifier
from localfin_convert.write.journal import Journal, is_of_plan, plan_digest
from localfin_convert.write.output import (
    Output,
    Span,
    Written,
    journal_path,
    output_paths,
    refuse_existing,
    refuse_inputs,
    refuse_small_disk,
    take_back,
    whole_output,
)
from localfin_models.cores import available_cores
from localfin_models.manifest import HashedFile, manifest_path, staged_manifest


@dataclass(frozen=True, slots=True)
class Report:
    """What was made."""

    files: tuple[Written, ...]
    """One, or the parts of a split model in their order."""
    quantization: str
    parameters: int
    changed: int
    """Weights the adapters changed, after rounding; 0 without adapters."""
    verification: Verification | None
    """What was compared before the file got its name; None where that was not asked for."""
    copied_bytes: int
    """Taken over from the file of `onto`."""
    seconds: float
    manifest: Path
    licences: tuple[str, ...]
    """Of base and adapters."""
    remarks: tuple[str, ...]
    """What a user must hear: licences that limit use, an adapter that names another base, tensors left unweighed."""

    @property
    def out(self) -> Path:
        """What to open: the file, or the first part."""
        return self.files[0].path

    @property
    def n_bytes(self) -> int:
        return sum(file.n_bytes for file in self.files)

    @property
    def sha256(self) -> str:
        """Of `out`."""
        return self.files[0].sha256


def convert(
    base: Path,
    adapters: Sequence[Path | Weighted],
    out: Path,
    quantization: str = "q4_k_m",
    *,
    prompt_format: str | None = None,
    merge_onto: str | None = None,
    split_max_bytes: int | None = None,
    tensor_types: Sequence[str] = (),
    imatrix: Path | None = None,
    precision: str = PRECISIONS[0],
    onto: Path | None = None,
    force: bool = False,
    resume: bool = False,
    threads: int | None = None,
    memory: int = MEMORY,
    verify: bool = True,
    progress: Progress | None = None,
    stage: Callable[[str], None] | None = None,
    remark: Callable[[str], None] | None = None,
) -> Report:
    """Merge `adapters` into `base`, convert to GGUF, quantize and verify; `out` appears only when whole and right.

    `merge_onto`, `16bit` or `dequantized`, says which weights the adapters are added to, for adapters trained over a
    quantized base: the published ones, or those the training saw (NF4 unless `base` is a checkpoint that bitsandbytes
    quantized). None takes `base` as it is. `tensor_types`, each `PATTERN=TYPE`, give the tensors whose names a pattern
    finds another type; `imatrix` is the file of an importance matrix; `precision="f32"` does not round what was merged
    to the base's 16 bits before it is quantized. `onto` is a GGUF of the base alone, from which what no adapter changes
    is copied; the output is the same. `resume` goes on where a killed run of the same plan stopped, if one left
    something. `threads` (all cores) are as many as fit into `memory` bytes, beside which only verification takes some.
    `stage` is told what is being verified, `remark` each line of `Report.remarks` before the first
    tensor is read. Raises NotFound, InputRefused, NotEnough or IntegrityFailed; nothing is left behind then.
    """
    asked = Request(
        base, weighted(adapters), quantization, out.stem,
        prompt_format=prompt_format, merge_onto=merge_onto, split_max_bytes=split_max_bytes,
        tensor_types=tuple(tensor_types), imatrix=imatrix, precision=precision,
    )  # fmt: skip
    return carry_out(
        asked, out,
        onto=onto, force=force, resume=resume, threads=threads, memory=memory, verify=verify,
        progress=progress, stage=stage, remark=remark,
    )  # fmt: skip


def carry_out(
    asked: Request,
    out: Path,
    *,
    onto: Path | None = None,
    force: bool = False,
    resume: bool = False,
    threads: int | None = None,
    memory: int = MEMORY,
    verify: bool = True,
    progress: Progress | None = None,
    stage: Callable[[str], None] | None = None,
    remark: Callable[[str], None] | None = None,
) -> Report:
    """What `convert` does, of a request."""
    started, threads = time.monotonic(), threads or available_cores()
    journal_at = journal_path(out)
    refuse_existing(out, force=force or (resume and journal_at.is_file()))
    plan = make_plan(asked)
    threads = threads_within(memory, plan.tensors, plan.header_bytes, threads)
    donor = open_donor(onto) if onto is not None else None
    if donor is not None:
        plan = donor.give_to(plan, threads)
    paths, sizes, digest = output_paths(out, len(plan.parts)), [part.n_bytes for part in plan.parts], plan_digest(plan)
    if resume := resume and is_of_plan(journal_at, digest):
        take_back(paths, sizes, journal_at)
    for path in paths:
        refuse_existing(path, force=force)
    refuse_inputs([*paths, manifest_path(paths[0])], plan.read_files)
    refuse_small_disk(paths, plan.total_bytes)
    if remark is not None:
        for line in plan.remarks:
            remark(line)
    verifier = Verifier(asked, plan, threads) if verify else None
    with (
        staged_manifest(paths[0]) as put_manifest,
        whole_output(paths, sizes, journal=journal_at, resume=resume) as output,
        closing(Journal(journal_at, plan.tensors, digest, output, resume=resume)) as journal,
        InputHashes(plan.provenance.inputs, threads) as hashes,
    ):
        spans, changed = write_tensors(plan.tensors, convert_block, output, journal, threads, progress, hashes.follow)
        refuse_unchanged(plan.merge.adapters, changed)
        inputs = hashes.result()
        if donor is not None:
            donor.prove(plan, inputs)
        spans += write_headers(plan, inputs, output)
        files = tuple(map(Written, paths, sizes, output.hash_back(spans)))
        made = [HashedFile(file.path.name, file.n_bytes, file.sha256) for file in files]
        verification = verifier.verify(output, stage) if verifier is not None else None
        put_manifest(plan.provenance.manifest(made, inputs, parameters=plan.parameters, changed=changed.total()))
    return Report(
        files, plan.quantization, plan.parameters, changed.total(), verification, plan.copied_bytes,
        time.monotonic() - started, manifest_path(paths[0]),
        tuple(licence.key for licence in plan.provenance.licences), plan.remarks,
    )  # fmt: skip


def write_headers(plan: Plan, inputs: Mapping[InputFile, str], output: Output) -> list[Span]:
    """Last of all: the first names the inputs' hashes, and until then no part can be taken for a GGUF."""
    spans = list[Span]()
    for part in plan.parts:
        header = plan.provenance.sealed(part.header, inputs)
        output.write(header, part.offset)
        spans.append(Span(part.offset, len(header), zlib.crc32(header)))
    return spans
