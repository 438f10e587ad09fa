"""The evaluator's side in the sealed child: one GGUF in llama.cpp, on the processor alone, asked for its numbers.

Imported by the child only. `llama.py` is the parent's side and says what each call gives.
"""

import base64
import ctypes
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from localfin_convert.quantize import ggml
from localfin_convert.verify.loaded import LoadedModel
from localfin_convert.verify.perplexity import Perplexity, Scores
from localfin_models.errors import LocalfinError
from localfin_models.seal import WorkerLimits
from localfin_models.worker.child import CancelFlag, Emit

_F32 = 0  # ggml_type
_FLASH_OFF = 0  # llama_flash_attn_type
_UBATCH = 512


class Evaluator:
    def prepare(self, options: dict[str, Any], limits: WorkerLimits, cancelled: CancelFlag) -> WorkerLimits:
        """`options`: those of LoadedModel."""
        self._loaded = LoadedModel(options, cancelled)
        self._b = self._loaded.binding
        self._ggml = ggml.library()
        return limits

    def handle(self, call: str, arguments: dict[str, Any], emit: Emit) -> dict[str, Any]:
        self._loaded.load()
        match call:
            case "tokenize":
                return {"tokens": [self._loaded.tokenize(text, **arguments["how"]) for text in arguments["texts"]]}
            case "texts":
                return {"texts": [self._text(tokens) for tokens in arguments["tokens"]]}
            case "chat":
                return {"bos": self._special("bos"), "eos": self._special("eos"), "template": self._template()}
            case "logits":
                return self._logits(arguments["texts"], arguments["layers"], emit)
            case "perplexity":
                return asdict(self._perplexity(arguments["text"], arguments["n_ctx"], emit))
            case _:
                raise LocalfinError(f"the evaluator knows no call {call!r}")

    def _text(self, tokens: Sequence[int]) -> str:
        array = (self._b.llama_token * len(tokens))(*tokens)
        buffer = ctypes.create_string_buffer(16)
        size = self._b.llama_detokenize(self._loaded.vocab, array, len(tokens), buffer, len(buffer), False, True)
        if size < 0:
            buffer = ctypes.create_string_buffer(-size)
            size = self._b.llama_detokenize(self._loaded.vocab, array, len(tokens), buffer, len(buffer), False, True)
        return buffer.raw[:size].decode("utf-8", "replace")

    def _special(self, kind: str) -> list[Any]:
        """Id and spelling; -1 and nothing where the vocabulary has none."""
        token = int(getattr(self._b, f"llama_vocab_{kind}")(self._loaded.vocab))
        text = self._b.llama_vocab_get_text(self._loaded.vocab, token) if token >= 0 else b""
        return [token, (text or b"").decode("utf-8", "replace")]

    def _template(self) -> str:
        return (self._b.llama_model_chat_template(self._loaded.model, None) or b"").decode("utf-8", "replace")

    def _logits(self, texts: Sequence[Sequence[int]], layers: int | None, emit: Emit) -> dict[str, Any]:
        """One event a text and position, in order: `values` in base64, float32, little-endian."""
        tap = None if layers is None else _Tap(self._b, self._ggml, f"l_out-{layers - 1}")
        with self._context(max(map(len, texts)), tap) as context:
            for tokens in texts:
                for row in self._rows(context, tokens, tap):
                    emit({"values": base64.b64encode(row.astype("<f4").tobytes()).decode("ascii")})
        return {}

    def _rows(self, context: Any, tokens: Sequence[int], tap: "_Tap | None") -> NDArray[np.float32]:
        if tap is None:
            return self._decode(context, tokens, 0)
        tap.found.clear()
        self._decode(context, tokens, len(tokens) - 1)
        if not tap.found:
            raise LocalfinError(f"llama.cpp computed no {tap.name}")
        return np.concatenate(tap.found).reshape(len(tokens), self._loaded.width)

    def _perplexity(self, text: str, n_ctx: int, emit: Emit) -> Perplexity:
        """As llama.cpp's own tool: chunks of n_ctx tokens from position 0, each one's second half scored."""
        tokens = self._loaded.tokenize(text, special=True, parse=False)
        scores = Scores.over(len(tokens), n_ctx)
        bos = self._loaded.chunk_start()
        with self._context(scores.n_ctx) as context:
            for number in range(scores.chunks):
                chunk = tokens[number * scores.n_ctx : (number + 1) * scores.n_ctx]
                told = chunk if bos is None else [bos, *chunk[1:]]
                logits = self._decode(context, told, scores.first)
                scores.add(logits[:-1], chunk[scores.first + 1 :])
                emit({"chunk": [number + 1, scores.chunks]})
        return scores.result()

    def _decode(self, context: Any, tokens: Sequence[int], first: int) -> NDArray[np.float32]:
        """Logits of the positions from `first` on, (positions, vocabulary); llama.cpp's own memory, until the next."""
        b, count = self._b, len(tokens)
        b.llama_memory_clear(b.llama_get_memory(context), True)
        array = (b.llama_token * count)(*tokens)
        wanted = (ctypes.c_int8 * count)(*(position >= first for position in range(count)))
        self._loaded.decode(context, b.llama_batch(count, array, None, None, None, None, wanted))
        return np.ctypeslib.as_array(b.llama_get_logits(context), (count - first, self._loaded.size))

    def _context(self, n_ctx: int, tap: "_Tap | None" = None) -> AbstractContextManager[Any]:
        # What llama.cpp can do most exactly: keys and values in float32, attention as it is written.
        settings = {"n_ctx": n_ctx, "n_batch": n_ctx, "n_ubatch": min(n_ctx, _UBATCH), "type_k": _F32, "type_v": _F32}
        tapped = {} if tap is None else {"cb_eval": tap.callback}
        return self._loaded.context(**settings, **tapped, flash_attn_type=_FLASH_OFF)


class _Tap:
    """ggml's callback for each operation: takes the output of the one called `name`, and ends the computation there."""

    def __init__(self, binding: Any, functions: ctypes.CDLL, name: str) -> None:
        self.name, self.found = name, list[NDArray[np.float32]]()
        self._functions, self._wanted = functions, name.encode()
        self.callback = binding.ggml_backend_sched_eval_callback(self._receive)

    def _receive(self, tensor: int, asking: bool, _user_data: object) -> bool:
        if asking:
            return bool(self._functions.ggml_get_name(tensor) == self._wanted)
        count = self._functions.ggml_nelements(tensor)
        data = self._functions.ggml_get_data_f32(tensor)
        self.found.append(np.ctypeslib.as_array(data, (count,)).copy())
        return False
