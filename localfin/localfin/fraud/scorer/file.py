"""A scorer's file: one JSON object that says everything and runs nothing.

    format, version   "localfin-scorer", 1
    kind              "additive" or "scorecard"
    label             {column, delay_seconds}, or null
    training          {as_of, first, last, rows, frauds, sha256, seed}, or null
    intercept         log-odds
    terms             [{signal, edges, log_odds, missing, where: [{signal, at_least, below}]}]
    calibration       {log_odds, calibrated, reliability: [{mean_score, fraud_rate, rows}]}
    thresholds        {review, suspicious}: scores
    metrics           {name: number}
    versions          {name: text}

The reader takes exactly this, within bounds, and refuses the rest: whoever edits a scorer can make it wrong, but not
make its reader do anything else. The file is not signed.
"""

import json
import os
import re
from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from localfin.fraud.scorer.fields import (
    MOST_LOG_ODDS,
    MOST_SIGNALS,
    Fields,
    bounded_text,
    increasing,
    refused,
    without_duplicates,
)
from localfin.fraud.scorer.model import (
    Calibration,
    Condition,
    Kind,
    Label,
    ReliabilityBin,
    Scorer,
    Term,
    Thresholds,
    Training,
)
from localfin_models.errors import LocalfinError
from localfin_models.language import _

FORMAT, VERSION = "localfin-scorer", 1
MOST_BYTES = 16 << 20
_MOST_EDGES, _MOST_KNOTS, _MOST_CONDITIONS, _MOST_ENTRIES = 4096, 1000, 16, 64
_MOST = 1e300
_TEN_YEARS = 3653 * 86_400
_SHA256 = re.compile("[0-9a-f]{64}")


def read(path: Path, known: Collection[str] | None = None) -> Scorer:
    """The scorer in the file `path`. `known`: the signals that exist here; a scorer of others is refused.

    Raises NotFound, or InputRefused with the first entry that is wrong.
    """
    text = bounded_text(path, MOST_BYTES)
    try:
        value: object = json.loads(text, object_pairs_hook=without_duplicates, parse_constant=_no_constant)
    except (ValueError, RecursionError):  # no JSON, NaN, one key twice, thousands of digits, thousands of levels
        raise refused(path, _("it is not plain JSON")) from None
    return _scorer(Fields.of(path, "", value), None if known is None else frozenset(known))


