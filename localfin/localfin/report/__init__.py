"""Reports for people: one self-contained page of HTML, its plots as SVG. No script, nothing loaded from elsewhere."""

from localfin.report.page import Html, page, section, table, text, tiles
from localfin.report.plots import Series, bars, lines

__all__ = ["Html", "Series", "bars", "lines", "page", "section", "table", "text", "tiles"]
