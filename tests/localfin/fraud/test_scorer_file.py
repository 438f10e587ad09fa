"""The scorer's file: what is written is read again to the bit, and hostile files get one line."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localfin.fraud.scorer import Scorer, Thresholds, default_scorecard, read, write
from localfin.fraud.scorer.file import MOST_BYTES, text
from localfin.fraud.scorer.model import Calibration, Condition, Label, ReliabilityBin, Term, Training
from localfin_models.errors import InputRefused, LocalfinError, NotFound

SCORER = Scorer(
    kind="additive",
    intercept=-5.1,
    terms=(
        Term("amount", (0.1, 1 / 3, 1e300), (-0.1, 0.2, 0.30000000000000004, 5e-324), missing=-0.7),
        Term("night", (), (0.25,), where=(Condition("amount", 1.5, None), Condition("amount", None, 2.5))),
    ),
    thresholds=Thresholds(0.1, 0.5),
    calibration=Calibration((-1.0, 2.0), (-2.0, 1.5), (ReliabilityBin(0.1, 0.2, 30),)),
    label=Label("사기여부", timedelta(days=7)),
    training=Training(
        as_of=datetime(2018, 8, 8, tzinfo=UTC),
        first=datetime(2018, 4, 1, 0, 0, 31, tzinfo=UTC),
        last=datetime(2018, 7, 31, 23, 59, 59, 999999, tzinfo=UTC),
        rows=1000,
        frauds=12,
        sha256="0f" * 32,
        seed=3,
    ),
    metrics={"average_precision": 0.7},
    versions={"localfin": "0.1.0"},
)


@pytest.mark.parametrize("scorer", [SCORER, default_scorecard()], ids=["additive", "scorecard"])
def test_what_is_written_is_read_again(tmp_path: Path, scorer: Scorer) -> None:
    path = tmp_path / "점수.json"
    path.write_text("older")
    write(path, scorer)
    assert read(path) == scorer
    first = path.read_bytes()
    write(path, read(path))
    assert path.read_bytes() == first
    assert [each.name for each in tmp_path.iterdir()] == ["점수.json"]


finite = st.floats(-1e4, 1e4)


@given(edges=st.lists(st.floats(-1e300, 1e300), unique=True, max_size=20), data=st.data())
def test_every_bit_of_a_number_comes_back(
    tmp_path_factory: pytest.TempPathFactory, edges: list[float], data: Any
) -> None:
    values = tuple(data.draw(st.lists(finite, min_size=len(edges) + 1, max_size=len(edges) + 1)))
    scorer = Scorer("additive", data.draw(finite), (Term("x", tuple(sorted(edges)), values),), Thresholds(0.0, 1.0))
    path = tmp_path_factory.getbasetemp() / "bits.json"
    write(path, scorer)
    assert text(read(path)) == text(scorer)
    assert read(path) == scorer


def test_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "scorer.json"
    write(path, SCORER)
    before = path.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(LocalfinError, match="No space left"):
        write(path, default_scorecard())
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["scorer.json"]


def _change(*keys: Any, to: Any) -> Callable[[Any], Any]:
    def change(value: Any) -> Any:
        at = value
        for key in keys[:-1]:
            at = at[key]
        at[keys[-1]] = to
        return value

    return change


HOSTILE = {
    "a list": lambda value: [value],
    "null": lambda value: None,
    "other format": _change("format", to="localfin-manifest"),
    "newer version": _change("version", to=2),
    "version as text": _change("version", to="1"),
    "unknown kind": _change("kind", to="pickle"),
    "kind as list": _change("kind", to=["additive"]),
    "further entry": _change("code", to="import os"),
    "further entry in a term": _change("terms", 0, "code", to="1"),
    "intercept as text": _change("intercept", to="1"),
    "intercept as bool": _change("intercept", to=True),
    "intercept null": _change("intercept", to=None),
    "intercept huge": _change("intercept", to=1e5),
    "intercept a huge integer": _change("intercept", to=10**400),
    "terms no list": _change("terms", to={}),
    "too many terms": _change("terms", to=[None] * 513),
    "a term null": _change("terms", 0, to=None),
    "signal's name is SQL": _change("terms", 0, "signal", to='x", (select 1) as "y'),
    "signal's name is long": _change("terms", 0, "signal", to="x" * 64),
    "signal's name is row": _change("terms", 0, "signal", to="row"),
    "signal's name with a newline": _change("terms", 0, "signal", to="amount\n"),
    "edges fall": _change("terms", 0, "edges", to=[3, 2, 1]),
    "edges equal": _change("terms", 0, "edges", to=[1, 1, 2]),
    "edges as text": _change("terms", 0, "edges", to="123"),
    "an edge as text": _change("terms", 0, "edges", 0, to="1"),
    "an edge as list": _change("terms", 0, "edges", 0, to=[1]),
    "edges too few": _change("terms", 0, "edges", to=[1]),
    "edges too many": _change("terms", 0, "edges", to=list(range(4097))),
    "log-odds huge": _change("terms", 0, "log_odds", 0, to=-1e5),
    "missing is missing": lambda value: value["terms"][0].pop("missing") and value,
    "condition of unknown kind": _change("terms", 1, "where", 0, "above", to=1),
    "condition's number": _change("terms", 1, "where", 0, "at_least", to="1"),
    "calibration falls": _change("calibration", "calibrated", to=[2, 1]),
    "calibration flat": _change("calibration", "calibrated", to=[1, 1]),
    "calibration's lengths": _change("calibration", "calibrated", to=[1]),
    "calibration's knots fall": _change("calibration", "log_odds", to=[2, 1]),
    "calibration null": _change("calibration", to=None),
    "rate above 1": _change("calibration", "reliability", 0, "fraud_rate", to=1.5),
    "rows a fraction": _change("calibration", "reliability", 0, "rows", to=1.5),
    "threshold above 1": _change("thresholds", "suspicious", to=1.1),
    "thresholds swapped": _change("thresholds", "review", to=0.9),
    "label's delay negative": _change("label", "delay_seconds", to=-1),
    "label's delay of centuries": _change("label", "delay_seconds", to=10**10),
    "label's column with an escape": _change("label", "column", to="\x1b[31m"),
    "label's column long": _change("label", "column", to="x" * 201),
    "hash": _change("training", "sha256", to="0F" * 32),
    "time without offset": _change("training", "as_of", to="2018-08-08T00:00:00"),
    "no time": _change("training", "as_of", to="yesterday"),
    "rows negative": _change("training", "rows", to=-1),
    "rows as bool": _change("training", "rows", to=True),
    "metric as text": _change("metrics", "average_precision", to="good"),
    "metric with an escape": _change("metrics", "\x1b]0;x\x07", to=1),
    "too many metrics": _change("metrics", to={str(each): 1 for each in range(65)}),
    "version as number": _change("versions", "localfin", to=1),
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_entries_are_refused(tmp_path: Path, change: Callable[[Any], Any]) -> None:
    _refused(tmp_path, json.dumps(change(json.loads(text(SCORER)))).encode())


RAW = {
    "empty": b"",
    "no JSON": b"\x80\x04pickle",
    "no UTF-8": text(SCORER).replace("localfin-scorer", "\udcff").encode(errors="surrogateescape"),
    "NaN": text(SCORER).replace("-5.1", "NaN").encode(),
    "Infinity": text(SCORER).replace("-5.1", "-Infinity").encode(),
    "overflow": text(SCORER).replace("-5.1", "1e999").encode(),
    "many digits": text(SCORER).replace("-5.1", "1" * 100_000).encode(),
    "deep list": text(SCORER).replace("-5.1", "[" * 1_000_000).encode(),
    "deep table": text(SCORER).replace("-5.1", '{"a":' * 1_000_000).encode(),
    "one key twice": text(SCORER).replace('"intercept"', '"intercept": 1, "intercept"').encode(),
    "cut off": text(SCORER)[:-20].encode(),
    "large": b" " * MOST_BYTES + text(SCORER).encode(),
}


@pytest.mark.parametrize("raw", RAW.values(), ids=RAW.keys())
def test_hostile_bytes_are_refused(tmp_path: Path, raw: bytes) -> None:
    _refused(tmp_path, raw)


def test_no_file_a_folder_and_unknown_signals(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read(tmp_path / "no.json")
    with pytest.raises(InputRefused):
        read(tmp_path)
    write(tmp_path / "scorer.json", SCORER)
    assert read(tmp_path / "scorer.json", known=["amount", "night"]) == SCORER
    with pytest.raises(InputRefused, match="no such signal"):
        read(tmp_path / "scorer.json", known=["night"])


def _refused(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "scorer.json"
    path.write_bytes(raw)
    with pytest.raises(InputRefused) as refusal:
        read(path)
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 1000
