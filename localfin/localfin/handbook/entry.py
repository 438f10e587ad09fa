"""What an entry of the handbook is, and reading the ones that ship: TOML, one file a topic.

    [[entry]]
    id = "deposit-protection"        # what citations and other entries call it
    as_of = 2025-12-31               # the day at which its figures and laws were known to hold
    related = ["time-deposit"]       # ids
    [entry.ko]                       # and [entry.en], with the same keys
    title = "예금자보호"
    aliases = ["예금자보호 한도"]     # what people call it besides
    basis = "예금자보호법 제32조"     # the law or the body that it rests on
    body = '''                       # one sentence a line; the first one answers the question
    ...
    '''

The files ship with the program, so that anything wrong in them is a defect: ValueError, never a refusal.
"""

import datetime
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

FOLDER = Path(__file__).with_name("entries")
Language = Literal["ko", "en"]
_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_ENTRY = frozenset({"id", "as_of", "related", "ko", "en"})
_WORDING = frozenset({"title", "aliases", "basis", "body"})


@dataclass(frozen=True, slots=True)
class Wording:
    """An entry in one language."""

    title: str
    aliases: tuple[str, ...]
    """What people call it besides: abbreviations, colloquial names, what they type."""
    basis: str
    """The law with its article, the standard or the body that the body rests on."""
    sentences: tuple[str, ...]
    """The first one answers the question."""

    @property
    def body(self) -> str:
        return " ".join(self.sentences)


@dataclass(frozen=True, slots=True)
class Entry:
    id: str
    topic: str
    """The stem of its file."""
    as_of: datetime.date
    """The day at which its figures and laws were known to hold."""
    related: tuple[str, ...]
    """Ids of other entries."""
    ko: Wording
    en: Wording

    def wording(self, language: str) -> Wording:
        return self.ko if language == "ko" else self.en


@cache
def entries() -> tuple[Entry, ...]:
    """The ones that ship, by topic and in their order. Raises ValueError where a file is malformed."""
    return read_entries(FOLDER)


def read_entries(folder: Path) -> tuple[Entry, ...]:
    """The entries of the folder's TOML files. Raises ValueError, which names file and entry, where one is malformed."""
    found: dict[str, Entry] = {}
    for path in sorted(folder.glob("*.toml")):
        for entry in _read(path):
            if entry.id in found:
                raise ValueError(f"{path.name}: two entries are called {entry.id}")
            found[entry.id] = entry
    for entry in found.values():
        if strange := [each for each in entry.related if each == entry.id or each not in found]:
            raise ValueError(f"{entry.topic}.toml: {entry.id} refers to {strange[0]}, which is no other entry")
    return tuple(found.values())


def _read(path: Path) -> list[Entry]:
    try:
        table: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path.name}: {error}") from None
    rows = table.pop("entry", None)
    if table or not isinstance(rows, list):
        raise ValueError(f"{path.name}: it holds [[entry]] tables and nothing else")
    listed: list[Any] = rows
    return [_entry(path, position, row) for position, row in enumerate(listed, 1)]


def _entry(path: Path, position: int, row: Any) -> Entry:
    where = f"{path.name}: entry {position}"
    values = _keys(where, row, _ENTRY)
    name, as_of = _text(where, values["id"]), values["as_of"]
    if not _ID.fullmatch(name):
        raise ValueError(f"{where}: its id {name!r} is not lower-case words joined by hyphens")
    where = f"{path.name}: {name}"
    if type(as_of) is not datetime.date:
        raise ValueError(f"{where}: as_of is not a date")
    wordings = (_wording(f"{where}.{language}", values[language]) for language in ("ko", "en"))
    return Entry(name, path.stem, as_of, _texts(where, values["related"]), *wordings)


def _wording(where: str, value: Any) -> Wording:
    values = _keys(where, value, _WORDING)
    sentences = tuple(line.strip() for line in _text(where, values["body"]).splitlines() if line.strip())
    title, basis = _text(where, values["title"]), _text(where, values["basis"])
    return Wording(title, _texts(where, values["aliases"]), basis, sentences)


def _keys(where: str, value: Any, expected: frozenset[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict) or value.keys() != expected:
        raise ValueError(f"{where}: it does not have exactly the keys {', '.join(sorted(expected))}")
    return cast("dict[str, Any]", value)


def _texts(where: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{where}: a list of texts was expected")  # noqa: TRY004 - what a file says, not a caller
    listed: list[Any] = value
    return tuple(_text(where, each) for each in listed)


def _text(where: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{where}: a text was expected")
    return value.strip()
