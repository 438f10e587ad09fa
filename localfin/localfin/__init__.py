"""localfin: an offline financial assistant. A question in, an answer out, and nothing leaves the machine.

Public here: `Assistant` and what it takes and returns. They are imported when first named, so that the command line's
`--help` does not pay for them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localfin.assistant import Answer, Assistant
    from localfin.engine.events import AdapterInfo, LoadOptions, Lora, Message, ModelInfo, Sampling, Usage

__all__ = ["AdapterInfo", "Answer", "Assistant", "LoadOptions", "Lora", "Message", "ModelInfo", "Sampling", "Usage"]

_HOMES = {"Answer": "localfin.assistant", "Assistant": "localfin.assistant"}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES.get(name, "localfin.engine.events")), name)
