"""The page for people: how the scores lie, how many verdicts of each kind, and the flagged rows with their reasons."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from heapq import nlargest
from itertools import pairwise
from typing import TYPE_CHECKING

from localfin.fraud.output.lines import verdict_word
from localfin.report import Html, bars, page, section, text, tiles
from localfin_models.language import _

if TYPE_CHECKING:
    from localfin.fraud.output.forms import Row
    from localfin.fraud.scorer.model import Scorer

MOST_SHOWN = 500
"""Flagged rows on the page, those with the highest scores."""
_BINS = 50
_COLOURS = {"normal": "#8a94a6", "review": "#c98500", "suspicious": "#c8372d"}
_STYLE = """
article { border-top: 1px solid var(--line); padding: 16px 0; display: grid; gap: 4px 24px;
  grid-template-columns: minmax(200px, 1fr) 2fr } article h3 { margin: 0; font-size: 14px }
article .facts { color: var(--soft); font-size: 13px; margin: 2px 0 0 }
article .score { font-size: 20px; font-weight: 600; font-variant-numeric: tabular-nums }
.pill { border: 1px solid currentColor; border-radius: 99px; padding: 1px 9px; font-size: 12px; vertical-align: 2px }
.reasons { list-style: none; margin: 0; padding: 0 } .reasons li { margin: 0 0 8px; font-size: 14px }
.bar { height: 4px; border-radius: 2px; background: currentColor; margin-top: 3px; opacity: 0.7 }
.words { margin: 4px 0 10px; font-size: 14px } .signals { display: grid; gap: 4px 12px; align-items: center;
  grid-template-columns: max-content 1fr max-content; font-size: 14px } .signals .bar { height: 10px; margin: 0;
  color: #3b76d0 } @media (max-width: 640px) { article { grid-template-columns: 1fr } }
"""


def report(rows: "Callable[[], Iterator[Row]]", scorer: "Scorer") -> Iterator[str]:
    """The document, piece by piece, after one pass over the rows."""
    seen = _Seen(rows(), scorer)
    counts = [(verdict_word(verdict), f"{seen.verdicts[verdict]:,}", verdict) for verdict in reversed(_COLOURS)]
    thresholds = scorer.thresholds
    marks = [
        (thresholds.review, _("review from {score:.2f}").format(score=thresholds.review), _COLOURS["review"]),
        (thresholds.suspicious, _("suspicious from {score:.2f}").format(score=thresholds.suspicious),
         _COLOURS["suspicious"]),
    ]  # fmt: skip
    edges = [at / _BINS for at in range(_BINS + 1)]
    plot = bars(
        seen.bins, edges, x_label=_("score"), y_label=_("number of transactions"), marks=marks, log=True,
        colours=[_colour(low, high, scorer) for low, high in pairwise(edges)],
    )  # fmt: skip
    yield from page(
        _("Checked transactions"),
        _("{count:,} transactions from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}").format(
            count=seen.verdicts.total(), first=seen.first, last=seen.last
        ),
        [
            tiles([(_("Transactions"), f"{seen.verdicts.total():,}", ""), *counts]),
            section(_("How the scores lie"), plot, note=_("The number of transactions is on a logarithmic axis.")),
            *([_signals(seen)] if seen.signals else []),
            section(_("Flagged transactions"), *map(_article, seen.flagged), note=_shown(seen)),
            section(_("What a verdict says"), Html(f"<p>{text(_meaning())}</p>\n")),
        ],
        style=_STYLE,
    )


class _Seen:
    """What one pass over the rows leaves: counts, a histogram, and the flagged rows with the highest scores."""

    def __init__(self, rows: "Iterator[Row]", scorer: "Scorer") -> None:
        self.verdicts, self.signals = Counter[str](), Counter[str]()
        self.bins = [0] * _BINS
        self.first, self.last = datetime.max, datetime.min
        self.flagged = nlargest(MOST_SHOWN, self._flagged(rows), key=lambda row: row.checked["score"])

    def _flagged(self, rows: "Iterator[Row]") -> "Iterator[Row]":
        for row in rows:
            checked = row.checked
            self.verdicts[checked["verdict"]] += 1
            self.bins[min(int(checked["score"] * _BINS), _BINS - 1)] += 1
            self.first = min(self.first, row.time)
            self.last = max(self.last, row.time)
            if checked["verdict"] != "normal":
                self.signals.update(reason["signal"] for reason in checked["reasons"])
                yield row


def _colour(low: float, high: float, scorer: "Scorer") -> str:
    middle = (low + high) / 2
    if middle >= scorer.thresholds.suspicious:
        return _COLOURS["suspicious"]
    return _COLOURS["review" if middle >= scorer.thresholds.review else "normal"]


def _signals(seen: _Seen) -> Html:
    """How often a signal is among the reasons of what was flagged."""
    listed = seen.signals.most_common(12)
    cells = "".join(
        f'<span>{text(name)}</span><div><div class="bar" style="width:{100 * count / listed[0][1]:.1f}%"></div></div>'
        f"<span>{count:,}</span>"
        for name, count in listed
    )
    return section(
        _("Signals behind them"), Html(f'<div class="signals">{cells}</div>\n'),
        note=_("In how many flagged transactions a signal is among the reasons."),
    )  # fmt: skip


def _article(row: "Row") -> Html:
    checked = row.checked
    verdict, reasons = checked["verdict"], checked["reasons"]
    facts = [f"{row.time:%Y-%m-%d %H:%M:%S}", f"{row.amount:,.2f}".removesuffix(".00") + f" {row.currency}"]
    facts += [_("customer {name}").format(name=row.customer)] if row.customer else []
    facts += [_("counterparty {name}").format(name=row.counterparty)] if row.counterparty else []
    words = f'<p class="words">{text(checked["explanation"])}</p>' if checked["explanation"] else ""
    most = max((reason["contribution"] for reason in reasons), default=1.0)
    listed = "".join(
        f'<li title="{text(reason["signal"])}: +{reason["contribution"]:.2f}">{text(reason["text"])}'
        f'<div class="bar {verdict}" style="width:{100 * reason["contribution"] / most:.1f}%"></div></li>'
        for reason in reasons
    )
    return Html(
        f'<article><div><span class="score">{checked["score"]:.3f}</span> '
        f'<span class="pill {verdict}">{text(verdict_word(verdict))}</span>\n<h3>{text(checked["id"])}</h3>\n'
        f"{''.join(f'<p class=facts>{text(fact)}</p>' for fact in facts)}</div>\n"
        f'<div>{words}<ul class="reasons">{listed}</ul></div></article>\n'
    )


def _shown(seen: _Seen) -> str:
    flagged = seen.verdicts["review"] + seen.verdicts["suspicious"]
    if not flagged:
        return _("None is flagged.")
    if flagged > MOST_SHOWN:
        return _("The {shown:,} of {count:,} with the highest scores.").format(shown=MOST_SHOWN, count=flagged)
    return _("All {count:,}, the highest scores first. A bar is a reason's weight within its transaction.").format(
        count=flagged
    )


def _meaning() -> str:
    return _(
        "A score says how unusual a transaction is by numbers, times and known frauds; no wording of a memo or a name "
        "enters it. Normal does not mean proven good, suspicious does not mean proven fraud: a person decides. Not for "
        "credit decisions."
    )
