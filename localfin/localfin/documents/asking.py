"""What a question asks the index for: its words with their worth, words that belong side by side, and synonyms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from localfin.documents.ranking import K1, Question, Words, rarity
from localfin.documents.synonyms import Synonyms
from localfin.documents.words import question_words, words

ASKS = 0.4
"""What a word is worth that says what to do with the figures rather than which (`average`, `change`)."""
SIDE_BY_SIDE, WITHIN = 1.5, 0.25
"""What two words are worth that follow each other, and two pairs of syllables of one Hangul run, beside what they are
worth alone."""
_OPERATIONS = frozenset(
    words(
        "percentage percent change average difference sum total amount ratio increase decrease value number year"
        " respective calculate compute explain tell list describe"
        " 평균 합계 총액 금액 차이 비율 증가율 감소율 변화율 변동 설명 알려 말해 정리"
    )
)


@dataclass(frozen=True, slots=True)
class Asked:
    """The words of a question and of its synonyms, before it is known how rare they are."""

    runs: Sequence[Sequence[str]]
    """The question's words by the run of letters that gave them."""
    others: Mapping[Words, Sequence[Words]]
    """What it names, with its other names."""

    @property
    def words(self) -> list[str]:
        """All words once, the question's own first."""
        others = [other for names in self.others.values() for other in names]
        return list(dict.fromkeys(word for run in (*self.runs, *others) for word in run))


def asked_for(query: str, synonyms: Synonyms) -> Asked:
    """Reads a question; whatever stands in it is taken as words."""
    runs = question_words(query)
    return Asked(runs, synonyms.of(runs))


def weighted(asked: Asked, holding: Mapping[str, int], passages: int, words_of_passage: float) -> Question:
    """The question for the ranking; `holding` says how many of the `passages` hold a word, of those that any does."""
    weights: dict[str, float] = {}
    pairs: dict[tuple[str, str], float] = {}

    def pair(one: str, next_one: str, share: float) -> None:
        if one != next_one and one in holding and next_one in holding:
            pairs.setdefault((one, next_one), share * (weights[one] + weights[next_one]) / 2)

    for word in (word for run in asked.runs for word in run):
        weights[word] = rarity(passages, holding.get(word, 0)) * (ASKS if word in _OPERATIONS else 1.0)
    for run in asked.runs:
        for one, next_one in pairwise(run):
            pair(one, next_one, WITHIN)
    for run, next_run in pairwise(asked.runs):
        pair(run[-1], next_run[0], SIDE_BY_SIDE)
    most = (K1 + 1) * sum(weights.values()) + sum(pairs.values())
    return Question(weights, pairs, words_of_passage, asked.others, most)
