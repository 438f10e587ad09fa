"""What one cell says: a number, a day, nothing, or the name of a total."""

import re
import unicodedata
from datetime import date
from decimal import Decimal

from localfin.amounts import amount
from localfin.fraud.transactions.moments import moment
from localfin.fraud.transactions.values import missing
from localfin.text import clean_text

LARGEST = Decimal(10) ** 18
"""Numbers of cells lie below it, so that the sum of a million of them is exact."""
_RAISED = "\u00b9\u00b2\u00b3\u2070\u2074-\u2079"
_MARKS = re.compile(rf"[{_RAISED}*†‡§]+$|(?<=[^\s(])\s*\((?:\d{{1,2}}|[a-z])\)$|\[(?:\d{{1,2}}|[a-z])\]$")
_PLAIN = re.compile(r"-?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?")
_DASH = frozenset("-‐‑‒–—―−")
_YEAR = re.compile(r"(?:19|20)\d\d")
_DAY = re.compile(r"(\d{4})(?:\s*[-./]\s*|년\s*)(\d{1,2})(?:\s*[-./]\s*|월\s*)(\d{1,2})(?:일|\.)?(?:[T ].*)?")
_MONTH = re.compile(r"(\d{4})(?:\s*[-./]\s*|년\s*)(\d{1,2})(?:월)?")
_TOTAL = re.compile(
    r"(?:합\s*계|총\s*계|총\s*합\s*계|소\s*계|누\s*계|계|총\s*액|(?:grand |sub-? ?|sum )?totals?|sum)\s*[:.]?",
    re.IGNORECASE,
)
_BEGINS_TOTAL = re.compile(r"(?:grand |sub-? ?)?totals?\b|(?:총|합계|소계|총계)(?=\s|$)", re.IGNORECASE)


def cleaned(text: str) -> str:
    """One line in NFC without control, bidi or invisible characters."""
    return " ".join(clean_text(text).split())


def is_dash(text: str) -> bool:
    """Whether a cell holds dashes alone, beside a currency sign: nil, in a report."""
    bare = text.strip(" $₩€£¥%()")
    return bool(bare) and set(bare) <= _DASH


def is_missing(text: str) -> bool:
    return missing(text) or is_dash(text)


def without_marks(text: str) -> str:
    """A cell or a label without the footnote marks at its end: `Other (2)(4)`, `1,280*`."""
    while (shorter := _MARKS.sub("", text).rstrip()) != text and shorter:
        text = shorter
    return text


def number(text: str) -> Decimal | None:
    """The number of a cell: 1,234 · (53) · $ (9,688) · 12.5% (which is 12.5) · △3 · 5,000만원. None for none."""
    if _PLAIN.fullmatch(text):
        found = Decimal(text.replace(",", ""))
        return found if abs(found) < LARGEST else None
    if not any(letter.isdigit() or letter in "십백천만억조" for letter in text):
        return None
    text = without_marks(text.strip())
    text = re.sub(r"\s*(?:%p?|％)\s*(\)?)$", r"\1", text)
    text = re.sub(r"\(\s+|\s+(?=\))", lambda match: match[0].strip(), text)
    text = re.sub(r"^\(([$₩€£¥])\s*(.*)\)$", r"\1(\2)", re.sub(r"%\)$", ")", text))
    if re.search(r"\d \d", text):
        return None  # two numbers, or one in groups of three: either reading may be meant
    try:
        return amount(text).value
    except ValueError:
        return None


def is_percent(text: str) -> bool:
    return bool(re.search(r"[%％]", text))


def is_year(text: str) -> bool:
    return bool(_YEAR.fullmatch(text.strip()))


def day(text: str) -> date | None:
    """The day that a cell writes, year first or with the month's name; None for none, and for 03/04/2024."""
    text = unicodedata.normalize("NFKC", text).strip()
    try:
        if match := _DAY.fullmatch(text):
            return date(int(match[1]), int(match[2]), int(match[3]))
        if re.fullmatch(r"\d{8}", text) and text[:2] in ("19", "20"):
            return date(int(text[:4]), int(text[4:6]), int(text[6:]))
        if not re.search(r"[A-Za-z]{3}", text) or not re.search(r"\d{4}", text) or not re.search(r"\b\d{1,2}\b", text):
            return None
        return moment(text).date()
    except ValueError:
        return None


def month(text: str) -> date | None:
    """The first day of the month that a cell writes, as in 2024-03 or 2024년 3월."""
    match = _MONTH.fullmatch(unicodedata.normalize("NFKC", text).strip())
    return date(int(match[1]), int(match[2]), 1) if match and 1 <= int(match[2]) <= 12 else None


def is_total(text: str) -> bool:
    """Whether a label names a total and nothing else: 합계, 소계, Total, Grand total."""
    return bool(_TOTAL.fullmatch(text.strip()))


def begins_as_total(text: str) -> bool:
    """Whether a label begins as a total does, as in `Total current assets`."""
    return is_total(text) or bool(_BEGINS_TOTAL.match(text.strip()))
