"""Refuses requests for help with financial crime, in Korean and English, before any model reads them.

A request is refused where it names a crime's means or object and asks for help with it, unless it speaks as a victim,
a student, an analyst or a compliance officer would. Words alone decide (guard.toml), so that the same question always
gets the same answer.

What is covered: market manipulation, texts of scams, laundering and evading reports, forged loans, stolen cards,
insider trading, accounts in other names, breaking into accounts, insurance fraud, made-up investments.
What is not covered: a request in other words than these (about half of those that it had not seen), one spread over
several questions, other languages, and crimes outside finance.
"""

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from localfin_models.language import translated

Kind = Literal["manipulation", "scam", "laundering", "loan", "card", "insider", "account", "insurance"]


@dataclass(frozen=True, slots=True)
class Refusal:
    kind: Kind
    text: str
    """In the language asked for: what is not done, and where help is."""


def refusal(question: str, language: Literal["ko", "en"]) -> Refusal | None:
    """Why a harmful question is not answered; None for any other."""
    text = " ".join(unicodedata.normalize("NFKC", question).casefold().split())
    kind = _first(_words().crimes, text) or _by_its_means(text)
    if kind is None or not _asks(text, kind):
        return None
    return Refusal(kind, _text(kind, language))


def _by_its_means(text: str) -> Kind | None:
    """The crime of a text that names none, but foul means beside a thing of finance."""
    return _first(_words().matters, text) if _words().foul.search(text) else None


def _first(patterns: dict[Kind, re.Pattern[str]], text: str) -> Kind | None:
    return next((kind for kind, pattern in patterns.items() if pattern.search(text)), None)


def _asks(text: str, kind: Kind) -> bool:
    """Whether help with the crime is asked for."""
    words = _words()
    if not words.asking.search(text) or words.defence.search(text):
        return False
    if words.secretly.search(text) or not words.learning.search(text):
        return True
    return kind == "scam" and bool(words.writing.search(text))


def _text(kind: Kind, language: Literal["ko", "en"]) -> str:
    texts: dict[Kind, str] = {
        "scam": translated(
            "I do not help to deceive people; if you or someone near you was deceived, ask what to do after a scam.",
            language,
        ),
        "manipulation": translated(
            "I do not help to manipulate prices, which is a crime; I can explain the rules and how to report it.",
            language,
        ),
        "laundering": translated(
            "I do not help to hide money or to evade reports; I can explain what is reported and how to act lawfully.",
            language,
        ),
        "loan": translated(
            "I do not help to borrow or lend by deceit or threats; I can name lawful loans and help with debts.",
            language,
        ),
        "card": translated(
            "I do not help to misuse cards; I can say what to do after a card was lost, cloned or misused.", language
        ),
        "insider": translated(
            "I do not help to trade on inside information, which is a crime; I can explain what is allowed.", language
        ),
        "account": translated(
            "I do not help to get into or to obtain other people's accounts; I can say how to protect your own.",
            language,
        ),
        "insurance": translated(
            "I do not help to deceive insurers; I can explain how a rightful claim is made.", language
        ),
    }
    return texts[kind]


@dataclass(frozen=True, slots=True)
class _Words:
    """Patterns from guard.toml."""

    crimes: dict[Kind, re.Pattern[str]]
    """A crime's means and objects; the first one that fits names the refusal."""
    matters: dict[Kind, re.Pattern[str]]
    """Things of finance; beside foul means they stand for a crime that goes unnamed."""
    foul: re.Pattern[str]
    asking: re.Pattern[str]
    """Asks that something be told or made."""
    secretly: re.Pattern[str]
    """Wants not to be seen: no student asks so."""
    writing: re.Pattern[str]
    """Orders a text."""
    learning: re.Pattern[str]
    """Asks what a thing is, what the law says of it, how others do it."""
    defence: re.Pattern[str]
    """Speaks as a victim, or prevents, detects, reports."""


@cache
def _words() -> _Words:
    table = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    crimes, matters = ({kind: _any(table[group][kind]) for kind in table[group]} for group in ("crimes", "matters"))
    return _Words(crimes, matters, **{name: _any(patterns) for name, patterns in table["words"].items()})


def _any(patterns: list[str]) -> re.Pattern[str]:
    return re.compile("|".join(patterns))
