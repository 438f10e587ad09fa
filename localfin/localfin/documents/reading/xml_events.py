"""XML as events, by expat, in pieces. No document type is accepted: without one there are no entities to expand."""

from typing import NoReturn, Protocol
from xml.parsers import expat

from localfin.documents.reading.limits import DEEPEST
from localfin.documents.reading.package import Part
from localfin_models.errors import InputRefused
from localfin_models.language import _

Attributes = dict[str, str]


class Handler(Protocol):
    """Names come without their namespace's prefix."""

    def start(self, name: str, attributes: Attributes) -> None: ...

    def end(self, name: str) -> None: ...

    def data(self, text: str) -> None: ...


def parse(part: Part, handler: Handler) -> None:
    """Raises InputRefused where it is no XML, declares a document type or is nested too deeply."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.buffer_size = 1 << 16
    local: dict[str, str] = {}
    depth = 0

    def start(name: str, attributes: Attributes) -> None:
        nonlocal depth
        depth += 1
        if depth > DEEPEST:
            raise InputRefused(_("it is nested too deeply"))
        handler.start(local.get(name) or _local(name, local), attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        handler.end(local.get(name) or _local(name, local))

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = handler.data
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        while data := part.read():
            parser.Parse(data, False)
        parser.Parse(b"", True)
    except (expat.ExpatError, LookupError, ValueError):
        raise InputRefused(_("its XML is damaged or cut short")) from None


def attribute(attributes: Attributes, name: str) -> str | None:
    """By its name without a prefix."""
    found = attributes.get(name)
    if found is None:
        return next((value for key, value in attributes.items() if key.endswith(":" + name)), None)
    return found


def _local(name: str, known: dict[str, str]) -> str:
    short = name.rpartition(":")[2]
    if len(known) < 1000:
        known[name] = short
    return short


def _refuse_doctype(*_declared: object) -> NoReturn:
    raise InputRefused(_("its XML declares a document type, which no such document does"))
