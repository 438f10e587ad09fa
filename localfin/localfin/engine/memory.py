"""How much memory a model will take, from its header alone; and what is free. Numbers only, in bytes."""

from dataclasses import dataclass
from pathlib import Path

from localfin_models.errors import NotEnough
from localfin_models.gguf_header import GgufHeader
from localfin_models.language import _

_F16 = 2
_UBATCH = 512
_MARGIN = 1 << 30
"""Address space for the interpreter, libraries, thread stacks and allocator arenas."""
_PER_THREAD = 24 << 20
_ADAPTERS_LATER = 1 << 30
"""Address space for adapters that are named when the limit already holds."""


@dataclass(frozen=True, slots=True)
class Need:
    """What loading takes."""

    weights_bytes: int
    kv_bytes: int
    compute_bytes: int
    layers: int
    n_ctx: int
    adapter_bytes: int = 0

    @property
    def resident_bytes(self) -> int:
        """What must be held at once while the model answers."""
        return self.weights_bytes + self.adapter_bytes + self.kv_bytes + self.compute_bytes

    def address_space(self, threads: int) -> int:
        """The limit to run under. Weights count twice, mapped from the file and repacked for the processor; keys and
        values, too: in the context, and as a state that is handed over."""
        adapters = 2 * self.adapter_bytes + _ADAPTERS_LATER
        other = 2 * self.kv_bytes + 2 * self.compute_bytes + _MARGIN + threads * _PER_THREAD
        return 2 * self.weights_bytes + adapters + other


def estimate(header: GgufHeader, n_ctx: int, adapter_bytes: int = 0) -> Need:
    """Keys and values in f16 for every layer; logits, activations and attention scores of one batch."""
    kv = n_ctx * header.layers * header.kv_width * _F16
    rows = min(_UBATCH, n_ctx)
    # Scores of every head over the whole context, in f32, where attention is not fused.
    compute = (
        4 * rows * (header.vocabulary + 8 * header.width + 3 * header.feed_forward) + 4 * rows * n_ctx * header.heads
    )
    return Need(header.tensor_bytes, kv, compute, header.layers, n_ctx, adapter_bytes)


def free_memory() -> int | None:
    """Bytes this process may still take: the machine's, or its control group's where that is less. None if unknown."""
    found: list[int] = []
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found.append(int(line.split()[1]) * 1024)
    group = _group_memory(Path("/sys/fs/cgroup"))
    if group is not None:
        found.append(group)
    return min(found, default=None)


def refuse_if_too_large(need: Need) -> None:
    """Raise NotEnough, saying how much is missing, rather than let the machine swap or the kernel kill."""
    free = free_memory()
    # The scores' estimate is an upper bound (attention is fused nearly everywhere): it is not held against the user.
    needed = need.weights_bytes + need.adapter_bytes + need.kv_bytes
    if free is not None and needed > free:
        sizes = {
            "need": _size(needed),
            "weights": _size(need.weights_bytes + need.adapter_bytes),
            "kv": _size(need.kv_bytes),
        }
        reason = _("not enough memory: {need} needed ({weights} weights, {kv} for {n_ctx} tokens), {free} free")
        raise NotEnough(reason.format(**sizes, n_ctx=need.n_ctx, free=_size(free)))


def refuse_adapter_if_too_large(size: int) -> None:
    """Raise NotEnough where an adapter of `size` bytes has no place: it is there twice while it is loaded."""
    free = free_memory()
    if free is not None and 2 * size > free:
        reason = _("not enough memory: {need} needed to load the adapter, {free} free")
        raise NotEnough(reason.format(need=_size(2 * size), free=_size(free)))


def _group_memory(folder: Path) -> int | None:
    try:
        limit = (folder / "memory.max").read_text().strip()
        used = int((folder / "memory.current").read_text())
    except (OSError, ValueError):
        return None
    return max(0, int(limit) - used) if limit.isdigit() else None


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"
