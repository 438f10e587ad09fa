"""What of `OUT.gguf.part` is whole: one line a tensor, so that `--resume` can go on where a killed run stopped.

The first line is the plan's digest: a journal of other inputs, options or versions is not continued. Each further line
is a tensor's number, the weights each adapter changed, and its spans with their checksums. Nothing here is trusted: a
tensor counts as whole only if its bytes, read back, have the checksums; a line that a kill cut short is ignored.
"""

import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from localfin_convert.adapter import Step
from localfin_convert.blocks import Streamed
from localfin_convert.plan import Plan, PlannedTensor
from localfin_convert.read.source import Source
from localfin_convert.write.output import Output, Span


@dataclass(frozen=True, slots=True)
class WholeTensor:
    spans: tuple[Span, ...]
    changed: Counter[int]
    """By adapter, the weights it changed."""


def plan_digest(plan: Plan) -> str:
    """Of everything the output's bytes follow from: headers, sources as they lie on disk, changes, importance."""
    return digest_of(
        (part.header for part in plan.parts),
        ((one.source, _recipe(one), one.changes) for one in plan.tensors),
    )


def _recipe(tensor: PlannedTensor) -> bytes:
    importance = b"" if tensor.importance is None else tensor.importance.tobytes()
    # A copy is proved by the run that made it: one without that file must not go on from it.
    return repr((tensor.heads, tensor.choice.intermediate.name, tensor.ready)).encode() + importance


def digest_of(headers: Iterable[bytes], tensors: Iterable[tuple[Source, bytes, Sequence[Step]]]) -> str:
    """`tensors`: of each its source, what else its bytes follow from, its changes."""
    digest = hashlib.sha256(b"".join(headers))
    for source, recipe, changes in tensors:
        digest.update(source.identity() + recipe)
        for step in changes:
            digest.update(repr(step.adapter).encode() + step.change.identity())
    return digest.hexdigest()


def is_of_plan(path: Path, digest: str) -> bool:
    """Whether a journal lies there, and of this plan."""
    return _lines(path)[:1] == [digest]


class Journal:
    """Appends to a file; `whole` is what an earlier run of the plan wrote and the part still holds."""

    def __init__(self, path: Path, tensors: Sequence[Streamed], digest: str, part: Output, *, resume: bool) -> None:
        self.whole = _verified(tensors, part, _lines(path)[1:]) if resume else dict[int, WholeTensor]()
        self._file = path.open("w", encoding="utf-8")
        self._write(digest)
        for number, tensor in self.whole.items():
            self.add(number, tensor.spans, tensor.changed)

    def add(self, number: int, spans: Sequence[Span], changed: Counter[int]) -> None:
        self._write([number, sorted(changed.items()), [[span.offset, span.n_bytes, span.crc32] for span in spans]])

    def close(self) -> None:
        self._file.close()

    def _write(self, line: object) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()


def _lines(path: Path) -> list[object]:
    found: list[object] = []
    if not path.is_file():
        return found
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            found.append(json.loads(line))
        except (ValueError, RecursionError):
            break
    return found


def _verified(tensors: Sequence[Streamed], part: Output, lines: Sequence[object]) -> dict[int, WholeTensor]:
    whole: dict[int, WholeTensor] = {}
    for line in lines:
        match line:
            case [int(number), [*pairs], [*stored]] if 0 <= number < len(tensors):
                spans = tuple(span for item in stored if (span := _span(item)) is not None)
                changed = _counts(pairs)
                if changed is not None and _covers(tensors[number], spans) and _reads_back(part, spans):
                    whole[number] = WholeTensor(spans, changed)
            case _:
                continue
    return whole


def _counts(pairs: Sequence[object]) -> Counter[int] | None:
    counts = Counter[int]()
    for pair in pairs:
        match pair:
            case [int(adapter), int(changed)] if changed >= 0:
                counts[adapter] += changed
            case _:
                return None
    return counts


def _span(item: object) -> Span | None:
    match item:
        case [int(offset), int(n_bytes), int(crc32)] if offset >= 0 and n_bytes > 0:
            return Span(offset, n_bytes, crc32)
        case _:
            return None


def _covers(tensor: Streamed, spans: Sequence[Span]) -> bool:
    position = tensor.offset
    for span in spans:
        if span.offset != position:
            return False
        position += span.n_bytes
    return position == tensor.offset + tensor.n_bytes


def _reads_back(part: Output, spans: Sequence[Span]) -> bool:
    return all(zlib.crc32(part.read(span.n_bytes, span.offset)) == span.crc32 for span in spans)
