"""Scores a passage for a question: BM25 over title, headings and text, and words side by side; finds its best part.

Every word of the question counts here, also the frequent ones that the index was not asked for. The score is the share
of the question that a passage holds, weighed by the rarity of its words; a row of a table that is called as the
question says adds up to half as much.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from localfin.documents.passage import below_headings
from localfin.documents.words import words

K1 = 0.9
"""How soon more of the same word stops to count (Robertson and Zaragoza: BM25 and Beyond, 2009)."""
B = 0.7
"""How much more of a word a long passage must hold than a short one: 0 not at all, 1 in proportion."""
TITLE, HEADING = 3.0, 2.0
"""What a word in the title and in the headings counts, in words of the text."""
ROW = 1.0
"""What the words count again that name the row of a table."""
OTHER_NAME = 0.6
"""What a synonym is worth beside the name that was asked for."""

QUOTE = 280
"""Characters of a quote at most."""

HEADING_LINE = 40
"""Characters of a line that may be a heading."""

_NO_HEADING = re.compile(r"[\d:：]|[.!?。]$|^[-*•·]")
_PART_END = re.compile(r"(?<=[.!?。])\s+|\n+")

Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """A question as the ranking sees it."""

    weights: Mapping[str, float]
    """Each word with what it is worth: how rare it is, less where it only says what to do."""
    pairs: Mapping[tuple[str, str], float]
    """Words that follow each other in the question, with what finding them so is worth."""
    words_of_passage: float
    """How many words a passage has on average."""
    others: Mapping[Words, Sequence[Words]]
    """What the question names, with its other names, which count where the passage lacks the first."""
    most: float
    """What a passage that holds all of the question is worth."""


def rarity(passages: int, holding: int) -> float:
    """What a word is worth that stands in `holding` of `passages` (BM25's idf, never negative)."""
    return math.log(1 + (passages - holding + 0.5) / (holding + 0.5))


def score(question: Question, title: str, heading: str, text: str) -> tuple[float, str]:
    """The share of the question that the passage holds, and the literal part of `text` that matches best: below its
    own headings, which name what is said and do not say it."""
    spans = parts(text)
    split = [words(text[start:end]) for start, end in spans]
    body = [word for part in split for word in part]
    in_title, in_heading, in_body = Counter(words(title)), Counter(words(heading)), Counter(body)
    length = 1 - B + B * len(body) / question.words_of_passage

    def often(word: str) -> float:
        return TITLE * in_title[word] + HEADING * in_heading[word] + in_body[word] / length

    found = sum(worth * _saturated(often(word)) for word, worth in question.weights.items())
    for name, others in question.others.items():
        if not all(map(often, name)):
            worth = sum(question.weights[word] for word in name)
            found += OTHER_NAME * worth * _saturated(max(min(map(often, other)) for other in others))
    beside = set(pairwise(body)) if question.pairs else set()
    found += sum(worth for pair, worth in question.pairs.items() if pair in beside)
    found += ROW * max((_row(question, text[start:end]) for start, end in spans), default=0.0)
    said = below_headings(heading, text)
    first = next((at for at, (start, _end) in enumerate(spans) if start >= said), 0)
    return found / question.most, _quote(question, text, spans[first:], split[first:])


def _row(question: Question, line: str) -> float:
    """What the name of a table's row, before its first tab, says of the question; less where it says more than that."""
    name, tab, _values = line.partition("\t")
    said = set(words(name)) if tab else set[str]()
    asked = said & question.weights.keys()
    return sum(question.weights[word] for word in asked) * (len(asked) / len(said)) ** 2 if asked else 0.0


def _saturated(often: float) -> float:
    return (K1 + 1) * often / (K1 + often)


def parts(text: str) -> list[tuple[int, int]]:
    """Where the sentences and lines of a text begin and end."""
    ends = [(match.start(), match.end()) for match in _PART_END.finditer(text)]
    starts = [0, *(after for _before, after in ends)]
    stops = [*(before for before, _after in ends), len(text)]
    return [(start, stop) for start, stop in zip(starts, stops, strict=True) if text[start:stop].strip()]


def best_parts(
    text: str, spans: Sequence[tuple[int, int]], split: Sequence[Sequence[str]], weights: Mapping[str, float]
) -> tuple[int, int]:
    """The first and the last of the parts whose words (`split`) weigh most; the first of several.

    A line that only names what follows is none alone: a part below it is, which says what the line does not or just as
    much, else the next part together with it. `spans`: at least one.
    """

    def worth(at: int, but: Sequence[str] = ()) -> float:
        return sum(weights[word] for word in weights.keys() & set(split[at]) - set(but))

    best = max(range(len(spans)), key=worth)
    if best + 1 == len(spans) or not _names(text, spans, best):
        return best, best
    told = [at for at in range(len(spans)) if not _names(text, spans, at)]
    said = next((at for at in told if worth(at) == worth(best)), None)
    if said is None:
        said = max((at for at in told if at > best), key=lambda at: worth(at, split[best]), default=None)
        said = None if said is None or not worth(said, split[best]) else said
    return (best, best + 1) if said is None else (said, said)


def _names(text: str, spans: Sequence[tuple[int, int]], at: int) -> bool:
    """Whether a part only names what follows: a line of few words without a figure or an end, the head of a table."""
    start, end = spans[at]
    if "\t" in text[start:end]:
        return not (at and "\t" in text[slice(*spans[at - 1])])
    alone = text[start - 1 : start] in ("", "\n", " ") and text[end : end + 1] == "\n"
    return alone and end - start <= HEADING_LINE and _NO_HEADING.search(text[start:end]) is None


def _quote(question: Question, text: str, spans: Sequence[tuple[int, int]], split: Sequence[Sequence[str]]) -> str:
    """The part that holds most of the question."""
    if not spans:
        return ""
    first, last = best_parts(text, spans, split, question.weights)
    start, stop = spans[first][0], spans[last][1]
    return text[start : min(stop, start + QUOTE)].strip()
