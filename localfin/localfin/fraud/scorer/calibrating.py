"""From log-odds that a model claims to log-odds that came true, on rows that it has not seen."""

import numpy as np
from numpy.typing import NDArray

from localfin.fraud.scorer.arithmetic import Doubles, calibrate, sigmoid
from localfin.fraud.scorer.model import Calibration, ReliabilityBin

_FRAUDS_A_BLOCK = 25
_MOST_BLOCKS = 20
_LEAST_RISE = 0.01
"""Between two knots: a line that rises keeps every order, one that is flat would make ties."""
_BIN_EDGES = (0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)

Labels = NDArray[np.bool_]


def calibration(raw: Doubles, labels: Labels) -> Calibration:
    """Isotonic regression on blocks of rows, with its reliability.

    A block has at least 25 frauds, so few frauds give one knot, a shift. The reliability is cross-fitted: each half of
    the rows is judged by a line through the other half.
    """
    knots = _knots(raw, labels)
    half = np.arange(len(raw)) % 2 == 0
    score = np.empty(len(raw))
    for fitted in (half, ~half):
        score[~fitted] = sigmoid(calibrate(_knots(raw[fitted], labels[fitted]), raw[~fitted]))
    return Calibration(knots.log_odds, knots.calibrated, reliability(score, labels))


def reliability(scores: Doubles, labels: Labels) -> tuple[ReliabilityBin, ...]:
    """Mean score and fraud rate in fixed ranges of the score; ranges without rows are left out."""
    at = np.searchsorted(_BIN_EDGES, scores, side="right")
    rows = np.bincount(at, minlength=len(_BIN_EDGES) + 1)
    sums, frauds = (np.bincount(at, weights, len(rows)) for weights in (scores, labels.astype(np.float64)))
    return tuple(
        ReliabilityBin(float(sums[each] / rows[each]), float(frauds[each] / rows[each]), int(rows[each]))
        for each in np.flatnonzero(rows)
    )


def _knots(raw: Doubles, labels: Labels) -> Calibration:
    """One knot a block: the log-odds of what it claims on average, and of what came true."""
    frauds = int(labels.sum())
    if frauds == 0:
        return Calibration()
    order = np.argsort(raw, kind="stable")
    raw, labels = raw[order], labels[order]
    blocks = max(1, min(_MOST_BLOCKS, frauds // _FRAUDS_A_BLOCK))
    block = np.minimum(np.cumsum(labels) * blocks // (frauds + 1), blocks - 1)
    starts = np.searchsorted(raw, raw[np.searchsorted(block, np.arange(blocks))])  # equal ones stay together
    claimed, came, weight = [], [], []
    for start, end in zip(starts, [*starts[1:], len(raw)], strict=True):
        if end > start:
            claimed.append(float(sigmoid(raw[start:end]).mean()))
            came.append((float(labels[start:end].sum()) + 0.5) / (end - start + 1))
            weight.append(float(end - start))
    x, y = (_log_odds(np.array(each)) for each in (claimed, _pooled(came, weight)))
    kept = _rising(x, y)
    return Calibration(tuple(map(float, x[kept])), tuple(map(float, y[kept])))


def _pooled(values: list[float], weights: list[float]) -> list[float]:
    """Pool adjacent violators: the nearest values (weighted least squares) that never fall."""
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        pools.append((value, weight, 1))
        while len(pools) > 1 and pools[-2][0] >= pools[-1][0]:
            (low, low_weight, low_n), (high, high_weight, high_n) = pools[-2:]
            total = low_weight + high_weight
            pools[-2:] = [((low * low_weight + high * high_weight) / total, total, low_n + high_n)]
    return [value for value, _, n in pools for _ in range(n)]


def _rising(x: Doubles, y: Doubles) -> list[int]:
    """The knots that rise by enough above the one before."""
    kept = [0]
    for at in range(1, len(x)):
        if x[at] - x[kept[-1]] > _LEAST_RISE and y[at] - y[kept[-1]] > _LEAST_RISE:
            kept.append(at)
    return kept


def _log_odds(probability: Doubles) -> Doubles:
    inside = np.clip(probability, 1e-12, 1 - 1e-12)
    return np.log(inside) - np.log1p(-inside)
