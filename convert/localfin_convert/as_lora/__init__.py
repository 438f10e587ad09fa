"""Adapters as one GGUF adapter, which llama.cpp adds to a base, quantized or not, while it runs. Nothing is merged.

`changes.py` finds what the adapters add to which tensor and refuses what no LoRA can say, `pairs.py` computes the
matrices with the scale that llama.cpp will apply, `plan.py` lays out the file; it is written here.
"""

import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from localfin_convert.adapter import Weighted, weighted
from localfin_convert.as_lora.plan import LoraPlan, plan_lora, refuse_type
from localfin_convert.blocks import blocks
from localfin_convert.merge import convert_block
from localfin_convert.provenance.inputs import InputFile, InputHashes
from localfin_convert.read.positional import OpenFiles
from localfin_convert.write.output import Span, refuse_existing, refuse_inputs, refuse_small_disk, whole_output
from localfin_models.manifest import HashedFile, manifest_path, staged_manifest

__all__ = ["LoraPlan", "LoraReport", "plan_lora", "refuse_type", "write_lora"]


@dataclass(frozen=True, slots=True)
class LoraReport:
    """The GGUF adapter that was made."""

    out: Path
    quantization: str
    alpha: float
    """`adapter.lora.alpha`."""
    tensors: int
    """Tensors of the base that it changes."""
    parameters: int
    n_bytes: int
    sha256: str
    seconds: float
    manifest: Path
    licences: tuple[str, ...]
    """Of base and adapters."""
    remarks: tuple[str, ...]
    """What a user must hear: licences that limit use, an adapter that names another base."""


def write_lora(
    base: Path,
    adapters: Sequence[Path | Weighted],
    out: Path,
    quantization: str = "f32",
    *,
    force: bool = False,
    remark: Callable[[str], None] | None = None,
) -> LoraReport:
    """Write `adapters` of `base` as one GGUF adapter of f32, f16, bf16 or q8_0; `out` appears only when whole.

    Of the base only the configuration and the headers are read. `remark` is told each line of `LoraReport.remarks`
    before anything is written. Raises NotFound, InputRefused (also for what llama.cpp
    cannot apply at run time), NotEnough or IntegrityFailed; nothing is left behind then.
    """
    started = time.monotonic()
    refuse_existing(out, force=force)
    asked = weighted(adapters)
    plan = plan_lora(base, asked, quantization, out.stem)
    read = [path for folder in (base, *(one.folder for one in asked)) for path in folder.iterdir()]
    refuse_inputs([out, manifest_path(out)], read)
    refuse_small_disk([out], plan.total_bytes)
    if remark is not None:
        for line in plan.provenance.remarks:
            remark(line)
    with (
        staged_manifest(out) as put_manifest,
        whole_output([out], [plan.total_bytes]) as output,
        InputHashes(plan.provenance.inputs, 1) as hashes,
    ):
        inputs = hashes.result()
        spans = list[Span]()
        for offset, data in _pieces(plan, inputs):
            output.write(data, offset)
            spans.append(Span(offset, len(data), zlib.crc32(data)))
        [sha256] = output.hash_back(spans)
        made = [HashedFile(out.name, plan.total_bytes, sha256)]
        put_manifest(plan.provenance.manifest(made, inputs, parameters=plan.parameters))
    return LoraReport(
        out, quantization, plan.alpha, len(plan.tensors) // 2, plan.parameters, plan.total_bytes, sha256,
        time.monotonic() - started, manifest_path(out),
        tuple(licence.key for licence in plan.provenance.licences), plan.provenance.remarks,
    )  # fmt: skip


def _pieces(plan: LoraPlan, inputs: Mapping[InputFile, str]) -> Iterator[tuple[int, bytes]]:
    yield 0, plan.provenance.sealed(plan.header, inputs)
    with OpenFiles() as files:
        for number, tensor in enumerate(plan.tensors):
            for block in blocks(tensor, number):
                yield block.offset, convert_block(block, files).data.tobytes()
