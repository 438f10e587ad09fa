"""A model in several GGUF files, as llama.cpp names them: model-00001-of-00003.gguf and on. Names and numbers only."""

import re
from pathlib import Path

_NAME = re.compile(r"(?P<stem>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<ending>\.gguf(\.part)?)")
"""A part that still grows, and is verified before it has its name, ends in `.part`."""


def part_paths(first: Path, count: int) -> list[Path] | None:
    """All parts in order; None where `first` is not named as the first of `count`."""
    match = _NAME.fullmatch(first.name)
    if match is None or (int(match["number"]), int(match["count"])) != (1, count):
        return None
    stem, ending = match["stem"], match["ending"]
    return [first.with_name(f"{stem}-{number:05d}-of-{count:05d}{ending}") for number in range(1, count + 1)]


def is_later_part(path: Path) -> bool:
    """Whether it is a part by its name, and not the first: nothing to open by itself."""
    match = _NAME.fullmatch(path.name)
    return match is not None and int(match["number"]) > 1
