"""A scorer beside the models that people would use instead: the same rows to learn from, the same to test on."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from localfin.fraud.evaluation.baselines import score_baselines
from localfin.fraud.evaluation.weeks import Evaluation, evaluate
from localfin.fraud.evaluation.window import window
from localfin.fraud.scorer.model import Scorer
from localfin.fraud.scorer.training_rows import training_rows
from localfin.fraud.signals import Settings, compute
from localfin_models.errors import InputRefused
from localfin_models.language import _
from localfin_models.progress import Watched, unwatched

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Comparison:
    start: datetime
    """The test's first moment. Aware."""
    k: int
    """How many cards a day card precision counts."""
    scorer: Evaluation
    baselines: Mapping[str, Evaluation]
    same_rows: bool | None
    """Whether the baselines learned from the very rows that the scorer names by its hash; None without baselines."""


def compare(
    con: "DuckDBPyConnection",
    scorer: Scorer,
    *,
    begin: datetime | None = None,
    label_delay: timedelta,
    k: int = 100,
    baselines: bool = False,
    say: Say = lambda _name: None,
    computing: Callable[[], Watched] = unwatched,
) -> Comparison:
    """Of the table `transactions`, from `begin` on, aware; left out, from where the scorer has seen nothing.

    Baselines learn from the rows that the scorer learned from, or, beside a scorecard, from all that was known at the
    beginning. Cards with a fraud known from the first training day on are left out of the test, as `evaluate` says.
    `say` is told what was judged; `computing` is open while signals are computed, and told the steps. Raises
    InputRefused where there is nothing to learn from or no labelled transaction to test on, and for a `begin` before
    which the scorer may have learned.
    """
    start, end = window(con, scorer, begin)
    trained = scorer.training
    since: Literal["all"] | datetime = start
    if baselines:
        since = "all" if trained is None else trained.first
    with computing() as progress:
        compute(con, Settings(label_delay), rows=since, progress=progress)
    scorer.score(con)

    def judged() -> Evaluation:
        return evaluate(
            con, scorer.thresholds, start=start, end=end, label_delay=label_delay, k=k,
            known_from=trained.first if trained else None,
        )  # fmt: skip

    found = judged()
    if not found.by_week:
        raise InputRefused(_("no labelled transaction from {day:%Y-%m-%d} on").format(day=start))
    if not baselines:
        return Comparison(start, k, found, {}, None)
    as_of = trained.as_of if trained else start
    train_days = (as_of - label_delay - trained.first) / timedelta(days=1) if trained else None
    rows = training_rows(con, as_of=as_of, label_delay=label_delay, train_days=train_days)
    if rows is None:
        raise InputRefused(_("the transactions that the scorer learned from are not in the file: no baselines"))
    others = dict[str, Evaluation]()
    for name in score_baselines(con, rows, start=start, end=end):
        say(name)
        others[name] = judged()
    return Comparison(start, k, found, others, trained is None or rows.sha256() == trained.sha256)
