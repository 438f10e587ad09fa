"""Plain text: paragraphs between empty lines."""

from localfin.documents.reading.encoding import Text
from localfin.documents.reading.sink import Sink


def read_plain(text: Text, sink: Sink) -> None:
    lines: list[str] = []
    size = 0
    for line in text.lines():
        if line.strip() and size < 50_000:
            lines.append(line)
            size += len(line)
            continue
        sink.text("".join(lines))
        lines, size = [line], len(line)
        sink.step(text.position)
    sink.text("".join(lines))
