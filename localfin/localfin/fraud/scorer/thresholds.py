"""The two thresholds, from what a desk can look at in a day or from what its errors cost."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from localfin.fraud.scorer.model import Thresholds

_MORE_LIKELY_THAN_NOT = 0.5


@dataclass(frozen=True, slots=True)
class Capacity:
    """So many transactions a day can be looked at: `review` and `suspicious` together."""

    a_day: float = 100.0


@dataclass(frozen=True, slots=True)
class Costs:
    """In one currency. A transaction is worth a look where score * missed fraud >= look."""

    look: float
    missed_fraud: float


Policy = Capacity | Costs


def thresholds(policy: Policy, scores: NDArray[np.float64], days: int, fraud_rate: float) -> Thresholds:
    """`scores`: calibrated ones of `days` days that the scorer had not learned from.

    By capacity, no transaction less suspicious than the average one is to be reviewed, however few there are.
    `suspicious` is what is more likely fraud than not.
    """
    match policy:
        case Capacity(a_day):
            review = max(_reached_by(scores, int(a_day * days)), fraud_rate)
        case Costs(look, missed_fraud):
            review = min(look / missed_fraud, 1.0) if missed_fraud > 0 else 1.0
    return Thresholds(review, max(review, _MORE_LIKELY_THAN_NOT))


def _reached_by(scores: NDArray[np.float64], count: int) -> float:
    """The least score that at most `count` of them reach, or just above the highest."""
    falling = np.sort(scores)[::-1]
    if count >= len(falling):
        return 0.0
    first_left_out = falling[count]
    reached = falling[falling > first_left_out]  # equal scores stay together: over the capacity, none of them
    return float(reached[-1]) if len(reached) else min(float(np.nextafter(first_left_out, 2.0)), 1.0)
