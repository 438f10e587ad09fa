"""Blocks through the threads into the output: each is read, converted and written while others are under way."""

import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from localfin_convert.adapter import Adapter
from localfin_convert.blocks import Block, Converted, Place, Tensor, blocks
from localfin_convert.read.positional import OpenFiles
from localfin_convert.write.journal import Journal
from localfin_convert.write.output import Output, Span
from localfin_models.errors import InputRefused
from localfin_models.language import _

Item = TypeVar("Item")
Result = TypeVar("Result")
Progress = Callable[[int, int], None]
"""Called with bytes of the base done and in all."""


def write_tensors(
    tensors: Sequence[Tensor],
    convert: Callable[[Block[Tensor], OpenFiles], Converted],
    output: Output,
    journal: Journal,
    threads: int,
    progress: Progress | None,
    reading: Callable[[Place], None],
) -> tuple[list[Span], Counter[int]]:
    """Writes the missing tensors; returns what stands where, and how many weights each adapter changed.

    They are read in the order of their bytes on the disk, whatever order they have in the output; `reading` is told
    where each block lies.
    """
    spans = [span for tensor in journal.whole.values() for span in tensor.spans]
    changed = sum((tensor.changed for tensor in journal.whole.values()), Counter[int]())
    done, total = sum(tensors[number].read_bytes for number in journal.whole), sum(one.read_bytes for one in tensors)
    with OpenFiles() as files, ThreadPoolExecutor(threads, "convert") as pool:

        def work(block: Block[Tensor]) -> tuple[Block[Tensor], Span, Counter[int]]:
            reading(block.place)
            converted = convert(block, files)
            data = converted.data.tobytes()
            output.write(data, block.offset)
            return block, Span(block.offset, len(data), zlib.crc32(data)), converted.changed

        missing = sorted(set(range(len(tensors))) - set(journal.whole), key=lambda number: tensors[number].place)
        todo = (block for number in missing for block in blocks(tensors[number], number))
        mine, mine_changed = list[Span](), Counter[int]()
        for block, span, block_changed in _windowed(pool, work, todo, 2 * threads):
            mine.append(span)
            mine_changed += block_changed
            if block.is_last:
                journal.add(block.number, mine, mine_changed)
                spans += mine
                changed += mine_changed
                mine, mine_changed = [], Counter[int]()
            done += block.read_bytes
            if progress is not None:
                progress(done, total)
    return spans, changed


def refuse_unchanged(adapters: Sequence[Adapter], changed: Counter[int]) -> None:
    """Raises InputRefused for the first adapter without an effect."""
    for number, adapter in enumerate(adapters):
        if not changed[number]:
            raise InputRefused(
                _("the adapter {name} changes no weight after rounding: it has no effect on this base").format(
                    name=adapter.folder.name
                )
            )


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
