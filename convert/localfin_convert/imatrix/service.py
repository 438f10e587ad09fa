"""The importance matrix's side in the sealed child: a text through one GGUF, chunk by chunk, as llama-imatrix does.

Imported by the child only. `compute.py` is the parent's side.
"""

import base64
import ctypes
from collections.abc import Sequence
from typing import Any

from localfin_convert.imatrix.collector import Collector
from localfin_convert.imatrix.graph import known_operations
from localfin_convert.imatrix.layout import Layout
from localfin_convert.quantize import ggml
from localfin_convert.verify.loaded import LoadedModel
from localfin_models.errors import InputRefused, LocalfinError
from localfin_models.language import _
from localfin_models.seal import WorkerLimits
from localfin_models.worker.child import CancelFlag, Emit


class ImatrixService:
    def prepare(self, options: dict[str, Any], limits: WorkerLimits, cancelled: CancelFlag) -> WorkerLimits:
        """`options`: those of LoadedModel."""
        self._loaded = LoadedModel(options, cancelled)
        self._operations = known_operations(ggml.library())
        return limits

    def handle(self, call: str, arguments: dict[str, Any], emit: Emit) -> dict[str, Any]:
        if call != "imatrix":
            raise LocalfinError(f"the importance matrix knows no call {call!r}")
        self._loaded.load()
        return self._imatrix(arguments["text"], Layout(arguments["n_ctx"]), arguments["chunks"], emit)

    def _imatrix(self, text: str, layout: Layout, most: int | None, emit: Emit) -> dict[str, Any]:
        """Events: tokens done and in all; then of each tensor and expert its sums in base64, float32, little-endian."""
        tokens = self._loaded.tokenize(text, special=True, parse=False)
        if len(tokens) < 2 * layout.n_ctx:
            raise InputRefused(
                _("the text has {tokens} tokens; chunks of {n_ctx} need {fewest} at least").format(
                    tokens=len(tokens), n_ctx=layout.n_ctx, fewest=2 * layout.n_ctx
                )
            )
        count = min(len(tokens) // layout.n_ctx, most or len(tokens))
        chunks = [self._chunk(tokens, number, layout.n_ctx) for number in range(count)]
        collector = Collector(self._loaded.binding, self._operations)
        emit({"tokens": [0, count * layout.n_ctx]})
        with self._loaded.context(**layout.context(), cb_eval=collector.callback) as context:
            for first in range(0, count, layout.together):
                beside = chunks[first : first + layout.together]
                self._forget(context)
                for span in layout.spans(len(beside)):
                    self._loaded.decode(context, self._batch(beside, span))
                    if collector.failed is not None:
                        raise collector.failed
                    emit({"tokens": [first * layout.n_ctx + len(beside) * span.stop, count * layout.n_ctx]})
        for name, running in collector.found.items():
            for squares, tokens_seen in zip(running.by_expert(), running.counts.tolist(), strict=True):
                values = base64.b64encode(squares.astype("<f4").tobytes()).decode("ascii")
                emit({"tensor": name, "count": tokens_seen, "squares": values})
        return {"chunks": count}

    def _chunk(self, tokens: Sequence[int], number: int, n_ctx: int) -> list[int]:
        chunk = list(tokens[number * n_ctx : (number + 1) * n_ctx])
        bos = self._loaded.chunk_start()
        return chunk if bos is None else [bos, *chunk[1:]]

    def _forget(self, context: Any) -> None:
        b = self._loaded.binding
        b.llama_memory_clear(b.llama_get_memory(context), True)

    def _batch(self, chunks: Sequence[Sequence[int]], span: range) -> Any:
        """Every token asks for its output: of the last layer, only those who do go through all of it."""
        b, width = self._loaded.binding, len(span)
        count = len(chunks) * width
        tokens = (b.llama_token * count)(*(chunk[at] for chunk in chunks for at in span))
        positions = (b.llama_pos * count)(*(list(span) * len(chunks)))
        ids = [(b.llama_seq_id * 1)(number) for number in range(len(chunks))]
        pointer = ctypes.POINTER(b.llama_seq_id)
        sequences = (pointer * count)(*(ctypes.cast(one, pointer) for one in ids for _at in span))
        ones = (ctypes.c_int32 * count)(*([1] * count))
        wanted = (ctypes.c_int8 * count)(*([1] * count))
        return b.llama_batch(count, tokens, None, positions, ones, sequences, wanted)
