"""llama_cpp's ctypes layer, and nothing else of that package. Imported in the engine's child only.

Its `__init__` would bring numpy (whose BLAS starts threads before the seal), and diskcache (which unpickles); the
layer itself needs neither and loads in a third of the time.
"""

import ctypes
import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any

from localfin_models.errors import LocalfinError
from localfin_models.language import _

_ERROR, _CONTINUED = 4, 5  # ggml_log_level
_KEPT_LINES = 8


def load_binding() -> Any:
    """The module `llama_cpp.llama_cpp`, with the backends registered."""
    if "llama_cpp" not in sys.modules:
        spec = importlib.util.find_spec("llama_cpp")
        if spec is None or spec.submodule_search_locations is None:
            raise LocalfinError(_("llama-cpp-python is not installed: pip install llama-cpp-python"))
        package = ModuleType("llama_cpp")
        package.__path__ = list(spec.submodule_search_locations)
        package.__spec__ = spec
        sys.modules["llama_cpp"] = package
    binding = importlib.import_module("llama_cpp.llama_cpp")
    binding.llama_backend_init()
    return binding


class Log:
    """llama.cpp's log, kept instead of printed: the first few errors since it was cleared, for an error's text."""

    def __init__(self, binding: Any) -> None:
        self._lines: list[str] = []
        self._kept = False
        # Held here, or ctypes would free what C still calls.
        self._callback = binding.llama_log_callback(self._receive)
        binding.llama_log_set(self._callback, None)

    def reason(self) -> str:
        """The first error, which names the cause, without the function's name in front; empty if there was none."""
        line = self._lines[0] if self._lines else ""
        head, colon, rest = line.partition(": ")
        return rest if colon and head.replace("_", "").isalnum() else line

    def clear(self) -> None:
        self._lines.clear()

    def _receive(self, level: int, text: bytes, _user_data: object) -> None:
        if level != _CONTINUED:
            self._kept = level == _ERROR
        line = text.decode("utf-8", "replace").strip()
        if self._kept and line and len(self._lines) < _KEPT_LINES:
            self._lines.append(line)


def abort_callback(binding: Any) -> Any:
    """A callback for ggml that answers whether the C string it is given is non-empty: `strlen`, from the C library.

    ggml asks after every operation of the graph. A Python function would take the interpreter's lock hundreds of times
    a token; `strlen` of one byte takes none. bool is returned in the low byte of the register that holds the length,
    which is 0 or 1 here.
    """
    library = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None)
    return ctypes.cast(library.strlen, binding.ggml_abort_callback)
