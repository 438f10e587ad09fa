"""Which of two things a question divides by, or counts from."""

import re
from collections.abc import Sequence

_PERCENT = (
    r"(?:percentage|percent|per cent|%|proportion|share|portion|fraction)(?: (?:constitution|composition|value))?"
)
_GAP = r"[^⟦⟧]*?"
_AMONG = r"\b(?:among|in|over|out of|to|from|against|relative to|compared to|within)\b"
_WHEN = (
    r"(?:the|fiscal|years?|fy|fys|ended|end|of|as|at|q[1-4]|first|second|third|fourth|quarter|[a-z]{3,9}\.? \d{1,2},?)"
)
_IS = r"(?:is|was|are|were|comes?|came|did|does|consists?|consisted|relates?|related|made)\b"
_BASE_SECOND = (
    rf"as (?:an? )?{_PERCENT} of {_GAP}⟦(\d)⟧",
    rf"{_PERCENT} of {_GAP}⟦\d⟧{_GAP}{_AMONG}{_GAP}⟦(\d)⟧",
    rf"{_PERCENT} (?:does|did|do|is|was|are|were) {_GAP}⟦\d⟧ {_GAP}(?:of|in) {_GAP}⟦(\d)⟧",
    rf"{_PERCENT} that {_GAP}⟦\d⟧{_GAP}\bof\b{_GAP}⟦(\d)⟧",
    rf"ratio of {_GAP}⟦\d⟧{_GAP}\b(?:to|over|against)\b{_GAP}⟦(\d)⟧",
    r"⟦\d⟧[- ]to[- ]⟦(\d)⟧ ratio",
    rf"\bhow many times {_GAP}⟦(\d)⟧",
    rf"⟦\d⟧{_GAP}(?:은|는|이|가) {_GAP}⟦(\d)⟧ ?의? ?(?:몇|약)",
    r"⟦(\d)⟧(?: ?(?:합계|총액|전체|금액|액))* ?"
    r"(?:에서|대비|중에서|중|가운데|에 대한|를 기준|을 기준|에 비해|으로 나눈|로 나눈)",
)
_BASE_FIRST = rf"(?:what|how much|which) {_PERCENT} of {_GAP}⟦(\d)⟧{_GAP} {_IS}"


def marked(text: str, spans: Sequence[tuple[int, int]]) -> str:
    """`text` with each span as ⟦0⟧, ⟦1⟧ … in the order given."""
    for number, (start, end) in sorted(enumerate(spans), key=lambda item: -item[1][0]):
        text = f"{text[:start]}⟦{number}⟧{text[end:]}"
    return text


def base_of(text: str) -> int | None:
    """Which of the two marked things the other one is divided by; None where a question doesn't say so."""
    if match := re.search(_BASE_FIRST, text):
        return int(match[1])
    found = {int(match[1]) for pattern in _BASE_SECOND if (match := re.search(pattern, text))}
    return found.pop() if len(found) == 1 else None


def starts_at(text: str) -> int | None:
    """Which of two marked times a change begins at: `from ⟦0⟧ to ⟦1⟧`, `⟦1⟧ 대비 ⟦0⟧`; None for neither."""
    for pattern in (
        rf"\bfrom (?:{_WHEN} )*⟦(\d)⟧",
        rf"\b(?:compared (?:to|with)|relative to|versus|vs\.?|over|against|than) {_GAP}⟦(\d)⟧",
        r"⟦(\d)⟧(?: ?(?:년|월|분기|말|도|년도|연도))* ?(?:대비|에 비해|에 비하여|보다|에서|부터|과 비교|와 비교)",
    ):
        if match := re.search(pattern, text):
            return int(match[1])
    return None
