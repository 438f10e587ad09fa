"""What a text may say: a grammar over the signals' own statements, written as GBNF for the engine and as a pattern.

A model is given a choice of words, order and figures' forms, and no way to claim anything that the evidence does not
hold. The pattern accepts exactly what the grammar does, so that the program need not believe the engine.
"""

import itertools
import re
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from localfin.fraud.explain.figures import Figure, Language, figures_of, written
from localfin.fraud.explain.phrases import LINKS, OPENINGS, PHRASES
from localfin.fraud.judging import Reason
from localfin.fraud.signals import SIGNALS
from localfin_models.language import translated

MOST_STATED = 3
Phrase = tuple[tuple[str, ...], ...]
"""A sentence in parts, each with the ways in which it may be written."""

_SENTENCES = {signal.name: signal.sentences for signal in SIGNALS}


@dataclass(frozen=True, slots=True)
class Wording:
    """What may be said about one transaction."""

    choices: tuple[tuple[Phrase, ...], ...]
    """Each reason's phrases, the weightiest reason first."""
    language: Language

    @property
    def gbnf(self) -> str:
        """A grammar whose root is one whole text; a blank in front, as many vocabularies write one."""
        orders = [" link ".join(f"reason{number}" for number in order) for order in self._orders()]
        rules = [
            'root ::= " "? opening said',
            f"said ::= {' | '.join(orders)}",
            f"opening ::= {_alternatives(OPENINGS[self.language])}",
            f"link ::= {_alternatives(LINKS[self.language])}",
        ]
        for number, phrases in enumerate(self.choices):
            rules.append(f"reason{number} ::= {' | '.join(' '.join(map(_alternatives, phrase)) for phrase in phrases)}")
        return "\n".join(rules)

    @property
    def pattern(self) -> re.Pattern[str]:
        """The same texts, without the blank."""
        reasons = [f"(?:{'|'.join(''.join(map(_any_of, phrase)) for phrase in phrases)})" for phrases in self.choices]
        link = _any_of(LINKS[self.language])
        orders = [link.join(reasons[number] for number in order) for order in self._orders()]
        return re.compile(_any_of(OPENINGS[self.language]) + f"(?:{'|'.join(orders)})")

    def _orders(self) -> list[tuple[int, ...]]:
        """The weightiest reason is always said, the others as the model likes, each once."""
        numbers = range(len(self.choices))
        return [
            order
            for count in range(1, len(self.choices) + 1)
            for order in itertools.permutations(numbers, count)
            if 0 in order
        ]


def wording_of(reasons: Sequence[Reason], language: Language) -> Wording | None:
    """For the weightiest reasons that have a sentence whose figures are known; None where none has."""
    choices: list[tuple[Phrase, ...]] = []
    for reason in reasons:
        sentence = next((each.text for each in _SENTENCES[reason.signal] if each.fits(reason.evidence)), None)
        if sentence is None:
            continue
        figures = figures_of(reason.evidence)
        templates = [translated(sentence, language), *PHRASES[language][sentence]]
        phrases = tuple(_phrase(template, figures, language) for template in templates)
        if phrases not in choices:
            choices.append(phrases)
    return Wording(tuple(choices[:MOST_STATED]), language) if choices else None


def _phrase(template: str, figures: Mapping[str, Figure], language: Language) -> Phrase:
    parts: list[tuple[str, ...]] = []
    for text, field, _spec, _conversion in string.Formatter().parse(template.rstrip(".") + "."):
        if text:
            parts.append((text,))
        if field is not None:
            parts.append(tuple(written(figures[field], language)))
    return tuple(parts)


def _alternatives(texts: Sequence[str]) -> str:
    return f"({' | '.join(map(_quoted, texts))})"


def _any_of(texts: Sequence[str]) -> str:
    return f"(?:{'|'.join(map(re.escape, texts))})"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
