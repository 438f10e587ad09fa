"""Rates that solve an equation: searched for in binary floating point, their rounding proved in decimal. Nothing else.

A rate is reported only where the exact function changes its sign within half a step of the digits shown. Flows that
change
their sign once have one rate; for others the search looks at 2,000 rates from -99 % to 100,000 %, and does not see two
roots between two neighbours, or a root that only touches zero.
"""

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import pairwise

from localfin.calc import inputs

_LOW, _HIGH = 0.01, 1001.0
_POINTS = 2000
DIGITS = 4
"""Decimals of a rate in percent."""


def discounted(flows: Sequence[Decimal], times: Sequence[Decimal], rate_percent: Decimal) -> Decimal:
    """The present value of `flows` after `times` periods, exact to some 30 digits."""
    with inputs.exactly():
        grown = 1 + rate_percent / 100
        return sum((flow / grown**time for flow, time in zip(flows, times, strict=True)), Decimal(0))


def rates(flows: Sequence[Decimal], times: Sequence[Decimal]) -> list[Decimal]:
    """The rates in percent at which the flows are worth nothing, rounded half up to 0.0001, smallest first."""
    amounts, whens = [float(flow) for flow in flows], [float(time) for time in times]
    last = max(whens)

    def sign(log_grown: float) -> float:
        # Times a positive power of the growth, so that nothing overflows.
        base = last if log_grown < 0 else 0.0
        return math.fsum(
            amount * math.exp((base - when) * log_grown) for amount, when in zip(amounts, whens, strict=True)
        )

    low, high = math.log(_LOW), math.log(_HIGH)
    # By Descartes' rule flows that change their sign once have one rate: no need to look for more.
    points = 1 if _changes(flows, times) == 1 else _POINTS
    grid = [low + (high - low) * place / points for place in range(points + 1)]
    values = [sign(at) for at in grid]
    found = [
        bisected(sign, grid[place], grid[place + 1])
        for place in range(points)
        if values[place] == 0 or values[place] * values[place + 1] < 0
    ]
    guesses = [Decimal(repr((math.exp(at) - 1) * 100)) for at in found]
    return [proved(lambda rate: discounted(flows, times, rate), guess) for guess in guesses]


def _changes(flows: Sequence[Decimal], times: Sequence[Decimal]) -> int:
    """How often the flows change their sign in the order of time, those of one moment added up."""
    added: dict[Decimal, Decimal] = {}
    for flow, time in zip(flows, times, strict=True):
        added[time] = added.get(time, Decimal(0)) + flow
    signs = [flow > 0 for _time, flow in sorted(added.items()) if flow]
    return sum(before != after for before, after in pairwise(signs))


def proved(function: Callable[[Decimal], Decimal], guess: Decimal) -> Decimal:
    """The root near `guess`, rounded half up to 0.0001: the function changes its sign within half a step around it."""
    step = Decimal(1).scaleb(-DIGITS)
    nearest = inputs.nearest(guess, DIGITS)
    for candidate in (nearest, nearest + step, nearest - step):
        below, above = function(candidate - step / 2), function(candidate + step / 2)
        if below == 0 or (below > 0) != (above > 0):
            return candidate
    raise ArithmeticError(f"no root near {guess}")


def bisected(function: Callable[[float], float], low: float, high: float) -> float:
    """A root between two values of different signs, to the last bits of a double."""
    at_low = function(low)
    for _step in range(80):
        middle = (low + high) / 2
        value = function(middle)
        if value == 0 or middle in (low, high):
            return middle
        low, high, at_low = (middle, high, value) if (value > 0) == (at_low > 0) else (low, middle, at_low)
    return (low + high) / 2
