"""What a model is: which ones are on this machine, and whether a GGUF file can be trusted with native code.

The names below are imported when first used: every command imports this package for its errors.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localfin_models.catalog import find_model, list_models
    from localfin_models.gguf_header import GgufHeader, check_gguf

__all__ = ["GgufHeader", "check_gguf", "find_model", "list_models"]

_CATALOG = ("find_model", "list_models")


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{'catalog' if name in _CATALOG else 'gguf_header'}"), name)
