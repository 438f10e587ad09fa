"""Files to blocks: plain text and Markdown."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from localfin.documents.passage import Block
from localfin.text import clean_text
from localfin_models.errors import InputRefused, NotFound
from localfin_models.language import _

SUFFIXES = frozenset({".txt", ".md"})
"""Of the files that can be read."""


@dataclass(frozen=True, slots=True)
class Reading:
    title: str
    """What the file calls itself; empty where it does not."""
    blocks: Iterator[Block]


def read(path: Path) -> Reading:
    """Raises NotFound, InputRefused."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputRefused(_("{path}: documents of this kind cannot be read").format(path=path))
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise NotFound(_("{path} does not exist").format(path=path)) from None
    except UnicodeDecodeError:
        raise InputRefused(_("{path}: this is no UTF-8 text").format(path=path)) from None
    return Reading("", _blocks(clean_text(text)))


def _blocks(text: str) -> Iterator[Block]:
    for paragraph in text.split("\n\n"):
        line = paragraph.strip()
        if line.startswith("#") and "\n" not in line:
            yield Block("heading", line.lstrip("# "))
        elif line:
            yield Block("text", line)
