"""Writes the table of signals into the documents, from the declarations and their Korean sentences.

python -m tests.localfin.fraud.signals_table
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from babel.messages.pofile import read_po

from localfin.fraud.signals import SIGNALS, Signal

TOP = Path(__file__).parents[3]
BEGIN, END = "<!-- table: python -m tests.localfin.fraud.signals_table -->", "<!-- end of table -->"
CATALOGUE = TOP / "models" / "localfin_models" / "locale" / "ko" / "LC_MESSAGES" / "localfin.po"


@dataclass(frozen=True, slots=True)
class Words:
    """What the table says in one language, beside the sentences."""

    head: tuple[str, str, str, str, str]
    units: Mapping[str, str]
    """Where they differ from the declarations'."""
    all_before: str
    itself: str
    days: str
    hours: str
    ripe: str
    """Added to a window of labels."""
    all_ripe: str


WORDS = {
    "en": Words(
        head=("Signal", "Unit", "What it says", "Evidence", "Looks back"),
        units={},
        all_before="all before",
        itself="the transaction alone",
        days="{} d",
        hours="{} h",
        ripe=" before the label delay",
        all_ripe="all before the label delay",
    ),
    "ko": Words(
        head=("신호", "단위", "뜻", "근거", "돌아보는 기간"),
        units={
            "transactions": "건",
            "money": "금액",
            "ratio": "배",
            "deviations": "표준편차",
            "share": "비율",
            "yes or no": "예/아니요",
            "counterparties": "거래 상대",
            "customers": "고객",
            "frauds": "사기 건수",
            "days": "일",
            "km/h": "km/h",
        },
        all_before="이전 전체",
        itself="해당 거래만",
        days="{}일",
        hours="{}시간",
        ripe="(라벨 지연 이전)",
        all_ripe="라벨 지연 이전 전체",
    ),
}


def table(language: str) -> str:
    words = WORDS[language]
    sentences = korean() if language == "ko" else {}
    lines = [f"| {' | '.join(words.head)} |", "| --- " * len(words.head) + "|"]
    for signal in SIGNALS:
        sentence = re.sub(r"\{(\w+)[^}]*\}", r"*\1*", sentences.get(signal.sentence, signal.sentence))
        unit = words.units.get(signal.unit, signal.unit)
        evidence = ", ".join(f"`{name}`" for name in signal.evidence)
        lines.append(f"| `{signal.name}` | {unit} | {sentence} | {evidence} | {_back(signal, words)} |")
    return "\n".join(lines)


def korean() -> Mapping[str, str]:
    """The catalogue's sentences by the English ones."""
    with CATALOGUE.open("rb") as file:
        return {str(message.id): str(message.string) for message in read_po(file) if message.id}


def document(language: str) -> Path:
    return TOP / "docs" / language / "signals.md"


def written(language: str) -> str:
    """The document with its table as it is to be."""
    text = document(language).read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{document(language)} has no place for the table")
    return f"{before}{BEGIN}\n\n{table(language)}\n\n{END}{after}"


def _back(signal: Signal, words: Words) -> str:
    if signal.window is None:
        return words.all_ripe if signal.labels else words.all_before
    if not signal.window:
        return words.itself
    hours = signal.window // timedelta(hours=1)
    back = words.hours.format(hours) if hours < 24 else words.days.format(hours // 24)
    return back + (words.ripe if signal.labels else "")


if __name__ == "__main__":
    for each in WORDS:
        document(each).write_text(written(each), encoding="utf-8")
