"""ggml's quantizers: its own, from the library inside llama-cpp-python, or the kernel that writes its bytes; and back.

All through ctypes, which releases the GIL. Loads libggml-base alone: importing llama_cpp would bring the whole engine,
its backends and 80 MB.
"""

import ctypes
import importlib.util
import sys
from functools import cache
from pathlib import Path

import numpy as np
from gguf import GGML_QUANT_SIZES, GGMLQuantizationType
from numpy.typing import NDArray

from localfin_convert.quantize.kernel import KINDS, Kernel, chosen_kernel
from localfin_models.errors import LocalfinError
from localfin_models.language import _

_NAMES = {"linux": "libggml-base.so", "darwin": "libggml-base.dylib", "win32": "ggml-base.dll"}


_GRIDS = frozenset(
    GGMLQuantizationType[name] for name in ("IQ3_S", "IQ3_XXS", "IQ2_S", "IQ2_XS", "IQ2_XXS", "IQ1_M", "IQ1_S")
)
_LARGEST = 1e6  # its scales, in float16, hold little more; ggml was seen to abort from 1e10 on


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
    library.ggml_validate_row_data.restype = ctypes.c_bool
    library.ggml_validate_row_data.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
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
    kernel = trusted_kernel() if importance is None and kind in KINDS else None
    return ggml_quantize(kind, rows, importance) if kernel is None else kernel_quantize(kernel, kind, rows)


def ggml_quantize(
    kind: GGMLQuantizationType, rows: NDArray[np.float32], importance: NDArray[np.float32] | None = None
) -> NDArray[np.uint8]:
    """`quantize` by ggml's own function, whatever else there is; contiguous rows."""
    columns, out = rows.shape[1], _empty(kind, rows)
    weights = None if importance is None else np.ascontiguousarray(importance, np.float32)
    assert weights is None or weights.shape == (columns,)
    pointer = None if weights is None else weights.ctypes.data
    _check(
        library().ggml_quantize_chunk(int(kind), rows.ctypes.data, out.ctypes.data, 0, len(rows), columns, pointer),
        kind,
        out,
    )
    return out


def kernel_quantize(kernel: Kernel, kind: GGMLQuantizationType, rows: NDArray[np.float32]) -> NDArray[np.uint8]:
    """`quantize` by the native kernel, `kind` one of its `KINDS`; contiguous rows."""
    out = _empty(kind, rows)
    _check(kernel.quantize(kind, rows, out), kind, out)
    return out


def has_kernel(kind: GGMLQuantizationType) -> bool:
    return kind in KINDS and trusted_kernel() is not None


def quantize_brief(kind: GGMLQuantizationType, bits: NDArray[np.uint16]) -> NDArray[np.uint8] | None:
    """`quantize` of bfloat16 as it is stored, without float32 in between; None where it holds NaN or Inf.

    For types that `has_kernel` knows.
    """
    kernel = trusted_kernel()
    assert kernel is not None
    out = _empty(kind, bits)
    written = kernel.quantize_brief(kind, np.ascontiguousarray(bits), out)
    return out if written == out.nbytes else None


@cache
def trusted_kernel() -> Kernel | None:
    """The native kernel, where there is one and it makes ggml's bytes: compilers may contract ggml's sums (on ARM)."""
    kernel = chosen_kernel()
    if kernel is None:
        return None
    rows = np.random.default_rng(0).standard_normal((3, 2048), np.float32)
    equal = (np.array_equal(kernel_quantize(kernel, kind, rows), ggml_quantize(kind, rows)) for kind in KINDS)
    return kernel if all(equal) else None


def kernel_says() -> str:
    """Which quantizers are at work, for people."""
    kernel = chosen_kernel()
    if kernel is None:
        return _("the native kernel is not built or switched off; ggml's own are used, which are slower")
    if trusted_kernel() is None:
        return _("the native kernel makes other bytes than ggml here; ggml's own are used, which are slower")
    return _("native kernel, {instructions}").format(instructions=kernel.name)


def _empty(kind: GGMLQuantizationType, rows: NDArray[np.float32] | NDArray[np.uint16]) -> NDArray[np.uint8]:
    return np.empty((rows.shape[0], row_bytes(kind, rows.shape[1])), np.uint8)


def _check(written: int, kind: GGMLQuantizationType, out: NDArray[np.uint8]) -> None:
    if written != out.nbytes:
        raise LocalfinError(
            _("ggml wrote {written} bytes of {name} where {nbytes} were expected").format(
                written=written, name=kind.name, nbytes=out.nbytes
            )
        )


def can_search(kind: GGMLQuantizationType, rows: NDArray[np.float32]) -> bool:
    """Whether ggml finds such rows in the grids of `kind`: where the scales cannot hold them, it ends the process."""
    return kind not in _GRIDS or float(np.abs(rows).max()) <= _LARGEST


def is_valid(kind: GGMLQuantizationType, data: NDArray[np.uint8]) -> bool:
    """Whether no scale in the blocks became NaN or infinite; llama.cpp gives up on such a tensor."""
    return bool(library().ggml_validate_row_data(int(kind), data.ctypes.data, data.nbytes))


def dequantize(kind: GGMLQuantizationType, data: bytes, columns: int) -> NDArray[np.float32]:
    """Whole rows as `kind` -> (n, columns) float32."""
    if kind is GGMLQuantizationType.F32:
        return np.frombuffer(data, np.float32).reshape(-1, columns)
    stored = np.frombuffer(data, np.uint8)
    out = np.empty((len(data) // row_bytes(kind, columns), columns), np.float32)
    library().ggml_get_type_traits(int(kind)).contents.to_float(stored.ctypes.data, out.ctypes.data, out.size)
    return out
