"""A checked transaction as one JSON object on one line."""

import json
from typing import TYPE_CHECKING

from localfin.text import clean_text
from localfin_models.language import _

if TYPE_CHECKING:
    from localfin.fraud.judging import Checked

_DECIMALS = 6


def json_line(checked: "Checked") -> str:
    """`id`, `verdict`, `score`, `reasons` (`signal`, `contribution`, `evidence`, `text`), `explanation` and by whom."""
    reasons = [
        {
            "signal": reason.signal,
            "contribution": round(reason.contribution, _DECIMALS),
            "evidence": {name: _number(value) for name, value in reason.evidence.items()},
            "text": reason.text,
        }
        for reason in checked.reasons
    ]
    facts = {"id": checked.id, "verdict": checked.verdict, "score": round(checked.score, _DECIMALS)}
    explanation = None if checked.explanation is None else clean_text(checked.explanation)
    words = {"explanation": explanation, "explained_by": checked.explained_by}
    return _ENCODE({**facts, "reasons": reasons, **words})


_ENCODE = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


def _number(value: float | None) -> float | int | None:
    """29 rather than 29.0: most evidence is counts."""
    if value is None:
        return None
    return int(value) if value.is_integer() and abs(value) < 2**53 else round(value, _DECIMALS)


def verdict_word(verdict: str) -> str:
    """The verdict in the user's language."""
    return {"normal": _("normal"), "review": _("review"), "suspicious": _("suspicious")}[verdict]
