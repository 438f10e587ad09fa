"""The arithmetic of a scorer on columns of numbers. Nothing else decides a score, a contribution or a verdict."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from localfin.fraud.scorer.model import Calibration, Condition, Scorer, Term, Thresholds

Doubles = NDArray[np.float64]


def contributions(scorer: Scorer, signals: Mapping[str, Doubles]) -> dict[str, Doubles]:
    """Log-odds of each contributing signal, in the scorer's order. `signals`: equally long columns, NaN: not known."""
    total: dict[str, Doubles] = {}
    for term in scorer.terms:
        part = _term(term, signals)
        total[term.signal] = total[term.signal] + part if term.signal in total else part
    return total


def log_odds(scorer: Scorer, parts: Mapping[str, Doubles], rows: int) -> Doubles:
    """Intercept and contributions, added one after the other: adding them again gives the same bits."""
    total = np.full(rows, scorer.intercept)
    for name in scorer.signals:
        total += parts[name]
    return total


def scores(calibration: Calibration, raw: Doubles) -> Doubles:
    """Log-odds to scores in 0..1."""
    return sigmoid(calibrate(calibration, raw))


def calibrate(calibration: Calibration, raw: Doubles) -> Doubles:
    if not calibration.log_odds:
        return raw
    x, y = np.array(calibration.log_odds), np.array(calibration.calibrated)
    below, above = np.minimum(raw - x[0], 0.0), np.maximum(raw - x[-1], 0.0)
    line: Doubles = np.interp(raw, x, y) + below + above
    return line


def sigmoid(x: Doubles) -> Doubles:
    """1 / (1 + exp(-x)), without overflow."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0, 1.0, small) / (1.0 + small)


def verdicts(thresholds: Thresholds, score: Doubles) -> NDArray[np.object_]:
    """`normal`, `review` or `suspicious` for each score."""
    level = (score >= thresholds.review).astype(np.int8) + (score >= thresholds.suspicious)
    return np.array(["normal", "review", "suspicious"], object)[level]


def _term(term: Term, signals: Mapping[str, Doubles]) -> Doubles:
    values = signals[term.signal]
    steps = np.array([*term.log_odds, term.missing])
    step = np.searchsorted(np.array(term.edges), values, side="right")
    step[np.isnan(values)] = len(steps) - 1
    part = steps[step]
    for condition in term.where:
        part = np.where(_holds(condition, signals[condition.signal]), part, 0.0)
    return part


def _holds(condition: Condition, values: Doubles) -> NDArray[np.bool_]:
    holds = ~np.isnan(values)
    if condition.at_least is not None:
        holds &= values >= condition.at_least
    if condition.below is not None:
        holds &= values < condition.below
    return holds
