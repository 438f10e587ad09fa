"""The page around a report: its head and styles, sections, tiles and tables.

What is given as text is escaped here; what is given as `Html` stands as it is.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import NewType

from localfin.text import clean_text
from localfin_models.language import ui_language

Html = NewType("Html", str)
"""Markup made by this package, with every text in it escaped."""

_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""Whatever slipped through could neither run nor load anything."""
_STYLE = """
:root { color-scheme: light dark; --ink: #1c2330; --soft: #667085; --line: #dfe3ea; --paper: #fff; --card: #f6f7f9;
  --normal: #8a94a6; --review: #c98500; --suspicious: #c8372d; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #9aa4b5; --line: #333b49; --paper: #14181f;
  --card: #1c222c; --review: #e6a93c; --suspicious: #ef6a60; } }
* { box-sizing: border-box }
body { margin: 0 auto; padding: 32px 24px 64px; max-width: 1040px; background: var(--paper); color: var(--ink);
  font: 15px/1.55 system-ui, "Apple SD Gothic Neo", "Malgun Gothic", "Noto Sans CJK KR", "Noto Sans KR", sans-serif;
  overflow-wrap: anywhere; word-break: keep-all }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px } h2 { font-size: 18px; margin: 40px 0 12px }
.lead, .note, figcaption { color: var(--soft) } .lead { margin: 0 0 24px } .note { font-size: 13px }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 0 }
.tiles > div { flex: 1 1 150px; background: var(--card); border-radius: 10px; padding: 14px 16px }
.tiles dt { color: var(--soft); font-size: 13px } .tiles dd { margin: 0; font-size: 24px; font-weight: 600 }
.suspicious { color: var(--suspicious) } .review { color: var(--review) } .normal { color: var(--normal) }
figure { margin: 0; overflow-x: auto } * + figure { margin-top: 16px }
svg { display: block; width: 100%; min-width: 620px; height: auto; color: var(--ink) }
.scroll { overflow-x: auto } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th { text-align: left; color: var(--soft); font-weight: 500; font-size: 13px }
th, td { white-space: nowrap; padding: 8px 12px 8px 0; border-bottom: 1px solid var(--line); vertical-align: top }
td.number, th.number { text-align: right }
@media print { body { padding: 0; max-width: none } tr, figure { break-inside: avoid } }
"""


def text(raw: str) -> Html:
    """Any text, as markup that shows it and does nothing."""
    return Html(escape(clean_text(raw)))


def page(title: str, lead: str, sections: Iterable[Html], *, style: str = "") -> Iterable[str]:
    """The whole document, piece by piece. `style`: rules beyond the common ones."""
    yield (
        f'<!doctype html>\n<html lang="{ui_language()}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{text(title)}</title>\n<style>{_STYLE}{style}</style>\n</head>\n<body>\n"
        f'<h1>{text(title)}</h1>\n<p class="lead">{text(lead)}</p>\n'
    )
    yield from sections
    yield "</body>\n</html>\n"


def section(title: str, *parts: Html, note: str = "") -> Html:
    """A heading with what stands below it, and a remark in small print."""
    remark = f'<p class="note">{text(note)}</p>\n' if note else ""
    return Html(f"<section>\n<h2>{text(title)}</h2>\n{''.join(parts)}{remark}</section>\n")


def tiles(figures: Iterable[tuple[str, str, str]]) -> Html:
    """Large figures side by side: a label, the figure, and its class (a verdict, or nothing)."""
    cells = "".join(
        f'<div><dt>{text(label)}</dt><dd class="{escape(kind)}">{text(figure)}</dd></div>'
        for label, figure, kind in figures
    )
    return Html(f'<dl class="tiles">{cells}</dl>\n')


def table(head: Sequence[str], rows: Iterable[Sequence[str | Html]], *, numbers: Sequence[int] = ()) -> Html:
    """A table; `numbers` are the columns aligned to the right. Cells are texts."""
    kinds = [' class="number"' if at in numbers else "" for at in range(len(head))]
    top = "".join(f"<th{kind}>{text(name)}</th>" for kind, name in zip(kinds, head, strict=True))
    body = "".join(
        f"<tr>{''.join(f'<td{kind}>{text(cell)}</td>' for kind, cell in zip(kinds, row, strict=True))}</tr>\n"
        for row in rows
    )
    return Html(f'<div class="scroll"><table><thead><tr>{top}</tr></thead>\n<tbody>\n{body}</tbody></table></div>\n')
