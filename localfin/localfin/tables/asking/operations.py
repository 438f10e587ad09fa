"""Which computation a question names, in Korean and English."""

import re
from dataclasses import dataclass
from typing import Literal

from localfin.tables.asking.words import Words

Operation = Literal[
    "growth", "difference", "gap", "decrease", "average", "share", "ratio", "sum", "count", "highest", "lowest", "value"
]

_CHANGE = r"(?:change|increase|decrease|growth|decline|drop|rise|reduction|movement)"
_EITHER = rf"{_CHANGE}\s*/?\s*(?:or\s*)?(?:\(\s*{_CHANGE}\s*\)|/\s*{_CHANGE})?"
_PERCENT = r"(?:percentage|percent|per cent|%)"

GROWTH = re.compile(
    rf"(?:year[- ](?:on|over)[- ]year\s+|yoy\s+)?(?:{_PERCENT}\s+{_EITHER}|{_CHANGE}\s+rate|rate\s+of\s+{_CHANGE}|"
    rf"{_CHANGE}\s+in\s+(?:{_PERCENT})\s*(?:terms)?\b|{_CHANGE}\s*\(%\))"
    r"|(?:증가|감소|성장|증감|변화|변동|상승|하락)\s?[율률]|몇\s?(?:%|퍼센트|프로)\s?(?:나\s?)?(?:늘|줄|증가|감소|올|내|성장|상승|하락)[가-힣]*"
)
GAP = re.compile(r"(?:nominal\s+|net\s+)?\b(?:difference|gap)(?!\w)|차이|차액")
DECREASE = re.compile(
    r"\b(?:decrease|decline|drop|reduction|fall)(?:d|s)?(?:\s+by)?\b(?!\s*/)"
    r"|얼마나?\s?(?:줄|감소|내려|내렸|떨어)[가-힣]*|감소(?:액|폭|분)|하락(?:액|폭|분)"
)
DIFFERENCE = re.compile(
    rf"(?:net\s+)?{_EITHER}(?!\w)|how much (?:more|less|higher|lower)\b"
    r"|증감액?|변화량|변화|(?:증가|상승)(?:액|폭|분)?|감소|하락"
    r"|얼마나\s?(?:더\s)?(?:늘|올랐|올라|많|적|높|낮|크|큰|비싸|비싼|싼)[가-힣]*"
    r"|얼마\s?(?:더\s)?(?:늘|올랐)[가-힣]*|더\s?(?:많|적|높|낮|크|큰|비싸|비싼)[가-힣]*"
)
AVERAGE = re.compile(r"\b(?:average|mean)\b(?:\s+(?:annual|yearly|value|amount))*|평균(?:값|액)?(?:적)?")
RATIO = re.compile(r"\bratio\b|몇\s?배")
SHARE = re.compile(
    rf"%(?= of\b)|\b(?:{_PERCENT}|proportion|share|portion|fraction)\b(?:\s+(?:constitution|composition))?"
    r"|비중|차지(?:하는|하|한)?|비율|몇\s?(?:%|퍼센트|프로)"
)
SUM = re.compile(
    r"\b(?:sum|altogether|combined|total|in total|add(?:ed)? up|together)\b|합계액?|합산|총액|총합"
    r"|합(?=[은이을의 ?]|$)|더하면|더한|합친|합치면|모두|총|전부|다\s?합[가-힣]*"
)
COUNT = re.compile(
    r"\bhow many\b|\bnumber of\b|\bcount(?: of)?\b"
    r"|몇\s?(?:건|개|번|회|명|곳|차례|가지|달|개월|해|년|행|종)[가-힣]*|건수|개수|횟수|몇\s?이나"
    r"|(?<![가-힣])수(?=[는은가를]?\s?\??$)"
)
HIGHEST = re.compile(
    r"\b(?:highest|largest|biggest|most|greatest|maximum|max|top|higher|most expensive|peak)\b"
    r"|(?:가장|제일)\s?(?:많|높|큰|크|비싸|비싼|긴|길)[가-힣]*|최대(?:값|액|치)?|최댓값|최고(?:값|액|치)?|상위"
)
LOWEST = re.compile(
    r"\b(?:lowest|smallest|least|minimum|min|cheapest|bottom|lower|fewest)\b"
    r"|(?:가장|제일)\s?(?:적|낮|작|싼|싸|저렴|짧)[가-힣]*|최소(?:값|액|치)?|최솟값|최저(?:값|액|치)?|하위"
)

_COMPARED = re.compile(
    r"\b(?:(?:as )?compared|comparing|relative|versus|vs|against|than|out|among)\b"
    r"|대비|비해서?|비하여|비교(?:하면|해서|해|한|했을)?|때보다"
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a pattern found, and where."""

    operation: Operation
    start: int
    end: int


_IN_TURN: tuple[tuple[Operation, re.Pattern[str]], ...] = (
    ("difference", re.compile(r"\bhow much (?:more|less|higher|lower)\b")),
    ("growth", GROWTH),
    ("ratio", RATIO),
    ("share", SHARE),
    ("average", AVERAGE),
    ("highest", HIGHEST),
    ("lowest", LOWEST),
    ("count", COUNT),
    ("gap", GAP),
    ("difference", DIFFERENCE),
    ("decrease", DECREASE),
    ("sum", SUM),
)

_REPEATED = frozenset(["share", "average", "sum"])
"""What a question may say twice and mean once: the sum of this and the sum of that."""


def take_operations(words: Words) -> list[Found]:
    """Every computation that a question names, each kind once, in the order above; their words are taken."""
    found: list[Found] = []
    for operation, pattern in _IN_TURN:
        if match := words.take(pattern):
            found.append(Found(operation, *match.span()))
        while match and operation in _REPEATED and words.take(pattern):
            pass
    if any(
        one.operation == "difference" and DECREASE.fullmatch(words.text[one.start : one.end].strip()) for one in found
    ):
        found = [Found("decrease", o.start, o.end) if o.operation == "difference" else o for o in found]
    if len(found) > 1:  # the number of shares is not counted where its change is asked for
        found = [one for one in found if words.text[one.start : one.end] != "number of"]
    if found:
        while words.take(_COMPARED):
            pass
    return found


def compares(words: Words) -> bool:
    """Whether a question that is not read yet sets two figures side by side."""
    return any(words.has(pattern) for pattern in (GROWTH, RATIO, SHARE, GAP, DIFFERENCE, DECREASE))
