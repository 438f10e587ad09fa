"""What a question about records says, before it is a call."""

from dataclasses import dataclass, field

from localfin.tables.asking.dates import Span
from localfin.tables.asking.grouping import Grouping
from localfin.tables.asking.labels import Named, aliases
from localfin.tables.asking.operations import Operation
from localfin.tables.asking.thresholds import Threshold, factor
from localfin.tables.call import Filter
from localfin.tables.table import Table


@dataclass
class Understood:
    """All that a question about records says."""

    text: str
    table: Table
    values: list[Named]
    """Values of text columns, in order."""
    columns: list[Named]
    """Columns, in order."""
    spans: list[Span]
    date_column: str | None
    grouping: Grouping | None
    operations: list[Operation]
    thresholds: list[tuple[Threshold, str]] = field(default_factory=list[tuple[Threshold, str]])
    """With the column that each is about."""
    asks_rows: bool = False
    """Whether it asks for the rows rather than for a figure."""
    money: str | None = None
    """The column that words of money mean where no column is named."""
    limit: int | None = None
    names_rows: bool = False
    """Whether it calls the rows what they are, as in which employee."""
    places: list[Filter] = field(default_factory=list[Filter])
    """Rows named by their number."""

    def filters(self) -> tuple[Filter, ...]:
        """Of thresholds and numbers of rows."""
        found = list(self.places)
        for threshold, name in self.thresholds:
            scale = factor(self.table.column(name).unit) or 1
            found.append(Filter(name, threshold.is_, threshold.value / scale))
        return tuple(found)


def column_name(table: Table, named: Named) -> str:
    """The column that a label means, also without its unit."""
    for column in table.columns:
        if named.label.text in aliases(column.name):
            return column.name
    raise KeyError(named.label.text)
