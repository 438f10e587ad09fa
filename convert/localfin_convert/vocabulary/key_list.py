"""Collects the keys of a vocabulary with the rules of llama.cpp's writer; knows names and types, reads no file.

An empty string or array is left out, and a key that is set again keeps its place and takes the new value.
"""

from collections.abc import Sequence

from gguf import GGUFValueType

from localfin_convert.keys import Key
from localfin_models.errors import InputRefused
from localfin_models.language import _

TOKEN_ID_KEYS = {
    "bos": "bos_token_id",
    "eos": "eos_token_id",
    "unk": "unknown_token_id",
    "sep": "seperator_token_id",
    "pad": "padding_token_id",
    "mask": "mask_token_id",
    "eot": "eot_token_id",
    "eom": "eom_token_id",
}
"""The key's spelling is GGUF's own. Other kinds (cls, prefix, ...) have no key and are left out."""
ADDED_KEYS = ("bos", "eos", "sep")
MAX_TOKEN_ID = (1 << 32) - 1


class KeyList:
    """Keys by name, in the order in which each was first set."""

    def __init__(self) -> None:
        self._keys: dict[str, Key] = {}

    def add_string(self, name: str, text: str) -> None:
        if text:
            self._set(Key(name, _utf8(name, text), GGUFValueType.STRING))

    def add_bool(self, name: str, value: object, source: str) -> None:
        if not isinstance(value, bool):
            raise InputRefused(
                _("{file}: {name} must be true or false").format(file=source, name=name.rpartition(".")[2])
            )
        self._set(Key(name, value, GGUFValueType.BOOL))

    def add_strings(self, name: str, values: Sequence[str]) -> None:
        self._add_array(name, [_utf8(name, value) for value in values], GGUFValueType.STRING)

    def add_floats(self, name: str, values: Sequence[float]) -> None:
        self._add_array(name, list(values), GGUFValueType.FLOAT32)

    def add_ints(self, name: str, values: Sequence[int]) -> None:
        self._add_array(name, list(values), GGUFValueType.INT32)

    def add_token_id(self, kind: str, token_id: int) -> None:
        name = TOKEN_ID_KEYS.get(kind)
        if name is None:
            return
        if token_id > MAX_TOKEN_ID:
            raise InputRefused(_("token id {id} of {kind} is out of range").format(id=token_id, kind=kind))
        self._set(Key(f"tokenizer.ggml.{name}", token_id, GGUFValueType.UINT32))

    def add_added(self, kind: str, value: bool) -> None:
        """Whether the tokenizer puts this special token at a text's start or end."""
        if kind in ADDED_KEYS:
            self._set(Key(f"tokenizer.ggml.add_{kind}_token", value, GGUFValueType.BOOL))

    def finish(self) -> list[Key]:
        return list(self._keys.values())

    def _add_array(self, name: str, values: list[str] | list[float] | list[int], element: GGUFValueType) -> None:
        if values:
            self._set(Key(name, values, GGUFValueType.ARRAY, element))

    def _set(self, key: Key) -> None:
        self._keys[key.name] = key


def _utf8(name: str, text: str) -> str:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise InputRefused(_("{name}: {text} is not valid Unicode").format(name=name, text=ascii(text[:40]))) from None
    return text
