"""XLSX: the rows of the sheets that are shown. Stored values are read; no formula is evaluated, no link followed."""

import posixpath
from collections.abc import Sequence

from localfin.documents.reading.docx import core_title
from localfin.documents.reading.number_formats import Formats, shown
from localfin.documents.reading.package import Package
from localfin.documents.reading.rows import Rows
from localfin.documents.reading.sink import Sink
from localfin.documents.reading.xml_events import Attributes, Handler, attribute, parse
from localfin_models.errors import InputRefused
from localfin_models.language import _

_MOST_COLUMNS, _MOST_ROWS = 16_384, 1_048_576
_MOST_SHEETS = 2_000


def read_xlsx(package: Package, sink: Sink) -> None:
    sink.title = core_title(package)
    book, links, formats, strings = _Book(), _Links(), Formats(), _Strings()
    handlers: dict[str, Handler] = {
        "workbook.xml": book,
        "_rels/workbook.xml.rels": links,
        "styles.xml": formats,
        "sharedStrings.xml": strings,
    }
    for name, handler in handlers.items():
        if handler in (book, links) or package.has(f"xl/{name}"):
            with package.part(f"xl/{name}", kept=True) as part:
                parse(part, handler)
    if len(book.sheets) > _MOST_SHEETS:
        raise InputRefused(_("it holds {count} parts").format(count=len(book.sheets)))
    for sheet, link, state in book.sheets:
        target = links.inside.get(link)
        if target is None:
            continue  # a chart, a dialog of old, or a link to outside
        if state in ("hidden", "veryHidden"):
            sink.note(_("the hidden sheet “{sheet}” was left out").format(sheet=sheet))
            continue
        rows = Rows(sink, sheet)
        reader = _Sheet(rows, strings.found, formats, epoch_1904=book.epoch_1904)
        with package.part(target) as part:
            parse(part, reader)
        rows.end()
        if reader.without_value:
            sink.note(
                _("sheet “{sheet}”: {count} formulas without a stored value were left out").format(
                    sheet=sheet, count=reader.without_value
                )
            )


class _Quiet:
    def end(self, name: str) -> None:
        pass

    def data(self, text: str) -> None:
        pass


class _Book(_Quiet):
    """xl/workbook.xml: (name, link, state) of each sheet, in order."""

    def __init__(self) -> None:
        self.sheets: list[tuple[str, str, str]] = []
        self.epoch_1904 = False

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "sheet":
            state = attribute(attributes, "state") or "visible"
            link = next((value for key, value in attributes.items() if key.endswith(":id")), "")
            self.sheets.append((attribute(attributes, "name") or "", link, state))
        elif name == "workbookPr":
            self.epoch_1904 = attribute(attributes, "date1904") in ("1", "true")


class _Links(_Quiet):
    """xl/_rels/workbook.xml.rels: the worksheets among the parts that are linked."""

    def __init__(self) -> None:
        self.inside: dict[str, str] = {}

    def start(self, name: str, attributes: Attributes) -> None:
        kind, target = attributes.get("Type", ""), attributes.get("Target", "")
        if name == "Relationship" and kind.endswith("/worksheet") and attributes.get("TargetMode") != "External":
            path = target.lstrip("/") if target.startswith("/") else posixpath.normpath(posixpath.join("xl", target))
            self.inside[attributes.get("Id", "")] = path


class _Strings:
    """xl/sharedStrings.xml, without the phonetic guides."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._parts: list[str] = []
        self._in_text, self._in_guide = False, False

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "si":
            self._parts = []
        elif name == "rPh":
            self._in_guide = True
        self._in_text = name == "t" and not self._in_guide

    def end(self, name: str) -> None:
        self._in_text = False
        if name == "si":
            self.found.append("".join(self._parts))
        elif name == "rPh":
            self._in_guide = False

    def data(self, text: str) -> None:
        if self._in_text:
            self._parts.append(text)


class _Sheet:
    """A worksheet's rows, each given on when it is whole."""

    def __init__(self, rows: Rows, strings: Sequence[str], formats: Formats, *, epoch_1904: bool) -> None:
        self.without_value = 0
        self._rows, self._strings, self._formats, self._epoch_1904 = rows, strings, formats, epoch_1904
        self._number = self._column = 0
        self._row: dict[int, str] = {}
        self._kind = self._style = ""
        self._parts: list[str] = []
        self._has_formula = self._taking = False

    def start(self, name: str, attributes: Attributes) -> None:
        self._taking = name in ("v", "t")
        if name == "c":
            self._column = _column_of(attributes.get("r", ""), self._column + 1)
            self._kind, self._style = attributes.get("t", "n"), attributes.get("s", "")
            self._parts, self._has_formula = [], False
        elif name == "row":
            said = attributes.get("r", "")
            number = int(said) if said.isdecimal() and len(said) < 8 else self._number + 1
            if not self._number < number <= _MOST_ROWS:
                raise InputRefused(_("its rows are out of order"))
            self._number, self._column, self._row = number, 0, {}
        elif name == "f":
            self._has_formula = True
        elif name == "rPh":
            self._kind = "guide"

    def end(self, name: str) -> None:
        self._taking = False
        if name == "c":
            self._end_cell("".join(self._parts))
        elif name == "row" and self._row:
            self._rows.add(self._number, self._row)
            self._row = {}

    def data(self, text: str) -> None:
        if self._taking:
            self._parts.append(text)

    def _end_cell(self, value: str) -> None:
        if not value:
            self.without_value += self._has_formula
            return
        if self._kind == "s":
            index = int(value) if value.isdecimal() and len(value) < 10 else -1
            if not 0 <= index < len(self._strings):
                raise InputRefused(_("a cell names a text that is not there"))
            value = self._strings[index]
        elif self._kind == "b":
            value = "TRUE" if value == "1" else "FALSE"
        elif self._kind == "n":
            value = shown(value, self._formats.of(self._style), epoch_1904=self._epoch_1904)
        self._row[self._column] = value


def _column_of(reference: str, expected: int) -> int:
    letters = reference.rstrip("0123456789")
    if not letters:
        column = expected
    elif len(letters) > 3 or not letters.isascii() or not letters.isalpha():
        raise InputRefused(_("a cell has no place in its sheet"))
    else:
        column = 0
        for letter in letters.upper():
            column = column * 26 + ord(letter) - ord("A") + 1
    if column > _MOST_COLUMNS:
        raise InputRefused(_("a cell has no place in its sheet"))
    return column
