"""One GGUF in llama.cpp, on the processor alone: loaded, asked for tokens, given contexts. In a sealed child only."""

import ctypes
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from localfin_models.errors import InputRefused, LocalfinError, NotEnough
from localfin_models.language import _
from localfin_models.llama_binding import Log, abort_callback, load_binding
from localfin_models.worker.child import CancelFlag


class LoadedModel:
    """Loads its model when it is told to, sealed; nothing is freed but contexts, as the process ends with its model."""

    def __init__(self, options: dict[str, Any], cancelled: CancelFlag) -> None:
        """`options`: paths, threads, repack."""
        self._options, self._cancelled = options, cancelled
        self.binding = load_binding()
        self._log = Log(self.binding)
        self._abort = abort_callback(self.binding)
        self.model: Any = None

    def load(self) -> None:
        """At the first call; the next find it loaded."""
        if self.model is not None:
            return
        b = self.binding
        params = b.llama_model_default_params()
        params.n_gpu_layers = 0
        # Repacking for the processor copies every weight: for a few texts that costs more than it saves.
        params.use_extra_bufts = self._options["repack"]
        self._log.clear()
        paths = [os.fsencode(path) for path in self._options["paths"]]
        array = (ctypes.c_char_p * len(paths))(*paths)
        model = b.llama_model_load_from_splits(array, len(paths), params)
        if not model:
            reason = self._log.reason() or _("no reason given")
            raise InputRefused(_("llama.cpp cannot load it: {reason}").format(reason=reason))
        self.model = model
        self.vocab = b.llama_model_get_vocab(model)
        self.width = int(b.llama_model_n_embd(model))
        self.size = int(b.llama_vocab_n_tokens(self.vocab))

    def tokenize(self, text: str, special: bool, parse: bool) -> list[int]:
        data, room = text.encode(), 0
        while True:
            tokens = (self.binding.llama_token * room)()
            count = self.binding.llama_tokenize(self.vocab, data, len(data), tokens, room, special, parse)
            if 0 <= count <= room:
                return list(tokens[:count])
            if -count <= room:
                raise LocalfinError(_("the text could not be split into tokens"))
            room = -count

    def chunk_start(self) -> int | None:
        """BOS, where the vocabulary wants it before a text: llama.cpp's tools put it in place of a chunk's first."""
        b = self.binding
        return int(b.llama_vocab_bos(self.vocab)) if b.llama_vocab_get_add_bos(self.vocab) else None

    @contextmanager
    def context(self, **settings: Any) -> Generator[Any]:
        """`settings`: llama_context_params by name. Raises NotEnough where llama.cpp cannot make it."""
        params = self.binding.llama_context_default_params()
        params.n_threads = params.n_threads_batch = self._options["threads"]
        params.abort_callback = self._abort
        params.abort_callback_data = ctypes.cast(self._cancelled.bytes, ctypes.c_void_p)
        for name, value in settings.items():
            setattr(params, name, value)
        self._log.clear()
        context = self.binding.llama_init_from_model(self.model, params)
        if not context:
            raise NotEnough(self._log.reason() or _("out of memory"))
        try:
            yield context
        finally:
            self.binding.llama_free(context)

    def decode(self, context: Any, batch: Any) -> None:
        answer = self.binding.llama_decode(context, batch)
        if answer != 0:
            raise LocalfinError(_("llama.cpp could not compute this step (code {code})").format(code=answer))
