"""base + adapters -> GGUF in one pass: plan, then read, merge, quantize and write block by block, then read back."""

import time
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from localfin_convert.adapter import Weighted, weighted
from localfin_convert.merge import Block, Converted, blocks, convert_block
from localfin_convert.plan import Plan, Request, make_plan
from localfin_convert.read.positional import OpenFiles, write_at
from localfin_convert.write.gguf_file import (
    Span,
    hash_back,
    journal_path,
    refuse_existing,
    refuse_small_disk,
    whole_file,
)
from localfin_convert.write.journal import Journal
from localfin_models.cores import available_cores
from localfin_models.errors import InputRefused
from localfin_models.language import _

Item = TypeVar("Item")
Result = TypeVar("Result")
Progress = Callable[[int, int], None]
"""Called with bytes of the base done and in all."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was made."""

    out: Path
    quantization: str
    parameters: int
    n_bytes: int
    sha256: str
    changed: int
    """Weights the adapters changed, after rounding; 0 without adapters."""
    seconds: float


def convert(
    base: Path,
    adapters: Sequence[Path | Weighted],
    out: Path,
    quantization: str = "q4_k_m",
    *,
    prompt_format: str | None = None,
    merge_onto: str | None = None,
    force: bool = False,
    resume: bool = False,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Merge `adapters` into `base`, convert to GGUF and quantize; `out` appears only when whole.

    `merge_onto`, `16bit` or `dequantized`, says which weights the adapters are added to, for adapters trained over a
    quantized base: the published ones, or those the training saw (NF4 unless `base` is a checkpoint that bitsandbytes
    quantized). None takes `base` as it is. `resume` goes on where a killed run of the same plan stopped, if one left
    something. Raises NotFound, InputRefused, NotEnough or IntegrityFailed; nothing is left behind then.
    """
    started = time.monotonic()
    refuse_existing(out, force=force)
    plan = make_plan(Request(base, weighted(adapters), quantization, out.stem, prompt_format, merge_onto))
    refuse_small_disk(out, plan.total_bytes)
    with (
        whole_file(out, plan.total_bytes, resume=resume) as file,
        closing(Journal(journal_path(out), plan, file, resume=resume)) as journal,
    ):
        spans, changed = write_tensors(plan, file, journal, threads or available_cores(), progress)
        for number, adapter in enumerate(plan.merge.adapters):
            if not changed[number]:
                raise InputRefused(
                    _("the adapter {name} changes no weight after rounding: it has no effect on this base").format(
                        name=adapter.folder.name
                    )
                )
        sha256 = hash_back(file, spans)
    seconds = time.monotonic() - started
    return Report(out, quantization, plan.parameters, plan.total_bytes, sha256, changed.total(), seconds)


def write_tensors(
    plan: Plan, file: BinaryIO, journal: Journal, threads: int, progress: Progress | None
) -> tuple[list[Span], Counter[int]]:
    """Writes header and missing tensors; returns what stands where, and how many weights each adapter changed."""
    write_at(file, plan.header, 0)
    spans = [Span(0, len(plan.header), zlib.crc32(plan.header))]
    spans += [span for tensor in journal.whole.values() for span in tensor.spans]
    changed, total = sum((tensor.changed for tensor in journal.whole.values()), Counter[int]()), plan.read_bytes
    done = sum(plan.tensors[number].read_bytes for number in journal.whole)
    with OpenFiles() as files, ThreadPoolExecutor(threads, "convert") as pool:

        def work(block: Block) -> tuple[Span, Converted]:
            converted = convert_block(block, files)
            data = converted.data.tobytes()
            write_at(file, data, block.offset)
            return Span(block.offset, len(data), zlib.crc32(data)), converted

        missing = [number for number in range(len(plan.tensors)) if number not in journal.whole]
        todo = (block for number in missing for block in blocks(plan.tensors[number], number))
        mine, mine_changed = list[Span](), Counter[int]()
        for span, converted in _windowed(pool, work, todo, 2 * threads):
            mine.append(span)
            mine_changed += converted.changed
            if converted.block.is_last:
                journal.add(converted.block.number, mine, mine_changed)
                spans += mine
                changed += mine_changed
                mine, mine_changed = [], Counter[int]()
            done += converted.block.read_bytes
            if progress is not None:
                progress(done, total)
    return spans, changed


def _windowed(
    pool: ThreadPoolExecutor, work: Callable[[Item], Result], items: Iterable[Item], window: int
) -> Iterator[Result]:
    """Results in order, at most `window` under way: what bounds the memory."""
    pending: deque[Future[Result]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(work, item))
            if len(pending) >= window:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        for future in pending:
            future.cancel()
