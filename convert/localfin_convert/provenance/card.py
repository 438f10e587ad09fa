"""What a model folder says of itself for people: the front matter of README.md, and its licence. Nothing is trusted.

The front matter is YAML. Its events are read, no object is built from them: no tags, no aliases (a few lines of which
can stand for gigabytes), every scalar a string. Only what stands at the top counts.
"""

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from localfin_models.licences import Licence

_FRONT = re.compile(r"\A\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_MOST = 1 << 18
"""Characters of a README.md that are read; its front matter is far shorter."""
_DEEPEST = 16  # libyaml takes quadratic time for deep nesting
_LICENCE_FILES = ("LICENSE", "LICENSE.txt", "LICENSE.md", "LICENCE", "LICENCE.txt", "LICENCE.md")
_LICENCE_HEAD = 4096
_LICENCE_TEXTS = (
    ("exaone ai model license", "exaone"),
    ("llama 4 community license", "llama4"),
    ("llama 3.3 community license", "llama3.3"),
    ("llama 3.2 community license", "llama3.2"),
    ("llama 3.1 community license", "llama3.1"),
    ("llama 3 community license", "llama3"),
    ("llama 2 community license", "llama2"),
    ("gemma terms of use", "gemma"),
    ("qwen research license", "qwen-research"),
    ("tongyi qianwen research license", "tongyi-qianwen-research"),
    ("tongyi qianwen license", "tongyi-qianwen"),
    ("qwen license agreement", "qwen"),
    ("deepseek license agreement", "deepseek"),
    ("mistral ai research license", "mrl"),
    ("mistral ai non-production license", "mnpl"),
    ("hyperclova x seed model license", "hyperclovax-seed"),
    ("attribution-noncommercial-noderivatives 4.0", "cc-by-nc-nd-4.0"),
    ("attribution-noncommercial-sharealike 4.0", "cc-by-nc-sa-4.0"),
    ("attribution-noncommercial 4.0", "cc-by-nc-4.0"),
    ("attribution-noderivatives 4.0", "cc-by-nd-4.0"),
    ("openrail", "openrail"),
    ("apache license", "apache-2.0"),
    ("permission is hereby granted, free of charge", "mit"),
)
"""What stands in the first lines of a licence's text, and the Hub's name of it."""


@dataclass(frozen=True, slots=True)
class Card:
    licences: tuple[Licence, ...]
    base_models: tuple[str, ...]
    """What the card names as `base_model`."""
    text: str
    """README.md as far as it was read."""


def read_card(folder: Path) -> Card:
    """Of a base or an adapter; empty where the folder has nothing. Damaged front matter counts as none."""
    text = _head(folder / "README.md", _MOST)
    front = _front_matter(text)
    return Card(_licences(folder, front), front.get("base_model", ()), text)


def _licences(folder: Path, front: dict[str, tuple[str, ...]]) -> tuple[Licence, ...]:
    """The card's, else the one whose text lies in the folder, else config.json's."""
    name, link = (" ".join(front.get(key, ())) for key in ("license_name", "license_link"))
    named = [identifier.lower() for identifier in front.get("license", ())]
    lying = _licence_file(folder)
    if (named and named != ["other"]) or name:
        return tuple(Licence(identifier, name, link, "README.md") for identifier in named or ["other"])
    if lying is not None:
        return (lying,)
    if named:
        return (Licence("other", "", link, "README.md"),)
    try:
        configured = json.loads(_head(folder / "config.json", _MOST)).get("license")
    except (ValueError, RecursionError, AttributeError):
        return ()
    return (Licence(_plain(configured).lower(), source="config.json"),) if isinstance(configured, str) else ()


def _licence_file(folder: Path) -> Licence | None:
    for file in _LICENCE_FILES:
        head = " ".join(_head(folder / file, _LICENCE_HEAD).lower().split())
        if head:
            identifier = next((name for words, name in _LICENCE_TEXTS if words in head), "other")
            return Licence(identifier, source=file)
    return None


def _head(path: Path, most: int) -> str:
    try:
        if path.is_file():  # a pipe would be waited for
            with path.open(encoding="utf-8", errors="replace") as file:
                return file.read(most)
    except OSError:
        pass
    return ""


def _front_matter(text: str) -> dict[str, tuple[str, ...]]:
    """Top-level keys whose value is a scalar or a list of scalars; {} for what is no mapping, or no YAML."""
    found = _FRONT.match(text)
    if found is None:
        return {}
    try:
        return dict(_entries(yaml.parse(found[1], Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))))
    except (yaml.YAMLError, RecursionError):
        return {}


def _entries(events: Iterator[yaml.Event]) -> Iterator[tuple[str, tuple[str, ...]]]:
    body = itertools.dropwhile(lambda event: not isinstance(event, yaml.NodeEvent), events)
    if not isinstance(next(body, None), yaml.MappingStartEvent):
        return
    for key in body:
        if isinstance(key, yaml.MappingEndEvent):
            return
        name, values = _scalars(key, body), _scalars(next(body), body)
        if len(name) == 1:
            yield name[0], values


def _scalars(first: yaml.Event, events: Iterator[yaml.Event]) -> tuple[str, ...]:
    """Of one node: itself, or its direct children; what is nested deeper is passed over."""
    if isinstance(first, yaml.ScalarEvent):
        return (_plain(first.value),) if first.value else ()
    found: list[str] = []
    depth = int(isinstance(first, yaml.CollectionStartEvent))
    while depth:
        if depth > _DEEPEST:
            raise yaml.YAMLError("nested too deeply")
        event = next(events)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth == 1 and isinstance(event, yaml.ScalarEvent) and isinstance(first, yaml.SequenceStartEvent):
            found.append(_plain(event.value))
    return tuple(found)


def _plain(text: str) -> str:
    """For a terminal and a GGUF key: no control characters, no novel."""
    return "".join(character for character in text if character.isprintable())[:200]
