"""`llama_model_quantize` of the installed llama.cpp, with what llama-quantize hands it: overrides, importance, keys."""

import ctypes
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import gguf
import llama_cpp
import numpy as np
from gguf import GGMLQuantizationType as Type
from numpy.typing import NDArray

from localfin_convert.quantize import types
from localfin_convert.quantize.overrides import Override

Tensors = dict[str, tuple[Type, bytes]]
"""Type and bytes by name, in file order."""
_SILENT = llama_cpp.llama_log_callback(lambda _level, _text, _user_data: None)
_INT, _STR = 0, 3  # llama_model_kv_override_type


def llama_quantize(
    source: Path,
    out: Path,
    quantization: str,
    overrides: Sequence[Override] = (),
    importance: Mapping[str, NDArray[np.float32]] | None = None,
    keys: Mapping[str, int | str] | None = None,
) -> None:
    llama_cpp.llama_log_set(_SILENT, ctypes.c_void_p())
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype, params.nthread = int(types.file_type(quantization)), 1
    if overrides:
        rows = [(one.pattern.encode(), int(one.kind)) for one in overrides]
        params.tt_overrides = (llama_cpp.llama_model_tensor_override * (len(rows) + 1))(*rows, (None, 0))
    flat = {name.encode(): np.ascontiguousarray(array).ravel() for name, array in (importance or {}).items()}
    if flat:
        pointer = ctypes.POINTER(ctypes.c_float)
        entries = [(name, array.ctypes.data_as(pointer), array.size) for name, array in flat.items()]
        params.imatrix = (llama_cpp.llama_model_imatrix_data * (len(entries) + 1))(*entries)
    if keys:
        array = (llama_cpp.llama_model_kv_override * (len(keys) + 1))()
        for entry, (key, value) in zip(array, keys.items(), strict=False):
            entry.key = key.encode()
            entry.tag = _STR if isinstance(value, str) else _INT
            if isinstance(value, str):
                entry.value.val_str = value.encode()
            else:
                entry.value.val_i64 = value
        params.kv_overrides = array
    assert llama_cpp.llama_model_quantize(os.fsencode(source), os.fsencode(out), ctypes.byref(params)) == 0


def tensors_of(path: Path) -> Tensors:
    return {tensor.name: (tensor.tensor_type, tensor.data.tobytes()) for tensor in gguf.GGUFReader(path).tensors}
