"""Transactions from files, streams or a sentence, in one table. `read_into` and `read_typed` are the way in."""

from localfin.fraud.transactions.columns import parse_columns
from localfin.fraud.transactions.read import read_into
from localfin.fraud.transactions.report import ReadReport
from localfin.fraud.transactions.typed import read_typed

__all__ = ["ReadReport", "parse_columns", "read_into", "read_typed"]
