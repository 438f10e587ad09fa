"""The fraud scorer by the published protocol, week by week, beside other models on the same rows and signals.

A scorer learns from seven days whose labels were known (seven days' delay) when a week begins, and is tested on that
week. Weeks on which the settings were chosen stand apart from weeks that nobody had looked at. Needs the simulated card
transactions of the Fraud Detection Handbook as one Parquet file; a quarter of an hour. Results:
`results/fraud-protocol.md`.
"""

import argparse
import statistics
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import measure

from localfin.fraud.database import database
from localfin.fraud.evaluation import evaluate, score_baselines
from localfin.fraud.scorer import fit
from localfin.fraud.scorer.training_rows import training_rows
from localfin.fraud.signals import Settings, compute
from localfin.fraud.transactions import read_into

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

WEEK = timedelta(days=7)
CHOSEN = [datetime(2018, 8, 8, tzinfo=UTC) - week * WEEK for week in range(4, 0, -1)]
UNSEEN = [datetime(2018, 5, 2, tzinfo=UTC) + week * WEEK for week in range(8)]
"""They end before the first day from which a scorer of the weeks above learns."""
SCORER = "this scorer"
FIGURES = {"average_precision": "AP", "card_precision": "CP@100", "auc_roc": "AUC"}
Means = dict[str, list[Mapping[str, float]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--label", default="TX_FRAUD")
    arguments = parser.parse_args()
    with database() as con:
        read_into(con, arguments.data, is_new=False, columns={"label": arguments.label}, zone="UTC")
        compute(con, Settings(WEEK))
        unseen, chosen = (_measured(con, weeks) for weeks in (UNSEEN, CHOSEN))
    text = _text(unseen, chosen)
    (Path(__file__).parent / "results" / "fraud-protocol.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def _measured(con: "DuckDBPyConnection", weeks: list[datetime]) -> Means:
    found: Means = {}
    for start in weeks:
        for name, mean in _week(con, start):
            found.setdefault(name, []).append(mean)
            print(f"{start:%Y-%m-%d} {name}: {dict(mean)}", file=sys.stderr, flush=True)
    return found


def _week(con: "DuckDBPyConnection", start: datetime) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Each model's figures of the week that begins then."""
    scorer = fit(con, as_of=start, label_delay=WEEK, train_days=7)
    rows = training_rows(con, as_of=start, label_delay=WEEK, train_days=7)
    if rows is None:
        raise SystemExit(f"no rows to learn from before {start}")
    scorer.score(con)
    window = {"start": start, "end": start + WEEK}
    for name in chain([SCORER], score_baselines(con, rows, **window)):
        yield name, evaluate(con, scorer.thresholds, **window, label_delay=WEEK, known_from=start - 2 * WEEK).mean


def _text(unseen: Means, chosen: Means) -> str:
    return "\n".join([
        "# The fraud scorer by the published protocol",
        "",
        f"{measure.machine()['processor']}. Simulated card transactions; each week learned anew from 7 days, label "
        "delay 7 days. Mean over weeks.",
        "",
        f"Eight weeks from {UNSEEN[0]:%Y-%m-%d}, on which no setting was chosen:",
        "",
        *_table(unseen),
        "",
        f"Four weeks from {CHOSEN[0]:%Y-%m-%d}, on which the settings were chosen:",
        "",
        *_table(chosen),
        "",
        "Week by week, average precision and CP@100 of the scorer and of the random forest:",
        "",
        "| week from | scorer AP | forest AP | scorer CP@100 | forest CP@100 | perfect CP@100 |",
        "| --- | --- | --- | --- | --- | --- |",
        *(
            f"| {start:%Y-%m-%d} | {ours['average_precision']:.3f} | {forest['average_precision']:.3f} | "
            f"{ours['card_precision']:.3f} | {forest['card_precision']:.3f} | {ours['perfect_card_precision']:.3f} |"
            for weeks, means in ((UNSEEN, unseen), (CHOSEN, chosen))
            for start, ours, forest in zip(weeks, means[SCORER], means["random forest"], strict=True)
        ),
        "",
    ])  # fmt: skip


def _table(means: Means) -> list[str]:
    return [
        f"| | {' | '.join(FIGURES.values())} |",
        f"| --- {'| --- ' * len(FIGURES)}|",
        *(
            f"| {name} | {' | '.join(f'{statistics.fmean(week[key] for week in weeks):.3f}' for key in FIGURES)} |"
            for name, weeks in means.items()
        ),
    ]


if __name__ == "__main__":
    main()
