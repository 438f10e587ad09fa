"""What a question may be answered from: passages of documents and entries of the handbook that match well enough.

A passage of a document matches by the share of the question's words that stand in it, its title and its headings; the
two bounds were chosen on KorQuAD (`docs/en/answers.md` has the figures). An entry matches by its name, as the handbook
judges it. A search ranks; it does not say whether the best it found is good enough.
"""

from collections.abc import Sequence
from dataclasses import replace

from localfin.answers.events import Source
from localfin.answers.matching import asked_for, coverage
from localfin.answers.small_talk import reply
from localfin.documents.passage import Hit, Passage

ENOUGH_NAMED = 0.4
"""Of documents that the user named: what is asked about them is mostly in them."""
ENOUGH = 0.6
"""Of all documents: among many, some share half of any question's words."""
ENOUGH_TABLE = 0.25
"""Of a table among all documents: how one asks takes most words, and the table itself judges whether it is asked."""
LOOKED_AT = 8
"""Hits of a search that are looked at."""
_NEAR = 0.25
"""What covers less is not called near either."""

Found = tuple[list[Source], list[Passage]]
"""What matches, the best first, not yet numbered; and what nearly does."""


def from_documents(question: str, hits: Sequence[Hit], enough: float) -> Found:
    """In the search's order; nothing for a question of numbers alone, which stand in many documents."""
    asked = asked_for(question)
    if not any(letter.isalpha() for word in asked for letter in word):
        return [], []
    judged = [Source(0, hit.passage, _covered(asked, hit.passage)) for hit in hits]
    return [each for each in judged if each.match >= enough], [
        each.passage for each in judged if _NEAR <= each.match < enough
    ]


def from_handbook(question: str, language: str) -> Found:
    """The entry that is asked for, in the answer's language."""
    from localfin.handbook import entries, passage, search
    from localfin.handbook.finding import ENOUGH as ENOUGH_OF_ENTRY

    hits = [] if reply(question, "en") else search(question, LOOKED_AT)
    worded = [(hit.score, passage(entries()[hit.passage.id], "ko" if language == "ko" else "en")) for hit in hits]
    found = [Source(0, each, score) for score, each in worded if score >= ENOUGH_OF_ENTRY]
    return found[:1], [each for score, each in worded[:2] if _NEAR <= score < ENOUGH_OF_ENTRY]


def numbered(groups: Sequence[list[Source]]) -> list[Source]:
    """All sources, from 1. The group comes first whose first source matches best; of equals, the first."""
    ordered = sorted((group for group in groups if group), key=lambda group: -group[0].match)
    return [replace(source, number=at) for at, source in enumerate((each for group in ordered for each in group), 1)]


def _covered(asked: frozenset[str], passage: Passage) -> float:
    return coverage(asked, f"{passage.title}\n{passage.heading}\n{passage.text}")
