"""ggml's tensors as its graph shows them to a callback: read in place, through a copy of `struct ggml_tensor`.

Of what is read here the library has functions for names and sizes only, none for sources and strides. So the layout is
ours, and held against the library before it is used.
"""

import ctypes
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from localfin_models.errors import LocalfinError
from localfin_models.language import _

F32, I32 = 0, 26  # ggml_type
_OBJECT = 32
"""Bytes of `struct ggml_object`, which ggml_tensor_overhead counts beside the tensor."""


class Tensor(ctypes.Structure):
    """`struct ggml_tensor` of ggml.h."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("buffer", ctypes.c_void_p),
        ("ne", ctypes.c_int64 * 4),
        ("nb", ctypes.c_size_t * 4),
        ("op", ctypes.c_int),
        ("op_params", ctypes.c_int32 * 16),
        ("flags", ctypes.c_int32),
        ("src", ctypes.c_void_p * 10),
        ("view_src", ctypes.c_void_p),
        ("view_offs", ctypes.c_size_t),
        ("data", ctypes.c_void_p),
        ("name", ctypes.c_char * 64),
        ("extra", ctypes.c_void_p),
        ("padding", ctypes.c_char * 8),
    )

    def source(self, number: int) -> "Tensor":
        return Tensor.from_address(self.src[number])

    def array(self) -> "NDArray[np.float32] | NDArray[np.int32]":
        """Its own memory, float32 or int32, ggml's dimensions reversed: the fastest last."""
        shape, strides = tuple(reversed(self.ne)), tuple(reversed(self.nb))
        size = sum((count - 1) * stride for count, stride in zip(shape, strides, strict=True)) + 4
        memory = (ctypes.c_char * size).from_address(self.data)
        return np.ndarray(shape, {F32: np.float32, I32: np.int32}[self.type], memoryview(memory), strides=strides)


@dataclass(frozen=True, slots=True)
class Operations:
    """Numbers of ggml_op."""

    mul_mat: int
    mul_mat_id: int


def known_operations(library: ctypes.CDLL) -> Operations:
    """Those of a graph built to try `Tensor` on. Raises LocalfinError where it does not fit."""
    _declare(library)
    context = library.ggml_init(_InitParams(1 << 20, None, False))
    try:
        matrix = library.ggml_new_tensor_3d(context, F32, 3, 5, 2)
        columns = library.ggml_new_tensor_3d(context, F32, 3, 1, 7)
        ids = library.ggml_new_tensor_2d(context, I32, 2, 7)
        library.ggml_set_name(matrix, b"blk.0.tried.weight")
        plain = library.ggml_mul_mat(context, library.ggml_new_tensor_2d(context, F32, 3, 5), columns)
        indirect = Tensor.from_address(library.ggml_mul_mat_id(context, matrix, columns, ids))
        tried, numbers = Tensor.from_address(matrix), Tensor.from_address(ids)
        fits = (
            ctypes.sizeof(Tensor) == library.ggml_tensor_overhead() - _OBJECT
            and list(indirect.src[:3]) == [matrix, columns, ids]
            and list(indirect.ne) == [5, 2, 7, 1]
            and (tried.name, tried.type, numbers.type) == (b"blk.0.tried.weight", F32, I32)
            and (list(tried.ne), list(tried.nb)) == ([3, 5, 2, 1], [4, 12, 60, 120])
            and (tried.data, numbers.data) == (library.ggml_get_data(matrix), library.ggml_get_data(ids))
        )
        operations = Operations(Tensor.from_address(plain).op, indirect.op)
    finally:
        library.ggml_free(context)
    names = [library.ggml_op_name(number) for number in (operations.mul_mat, operations.mul_mat_id)]
    if not fits or names != [b"MUL_MAT", b"MUL_MAT_ID"]:
        raise LocalfinError(_("this llama-cpp-python lays out its tensors otherwise than the one pinned; install that"))
    return operations


class _InitParams(ctypes.Structure):
    _fields_ = (("mem_size", ctypes.c_size_t), ("mem_buffer", ctypes.c_void_p), ("no_alloc", ctypes.c_bool))


def _declare(library: ctypes.CDLL) -> None:
    pointer, size = ctypes.c_void_p, ctypes.c_int64
    library.ggml_init.restype, library.ggml_init.argtypes = pointer, [_InitParams]
    library.ggml_free.restype, library.ggml_free.argtypes = None, [pointer]
    library.ggml_tensor_overhead.restype, library.ggml_tensor_overhead.argtypes = ctypes.c_size_t, []
    library.ggml_new_tensor_2d.restype = library.ggml_new_tensor_3d.restype = pointer
    library.ggml_new_tensor_2d.argtypes = [pointer, ctypes.c_int, size, size]
    library.ggml_new_tensor_3d.argtypes = [pointer, ctypes.c_int, size, size, size]
    library.ggml_set_name.restype, library.ggml_set_name.argtypes = pointer, [pointer, ctypes.c_char_p]
    library.ggml_mul_mat.restype, library.ggml_mul_mat.argtypes = pointer, [pointer] * 3
    library.ggml_mul_mat_id.restype, library.ggml_mul_mat_id.argtypes = pointer, [pointer] * 4
    library.ggml_get_data.restype, library.ggml_get_data.argtypes = pointer, [pointer]
    library.ggml_op_name.restype, library.ggml_op_name.argtypes = ctypes.c_char_p, [ctypes.c_int]
