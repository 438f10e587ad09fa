"""The handbook that ships with localfin: products, terms, rights, taxes, fraud and ratios, in Korean and English."""

from localfin.handbook.entry import Entry, Wording, entries
from localfin.handbook.finding import language_of, lookup, passage, search

__all__ = ["Entry", "Wording", "entries", "language_of", "lookup", "passage", "search"]
