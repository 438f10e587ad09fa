"""What stands below an answer on a terminal: one line for each source that it cites, and its notes."""

from collections.abc import Iterator, Sequence

from localfin.answers.events import Citation
from localfin.answers.prompt import place_of
from localfin.lines import width, wrapped
from localfin.text import clean_text

CELLS = 80


def source_lines(citations: Sequence[Citation], language: str, cells: int = CELLS) -> Iterator[str]:
    """`[1] report.pdf, page 3: "the quote...` for each source, in the order of the numbers, in lines of `cells`."""
    first = {citation.source.number: citation for citation in reversed(citations)}
    for number, citation in sorted(first.items()):
        where = f"[{number}] {place_of(citation.source.passage, language)}"
        if citation.source.passage.document is None:
            yield from wrapped(where, cells)
        else:
            yield _cut(f"{where}: “{' '.join(clean_text(citation.quote).split())}”", cells)


def note_lines(notes: Sequence[str], cells: int = CELLS) -> Iterator[str]:
    for note in notes:
        yield from wrapped(note, cells)


def _cut(line: str, cells: int) -> str:
    if width(line) <= cells:
        return line
    while width(line) > cells - 3:
        line = line[:-1]
    return line + "..."
