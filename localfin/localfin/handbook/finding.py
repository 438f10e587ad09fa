"""Finds the entry that a question asks for, by what its entries are called; the text breaks ties.

A name fits as far as its words stand in the question and the question's words stand in it, each by its rarity among
the entries. Words are those of the documents' index (`documents.words`), so that particles and endings weigh little.
What the question names and the entry does not hold counts against it, most of all what stands in no entry (`France`).
A question of which the entry holds too little is answered by none: see `ENOUGH`.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

from localfin.documents import Hit, Passage
from localfin.documents.ranking import rarity
from localfin.documents.words import normal, question_words, words
from localfin.handbook.entry import Entry, Language, entries

ENOUGH = 0.45
"""The least score of an entry that answers. It and what follows were chosen on half of
tests/localfin/handbook_questions.tsv; the other half measures them."""
BODY = 0.35
"""What a word of the question counts that stands in the entry's text but not in the name."""
STRANGE = 0.5
"""What a word of the question counts besides that belongs to nothing in the handbook."""
LACKING = 0.2
"""What is taken off the score where the entry holds none of the question's runs of letters, of less in proportion."""
_NAME = 0.6
"""How much of the score is how well the name is asked for; the rest is how well the question is covered."""

_HANGUL = re.compile("[가-힣]+")
_ONLY_ASKS = frozenset(
    words(
        "explain meaning mean means definition define tell difference please help work works need want know"
        " 알려줘 알려주세요 설명해줘 설명해주세요 가르쳐줘 뜻이 뜻은 의미 어떻게 해야 하나요 되나요 합니까 인가요"
        " 궁금해요 필요한 필요 받을 때 할 때 하려면"
        " 있나요 뭔가요 무엇인가요 뭐야 뭐예요 좋을까요 싶어요 대해 관해 주세요 어떡해 얼마나 얼마예요 하죠 건가요 나요"
    )
)


@dataclass(frozen=True, slots=True)
class Found:
    entry: Entry
    score: float
    """0 to 1: how well the entry's best name and the question cover each other."""


def lookup(question: str) -> Entry | None:
    """The entry that answers the question; None where none does."""
    best = ranked(question)[:1]
    return best[0].entry if best and best[0].score >= ENOUGH else None


def search(query: str, limit: int = 10) -> list[Hit]:
    """The entries that fit at all, best first, each as one passage in the question's language."""
    language, asked = language_of(query), _asked(query).words.keys()
    hits: list[Hit] = []
    for found in ranked(query)[:limit]:
        held = passage(found.entry, language)
        sentences = found.entry.wording(language).sentences
        quote = max(sentences, key=lambda sentence: len(asked & set(words(sentence))))
        hits.append(Hit(held, found.score, quote))
    return hits


def language_of(question: str) -> Language:
    """Korean where any Hangul stands in it."""
    return "ko" if _HANGUL.search(question) else "en"


def passage(entry: Entry, language: Language) -> Passage:
    """An entry as what answers cite: its id is its place in the handbook, its heading what it is called besides."""
    wording = entry.wording(language)
    place = next(index for index, each in enumerate(entries()) if each.id == entry.id)
    return Passage(place, None, wording.title, " · ".join(wording.aliases), None, None, None, wording.body)


def ranked(question: str) -> list[Found]:
    """All entries that share a word with the question, best first."""
    known, asked = _vocabulary(), _asked(question)
    found: list[Found] = []
    for place, entry in enumerate(entries()):
        called = known.called[place]
        if called.isdisjoint(asked.words):
            continue
        held = known.bodies[place] | called
        lacking = sum(run.isdisjoint(held) for run in asked.runs) / len(asked.runs)
        best = max(_fit(name, known, asked, known.bodies[place]) for name in known.names[place])
        found.append(Found(entry, best * (1 - LACKING * lacking)))
    return sorted(found, key=lambda each: -each.score)


@dataclass(frozen=True, slots=True)
class _Vocabulary:
    names: tuple[tuple[frozenset[str], ...], ...]
    called: tuple[frozenset[str], ...]
    """All words of an entry's names."""
    bodies: tuple[frozenset[str], ...]

    rarities: dict[str, float]

    def worth(self, word: str) -> float:
        """How rare a word is; one that stands nowhere is the rarest."""
        return self.rarities.get(word) or rarity(len(self.names), 0)


@cache
def _vocabulary() -> _Vocabulary:
    """The words of all entries: of each name, and of the texts in both languages."""
    names = tuple(tuple(_names(entry)) for entry in entries())
    called = tuple(frozenset[str]().union(*names_of) for names_of in names)
    bodies = tuple(frozenset(words(f"{entry.ko.body} {entry.en.body}")) for entry in entries())
    counts = Counter(word for pair in zip(called, bodies, strict=True) for word in frozenset[str]().union(*pair))
    return _Vocabulary(names, called, bodies, {word: rarity(len(names), count) for word, count in counts.items()})


def _names(entry: Entry) -> Iterable[frozenset[str]]:
    for wording in (entry.ko, entry.en):
        for name in (wording.title, *wording.title.rstrip(")").split(" ("), *wording.aliases):
            if own := frozenset(words(name)) - _ONLY_ASKS:
                yield own


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a question asks for, without what only asks."""

    runs: tuple[frozenset[str], ...]
    """Its words by the run of letters that gave them."""
    words: dict[str, float]
    """Each with its rarity."""
    across: frozenset[str]
    """Pairs of syllables as if Hangul were written without spaces."""
    worth: float
    """Of all words; of runs that no entry knows more than that."""


def _asked(question: str) -> _Asked:
    known = _vocabulary()
    runs = tuple(left for run in question_words(question) if (left := frozenset(run) - _ONLY_ASKS))
    found = {word: known.worth(word) for run in runs for word in run}
    strange = sum(found[word] for run in runs if known.rarities.keys().isdisjoint(run) for word in run)
    across = frozenset(map("".join, pairwise("".join(_HANGUL.findall(normal(question))))))
    return _Asked(runs, found, across, sum(found.values()) + STRANGE * strange)


def _fit(name: frozenset[str], known: _Vocabulary, asked: _Asked, body: frozenset[str]) -> float:
    """The weighted harmonic mean of how much of the name is asked for, and how much of the question the entry holds."""
    shared = sum(value for word, value in asked.words.items() if word in name)
    if not shared:
        return 0.0
    missed = sum(known.worth(word) for word in name if word not in asked.words and word not in asked.across)
    of_name = 1 - missed / sum(known.worth(word) for word in name)
    beside = sum(value for word, value in asked.words.items() if word not in name and word in body)
    covered = (shared + BODY * beside) / asked.worth
    return 1 / (_NAME / of_name + (1 - _NAME) / covered)
