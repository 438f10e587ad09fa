"""GPUs as ggml sees them, and how many layers they take. Used in the engine's child before it is sealed."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from localfin.engine.memory import Need
from localfin_models.errors import LocalfinError
from localfin_models.language import _
from localfin_models.seal import WorkerLimits

_GPU_TYPES = (1, 2)  # GGML_BACKEND_DEVICE_TYPE_GPU, _IGPU
_RESERVE = 512 << 20
"""Left free on a device for its driver, its kernels and the desktop."""
_DRIVER_FOLDERS = ("/usr", "/lib", "/lib64", "/opt", "/etc", "/proc", "/sys", "/run/nvidia-persistenced")
_DEVICE_FILES = ("/dev/dri", "/dev/kfd", "/dev/shm", "/dev/nvidia-caps", "/dev/nvidiactl", "/dev/nvidia-uvm")


@dataclass(frozen=True, slots=True)
class Device:
    name: str
    free_bytes: int


def gpu_devices(binding: Any) -> list[Device]:
    """The GPUs of this build's backends with the memory free on them; empty where the build has none."""
    if not binding.llama_supports_gpu_offload():
        return []
    library = _ggml(binding)
    found: list[Device] = []
    for index in range(library.ggml_backend_dev_count()):
        device = ctypes.c_void_p(library.ggml_backend_dev_get(index))
        if library.ggml_backend_dev_type(device) in _GPU_TYPES:
            free, total = ctypes.c_size_t(), ctypes.c_size_t()
            library.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
            found.append(Device(library.ggml_backend_dev_description(device).decode("utf-8", "replace"), free.value))
    return found


def choose_gpu_layers(binding: Any, wanted: int | str, need: Need) -> int:
    """The layers to offload. Raises LocalfinError where some were asked for and this build has no GPU backend."""
    if wanted == 0:
        return 0
    devices = gpu_devices(binding)
    if wanted == "auto":
        return layers_that_fit([d.free_bytes for d in devices], need)
    if not devices:
        raise LocalfinError(_("this build of llama.cpp has no GPU to offload to: leave --gpu-layers out, or give 0"))
    return int(wanted)


def layers_that_fit(free_bytes: Sequence[int], need: Need) -> int:
    """How many layers (the output counts as one more) fit into the free memory of the devices together."""
    usable = sum(max(0, free - _RESERVE - need.compute_bytes) for free in free_bytes)
    each = max(1, (need.weights_bytes + need.adapter_bytes + need.kv_bytes) // (need.layers + 1))
    return min(need.layers + 1, usable // each)


def gpu_limits(limits: WorkerLimits) -> WorkerLimits:
    """A driver maps more address space than there is memory, opens devices and reads its libraries late."""
    devices = [Path(p) for p in _DEVICE_FILES] + sorted(Path("/dev").glob("nvidia[0-9]*"))
    drivers = tuple(Path(p) for p in _DRIVER_FOLDERS)
    return replace(limits, read=limits.read + drivers, write=limits.write + tuple(devices), memory_bytes=None)


def _ggml(binding: Any) -> ctypes.CDLL:
    """ggml's own functions, found through the library that is already loaded, with their C types."""
    import sys

    if sys.platform == "win32":
        library = ctypes.CDLL(str(Path(binding._base_path) / "ggml.dll"))
    else:
        library = ctypes.CDLL(binding._lib._name)
    library.ggml_backend_dev_count.restype = ctypes.c_size_t
    library.ggml_backend_dev_get.restype = ctypes.c_void_p
    library.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
    library.ggml_backend_dev_description.restype = ctypes.c_char_p
    return library
