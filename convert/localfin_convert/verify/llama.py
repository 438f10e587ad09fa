"""What llama.cpp makes of a GGUF file: its tokens, its logits, its perplexity on a text. The parent's side.

The file is loaded in a sealed child, on the processor alone, mapped and not copied; the child sees that file and
nothing else, and has a bound on its memory.
"""

import base64
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from localfin_convert.verify.perplexity import Perplexity
from localfin_models.cores import available_cores
from localfin_models.errors import IntegrityFailed
from localfin_models.gguf_header import GgufHeader, check_gguf
from localfin_models.language import _
from localfin_models.seal import WorkerLimits
from localfin_models.worker import SealedWorker, WorkerDied

_SERVICE = "localfin_convert.verify.evaluator:Evaluator"
_MARGIN = 1 << 30
"""Address space for libraries, thread stacks and allocator arenas."""
_PER_THREAD = 24 << 20
DEFAULT_N_CTX = 512


@dataclass(frozen=True, slots=True)
class Chat:
    """What the file says for conversations."""

    bos_id: int
    """-1 where the vocabulary has none; its spelling is empty then."""
    bos: str
    eos_id: int
    eos: str
    template: str
    """Empty where there is none."""


class Llama:
    """A file in its child. Every call raises IntegrityFailed where the child ends: the file made llama.cpp abort."""

    def __init__(self, worker: SealedWorker, path: Path) -> None:
        self._worker, self._path = worker, path

    @property
    def pid(self) -> int | None:
        """The child's process id."""
        return self._worker.pid

    def tokenize(self, texts: Sequence[str], *, special: bool = True) -> list[list[int]]:
        """Token ids of each text: control tokens spelled in it are read as such; `special` adds BOS and EOS as set."""
        done = self._call("tokenize", {"texts": list(texts), "how": {"special": special, "parse": True}})
        return [[int(token) for token in tokens] for tokens in done["tokens"]]

    def texts(self, tokens: Sequence[Sequence[int]]) -> list[str]:
        """Each row of token ids as text, control tokens spelled out."""
        return [str(text) for text in self._call("texts", {"tokens": [list(row) for row in tokens]})["texts"]]

    def chat(self) -> Chat:
        done = self._call("chat", {})
        (bos_id, bos), (eos_id, eos) = done["bos"], done["eos"]
        return Chat(int(bos_id), str(bos), int(eos_id), str(eos), str(done["template"]))

    def logits(self, texts: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        """Of each text, given as token ids: (positions, vocabulary) float32."""
        return self._arrays(texts, None)

    def hidden(self, texts: Sequence[Sequence[int]], layers: int) -> list[NDArray[np.float32]]:
        """Of each text: what leaves the `layers`th layer, (positions, width) float32; later layers are not computed.

        `layers`: from 1 to one fewer than the model has.
        """
        return self._arrays(texts, layers)

    def perplexity(
        self, text: str, n_ctx: int = DEFAULT_N_CTX, progress: Callable[[int, int], None] | None = None
    ) -> Perplexity:
        """In chunks of `n_ctx` tokens (shorter for a short text), as llama.cpp's tool computes it.

        `progress` is called with chunks done and in all. Raises InputRefused where the text is too short.
        """
        for frame in self._stream("perplexity", {"text": text, "n_ctx": n_ctx}):
            if "done" in frame:
                return Perplexity(**frame["done"])
            if progress is not None:
                progress(*frame["chunk"])
        raise AssertionError("a call ends with its result")

    def _arrays(self, texts: Sequence[Sequence[int]], layers: int | None) -> list[NDArray[np.float32]]:
        arguments = {"texts": [list(text) for text in texts], "layers": layers}
        rows = [
            np.frombuffer(base64.b64decode(frame["values"]), "<f4")
            for frame in self._stream("logits", arguments)
            if "values" in frame
        ]
        ends = np.cumsum([len(text) for text in texts]).tolist()
        return [np.stack(rows[end - len(text) : end]) for end, text in zip(ends, texts, strict=True)]

    def _call(self, call: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        *_events, last = self._stream(call, arguments)
        done: dict[str, Any] = last["done"]
        return done

    def _stream(self, call: str, arguments: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        try:
            yield from self._worker.stream(call, arguments)
        except WorkerDied as death:
            raise IntegrityFailed(
                _("llama.cpp stopped on {name}: {how}").format(name=self._path.name, how=death)
            ) from None


@contextmanager
def open_llama(
    path: Path, *more: Path, threads: int | None = None, n_ctx: int = DEFAULT_N_CTX, repack: bool = False
) -> Generator[Llama]:
    """The GGUF at `path` (of a split one: its parts in order), for texts of up to `n_ctx` tokens.

    `repack` rearranges the weights for the processor, which takes their size in memory once more and makes long texts
    faster. Raises NotFound or InputRefused for a bad file.
    """
    paths, threads = [one.resolve() for one in (path, *more)], threads or available_cores()
    header, weights = check_gguf(path), sum(one.stat().st_size for one in paths)
    memory = weights * (2 if repack else 1) + _address_space(header, n_ctx, threads)
    limits = WorkerLimits(read=tuple(paths), memory_bytes=memory)
    worker = SealedWorker(_SERVICE)
    try:
        worker.start(limits, {"paths": [str(one) for one in paths], "threads": threads, "repack": repack})
        yield Llama(worker, path)
    finally:
        worker.stop()


def _address_space(header: GgufHeader, n_ctx: int, threads: int) -> int:
    """Bytes beside the weights: keys and values in float32, logits (computed, kept, scored), one batch's values."""
    kv = 4 * (n_ctx + 256) * header.layers * header.kv_width
    logits = 3 * 4 * n_ctx * header.vocabulary
    values = 4 * n_ctx * (16 * header.width + 4 * header.feed_forward + 2 * header.heads * (n_ctx + 256))
    return kv + logits + values + _MARGIN + threads * _PER_THREAD
