"""The names that a report's rows and columns have, and where a question names them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from localfin.tables.asking.words import TAKEN, Words, label_pattern, plain
from localfin.tables.units import split_unit
from localfin.tables.values import without_marks

_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)")
_SHORT_YEAR = re.compile(r"\bfy ?'?(\d\d)\b(?!\d)", re.IGNORECASE)
_MOST_WORDS = 40
_BRACKETS = re.compile(r"\s*[(\[][^()\[\]]*[)\]]\s*")


@dataclass(frozen=True)
class Label:
    """What a row, a column or a value is called."""

    text: str
    column: str = ""
    """Of a value: the column it stands in."""

    @cached_property
    def years(self) -> frozenset[int]:
        return years_in(self.text)

    @cached_property
    def patterns(self) -> list[re.Pattern[str]]:
        """The ways to name it, the longest first: whole, without brackets, `Inventories, net` as net inventories."""
        bare = _BRACKETS.sub(" ", self.text).strip() or self.text
        texts = [self.text, bare, re.sub(r"^(?:less|add|plus|of which)\s*:?\s+", "", bare, flags=re.IGNORECASE)]
        if match := re.fullmatch(r"([^,]+), ([^,]+)", bare):
            texts.append(f"{match[2]} {match[1]}")
        return [pattern for text in dict.fromkeys(texts) if (pattern := label_pattern(without_marks(text)))]

    def is_near(self, text: str) -> bool:
        """Whether a text has the beginning of the label's longest word: what has not need not be looked for."""
        tokens = re.findall(r"[^\W_]+", plain(_BRACKETS.sub(" ", self.text)) or plain(self.text))
        return 0 < len(tokens) <= _MOST_WORDS and max(tokens, key=len)[:3] in text

    @cached_property
    def tokens(self) -> list[str]:
        return re.findall(r"[a-z]+|\d+|[가-힣]+|[%$]", plain(self.text))


@dataclass(frozen=True)
class Named:
    """A label that a question names."""

    label: Label
    start: int
    end: int


def aliases(name: str) -> list[str]:
    """What a column is called in questions: its name, without its unit, 상품 of 상품명, 출금 of 출금액."""
    bare = split_unit(name)[0]
    return list(dict.fromkeys([name, bare, *([bare[:-1]] if re.fullmatch("[가-힣]{2,}[명액]", bare) else [])]))


def years_in(text: str) -> frozenset[int]:
    found = {int(year) for year in _YEAR.findall(text)}
    return frozenset(found or {2000 + int(short) for short in _SHORT_YEAR.findall(text)})


def take_labels(words: Words, labels: Iterable[Label]) -> list[Named]:
    """The labels that a question names, in its order; the longer first where two overlap. Their words are taken."""
    hits: list[tuple[int, int, Label]] = []
    for label in labels:
        for pattern in label.patterns if label.is_near(words.rest) else ():
            hits += [(*match.span(), label) for match in pattern.finditer(words.rest)]
    found: list[Named] = []
    for start, end, label in sorted(hits, key=lambda hit: (hit[0] - hit[1], hit[0], len(hit[2].text))):
        if TAKEN not in words.rest[start:end]:
            found.append(Named(label, start, end))
            words.cut(start, end)
    return sorted(found, key=lambda named: named.start)


def common_tokens(labels: Sequence[Label]) -> set[str]:
    """The words that all of some labels have."""
    return set[str].intersection(*(set(label.tokens) for label in labels)) if labels else set()
