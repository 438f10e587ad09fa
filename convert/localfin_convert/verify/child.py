"""A GGUF file in a sealed child that runs llama.cpp: the parent's side, whatever service the child is.

The file is mapped and not copied, on the processor alone; the child sees that file and nothing else, and has a bound
on its memory.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from localfin_models.errors import IntegrityFailed
from localfin_models.gguf_header import GgufHeader
from localfin_models.language import _
from localfin_models.seal import WorkerLimits
from localfin_models.worker import SealedWorker, WorkerDied

_MARGIN = 1 << 30
"""Address space for libraries, thread stacks and allocator arenas."""
_PER_THREAD = 24 << 20


class Child:
    """Every call raises IntegrityFailed where the process ends: the file made llama.cpp abort."""

    def __init__(self, worker: SealedWorker, path: Path) -> None:
        self._worker, self._path = worker, path

    @property
    def pid(self) -> int | None:
        return self._worker.pid

    def call(self, call: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        *_events, last = self.stream(call, arguments)
        done: dict[str, Any] = last["done"]
        return done

    def stream(self, call: str, arguments: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The events, then `{"done": …}`."""
        try:
            yield from self._worker.stream(call, arguments)
        except WorkerDied as death:
            raise IntegrityFailed(
                _("llama.cpp stopped on {name}: {how}").format(name=self._path.name, how=death)
            ) from None


@contextmanager
def open_child(service: str, parts: Sequence[Path], memory: int, *, threads: int, repack: bool) -> Generator[Child]:
    """`parts`: the file, or the parts of a split one in order. `memory`: bytes of address space beside the weights."""
    paths = [one.resolve() for one in parts]
    weights = sum(one.stat().st_size for one in paths)
    limits = WorkerLimits(read=tuple(paths), memory_bytes=weights * (2 if repack else 1) + memory)
    worker = SealedWorker(service)
    try:
        worker.start(limits, {"paths": [str(one) for one in paths], "threads": threads, "repack": repack})
        yield Child(worker, parts[0])
    finally:
        worker.stop()


def address_space(header: GgufHeader, batch: int, cells: int, threads: int) -> int:
    """Bytes beside the weights: keys and values of `cells` tokens in float32, logits and values of `batch` tokens.

    Logits are computed, kept and scored.
    """
    kv = 4 * cells * header.layers * header.kv_width
    logits = 3 * 4 * batch * header.vocabulary
    values = 4 * batch * (16 * header.width + 4 * header.feed_forward + 2 * header.heads * cells)
    return kv + logits + values + _MARGIN + threads * _PER_THREAD
