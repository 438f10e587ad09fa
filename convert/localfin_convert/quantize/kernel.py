"""The native kernel (kernel.c), where it was built: quantizers that write ggml's bytes, and LoRA's product, faster.

It is loaded with ctypes, which releases the GIL. LOCALFIN_KERNEL names one of the instruction sets instead of the best
that the processor has; `off` leaves the work to ggml and numpy.
"""

import ctypes
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as Type
from numpy.typing import NDArray

from localfin_models.errors import InputRefused
from localfin_models.language import _

LIBRARY = Path(__file__).with_name("libkernel.so")
"""Not kernel.so, which Python would take for a module; so named on every system, which no loader minds."""
KINDS = frozenset({Type.Q4_K, Type.Q5_K, Type.Q6_K, Type.Q8_0})
CHOICE = "LOCALFIN_KERNEL"
_INTERFACE = 3
"""`localfin_interface` of kernel.c; another number is left by an editable installation's older build."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """The kernel, compiled for one instruction set."""

    name: str
    """avx512, avx2 or portable (four lanes: SSE2, NEON)."""
    library: ctypes.CDLL
    number: int

    def quantize(self, kind: Type, rows: NDArray[np.float32], out: NDArray[np.uint8]) -> int:
        """Contiguous float32 rows -> `out`, contiguous, as one of `KINDS`; the bytes written."""
        return int(self.library.localfin_quantize(self.number, int(kind), rows.ctypes.data, out.ctypes.data, rows.size))

    def quantize_brief(self, kind: Type, bits: NDArray[np.uint16], out: NDArray[np.uint8]) -> int:
        """`quantize` of bfloat16 as it is stored; -1 where it holds NaN or Inf."""
        return int(
            self.library.localfin_quantize_brief(self.number, int(kind), bits.ctypes.data, out.ctypes.data, bits.size)
        )

    def chain_product(
        self,
        b: NDArray[np.float32],
        a: NDArray[np.float32],
        panel: int,
        rows: NDArray[np.float32] | None = None,
        scale: float = 1,
        dtype: str = "F32",
    ) -> NDArray[np.float32] | None:
        """(n, r) @ (r, m) -> (n, m), `panel` steps of r a chain; None where the instruction set cannot fuse.

        With `rows`, (n, m): rows + product * scale, rounded to `dtype`, F32 or BF16.
        """
        b, a = np.ascontiguousarray(b, np.float32), np.ascontiguousarray(a, np.float32)
        (n, rank), m = b.shape, a.shape[1]
        out = np.empty((n, m), np.float32)
        rows = None if rows is None else np.ascontiguousarray(rows, np.float32)
        written = self.library.localfin_chain(
            self.number, b.ctypes.data, a.ctypes.data, None if rows is None else rows.ctypes.data, out.ctypes.data,
            n, rank, m, panel, scale, dtype == "BF16",
        )  # fmt: skip
        return out if written == out.nbytes else None


@cache
def kernels() -> dict[str, Kernel]:
    """By instruction set, those that this processor has, best first; none where the kernel was not built."""
    try:
        library = ctypes.CDLL(str(LIBRARY))
        if library.localfin_interface() != _INTERFACE:
            return {}
    except (OSError, AttributeError):
        return {}
    library.localfin_set.restype, library.localfin_set.argtypes = ctypes.c_char_p, [ctypes.c_int]
    for function in (library.localfin_quantize, library.localfin_quantize_brief):
        function.restype = ctypes.c_int64
        function.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
    library.localfin_chain.restype = ctypes.c_int64
    library.localfin_chain.argtypes = [
        ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
        ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_float, ctypes.c_int,
    ]  # fmt: skip
    found, number = dict[str, Kernel](), 0
    while (name := library.localfin_set(number)) is not None:
        if name:
            found[name.decode()] = Kernel(name.decode(), library, number)
        number += 1
    return found


def chosen_kernel() -> Kernel | None:
    """The best, or the one that the environment names. Raises InputRefused where it names none of them."""
    usable, choice = kernels(), os.environ.get(CHOICE)
    if choice is None:
        return next(iter(usable.values()), None)
    if choice != "off" and choice not in usable:
        raise InputRefused(
            _("{variable}={choice}: choose among {names}").format(
                variable=CHOICE, choice=choice, names=", ".join([*usable, "off"])
            )
        )
    return usable.get(choice)
