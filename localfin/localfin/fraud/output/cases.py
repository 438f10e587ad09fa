"""The cases that were decided, as CSV or JSON lines."""

import csv
import json
import os
from collections.abc import Iterable
from pathlib import Path

from localfin.fraud.desk import Row
from localfin.fraud.output.forms import FACTS, neutral
from localfin.fraud.output.part import cannot_be_written
from localfin.store.cases import Case
from localfin_models.errors import InputRefused
from localfin_models.language import _

_COLUMNS = (*FACTS, "decision", "note", "person", "decided")


def export_cases(out: Path, decided: Iterable[tuple[Row, Case]]) -> int:
    """Write the file whole or not at all, and say how many cases it holds.

    The name's end says the form: .csv or .jsonl. A file that is there is not replaced. Raises InputRefused, NotEnough.
    """
    if out.suffix.lower() not in (".csv", ".jsonl"):
        raise InputRefused(_("{name}: the name's end says the form: .csv or .jsonl").format(name=out.name))
    if os.path.lexists(out):
        raise InputRefused(_("{path} exists already").format(path=out))
    beside = out.with_name(out.name + ".part")
    found = [_facts(row, case) for row, case in decided]
    try:
        if out.suffix.lower() == ".csv":
            _write_csv(beside, found)
        else:
            beside.write_text("".join(json.dumps(each, ensure_ascii=False) + "\n" for each in found), "utf-8")
        beside.replace(out)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise cannot_be_written(out, error) from None
    return len(found)


def _facts(row: Row, case: Case) -> dict[str, str | float]:
    values = (
        row.id,
        row.verdict,
        round(row.score, 6),
        f"{row.time:%Y-%m-%d %H:%M:%S}",
        row.customer,
        row.counterparty,
        row.amount,
        row.currency,
        " / ".join(reason.text for reason in row.reasons),
        case.decision,
        case.note,
        case.person,
        case.made,
    )
    return dict(zip(_COLUMNS, values, strict=True))


def _write_csv(path: Path, found: list[dict[str, str | float]]) -> None:
    """With a byte order mark, by which Excel knows UTF-8."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
        writer.writerow(_COLUMNS)
        for each in found:
            writer.writerow([neutral(value) if isinstance(value, str) else value for value in each.values()])
