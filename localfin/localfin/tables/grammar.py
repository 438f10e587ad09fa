"""A grammar in which a model can write calls of one table, and nothing else: GBNF made of the table's own columns."""

import json
from collections.abc import Iterable

from localfin.tables.call import MOST
from localfin.tables.table import Column, Stored, Table

_LISTED = 60
"""Different texts of a column up to which the grammar names each; beyond, any text of that column goes."""
_LISTED_LONG = 80
_FILTERS = 4


def grammar(table: Table) -> str:
    """GBNF with the root `root`, for one JSON object without spaces that `call_from` takes."""
    rules: dict[str, str] = {
        "root": "value | pair | rows" if table.of_kind("number") else "value",
        "value": f'{_text("{" + _pair("do", "value"))} "," (counted | figure | grouped) {_text("}")}',
        "grouped": "(counted | total) by order?",
        "rows": f'{_text("{" + _pair("do", "rows") + "," + _key("column"))} ordered "," where '
        f'"," {_order()} "," {_limit()} {_text("}")}',
        "pair": f'{_text("{" + _key("do"))} {_words("difference", "gap", "growth", "ratio", "share")} "," figure '
        f'"," {_text(_key("against") + "{")} figure {_text("}}")}',
        "order": f'"," {_order()} "," {_limit()}',
        "where": f'{_text(_key("where") + "[")} (filter ("," filter){{0,{_FILTERS - 1}}})? "]"',
        "digits": '"-"? [0-9]{1,18} ("." [0-9]{1,4})?',
        "date": r'"\"" [12] [0-9]{3} "-" (month "-" day | long "-29" | long "-30") "\""',
        "day": '"0" [1-9] | "1" [0-9] | "2" [0-8]',
        "month": '"0" [1-9] | "1" [0-2]',
        "long": '"0" [13-9] | "1" [0-2]',
        "string": r'"\"" [^"\\\x00-\x1F\x7F]{1,80} "\""',
    }
    numbers, dates = table.of_kind("number"), table.of_kind("date")
    rules["counted"] = f"{_text(_pair('what', 'count') + ',' + _key('column') + 'null,')} where"
    if numbers:
        whats = ("sum", "average", "minimum", "maximum")
        rules["number"] = _names(numbers)
        rules["ordered"] = _names([*numbers, *dates])
        rest = f'{_text("," + _key("column"))} number "," where'
        rules["figure"] = f"{_text(_key('what'))} {_words(*whats, 'value')} {rest}"
        rules["total"] = f"{_text(_key('what'))} {_words(*whats)} {rest}"
    else:
        rules["value"] = rules["value"].replace("| figure ", "")
        rules["grouped"] = "counted by order?"
        for name in ("pair", "rows"):
            rules.pop(name)
    _filters(table, rules)
    _by(table, rules)
    return "\n".join(f"{name} ::= {rule}" for name, rule in rules.items()) + "\n"


def _filters(table: Table, rules: dict[str, str]) -> None:
    """A rule for each column's filters."""
    found: list[str] = []
    for place, column in enumerate(table.columns):
        head = _text("{" + _key("column") + json.dumps(column.name, ensure_ascii=False) + ",")
        signs = ("=", "!=") if column.kind == "text" else ("=", "!=", "<", "<=", ">", ">=")
        compared = _words(*signs)
        value = {"number": "digits", "date": "date", "text": "string"}[column.kind]
        rule = f"{head} {_text(_key('is'))} {compared} {_text(',' + _key('value'))}"
        if column.kind != "text":
            rules[f"f{place}"] = f"{rule} {value} {_text('}')}"
        elif listed := _listed(table, place):
            rules[f"v{place}"] = " | ".join(_text(json.dumps(text, ensure_ascii=False)) for text in listed)
            several = f'"[" v{place} ("," v{place}){{0,7}} "]"'
            rules[f"f{place}"] = f"{rule} (v{place} | {several}) {_text('}')}"
        else:
            contains = f"{_text(_key('is'))} {_words('=', '!=', 'contains')}"
            rules[f"f{place}"] = f"{head} {contains} {_text(',' + _key('value'))} string {_text('}')}"
        found.append(f"f{place}")
    rules["filter"] = " | ".join(found)
    for name, needed in (
        ("string", "string"),
        ("digits", "digits"),
        ("date", "date"),
        ("month", "date"),
        ("long", "date"),
    ):
        if not any(f" {needed} " in rules[rule] for rule in found):
            rules.pop(name)


def _by(table: Table, rules: dict[str, str]) -> None:
    texts, dates = table.of_kind("text"), table.of_kind("date")
    kinds: list[str] = []
    if texts:
        kinds.append(f"({_names(texts)}) {_text(',' + _pair('part', 'value'))}")
    if dates:
        parts = _words("year", "quarter", "month", "day")
        kinds.append(f"({_names(dates)}) {_text(',' + _key('part'))} {parts}")
    if kinds:
        rules["by"] = f"{_text(',' + _key('by') + '{' + _key('column'))} ({' | '.join(kinds)}) {_text('}')}"
    else:
        rules["value"] = rules["value"].replace(" | grouped", "")
        for name in ("grouped", "order", "total"):
            rules.pop(name, None)


def _listed(table: Table, place: int) -> list[str]:
    """The different texts of a column, where they are few and short; of a report's names all that fit."""
    if isinstance(table.rows, Stored):
        return []
    found = sorted({str(row[place]) for row in table.rows if row[place] is not None})
    few = len(found) <= (_LISTED if not table.is_report else 4 * _LISTED)
    return found if few and all(len(text) <= _LISTED_LONG for text in found) else []


def _order() -> str:
    return f"{_text(_key('order'))} {_words('highest', 'lowest')}"


def _limit() -> str:
    assert MOST >= 99
    return f"{_text(_key('limit'))} [1-9] [0-9]?"


def _names(columns: Iterable[Column]) -> str:
    return " | ".join(_text(json.dumps(column.name, ensure_ascii=False)) for column in columns)


def _words(*words: str) -> str:
    return "(" + " | ".join(_text(json.dumps(word)) for word in words) + ")"


def _key(key: str) -> str:
    return json.dumps(key) + ":"


def _pair(key: str, value: str) -> str:
    return f"{json.dumps(key)}:{json.dumps(value)}"


def _text(text: str) -> str:
    """A text as GBNF quotes it, whatever stands in it."""
    safe = "".join(
        f"\\{letter}" if letter in '"\\' else letter if letter.isprintable() else _escaped(letter) for letter in text
    )
    return f'"{safe}"'


def _escaped(letter: str) -> str:
    code = ord(letter)
    return f"\\x{code:02X}" if code < 0x80 else f"\\u{code:04X}" if code < 0x10000 else f"\\U{code:08X}"
