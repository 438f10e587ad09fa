"""An expert's scorecard: points per signal in a TOML file that people read and sign. It needs no labels.

    format = "localfin-scorecard"
    version = 1
    base = -120                   # points of a transaction of which no signal says anything
    points_to_double = 20         # that many more points double the odds
    [thresholds]                  # in points
    review = -40
    suspicious = 0
    [[signal]]
    name = "amount_to_mean_30d"   # points of the highest step reached; 0 below the first one
    steps = [{at_least = 3, points = 25}, {at_least = 10, points = 50}]
    missing = 0
    where = [{signal = "new_counterparty", at_least = 1}]     # only if all of these hold

One signal may stand several times: its points add up. Points are log-odds in another unit: 0 points are even odds, so
the score is 1 / (1 + 2 ** (-points / points_to_double)). That it is a probability is the expert's claim, not a finding.
"""

import math
import tomllib
from collections.abc import Collection
from pathlib import Path

from localfin.fraud.scorer.fields import MOST_SIGNALS, Fields, bounded_text, increasing, refused
from localfin.fraud.scorer.file import read_condition
from localfin.fraud.scorer.model import Scorer, Term, Thresholds
from localfin_models.language import _

DEFAULT = Path(__file__).with_name("scorecard.toml")
FORMAT, VERSION = "localfin-scorecard", 1
_MOST_BYTES = 1 << 20
_MOST_STEPS, _MOST_CONDITIONS = 100, 16
_MOST_POINTS = 10_000.0
_MOST = 1e300


def default_scorecard(known: Collection[str] | None = None) -> Scorer:
    """The one that ships."""
    return read_scorecard(DEFAULT, known)


def read_scorecard(path: Path, known: Collection[str] | None = None) -> Scorer:
    """The scorer of a scorecard. `known`: the signals that exist. Raises NotFound or InputRefused."""
    try:
        value = tomllib.loads(bounded_text(path, _MOST_BYTES))
    except tomllib.TOMLDecodeError as error:
        raise refused(path, " ".join(str(error).split())[:200]) from None
    except (ValueError, RecursionError):
        raise refused(path, _("it is not plain TOML")) from None
    top = Fields.of(path, "", value)
    if (top.entries.pop("format", None), top.entries.pop("version", None)) != (FORMAT, VERSION):
        raise refused(path, _("its format is not {format}, version {version}").format(format=FORMAT, version=VERSION))
    return _scorer(top, None if known is None else frozenset(known))


def _scorer(top: Fields, known: frozenset[str] | None) -> Scorer:
    point = math.log(2) / top.number("points_to_double", 1, _MOST_POINTS)
    scorer = Scorer(
        kind="scorecard",
        intercept=top.number("base", -_MOST_POINTS, _MOST_POINTS) * point,
        terms=tuple(_term(fields, known, point) for fields in top.tables("signal", MOST_SIGNALS)),
        thresholds=_thresholds(top.table("thresholds"), point),
    )
    top.done()
    return scorer


def _term(fields: Fields, known: frozenset[str] | None, point: float) -> Term:
    name = fields.signal("name", known)
    edges, points = [], [0.0]
    for step in fields.tables("steps", _MOST_STEPS):
        edges.append(step.number("at_least", -_MOST, _MOST))
        points.append(step.number("points", -_MOST_POINTS, _MOST_POINTS))
        step.done()
    if not increasing(tuple(edges)):
        raise fields.wrong("steps", _("they do not increase"))
    missing = fields.optional_number("missing", -_MOST_POINTS, _MOST_POINTS) or 0.0
    where = tuple(read_condition(each, known) for each in fields.optional_tables("where", _MOST_CONDITIONS))
    fields.done()
    return Term(name, tuple(edges), tuple(each * point for each in points), missing * point, where)


def _thresholds(fields: Fields, point: float) -> Thresholds:
    review, suspicious = (fields.number(name, -_MOST_POINTS, _MOST_POINTS) for name in ("review", "suspicious"))
    if review > suspicious:
        raise fields.wrong("review", _("it is above the other threshold"))
    fields.done()
    return Thresholds(_score(review * point), _score(suspicious * point))


def _score(log_odds: float) -> float:
    return 1 / (1 + math.exp(-log_odds)) if log_odds > -700 else 0.0
