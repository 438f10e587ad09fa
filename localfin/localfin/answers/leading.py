"""Answers without a model's words: the passages themselves, or what a calculator or a table computed.

A small model finds no answer in a passage and copies figures wrongly. So the passage's own sentences lead, each a
literal part of its source.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from localfin.answers.events import Citation, Source
from localfin.answers.matching import asked_for
from localfin.answers.quotes import Span, sentences
from localfin.computed import Computed
from localfin.documents.passage import below_headings
from localfin.documents.ranking import best_parts
from localfin.documents.words import words
from localfin_models.language import translated

_ENTRY = 900
"""Characters of an entry of the handbook that are shown whole."""
_QUOTED = 300
"""Characters of one quote from a document, where its sentences allow it."""
_MOST = 3
"""Passages that are quoted."""
_NEAR = 0.75
"""A further passage is quoted where it covers that much of what the best one covers."""


@dataclass(frozen=True, slots=True)
class Led:
    text: str
    citations: tuple[Citation, ...] = ()


def from_passages(question: str, sources: Sequence[Source]) -> Led:
    """`sources`: at least one, the best first. Empty where none of them says anything about the question."""
    asked, text = asked_for(question), ""
    citations: list[Citation] = []
    shown: list[str] = []
    for source in sources[:_MOST]:
        if source.match < _NEAR * sources[0].match:
            continue
        spans = _spans(source, asked)
        if not spans:
            continue
        quotes = [_line(source.passage.text[start:end]) for start, end in spans]
        if all(any(quote in other for other in shown) for quote in quotes):
            continue
        own = source.passage.document is None
        text += "\n\n" if text else ""
        text += "\n".join(quotes if own else [f"“{quote}”" for quote in quotes]) + " "
        citations += [Citation(source, start, end, len(text)) for start, end in spans]
        text += f"[{source.number}]"
        shown += quotes
        if own:
            break  # an entry says it all
    return Led(text, tuple(citations))


def from_computed(results: Sequence[Computed], language: str) -> Led:
    """What was computed, how, and what the way to compute it rests on."""
    formula, source = translated("Computed by:", language), translated("Source:", language)
    parts = [f"{result.text}\n\n{formula} {result.formula}\n{source} {result.source}" for result in results]
    return Led("\n\n".join(parts))


def _spans(source: Source, asked: frozenset[str]) -> list[Span]:
    """What is quoted of a source; nothing of a table of which no row says what its head does not."""
    text = source.passage.text
    spans = list(sentences(text))
    if source.passage.document is None:
        return _paragraphs(text, spans)
    said = below_headings(source.passage.heading, text)
    spans = [span for span in spans if span[0] >= said] or spans
    heads = _heads(text, spans)
    split = [words(text[slice(*span)]) for span in spans]
    first, last = best_parts(text, spans, split, dict.fromkeys(asked, 1.0))
    first = last if last in heads else first
    if first in heads:
        head = heads[first]
        new = asked.difference(split[head]).intersection(split[first])
        return [spans[head], spans[first]] if new else []
    if first in heads.values():
        return []
    # What follows explains, and what stands before leads up to it, within a paragraph.
    while last + 1 < len(spans) and _belongs(text, spans[first], spans[last + 1]):
        last += 1
    while first and _belongs(text, spans[first - 1], spans[last]):
        first -= 1
    return [(spans[first][0], spans[last][1])]


def _belongs(text: str, first: Span, last: Span) -> bool:
    """Whether the sentences from `first` to `last` make one quote."""
    return last[1] - first[0] <= _QUOTED and "\n" not in text[first[0] : last[1]]


def _paragraphs(text: str, spans: Sequence[Span]) -> list[Span]:
    """An entry from its beginning, line by line, in whole sentences."""
    taken: list[Span] = []
    for start, end in spans:
        if end > _ENTRY and taken:
            break
        if taken and "\n" not in text[taken[-1][1] : start]:
            taken[-1] = (taken[-1][0], end)
        else:
            taken.append((start, end))
    return taken


def _heads(text: str, spans: Sequence[Span]) -> dict[int, int]:
    """For each row of a table but its first the number of that first one, which says what the cells are."""
    heads: dict[int, int] = {}
    head: int | None = None
    for at, (start, end) in enumerate(spans):
        if "\t" not in text[start:end]:
            head = None
        elif head is None:
            head = at
        else:
            heads[at] = head
    return heads


def _line(quote: str) -> str:
    return " ".join(quote.split())
