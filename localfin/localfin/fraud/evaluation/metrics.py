"""The figures by which scorers are compared. All take equally long columns; none is accuracy, which frauds hardly move.

A figure that the rows cannot give (no fraud, or nothing else) is NaN.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.bool_]
Scores = NDArray[np.float64]


def auc_roc(labels: Labels, scores: Scores) -> float:
    """The chance that a fraud scores above another row; equal scores count half (Mann and Whitney's U)."""
    frauds = int(labels.sum())
    others = len(labels) - frauds
    if not frauds or not others:
        return math.nan
    _, at, count = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    mean_rank = last - (count - 1) / 2
    return float((mean_rank[at][labels].sum() - frauds * (frauds + 1) / 2) / (frauds * others))


def average_precision(labels: Labels, scores: Scores) -> float:
    """Precision at each distinct score, weighted by the recall it adds, without interpolation."""
    frauds = int(labels.sum())
    if not frauds:
        return math.nan
    order = np.argsort(-scores, kind="stable")
    falling, hits = scores[order], np.cumsum(labels[order])
    ends = np.append(np.flatnonzero(np.diff(falling)), len(falling) - 1)
    precision = hits[ends] / (ends + 1)
    return float(np.sum(precision * np.diff(hits[ends], prepend=0)) / frauds)


def mcc(labels: Labels, flagged: Labels) -> float:
    """Matthews' correlation of label and flag: 1 right, 0 no better than a constant, which has 0 by convention."""
    if not len(labels):
        return math.nan
    both, flags, frauds = (float(each.sum()) for each in (labels & flagged, flagged, labels))
    rows = float(len(labels))
    spread = flags * (rows - flags) * frauds * (rows - frauds)
    return (both * rows - flags * frauds) / math.sqrt(spread) if spread else 0.0


@dataclass(frozen=True, slots=True)
class CardPrecision:
    """Mean over days of: compromised cards among the first `k`, divided by `k`."""

    k: int
    reached: float
    perfect: float
    """The same of a scorer that knows the labels, whose detected cards are left out, too."""
    by_day: tuple[float, ...]
    perfect_by_day: tuple[float, ...]


def card_precision(days: NDArray[Any], cards: NDArray[Any], labels: Labels, scores: Scores, k: int) -> CardPrecision:
    """A day's cards, ranked by the highest score each has that day; those detected are left out on later days.

    Cards with equal scores rank by their name, so the figure depends on the rows alone and not on their order.
    """
    if not len(days):
        return CardPrecision(k, math.nan, math.nan, (), ())
    reached = _by_day(days, cards, labels, scores, k)
    perfect = _by_day(days, cards, labels, labels.astype(np.float64), k)
    return CardPrecision(k, float(np.mean(reached)), float(np.mean(perfect)), tuple(reached), tuple(perfect))


def _by_day(days: NDArray[Any], cards: NDArray[Any], labels: Labels, scores: Scores, k: int) -> Sequence[float]:
    names, card = np.unique(cards, return_inverse=True)
    detected = np.zeros(len(names), np.bool_)
    found: list[float] = []
    for day in np.unique(days):
        rows = np.flatnonzero((days == day) & ~detected[card])
        highest = np.full(len(names), -np.inf)
        compromised = np.zeros(len(names), np.bool_)
        np.maximum.at(highest, card[rows], scores[rows])
        np.logical_or.at(compromised, card[rows], labels[rows])
        seen = np.unique(card[rows])
        first = seen[np.argsort(-highest[seen], kind="stable")][:k]
        hits = first[compromised[first]]
        detected[hits] = True
        found.append(len(hits) / k)
    return found
