"""Lines of text for a terminal, in cells: Hangul takes two. Nothing else."""

import unicodedata
from collections.abc import Iterator


def width(text: str) -> int:
    """Cells that a text takes in a terminal."""
    return sum(_cells(letter) for letter in text)


def wrapped(text: str, cells: int, indent: str = "") -> Iterator[str]:
    """The words of `text` in lines of at most `cells` cells, each behind `indent`; a longer word is cut."""
    line, room = "", max(cells - width(indent), 2)
    for word in text.split():
        if line and width(line) + 1 + width(word) > room:
            yield indent + line
            line = ""
        line = f"{line} {word}" if line else word
        while width(line) > room:
            head = _head(line, room)
            yield indent + head
            line = line[len(head) :]
    if line:
        yield indent + line


def _head(text: str, cells: int) -> str:
    """As much of the beginning as fits."""
    taken = 0
    for number, letter in enumerate(text):
        taken += _cells(letter)
        if taken > cells:
            return text[:number]
    return text


def _cells(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in "WF" else 1
