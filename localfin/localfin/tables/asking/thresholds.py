"""Comparisons with a number that a question makes: more than 100만원, at least $5 million, 30% 이상."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from localfin.amounts import amount
from localfin.tables.asking.words import Words
from localfin.tables.call import Is

_NUMBER = (
    r"-?(?:us\$|[$₩€£¥])?\s?\d[\d,]*(?:\.\d+)?(?:\s?(?:조|억|천만|백만|십만|만|천|백)\s?\d*(?:[조억천백만]+)?)*"
    r"(?:\s?(?:thousands?|millions?|billions?|trillions?|k|m|bn)\b)?(?:\s?(?:원|달러|(?:dollars?|usd|krw|won)\b))?\s?(?:%p?|퍼센트|프로|percent)?"
)
_BEFORE: tuple[tuple[str, Is], ...] = (
    (r"(?:is |are |was |were )?(?:not less than|at least|no less than|minimum of|>=|≥)", ">="),
    (r"(?:is |are |was |were )?(?:not more than|at most|no more than|up to|maximum of|<=|≤)", "<="),
    (
        r"(?:is |are |was |were )?(?:more than|greater than|larger than|bigger than|higher than|over|above"
        r"|exceed(?:ed|s|ing)?|in excess of|>)",
        ">",
    ),
    (r"(?:is |are |was |were )?(?:less than|smaller than|lower than|fewer than|under|below|<)", "<"),
)
_AFTER: tuple[tuple[str, Is], ...] = (
    (r"(?:또는 그 )?이상(?:인|의|으로|이|을)?", ">="),
    (r"이하(?:인|의|로|가|를)?", "<="),
    (r"(?:을|를)?\s?(?:초과|넘는|넘게|넘은|넘|보다\s?(?:큰|많은|높은|비싼|크|많|높))[가-힣]*", ">"),
    (r"(?:미만|(?:이|가)? ?안 ?되는|보다\s?(?:작은|적은|낮은|싼|작|적|낮))[가-힣]*", "<"),
)
_SCALES: Mapping[str, int] = {"thousand": 3, "million": 6, "billion": 9, "trillion": 12, "k": 3, "m": 6, "bn": 9}


@dataclass(frozen=True, slots=True)
class Threshold:
    is_: Is
    value: Decimal
    """In units, not in thousands."""
    stated: Decimal
    """Without the word for thousands or millions: 5,000 of `$5,000 million`."""
    scaled: bool
    """Whether the question says its thousands or millions."""
    percent: bool
    start: int


def take_thresholds(words: Words) -> list[Threshold] | None:
    """Those of a question, in order; None where one cannot be read."""
    found: list[Threshold] = []
    for patterns, form in (
        (_BEFORE, r"\b{sign}\s+({number})|(?:{sign})\s*({number})"),
        (_AFTER, r"({number})\s?{sign}"),
    ):
        for sign, is_ in patterns:
            while match := words.take(form.format(sign=sign, number=_NUMBER)):
                text = next(group for group in match.groups() if group)
                if (read := _read(text)) is None:
                    return None
                found.append(Threshold(is_, *read, match.start()))
    return sorted(found, key=lambda threshold: threshold.start)


def _read(text: str) -> tuple[Decimal, Decimal, bool, bool] | None:
    """(value, stated, scaled, percent)."""
    percent = bool(re.search(r"%|퍼센트|프로|percent", text))
    bare = re.sub(r"\s*(?:%p?|퍼센트|프로|percent)$", "", text).strip()
    scaled = bool(re.search(r"thousand|million|billion|trillion|\d\s?(?:k|m|bn)\b|[조억만천백]", bare))
    bare = re.sub(r"(thousand|million|billion|trillion)s\b", r"\1", bare)
    try:
        stated = re.sub(r"\s*(?:thousand|million|billion|trillion|k|m|bn)\b.*", "", bare)
        return amount(bare).value, amount(stated).value, scaled, percent
    except ValueError:
        return None


def factor(unit: str) -> Decimal | None:
    """How many units the numbers of a column count by: `in millions` 1,000,000, `백만원` too, `원` 1; None unknown."""
    text = unit.lower()
    for word, power in (
        ("billion", 9),
        ("십억", 9),
        ("million", 6),
        ("백만", 6),
        ("thousand", 3),
        ("천", 3),
        ("000", 3),
    ):
        if word in text:
            return Decimal(10) ** power
    for word, power in (("조", 12), ("억", 8), ("만", 4)):
        if word in text:
            return Decimal(10) ** power
    if re.fullmatch(r"[$€£]\s?(?:m|mn)", text):
        return Decimal(10) ** 6
    return Decimal(1) if re.fullmatch(r"[$₩€£¥]|원|krw|usd|won|달러", text) else None
