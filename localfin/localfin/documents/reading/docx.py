"""DOCX: paragraphs, headings by their styles, tables, footnotes. Macros, fields and links are never followed."""

import re

from localfin.documents.reading.flow import Flow
from localfin.documents.reading.package import Package
from localfin.documents.reading.sink import Sink
from localfin.documents.reading.xml_events import Attributes, attribute, parse

_HEADING = re.compile(r"(heading|제목|개요) ?[1-9]|title|제목", re.IGNORECASE)
_OFF = frozenset({"0", "false", "off"})
_DEEPEST_STYLE = 20


def read_docx(package: Package, sink: Sink) -> None:
    sink.title = core_title(package)
    headings = _Styles()
    if package.has("word/styles.xml"):
        with package.part("word/styles.xml", kept=True) as part:
            parse(part, headings)
    for name in ("word/document.xml", "word/footnotes.xml", "word/endnotes.xml"):
        if package.has(name):
            with package.part(name) as part:
                parse(part, _Body(sink, headings.found()))


class CoreTitle:
    """`dc:title` of docProps/core.xml, and `opf:title` of an HWPX package."""

    def __init__(self) -> None:
        self.title = ""
        self._inside = False

    def start(self, name: str, attributes: Attributes) -> None:
        self._inside = name == "title"

    def end(self, name: str) -> None:
        self._inside = False

    def data(self, text: str) -> None:
        if self._inside and len(self.title) < 1000:
            self.title += text


def core_title(package: Package, name: str = "docProps/core.xml") -> str:
    found = CoreTitle()
    if package.has(name):
        with package.part(name, kept=True) as part:
            parse(part, found)
    return found.title.strip()


class _Styles:
    """Which paragraph styles are headings: by outline level, by name, or by the style they are based on."""

    def __init__(self) -> None:
        self._headings: set[str] = set()
        self._based_on: dict[str, str] = {}
        self._style = ""

    def found(self) -> frozenset[str]:
        styles = {style for style in self._based_on if self._inherits(style)}
        return frozenset(self._headings | styles)

    def start(self, name: str, attributes: Attributes) -> None:
        value = attribute(attributes, "val") or ""
        if name == "style":
            self._style = attribute(attributes, "styleId") or ""
        elif not self._style:
            return
        elif name == "basedOn":
            self._based_on[self._style] = value
        elif (name == "outlineLvl" and value in "012345678") or (name == "name" and _HEADING.fullmatch(value)):
            self._headings.add(self._style)

    def end(self, name: str) -> None:
        if name == "style":
            self._style = ""

    def data(self, text: str) -> None:
        pass

    def _inherits(self, style: str) -> bool:
        for _step in range(_DEEPEST_STYLE):
            if style in self._headings:
                return True
            style = self._based_on.get(style, "")
        return False


class _Body(Flow):
    # A fallback repeats its choice; what was moved stands where it was moved to; deletions are no part of the text.
    silent = frozenset({"Fallback", "moveFrom", "del", "instrText", "delText", "separator"})

    def __init__(self, sink: Sink, headings: frozenset[str]) -> None:
        super().__init__(sink)
        self._headings = headings
        self._in_run = False

    def inside(self, name: str, attributes: Attributes) -> None:
        if name == "r":
            self._in_run, self.hidden = True, False
        elif name == "vanish":
            self.hidden = self._in_run and attribute(attributes, "val") not in _OFF
        elif name == "gridSpan":
            self.spans(attribute(attributes, "val"))
        elif (name == "pStyle" and attribute(attributes, "val") in self._headings) or (
            name == "outlineLvl" and (attribute(attributes, "val") or "9") in "012345678"
        ):
            self.this_is_a_heading()

    def left(self, name: str) -> None:
        if name == "r":
            self._in_run = self.hidden = False
