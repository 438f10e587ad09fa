"""How a sheet shows numbers: which cells are dates, times, percentages or grouped. Digits are never rounded away."""

import re
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation

from localfin.documents.reading.xml_events import Attributes

_DATES = frozenset(map(str, (*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59))))
"""Built-in formats that are dates or times (ECMA-376, 18.8.30, and the Korean ones among them)."""
_BUILT_IN = {"3": "#,##0", "4": "#,##0.00", "9": "0%", "10": "0.00%", "37": "#,##0", "38": "#,##0", "39": "#,##0.00",
             "40": "#,##0.00", "41": "#,##0", "42": "#,##0", "43": "#,##0.00", "44": "#,##0.00"}  # fmt: skip
_UNSAID = re.compile(r'"[^"]*"|\\.|_.|\*.|\[[^\]]*\]')
_DATE = re.compile(r"[ymdhs년월일]", re.IGNORECASE)


class Formats:
    """xl/styles.xml: the format of each style, by its number."""

    def __init__(self) -> None:
        self._codes: dict[str, str] = {}
        self._styles: list[str] = []
        self._in_styles = False

    def of(self, style: str) -> str:
        """`date`, `percent`, `grouped` or nothing."""
        number = int(style) if style.isdecimal() and len(style) < 7 else -1
        return self._styles[number] if 0 <= number < len(self._styles) else ""

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "numFmt":
            self._codes[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
        elif name == "cellXfs":
            self._in_styles = True
        elif name == "xf" and self._in_styles:
            self._styles.append(self._kind_of(attributes.get("numFmtId", "")))

    def end(self, name: str) -> None:
        if name == "cellXfs":
            self._in_styles = False

    def data(self, text: str) -> None:
        pass

    def _kind_of(self, number: str) -> str:
        code = self._codes.get(number)
        if code is None:
            if number in _DATES:
                return "date"
            code = _BUILT_IN.get(number, "")
        code = _UNSAID.sub("", code)
        if "%" in code:
            return "percent"
        if _DATE.search(code) and "general" not in code.lower():
            return "date"
        return "grouped" if "," in code else ""


def shown(value: str, kind: str, *, epoch_1904: bool) -> str:
    """A stored number as its format says; as it stands where it is none."""
    try:
        number = Decimal(format(float(value), ".15g"))
        if kind == "date" and 0 <= number < 2_958_466:
            return _date(float(number), epoch_1904=epoch_1904)
        if kind == "percent":
            return f"{_plain(number * 100)}%"
        return format(number, ",f") if kind == "grouped" else _plain(number)
    except (ValueError, InvalidOperation, OverflowError):
        return value


def _plain(number: Decimal) -> str:
    if not number.is_finite() or abs(number.adjusted()) > 30:
        return str(number)
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _date(serial: float, *, epoch_1904: bool) -> str:
    """Days since 1899-12-30, which makes up for a 29 February 1900 that never was; or since 1904-01-01."""
    begin = datetime(1904, 1, 1) if epoch_1904 else datetime(1899, 12, 30)
    moment = begin + timedelta(seconds=round(serial * 86_400))
    if serial < 1:
        return f"{moment:%H:%M:%S}"
    return f"{moment:%Y-%m-%d}" if serial == int(serial) else f"{moment:%Y-%m-%d %H:%M:%S}"
