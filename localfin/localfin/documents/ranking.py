"""Scores a passage for a question: BM25 over title, headings and text, words side by side, and its best part.

Every word of the question counts here, also the frequent ones that the index was not asked for. The score is the share
of the highest that a passage can reach, so that it says how much of the question a passage holds.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from localfin.documents.words import words

K1 = 1.2
"""How soon more of the same word stops to count (Robertson and Zaragoza: BM25 and Beyond, 2009)."""
B = 0.5
"""How much more of a word a long passage must hold than a short one: 0 not at all, 1 in proportion."""
TITLE, HEADING = 3.0, 2.0
"""What a word in the title and in the headings counts, in words of the text."""
SIDE_BY_SIDE = 0.5
"""What two words of the question that follow each other count beside the words themselves."""
PART = 1.0
"""What the best part of the passage counts beside the whole."""

QUOTE = 280
"""Characters of a quote at most."""

_PART_END = re.compile(r"(?<=[.!?。])\s+|\n+")


@dataclass(frozen=True, slots=True)
class Question:
    """A question as the ranking sees it."""

    weights: Mapping[str, float]
    """Each word with what it is worth: how rare it is, less where it only stands for another."""
    pairs: Mapping[tuple[str, str], float]
    """Words that follow each other in the question, with what finding them so is worth."""
    words_of_passage: float
    """How many words a passage has on average."""

    @property
    def most(self) -> float:
        """The score of a passage that holds everything, without end."""
        return (K1 + 1 + PART) * sum(self.weights.values()) + SIDE_BY_SIDE * sum(self.pairs.values())


def rarity(passages: int, holding: int) -> float:
    """What a word is worth that stands in `holding` of `passages` (BM25's idf, never negative)."""
    return math.log(1 + (passages - holding + 0.5) / (holding + 0.5))


def score(question: Question, title: str, heading: str, text: str) -> tuple[float, str]:
    """The passage's share of the highest score, and the literal part of `text` that matches best."""
    spans = parts(text)
    split = [words(text[start:end]) for start, end in spans]
    body = [word for part in split for word in part]
    in_title, in_heading, in_body = Counter(words(title)), Counter(words(heading)), Counter(body)
    length = 1 - B + B * len(body) / question.words_of_passage
    found = 0.0
    for word, worth in question.weights.items():
        often = TITLE * in_title[word] + HEADING * in_heading[word] + in_body[word] / length
        found += worth * (K1 + 1) * often / (K1 + often)
    beside = set(pairwise(body)) if question.pairs else set()
    found += SIDE_BY_SIDE * sum(worth for pair, worth in question.pairs.items() if pair in beside)
    best, worth = _best_part(question, split)
    found += PART * worth
    return found / question.most, _quote(text, spans, best)


def parts(text: str) -> list[tuple[int, int]]:
    """Where the sentences and lines of a text begin and end."""
    ends = [(match.start(), match.end()) for match in _PART_END.finditer(text)]
    starts = [0, *(after for _before, after in ends)]
    stops = [*(before for before, _after in ends), len(text)]
    return [(start, stop) for start, stop in zip(starts, stops, strict=True) if text[start:stop].strip()]


def _best_part(question: Question, split: Sequence[Sequence[str]]) -> tuple[int, float]:
    """Which part holds most of the question, and what its words are worth."""
    best, most = 0, 0.0
    for number, part in enumerate(split):
        worth = sum(question.weights[word] for word in question.weights.keys() & set(part))
        if worth > most:
            best, most = number, worth
    return best, most


def _quote(text: str, spans: Sequence[tuple[int, int]], best: int) -> str:
    if not spans:
        return ""
    start, stop = spans[best]
    return text[start : min(stop, start + QUOTE)].strip()
