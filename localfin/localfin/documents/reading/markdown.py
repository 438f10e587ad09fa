"""Markdown: headings, tables and paragraphs. Marks inside a line stay, so that a quote is found in the file."""

import re

from localfin.documents.reading.encoding import Text
from localfin.documents.reading.sink import Sink

_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(.*?)[ \t]*#*[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_RULE = re.compile(r"[ \t]*\|?[ \t:|-]*-[ \t:|-]*\|?[ \t]*$")
_TITLE = re.compile(r"title[ \t]*:[ \t]*[\"']?(.{1,300}?)[\"']?[ \t]*$")
_LONGEST = 50_000  # characters of a paragraph


def read_markdown(text: Text, sink: Sink) -> None:
    reader = _Lines(sink)
    for line in text.lines():
        reader.take(line.rstrip("\r\n"))
        sink.step(text.position)
    reader.end()


class _Lines:
    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._lines: list[str] = []
        self._size = 0
        self._fence = ""
        self._at_start, self._in_front = True, False

    def take(self, line: str) -> None:
        at_start, self._at_start = self._at_start, False
        if self._in_front or (at_start and line.rstrip() == "---"):
            self._front(line, opens=at_start)
        elif self._fence:
            self._in_fence(line)
        elif fence := _FENCE.match(line):
            self.end()
            self._fence = fence[1]
        elif heading := _HEADING.match(line):
            self.end()
            self._sink.heading(heading[1])
        elif len(self._lines) == 1 and "|" not in self._lines[0] and _UNDERLINE.match(line):
            heading_text, self._lines = self._lines[0], []
            self._sink.heading(heading_text)
        elif not line.strip():
            self.end()
        else:
            self._keep(line)

    def end(self) -> None:
        lines, self._lines, self._size = self._lines, [], 0
        if len(lines) >= 2 and "|" in lines[0] and _RULE.match(lines[1]):
            self._sink.table([_cells(line) for number, line in enumerate(lines) if number != 1])
        else:
            self._sink.text("\n".join(lines))

    def _keep(self, line: str) -> None:
        self._lines.append(line)
        self._size += len(line)
        if self._size > _LONGEST:
            self.end()

    def _in_fence(self, line: str) -> None:
        if line.strip().startswith(self._fence) and not line.strip().strip(self._fence[0]):
            self.end()
            self._fence = ""
        else:
            self._keep(line)

    def _front(self, line: str, *, opens: bool) -> None:
        """The settings before the text; of these the title is ours."""
        self._in_front = opens or line.rstrip() not in ("---", "...")
        if title := _TITLE.match(line):
            self._sink.title = title[1]


def _cells(line: str) -> list[str]:
    inner = line.strip().removeprefix("|").removesuffix("|").replace("\\|", "\0")
    return [cell.replace("\0", "|").strip() for cell in inner.split("|")]
