"""What is said of the transaction under the cursor: its reasons as bars, the evidence, and what was decided."""

from collections.abc import Sequence

from rich.cells import set_cell_size
from textual.content import Content

from localfin.fraud.desk import Row
from localfin.fraud.output.lines import verdict_word
from localfin.store.cases import Case
from localfin_models.language import _
from localfin_tui.fraud.table import MARKS, amount_words, decision_word

_NAME, _BAR = 22, 10


def reasons(row: Row, events: Sequence[Case]) -> Content:
    head = f"{MARKS[row.verdict]} {verdict_word(row.verdict)}  {row.score:.3f}".strip()
    facts = [
        f"{row.id}  {row.time:%Y-%m-%d %H:%M}",
        f"{amount_words(row.amount)} {row.currency}  {row.customer}  {row.counterparty}",
    ]
    lines = [Content.styled(head, "bold"), *(Content.styled(line.rstrip(), "$quiet") for line in facts), Content()]
    most = max((reason.contribution for reason in row.reasons), default=1.0)
    for reason in row.reasons:
        full = max(round(_BAR * reason.contribution / most), 1)
        name = set_cell_size(reason.signal, _NAME)
        lines.append(
            Content.assemble(name, " ", ("#" * full, "$accent"), " " * (_BAR - full), f" {reason.contribution:+.2f}")
        )
    if not row.reasons:
        lines.append(Content(_("Nothing speaks for fraud.")))
    lines += [Content(), *(Content(reason.text) for reason in row.reasons)]
    lines += [Content(), *(_event(event) for event in reversed(events))]
    return Content("\n").join(lines)


def _event(event: Case) -> Content:
    word = decision_word(event.decision) or _("open")
    undone = _("undone") if event.undoing else ""
    when = event.made[:16].replace("T", " ") + " UTC"
    said = "  ".join(part for part in (undone, word, event.note) if part)
    return Content.assemble((f"{when} {event.person}  ", "$quiet"), said)
