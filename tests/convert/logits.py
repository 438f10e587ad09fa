"""What llama.cpp computes with a GGUF and adapters on it, in this process."""

import ctypes
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from localfin_models.llama_binding import Log, load_binding

TOKENS = (1, 17, 300, 44, 5, 260, 99, 7)


@cache
def _binding() -> tuple[Any, Log]:
    binding = load_binding()
    return binding, Log(binding)


def logits(model: Path, *adapters: Path, scales: Sequence[float] = ()) -> np.ndarray:
    """(vocabulary,) float32, after the last of TOKENS."""
    b, log = _binding()
    params = b.llama_model_default_params()
    loaded = b.llama_model_load_from_file(str(model).encode(), params)
    assert loaded, log.reason()
    settings = b.llama_context_default_params()
    settings.n_ctx, settings.n_threads, settings.n_threads_batch = 64, 1, 1
    context = b.llama_init_from_model(loaded, settings)
    handles = [b.llama_adapter_lora_init(loaded, str(adapter).encode()) for adapter in adapters]
    assert all(handles), log.reason()
    if handles:
        count = len(handles)
        array = (b.llama_adapter_lora_p_ctypes * count)(*handles)
        factors = (ctypes.c_float * count)(*(scales or [1.0] * count))
        assert b.llama_set_adapters_lora(context, array, count, factors) == 0
    tokens = (b.llama_token * len(TOKENS))(*TOKENS)
    assert b.llama_decode(context, b.llama_batch_get_one(tokens, len(TOKENS))) == 0
    size = b.llama_vocab_n_tokens(b.llama_model_get_vocab(loaded))
    found = np.ctypeslib.as_array(b.llama_get_logits_ith(context, -1), (size,)).copy()
    b.llama_free(context)
    b.llama_model_free(loaded)
    return found
