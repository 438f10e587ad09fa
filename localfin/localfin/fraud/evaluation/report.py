"""The page for people: how good the scorer is by week and day, whether its score is a probability, what it looks at."""

import math
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise

from localfin.fraud.evaluation.comparison import Comparison
from localfin.fraud.evaluation.tables import means, models, number
from localfin.fraud.evaluation.weeks import Evaluation
from localfin.fraud.scorer.model import Scorer, Term
from localfin.report import Html, Series, lines, page, section, table, tiles
from localfin_models.language import _

_TERMS = 12


def report(found: Comparison, scorer: Scorer) -> Iterator[str]:
    """The document, piece by piece."""
    weeks, mean = found.scorer.by_week, found.scorer.mean
    lead = _("{rows:,} transactions from {day:%Y-%m-%d} on, {frauds:,} frauds; labels that the scorer has not seen")
    parts = [
        tiles([
            ("AUC ROC", number(mean.get("auc_roc", math.nan)), ""),
            (_("average precision"), number(mean.get("average_precision", math.nan)), ""),
            (_("MCC at review"), number(mean.get("mcc_at_review", math.nan)), ""),
            (_("card precision@{k}").format(k=found.k), number(mean.get("card_precision", math.nan)), ""),
        ]),
        section(_("By week"), _by_week(found)),
        *([section(_("Beside other models"), _beside(found), _precision(found), note=_same(found))]
          if found.baselines else []),
        section(
            _("Is the score a probability?"), _reliability(found.scorer),
            note=_("On the dashed line, of the transactions scored 0.3 three in ten are frauds."),
        ),
        section(
            _("Compromised cards found, by day"), _by_day(found.scorer),
            note=_("Among the first {k} cards of a day, cards found before left out; dashed: "
                   "the most there is to find.")
            .format(k=found.k),
        ),
        section(
            _("What the scorer looks at"), *_terms(scorer),
            note=_("Log-odds that a signal adds at the least and at the most: the {n} signals of the widest range.")
            .format(n=_TERMS),
        ),
        section(_("What this covers"), note=_(
            "A verdict says that a transaction looks like known frauds. It is no finding of guilt, never for credit "
            "decisions, and a person decides. Frauds at places without a known fraud, and labels that are wrong, are "
            "not covered."
        )),
    ]  # fmt: skip
    yield from page(
        _("How good the scorer is"),
        lead.format(rows=sum(week.rows for week in weeks), day=found.start, frauds=sum(week.frauds for week in weeks)),
        parts,
    )


def _by_week(found: Comparison) -> Html:
    head = [_("week from"), _("rows"), _("frauds"), "AUC ROC", "AP", _("MCC at review"), _("MCC at suspicious"),
            f"CP@{found.k}", _("perfect")]  # fmt: skip
    rows = [
        [
            f"{week.first_day}", f"{week.rows:,}", f"{week.frauds:,}",
            *map(number, (week.auc_roc, week.average_precision, week.mcc_at_review, week.mcc_at_suspicious,
                          week.card_precision.reached, week.card_precision.perfect)),
        ]
        for week in found.scorer.by_week
    ]  # fmt: skip
    return table(head, rows, numbers=range(1, len(head)))


def _beside(found: Comparison) -> Html:
    head = [_("mean over weeks"), "AUC ROC", "AP", _("MCC at review"), f"CP@{found.k}"]
    rows = [[name, *map(number, means(each))] for name, each in models(found).items()]
    return table(head, rows, numbers=range(1, len(head)))


def _same(found: Comparison) -> str:
    if found.same_rows:
        return _("All learned from the same rows. The scorer's thresholds are used for every MCC.")
    return _("The rows here are not those that the scorer learned from: its hash is another.")


def _precision(found: Comparison) -> Html:
    return _over_days(
        [Series(name, [(week.first_day.toordinal(), _known(week.average_precision)) for week in each.by_week])
         for name, each in models(found).items()],
        [week.first_day for week in found.scorer.by_week], _("average precision"), 1.0,
    )  # fmt: skip


def _by_day(scorer: Evaluation) -> Html:
    days = [day.first_day for day in scorer.by_day]
    reached = [found for week in scorer.by_week for found in week.card_precision.by_day]
    perfect = [most for week in scorer.by_week for most in week.card_precision.perfect_by_day]
    places = [float(day.toordinal()) for day in days]
    series = [
        Series(_("found"), list(zip(places, reached, strict=True))),
        Series(_("perfect"), list(zip(places, perfect, strict=True)), dashed=True),
    ]
    return _over_days(series, days, _("card precision"), max([*perfect, 0.01]))


def _over_days(series: Sequence[Series], days: Sequence[date], y_label: str, top: float) -> Html:
    first, last = days[0], max(days[-1], days[0] + timedelta(days=1))
    step = max(1, (last - first).days // 6)
    ticks = [
        (float(day), f"{date.fromordinal(day):%m-%d}") for day in range(first.toordinal(), last.toordinal() + 1, step)
    ]
    return lines(
        series, x_label=_("day"), y_label=y_label, x_ticks=ticks, y_range=(0.0, top),
        x_range=(float(first.toordinal()), float(last.toordinal())),
    )  # fmt: skip


def _reliability(scorer: Evaluation) -> Html:
    seen = [(each.mean_score, each.fraud_rate) for each in scorer.reliability]
    return lines(
        [Series(_("this scorer"), seen), Series(_("a true probability"), [(0.0, 0.0), (1.0, 1.0)], dashed=True)],
        x_label=_("mean score"), y_label=_("share of frauds"), x_range=(0.0, 1.0), y_range=(0.0, 1.0),
    )  # fmt: skip


def _terms(scorer: Scorer) -> list[Html]:
    """The widest terms: where each speaks most for a fraud, and where most against."""
    widest = sorted(scorer.terms, key=lambda term: min(term.log_odds) - max(term.log_odds))[:_TERMS]
    rows = [
        [term.signal, f"{least:+.2f}", _at(term, least), f"{most:+.2f}", _at(term, most), f"{term.missing:+.2f}"]
        for term in widest
        for least, most in [(min(term.log_odds), max(term.log_odds))]
    ]
    head = [_("signal"), _("least"), _("at"), _("most"), _("at"), _("not known")]
    return [table(head, rows, numbers=(1, 3, 5))]


def _at(term: Term, step: float) -> str:
    """Where a step lies."""
    low, high = list(pairwise([-math.inf, *term.edges, math.inf]))[term.log_odds.index(step)]
    if math.isinf(low):
        return _("below {value:,.4g}").format(value=high)
    return _("from {value:,.4g}").format(value=low) if math.isinf(high) else f"{low:,.4g} – {high:,.4g}"


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
