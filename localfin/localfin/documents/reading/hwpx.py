"""HWPX (KS X 6101, OWPML): the sections' paragraphs, headings by their outline level, tables. Scripts never run."""

import re

from localfin.documents.reading.docx import core_title
from localfin.documents.reading.flow import Flow
from localfin.documents.reading.package import Package
from localfin.documents.reading.sink import Sink
from localfin.documents.reading.xml_events import Attributes, attribute, parse
from localfin_models.errors import InputRefused
from localfin_models.language import _

_SECTION = re.compile(r"Contents/section([0-9]{1,4})\.xml")
_HEADING = re.compile(r"(개요|제목|outline|heading) ?[0-9]{1,2}|제목|title", re.IGNORECASE)


def read_hwpx(package: Package, sink: Sink) -> None:
    if package.has("META-INF/manifest.xml"):
        seal = _Encryption()
        with package.part("META-INF/manifest.xml", kept=True) as part:
            parse(part, seal)
        if seal.found:
            raise InputRefused(_("it is encrypted: save it without a password"))
    sink.title = core_title(package, "Contents/content.hpf")
    headings = _Headings()
    if package.has("Contents/header.xml"):
        with package.part("Contents/header.xml", kept=True) as part:
            parse(part, headings)
    sections = sorted((int(match[1]), name) for name in package.names() if (match := _SECTION.fullmatch(name)))
    if not sections:
        raise InputRefused(_("it lacks its part {name}").format(name="Contents/section0.xml"))
    for _number, name in sections:
        with package.part(name) as part:
            parse(part, _Section(sink, headings))


class _Encryption:
    def __init__(self) -> None:
        self.found = False

    def start(self, name: str, attributes: Attributes) -> None:
        self.found = self.found or name == "encryption-data"

    def end(self, name: str) -> None:
        pass

    def data(self, text: str) -> None:
        pass


class _Headings:
    """Of Contents/header.xml: the styles and paragraph shapes that are levels of an outline."""

    def __init__(self) -> None:
        self.styles: set[str] = set()
        self.shapes: set[str] = set()
        self._shape = ""

    def start(self, name: str, attributes: Attributes) -> None:
        number = attribute(attributes, "id") or ""
        if name == "style":
            names = (attribute(attributes, "name") or "", attribute(attributes, "engName") or "")
            shape = attribute(attributes, "paraPrIDRef") or ""
            if any(_HEADING.fullmatch(each) for each in names) or shape in self.shapes:
                self.styles.add(number)
        elif name == "paraPr":
            self._shape = number
        elif name == "heading" and attribute(attributes, "type") == "OUTLINE":
            self.shapes.add(self._shape)

    def end(self, name: str) -> None:
        pass

    def data(self, text: str) -> None:
        pass


class _Section(Flow):
    # Running heads, page numbers and notes to oneself are no part of the text.
    silent = frozenset({"header", "footer", "hiddenComment", "secPr", "pageNum", "script", "parameters", "memogroup"})

    def __init__(self, sink: Sink, headings: _Headings) -> None:
        super().__init__(sink)
        self._headings = headings

    def is_heading(self, attributes: Attributes) -> bool:
        return (attribute(attributes, "styleIDRef") in self._headings.styles) or (
            attribute(attributes, "paraPrIDRef") in self._headings.shapes
        )

    def inside(self, name: str, attributes: Attributes) -> None:
        if name == "cellSpan":
            self.spans(attribute(attributes, "colSpan"))
