"""A scorer as plain data. Its arithmetic is in `arithmetic`, its file in `file`.

    log-odds = intercept + the terms' values, each looked up by one signal
    score    = 1 / (1 + exp(-calibration(log-odds)))
    verdict  = suspicious or review from two thresholds on the score, else normal

Every kind has this one form: a learned scorer has one term a signal, an expert's scorecard has points turned into
log-odds. The calibration is strictly increasing, so it changes no order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Kind = Literal["additive", "scorecard"]
Verdict = Literal["normal", "review", "suspicious"]


@dataclass(frozen=True, slots=True)
class Condition:
    """A signal that is known and lies in a range."""

    signal: str
    at_least: float | None = None
    below: float | None = None


@dataclass(frozen=True, slots=True)
class Term:
    """Steps of log-odds along one signal."""

    signal: str
    edges: tuple[float, ...]
    """Increasing. A value equal to an edge lies above it."""
    log_odds: tuple[float, ...]
    """One more than edges: below the first edge, between each two, from the last one on."""
    missing: float = 0.0
    """Where the signal is not known. Signals are numbers, so there is no unseen category beside it."""
    where: tuple[Condition, ...] = ()
    """The term adds 0 unless all of these hold."""


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Transactions whose scores lie together: what the score promised, and what happened."""

    mean_score: float
    fraud_rate: float
    rows: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """Knots of a rising line from log-odds to calibrated log-odds; slope 1 outside, identity without any."""

    log_odds: tuple[float, ...] = ()
    calibrated: tuple[float, ...] = ()
    reliability: tuple[ReliabilityBin, ...] = ()


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The least scores of the two verdicts that ask for somebody's attention."""

    review: float
    suspicious: float


WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Label:
    """Where a history's labels stand, and how long after its transaction a label becomes known."""

    column: str
    delay: timedelta


@dataclass(frozen=True, slots=True)
class Training:
    """What a scorer has learned from."""

    as_of: datetime
    """Aware. No label that became known later was used."""
    first: datetime
    """Time of the earliest row."""
    last: datetime
    rows: int
    frauds: int
    sha256: str
    """Of the signals' names, their values as little-endian doubles, row by row, and the labels as bytes."""
    seed: int


@dataclass(frozen=True, slots=True)
class Scorer:
    """Signals to score, verdict and contributions. Immutable; holds no code."""

    kind: Kind
    intercept: float
    terms: tuple[Term, ...]
    thresholds: Thresholds
    calibration: Calibration = Calibration()
    label: Label | None = None
    training: Training | None = None
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    """Measured on the held-out later part of the training rows."""
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of what made it."""

    @property
    def label_delay(self) -> timedelta:
        """Its own; a week for one that names none."""
        return WEEK if self.label is None else self.label.delay

    @property
    def label_role(self) -> dict[str, str]:
        """The history's label column by its role, where the scorer names one."""
        return {} if self.label is None else {"label": self.label.column}

    @property
    def signals(self) -> tuple[str, ...]:
        """Those that contribute, in the order in which contributions are added."""
        return tuple(dict.fromkeys(term.signal for term in self.terms))

    @property
    def needs(self) -> tuple[str, ...]:
        """Those that it reads: contributing ones, and those in conditions."""
        conditions = [condition.signal for term in self.terms for condition in term.where]
        return tuple(dict.fromkeys([*self.signals, *conditions]))

    def score(self, con: "DuckDBPyConnection", *, only_new: bool = False) -> None:
        """Makes the tables `scores` and `contributions` from `signals`. See `tables.score`."""
        from localfin.fraud.scorer.tables import score

        score(con, self, only_new=only_new)
