"""Which columns of a report a question means: by year, by the whole name, by what tells columns of one year apart."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from localfin.tables.asking.labels import Label, Named, take_labels
from localfin.tables.asking.order import marked
from localfin.tables.asking.words import Words, label_pattern

_MONTH = (
    r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sep(?:t(?:ember)?)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)"
)
_BEFORE = (
    r"(?:(?:fiscal years?|fiscal|fys?|years?)\s+)?"
    rf"(?:(?:ended|ending|at|as of|as at)?\s*(?:(?:\d{{1,2}}\s+)?{_MONTH}\.?\s+(?:\d{{1,2}},?\s+)?(?:of\s+)?)?)"
)
_YEAR = (
    rf"(?<![\d,.])(?:{_BEFORE})((?:19|20)\d\d)(?![\d,]*\d)(?:\s?(?:회계연도|사업연도|년도|연도|년)(?:\s?(?:말|도))?)?"
)
_SPAN = re.compile(
    rf"(?:from|between)\s+{_YEAR}\s*(?:-|~|to|and|through)\s*{_YEAR}|{_YEAR}\s*(?:-|~|부터|에서)\s*{_YEAR}"
)

RANGED = re.compile(
    r"(?:from|between) (?:[a-z]+ )?⟦\d⟧ ?(?:-|~|to|and|through) ?⟦\d⟧"
    r"|⟦\d⟧(?: ?(?:년|월|분기|말|도))? ?(?:-|~|부터|에서) ?⟦\d⟧"
)

_NO_NAMES = frozenset(
    ["change", "changes", "difference", "increase", "decrease", "variance", "growth", "total", "of", "%", "$"]
)
"""Columns of these words alone are not named by them: they say what is asked for."""


@dataclass(frozen=True)
class Columns:
    """What a question says of columns."""

    chosen: tuple[Label, ...]
    """In the question's order; empty where it names none."""
    spans: tuple[tuple[int, int], ...]
    ranged: bool = False
    """Whether the two ends of a range of years stand for all between them too."""


def take_columns(words: Words, labels: Sequence[Label]) -> Columns | None:
    """None where a year is named that no column has, or several have and nothing tells them apart."""
    distinct = [label for label in labels if not re.fullmatch(r"\d{4}", label.text) and set(label.tokens) - _NO_NAMES]
    named = [name for name in take_labels(words, distinct) if name.label in labels]
    if named and all(_only(name, labels) for name in named):
        spans = tuple((name.start, name.end) for name in named)
        return Columns(tuple(name.label for name in named), spans, RANGED.search(marked(words.text, spans)) is not None)
    ranged = words.has(_SPAN)
    found: list[tuple[int, tuple[int, int]]] = []
    while match := words.take(_YEAR):
        found.append((int(match[1]), match.span(1)))
    if not found:
        return None if named else Columns((), ())
    years = list(dict.fromkeys(year for year, _span in found))
    told = _told_apart(words, [label for label in labels if label.years.intersection(years)], named)
    if told is None:
        return None
    chosen: list[Label] = []
    for year in years:
        those = [label for label in told if label.years == frozenset({year})]
        if len(those) != 1:
            return None
        chosen += those
    return Columns(tuple(chosen), _spans(found, years), ranged)


def _spans(found: Sequence[tuple[int, tuple[int, int]]], years: Sequence[int]) -> tuple[tuple[int, int], ...]:
    return tuple(next(span for year, span in found if year == wanted) for wanted in years)


def _only(name: Named, labels: Sequence[Label]) -> bool:
    """Whether no other column is called the same."""
    return sum(label.text == name.label.text for label in labels) == 1


def _told_apart(words: Words, labels: Sequence[Label], named: Sequence[Named]) -> list[Label] | None:
    """Of columns that share years, those whose other words the question has; the plain ones where it has none."""
    years = [year for label in labels for year in label.years]
    if len(set(years)) == len(years):
        return list(labels)
    rests = {label: _without_years(label) for label in labels}
    shared = set[str].intersection(*(set(rest) for rest in rests.values())) if rests else set()
    kinds: dict[str, list[Label]] = {}
    for label, rest in rests.items():
        kinds.setdefault(" ".join(token for token in rest if token not in shared), []).append(label)
    if len(kinds) == 1:
        return list(labels)
    matched: list[str] = []
    for kind in sorted(kinds, key=len, reverse=True):
        pattern = label_pattern(kind) if kind else None
        if pattern is not None and (match := pattern.search(words.rest)):
            words.cut(*match.span())
            matched.append(kind)
    if len(matched) == 1:
        return kinds[matched[0]]
    if matched:
        return None
    plain = [kind for kind in kinds if not kind or _is_day(kind)]
    return [label for kind in plain for label in kinds[kind]] if plain else None


def _without_years(label: Label) -> list[str]:
    return [token for token in label.tokens if not re.fullmatch(r"(?:19|20)\d\d", token)]


def _is_day(kind: str) -> bool:
    """Whether all that tells a column is the day of its year: `january 31`, `february 1`."""
    return bool(re.fullmatch(rf"(?:{_MONTH}|\d{{1,2}}|year|ended|as|at|of|fiscal|fy| )+", kind))