def write(path: Path, scorer: Scorer) -> None:
    """Whole or not at all, in place of an older file. The same scorer gives the same bytes."""
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8", newline="\n") as file:
            file.write(text(scorer))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise LocalfinError(_("{path} cannot be written: {error}").format(path=path, error=error.strerror)) from None
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def text(scorer: Scorer) -> str:
    """What `write` writes. Numbers are written so that reading gives the same bits."""
    return json.dumps(_stored(scorer), ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _stored(scorer: Scorer) -> Mapping[str, Any]:
    calibration = scorer.calibration
    return {
        "format": FORMAT,
        "version": VERSION,
        "kind": scorer.kind,
        "label": scorer.label
        and {"column": scorer.label.column, "delay_seconds": round(scorer.label.delay.total_seconds())},
        "training": scorer.training and _stored_training(scorer.training),
        "intercept": scorer.intercept,
        "terms": [_stored_term(term) for term in scorer.terms],
        "calibration": {
            "log_odds": calibration.log_odds,
            "calibrated": calibration.calibrated,
            "reliability": [
                {"mean_score": seen.mean_score, "fraud_rate": seen.fraud_rate, "rows": seen.rows}
                for seen in calibration.reliability
            ],
        },
        "thresholds": {"review": scorer.thresholds.review, "suspicious": scorer.thresholds.suspicious},
        "metrics": dict(scorer.metrics),
        "versions": dict(scorer.versions),
    }


def _stored_training(training: Training) -> Mapping[str, Any]:
    times = {name: getattr(training, name).isoformat() for name in ("as_of", "first", "last")}
    return {**times, **{name: getattr(training, name) for name in ("rows", "frauds", "sha256", "seed")}}


def _stored_term(term: Term) -> Mapping[str, Any]:
    head = {"signal": term.signal, "edges": term.edges, "log_odds": term.log_odds, "missing": term.missing}
    where = [
        {"signal": condition.signal, "at_least": condition.at_least, "below": condition.below}
        for condition in term.where
    ]
    return {**head, "where": where}


def _scorer(top: Fields, known: frozenset[str] | None) -> Scorer:
    if (top.entries.pop("format", None), top.entries.pop("version", None)) != (FORMAT, VERSION):
        raise refused(top.path, _("its format is not {format}, version {version}").format(
            format=FORMAT, version=VERSION
        ))  # fmt: skip
    kind = top.text("kind", re.compile("additive|scorecard"))
    label, training = top.optional_table("label"), top.optional_table("training")
    scorer = Scorer(
        kind=cast(Kind, kind),
        intercept=top.number("intercept", -MOST_LOG_ODDS, MOST_LOG_ODDS),
        terms=tuple(_term(term, known) for term in top.tables("terms", MOST_SIGNALS)),
        thresholds=read_thresholds(top.table("thresholds")),
        calibration=_calibration(top.table("calibration")),
        label=None if label is None else _label(label),
        training=None if training is None else _training(training),
        metrics=_metrics(top.table("metrics")),
        versions=_versions(top.table("versions")),
    )
    top.done()
    return scorer


def _term(fields: Fields, known: frozenset[str] | None) -> Term:
    term = Term(
        signal=fields.signal("signal", known),
        edges=fields.numbers("edges", _MOST_EDGES, -_MOST, _MOST),
        log_odds=fields.numbers("log_odds", _MOST_EDGES + 1, -MOST_LOG_ODDS, MOST_LOG_ODDS),
        missing=fields.number("missing", -MOST_LOG_ODDS, MOST_LOG_ODDS),
        where=tuple(read_condition(each, known) for each in fields.optional_tables("where", _MOST_CONDITIONS)),
    )
    if not increasing(term.edges):
        raise fields.wrong("edges", _("they do not increase"))
    if len(term.log_odds) != len(term.edges) + 1:
        raise fields.wrong("log_odds", _("there must be one more than edges"))
    fields.done()
    return term


def read_condition(fields: Fields, known: frozenset[str] | None) -> Condition:
    condition = Condition(
        fields.signal("signal", known),
        fields.optional_number("at_least", -_MOST, _MOST),
        fields.optional_number("below", -_MOST, _MOST),
    )
    fields.done()
    return condition


def read_thresholds(fields: Fields) -> Thresholds:
    thresholds = Thresholds(fields.number("review", 0, 1), fields.number("suspicious", 0, 1))
    if thresholds.review > thresholds.suspicious:
        raise fields.wrong("review", _("it is above the other threshold"))
    fields.done()
    return thresholds


def _calibration(fields: Fields) -> Calibration:
    calibration = Calibration(
        log_odds=fields.numbers("log_odds", _MOST_KNOTS, -MOST_LOG_ODDS, MOST_LOG_ODDS),
        calibrated=fields.numbers("calibrated", _MOST_KNOTS, -MOST_LOG_ODDS, MOST_LOG_ODDS),
        reliability=tuple(_bin(each) for each in fields.tables("reliability", _MOST_KNOTS)),
    )
    if not increasing(calibration.log_odds):
        raise fields.wrong("log_odds", _("they do not increase"))
    if not increasing(calibration.calibrated) or len(calibration.calibrated) != len(calibration.log_odds):
        raise fields.wrong("calibrated", _("they do not increase"))
    fields.done()
    return calibration


def _bin(fields: Fields) -> ReliabilityBin:
    rate, score = fields.number("fraud_rate", 0, 1), fields.number("mean_score", 0, 1)
    seen = ReliabilityBin(score, rate, fields.whole("rows", 1, 1 << 53))
    fields.done()
    return seen


def _label(fields: Fields) -> Label:
    label = Label(fields.text("column"), timedelta(seconds=fields.whole("delay_seconds", 0, _TEN_YEARS)))
    fields.done()
    return label


def _training(fields: Fields) -> Training:
    training = Training(
        as_of=fields.time("as_of"),
        first=fields.time("first"),
        last=fields.time("last"),
        rows=fields.whole("rows", 1, 1 << 53),
        frauds=fields.whole("frauds", 1, 1 << 53),
        sha256=fields.text("sha256", _SHA256),
        seed=fields.whole("seed", 0, (1 << 31) - 1),
    )
    fields.done()
    return training


def _metrics(fields: Fields) -> dict[str, float]:
    names = _names(fields)
    return {name: fields.number(name, -_MOST, _MOST) for name in names}


def _versions(fields: Fields) -> dict[str, str]:
    names = _names(fields)
    return {name: fields.text(name) for name in names}


def _names(fields: Fields) -> list[str]:
    if len(fields.entries) > _MOST_ENTRIES:
        raise refused(fields.path, _("it has more than {most} entries").format(most=_MOST_ENTRIES))
    for name in fields.entries:
        if len(name) > _MOST_ENTRIES or not name.isprintable():
            raise fields.wrong(name[:_MOST_ENTRIES], _("it has a wrong form"))
    return list(fields.entries)


def _no_constant(name: str) -> float:
    raise ValueError(name)
