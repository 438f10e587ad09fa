"""ggml's own quantizers, from the library inside llama-cpp-python, through ctypes (which releases the GIL); and back.

Loads libggml-base alone: importing llama_cpp would bring the whole engine, its backends and 80 MB.
"""

import ctypes
import importlib.util
import sys
from functools import cache
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from numpy.typing import NDArray

from localfin_models.errors import LocalfinError
from localfin_models.language import _

_NAMES = {"linux": "libggml-base.so", "darwin": "libggml-base.dylib", "win32": "ggml-base.dll"}


class _TypeTraits(ctypes.Structure):
    """`struct ggml_type_traits` of ggml.h, as far as it is read here."""

    _fields_ = (
        ("type_name", ctypes.c_char_p),
        ("blck_size", ctypes.c_int64),
        ("blck_size_interleave", ctypes.c_int64),
        ("type_size", ctypes.c_size_t),
        ("is_quantized", ctypes.c_bool),
        ("to_float", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)),
    )


@cache
def library() -> ctypes.CDLL:
    """libggml-base, its functions as C declares them. Raises LocalfinError where llama-cpp-python is not installed."""
    spec = importlib.util.find_spec("llama_cpp")
    if spec is None or spec.origin is None:
        raise LocalfinError(
            _("llama-cpp-python is not installed: its quantizers are needed (pip install llama-cpp-python)")
        )
    path = Path(spec.origin).with_name("lib") / _NAMES.get(sys.platform, _NAMES["linux"])
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise LocalfinError(_("ggml's library cannot be loaded: {error}").format(error=error)) from None
    library.ggml_quantize_chunk.restype = ctypes.c_size_t
    library.ggml_quantize_chunk.argtypes = [
        ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p,
    ]  # fmt: skip
    library.ggml_get_name.restype, library.ggml_get_name.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
    library.ggml_nelements.restype, library.ggml_nelements.argtypes = ctypes.c_int64, [ctypes.c_void_p]
    library.ggml_get_data_f32.restype = ctypes.POINTER(ctypes.c_float)
    library.ggml_get_data_f32.argtypes = [ctypes.c_void_p]
    library.ggml_get_type_traits.restype = ctypes.POINTER(_TypeTraits)
    library.ggml_get_type_traits.argtypes = [ctypes.c_int]
    return library


def row_bytes(kind: GGMLQuantizationType, columns: int) -> int:
    block, size = GGML_QUANT_SIZES[kind]
    return columns // int(block) * int(size)


def quantize(
    kind: GGMLQuantizationType, rows: NDArray[np.float32], importance: NDArray[np.float32] | None = None
) -> NDArray[np.uint8]:
    """(n, columns) float32 -> (n, row_bytes) as `kind`; columns divide by its block size.

    `importance`, (columns,) float32, weighs the columns' errors. Types that cannot do without it end the process.
    """
    rows = np.ascontiguousarray(rows, np.float32)
    count, columns = rows.shape
    out = np.empty((count, row_bytes(kind, columns)), np.uint8)
    weights = None if importance is None else np.ascontiguousarray(importance, np.float32)
    assert weights is None or weights.shape == (columns,)
    pointer = None if weights is None else weights.ctypes.data
    written = library().ggml_quantize_chunk(int(kind), rows.ctypes.data, out.ctypes.data, 0, count, columns, pointer)
    if written != out.nbytes:
        raise LocalfinError(
            _("ggml wrote {written} bytes of {name} where {nbytes} were expected").format(
                written=written, name=kind.name, nbytes=out.nbytes
            )
        )
    return out


def dequantize(kind: GGMLQuantizationType, data: bytes, columns: int) -> NDArray[np.float32]:
    """Whole rows as `kind` -> (n, columns) float32."""
    if kind is GGMLQuantizationType.F32:
        return np.frombuffer(data, np.float32).reshape(-1, columns)
    stored = np.frombuffer(data, np.uint8)
    out = np.empty((len(data) // row_bytes(kind, columns), columns), np.float32)
    library().ggml_get_type_traits(int(kind)).contents.to_float(stored.ctypes.data, out.ctypes.data, out.size)
    return out
