"""Quotes: where words stand in a source's text, and which of its sentences say most about a question.

A quote is found where it equals the source but for white space, case, the kind of quotation marks and dashes, and a
mark at its end. What is given back are places in the source's own text.
"""

import re
import unicodedata
from collections.abc import Iterator

Span = tuple[int, int]

_ALIKE = str.maketrans("“”„‟″「」『』«»‘’‚‛′–—−‐‑·ㆍ・", '"""""""""""' + "'''''" + "-----" + "···")
_EDGES = " \t\n.,;:!?…·"
_SENTENCE_END = re.compile(
    r"(?<![0-9A-Z.])[.!?。]+[\"'”’)\]]*\s+|(?<=[0-9A-Z])[.!?。][\"'”’)\]]*\s+(?=[가-힣A-Z\"“])|\n+"
)


def find(quote: str, text: str) -> Span | None:
    """Where `quote` stands in `text`, at word and number boundaries; None where it does not, or says nothing."""
    whole, _places = _normalised(unicodedata.normalize("NFC", quote))
    wanted = whole.strip(_EDGES)
    if not any(c.isalnum() for c in wanted):
        return None
    tail = whole[whole.rfind(wanted) + len(wanted) :].rstrip()
    held, places = _normalised(text)
    at = held.find(wanted)
    while at >= 0:
        end = at + len(wanted)
        if not (_same_word(held, at) or _same_word(held, end)):
            end += len(tail) if held.startswith(tail, end) else 0
            return places[at], places[end - 1] + 1
        at = held.find(wanted, at + 1)
    return None


def sentences(text: str) -> Iterator[Span]:
    """Sentences, lines and rows of tables, without the white space around them."""
    start = 0
    for match in _SENTENCE_END.finditer(text):
        if match[0].isspace() or len(text[start : match.end()].strip()) > 2:  # `1.` begins a line, it ends none
            yield from _stripped(text, start, match.end())
            start = match.end()
    yield from _stripped(text, start, len(text))


def _stripped(text: str, start: int, end: int) -> Iterator[Span]:
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    end -= len(piece) - len(piece.rstrip())
    if start < end:
        yield start, end


def _normalised(text: str) -> tuple[str, list[int]]:
    """One blank for white space, small letters, plain marks; and each character's place in `text`."""
    out: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text.translate(_ALIKE)):
        if character.isspace():
            if not out or out[-1] == " ":
                continue
            character = " "
        else:
            small = character.casefold()
            character = small if len(small) == 1 else character
        out.append(character)
        places.append(place)
    return "".join(out), places


def _same_word(text: str, at: int) -> bool:
    """Whether the characters around a place belong to one number or one Latin word."""
    if not 0 < at < len(text):
        return False
    before, behind = text[at - 1], text[at]
    if before.isascii() and behind.isascii() and before.isalnum() and behind.isalnum():
        return True
    # 1|,234 and 3.|5 are cut numbers.
    beyond = text[at + 1 : at + 2]
    return (before.isdigit() and behind in ",." and beyond.isdigit()) or (
        before in ",." and behind.isdigit() and text[at - 2 : at - 1].isdigit()
    )
