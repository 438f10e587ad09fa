"""Changes to a JSON object in its text: what is not changed stays as it was written, to the byte."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_SPACE = re.compile(r"[ \t\n\r]*")


class Removed:
    """In the place of a value: the key goes."""


REMOVED: Final = Removed()


@dataclass(frozen=True, slots=True)
class _Entry:
    key: str
    start: int
    """Of the key's quotation mark."""
    value: int
    end: int


def edited(text: str, changes: Mapping[str, object]) -> str:
    """`text`, a JSON object, with `changes` at its top: values set, REMOVED for keys that go, new keys at the end."""
    entries, close = _entries(text)
    opening = text.index("{") + 1
    before = text[opening : entries[0].start] if entries else ""
    pieces = list[str]()
    for at, entry in enumerate(entries):
        change = changes.get(entry.key)
        if isinstance(change, Removed):
            continue
        pieces.append(text[entries[at - 1].end : entry.start] if pieces else before)
        value = json.dumps(change, ensure_ascii=False) if entry.key in changes else text[entry.value : entry.end]
        pieces.append(text[entry.start : entry.value] + value)
    known = {entry.key for entry in entries}
    for key, added in changes.items():
        if key not in known and not isinstance(added, Removed):
            pieces.append("," + (before or " ") if pieces else before)
            pieces.append(f"{json.dumps(key)}: {json.dumps(added, ensure_ascii=False)}")
    after = text[entries[-1].end :] if entries else text[close:]
    return text[:opening] + "".join(pieces) + after


def _entries(text: str) -> tuple[list[_Entry], int]:
    """Of the object that `text` is known to be, and where its closing brace stands."""
    decoder = json.JSONDecoder()
    at = _skip(text, text.index("{") + 1)
    found = list[_Entry]()
    while text[at] != "}":
        start = at
        key, at = decoder.raw_decode(text, start)
        value = _skip(text, _skip(text, at) + 1)
        _parsed, end = decoder.raw_decode(text, value)
        found.append(_Entry(key, start, value, end))
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found, at


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    assert match is not None
    return match.end()
