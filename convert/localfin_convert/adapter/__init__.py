"""peft adapters: which tensors of the base they change, how, in which order; what is not merged is refused by name."""

from localfin_convert.adapter.changes import Change
from localfin_convert.adapter.combine import HEAD, Adapter, Merge, Step, open_adapters
from localfin_convert.adapter.folder import Weighted, weighted

__all__ = ["HEAD", "Adapter", "Change", "Merge", "Step", "Weighted", "open_adapters", "weighted"]
