"""What a header says of its numbers' unit: `(in millions)`, `(단위: 백만원)`, `금액(원)`, `£m`, `$'000`."""

import re

_MONEY = r"(?:[$₩€£¥]|us\$|usd|krw|eur|gbp|jpy|won|dollars?|u\.s\. dollars|원|달러|won)"
_LARGE = r"(?:thousands?|millions?|billions?|천|백만|십억|억|만|조|'?000s?|’000s?|m|mn|bn|k)"
_UNIT = re.compile(
    rf"(?:단위\s*[:：]?\s*)?(?:(?:amounts?|all amounts?|figures?|dollars?|shares?|and|in|of|per|share|data|except)\s+)*"
    rf"(?:in\s*)?(?:{_MONEY}\s*(?:in\s*)?{_LARGE}?|{_LARGE}\s*(?:of\s*)?{_MONEY}?)"
    rf"(?:\s*,?\s*(?:except|unless).*)?|%|percent|퍼센트|단위\s*[:：]\s*\S+|건|명|개|주|개월|년|일|회",
    re.IGNORECASE,
)
_BRACKETS = re.compile(r"\s*[(\[（]([^()\[\]（）]*)[)\]）]\s*")
_RATHER_A_NAME = re.compile(r"share(?:s)?|년|일|회|주|개|건|명", re.IGNORECASE)


def unit_of(text: str) -> str:
    """The unit that a whole text states, without its brackets; empty where it states none."""
    bare = text.strip().strip("()[]（）").strip()
    return bare if bare and _UNIT.fullmatch(bare) else ""


def is_unit(text: str) -> bool:
    """Whether a header's cell says the unit and nothing else."""
    return bool(unit_of(text)) and not _RATHER_A_NAME.fullmatch(text.strip())


def split_unit(header: str) -> tuple[str, str]:
    """(name, unit) of a header such as `금액(원)`; the header itself where its brackets say something else."""
    for match in _BRACKETS.finditer(header):
        if unit := unit_of(match[1]):
            rest = (header[: match.start()] + " " + header[match.end() :]).strip()
            return (rest, unit) if rest else (header, unit)
    return header, ""
