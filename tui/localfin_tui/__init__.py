"""The Textual app: screens and widgets only. It knows the assistant by its engine's protocol and its store.

Public here: `LocalfinApp`, imported when first named, since Textual costs 30 bare interpreters.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localfin_tui.app import LocalfinApp

__all__ = ["LocalfinApp"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("localfin_tui.app"), name)
