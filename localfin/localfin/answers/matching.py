"""Which sentence of a source says most of a statement or a question: the share of its words that stand there.

Words are those of the documents' index (`documents.words`), so that particles and endings weigh little. Which passage
answers at all is judged by the searches' own scores (`evidence`), which know how rare a word is.
"""

from localfin.documents.words import question_words, words


def asked_for(text: str) -> frozenset[str]:
    """The words of a question or a statement, without what only asks."""
    return frozenset(word for run in question_words(text) for word in run)


def coverage(asked: frozenset[str], text: str) -> float:
    """0 to 1; 0 where nothing is asked for."""
    return len(asked.intersection(words(text))) / len(asked) if asked else 0.0
