"""CSV, TSV and the like: rows with the cells that a spreadsheet would show them in. Formulas are text here."""

import csv

from localfin.delimited import delimiter_in
from localfin.documents.reading.encoding import Text
from localfin.documents.reading.rows import Rows
from localfin.documents.reading.sink import Sink
from localfin_models.errors import InputRefused
from localfin_models.language import _

_HEAD = 1 << 16  # characters that decide on the delimiter
_LONGEST_FIELD = 1 << 20
_MOST_FIELDS = 16_384  # columns of a sheet


def read_delimited(text: Text, suffix: str, sink: Sink) -> None:
    csv.field_size_limit(_LONGEST_FIELD)
    head = text.opened("").read(_HEAD)
    whole_lines = head[: head.rfind("\n") + 1] if len(head) == _HEAD else head
    delimiter = delimiter_in(whole_lines or head) or ("\t" if suffix == ".tsv" else ",")
    rows = Rows(sink, None)
    try:
        for number, row in enumerate(csv.reader(text.opened(""), delimiter=delimiter), 1):
            if len(row) > _MOST_FIELDS:
                raise InputRefused(_("row {number} has {count} fields").format(number=number, count=len(row)))
            rows.add(number, dict(enumerate(row, 1)))
            sink.step(text.position)
    except csv.Error:
        raise InputRefused(_("a field has more than a million characters: its quotes do not match")) from None
    rows.end()
