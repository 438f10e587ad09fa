"""Adapters as one GGUF adapter, which llama.cpp adds to a base, quantized or not, while it runs. Nothing is merged.

`changes.py` finds what the adapters add to which tensor and refuses what no LoRA can say, `pairs.py` computes the
matrices with the scale that llama.cpp will apply, `plan.py` lays out the file; it is written here.
"""

import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from localfin_convert.adapter import Weighted, weighted
from localfin_convert.as_lora.plan import LoraPlan, plan_lora, refuse_type
from localfin_convert.blocks import blocks
from localfin_convert.merge import convert_block
from localfin_convert.read.positional import OpenFiles
from localfin_convert.write.output import Span, refuse_existing, refuse_inputs, refuse_small_disk, whole_output

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


def write_lora(
    base: Path, adapters: Sequence[Path | Weighted], out: Path, quantization: str = "f32", *, force: bool = False
) -> LoraReport:
    """Write `adapters` of `base` as one GGUF adapter of f32, f16, bf16 or q8_0; `out` appears only when whole.

    Of the base only the configuration and the headers are read. Raises NotFound, InputRefused (also for what llama.cpp
    cannot apply at run time), NotEnough or IntegrityFailed; nothing is left behind then.
    """
    started = time.monotonic()
    refuse_existing(out, force=force)
    asked = weighted(adapters)
    plan = plan_lora(base, asked, quantization, out.stem)
    refuse_inputs([out], [path for folder in (base, *(one.folder for one in asked)) for path in folder.iterdir()])
    refuse_small_disk([out], plan.total_bytes)
    with whole_output([out], [plan.total_bytes]) as output:
        spans = list[Span]()
        for offset, data in _pieces(plan):
            output.write(data, offset)
            spans.append(Span(offset, len(data), zlib.crc32(data)))
        [sha256] = output.hash_back(spans)
    return LoraReport(
        out, quantization, plan.alpha, len(plan.tensors) // 2, plan.parameters, plan.total_bytes, sha256,
        time.monotonic() - started,
    )  # fmt: skip


def _pieces(plan: LoraPlan) -> Iterator[tuple[int, bytes]]:
    yield 0, plan.header
    with OpenFiles() as files:
        for number, tensor in enumerate(plan.tensors):
            for block in blocks(tensor, number):
                yield block.offset, convert_block(block, files).data.tobytes()
