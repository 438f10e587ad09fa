"""An evaluation as a table for a terminal of 80 columns, and as plain data."""

import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from localfin.fraud.evaluation.comparison import Comparison
from localfin.fraud.evaluation.weeks import Evaluation, Figures
from localfin_models.language import _

_SHOWN = ("auc_roc", "average_precision", "mcc_at_review", "card_precision")


def lines(found: Comparison) -> list[str]:
    """By week, then the mean over weeks of each model."""
    figures = ["AUC ROC", "AP", "MCC", f"CP@{found.k}", _("perfect")]
    table = [_row([_("week from"), _("rows"), _("frauds"), *figures])]
    for week in found.scorer.by_week:
        table.append(_row([
            f"{week.first_day}", f"{week.rows:,}", f"{week.frauds:,}",
            *map(number, (*_of(week), week.card_precision.perfect)),
        ]))  # fmt: skip
    mean = found.scorer.mean
    table.append(_row([_("mean"), "", "", *map(number, (*means(found.scorer), mean["perfect_card_precision"]))]))
    if found.baselines:
        table += ["", _row([_("mean over weeks"), "", "", *figures[:-1], ""])]
        for name, each in models(found).items():
            table.append(_row([name, "", "", *map(number, means(each)), ""]))
    return table


def data(found: Comparison) -> Mapping[str, Any]:
    """As JSON has it: no NaN, days as text."""
    return {
        "from": found.start.isoformat(),
        "cards_a_day": found.k,
        "models": {
            name: {
                "mean": dict(each.mean),
                "weeks": [_week(week) for week in each.by_week],
                "reliability": [asdict(seen) for seen in each.reliability],
            }
            for name, each in {"scorer": found.scorer, **found.baselines}.items()
        },
        "baselines_learned_from_the_same_rows": found.same_rows,
    }


def models(found: Comparison) -> Mapping[str, Evaluation]:
    """By the name that people read, this scorer first."""
    names = {
        "logistic regression": _("logistic regression"),
        "random forest": _("random forest"),
        "gradient boosting": _("gradient boosting"),
    }
    return {_("this scorer"): found.scorer, **{names[name]: each for name, each in found.baselines.items()}}


def means(each: Evaluation) -> list[float]:
    """AUC ROC, average precision, MCC at the review threshold, card precision; NaN where no week has one."""
    return [each.mean.get(name, math.nan) for name in _SHOWN]


def number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.3f}"


def _of(week: Figures) -> list[float]:
    return [week.auc_roc, week.average_precision, week.mcc_at_review, week.card_precision.reached]


def _week(week: Figures) -> Mapping[str, Any]:
    values = {"auc_roc": week.auc_roc, "average_precision": week.average_precision,
              "mcc_at_review": week.mcc_at_review, "mcc_at_suspicious": week.mcc_at_suspicious,
              "card_precision": week.card_precision.reached,
              "perfect_card_precision": week.card_precision.perfect}  # fmt: skip
    figures = {name: None if math.isnan(value) else value for name, value in values.items()}
    return {"first_day": week.first_day.isoformat(), "rows": week.rows, "frauds": week.frauds, **figures}


def _row(cells: Sequence[str]) -> str:
    widths = (20, 10, 8, 9, 8, 8, 8, 8)
    first, *rest = (
        (text, width - sum(unicodedata.east_asian_width(letter) in "WF" for letter in text))
        for text, width in zip(cells, widths, strict=True)
    )
    return (f"{first[0]:<{first[1]}}" + "".join(f"{text:>{width}}" for text, width in rest)).rstrip()
