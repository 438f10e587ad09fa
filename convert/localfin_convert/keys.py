"""One key of a GGUF file, with the type it is written in. Keys in a list stand in the order of the file."""

from dataclasses import dataclass

from gguf import GGUFValueType


@dataclass(frozen=True, slots=True)
class Key:
    name: str
    value: object
    type: GGUFValueType
    element: GGUFValueType | None = None
    """The type of the elements where `type` is ARRAY, else None."""
