"""Questions about a table, answered by running over its rows: `tables_of`, `asked`, `grammar`, `run`."""

from localfin.tables.asking.answer import asked
from localfin.tables.call import Call, call_from
from localfin.tables.grammar import grammar
from localfin.tables.reading import table_of_text, tables_of
from localfin.tables.running import run
from localfin.tables.shaping import table_of
from localfin.tables.table import Column, Table

__all__ = ["Call", "Column", "Table", "asked", "call_from", "grammar", "run", "table_of", "table_of_text", "tables_of"]
