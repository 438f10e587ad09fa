"""Questions and what each asks for: read from a table, and compared with what was recognised."""

from dataclasses import dataclass
from pathlib import Path

from localfin.calc import Missing, asked
from localfin.computed import Computed


@dataclass(frozen=True)
class Expected:
    question: str
    calculator: str
    """Empty where nothing is to be computed."""
    fields: dict[str, str]
    missing: frozenset[str] | None
    """None where nothing is missing."""


def read(path: Path) -> list[Expected]:
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        question, expected = line.split("\t")
        words = expected.split()
        if words == ["-"]:
            found.append(Expected(question, "", {}, None))
        elif words[0] == "missing":
            found.append(Expected(question, words[1], {}, frozenset(words[2:])))
        else:
            fields = dict(word.split("=") for word in words[1:])
            found.append(Expected(question, words[0], fields, None))
    return found


def outcome(expected: Expected) -> str:
    """`right`, `silent` (no answer), `wrong` (another result) or `fired` (where nothing was asked for)."""
    found = asked(expected.question)
    if found is None:
        return "right" if not expected.calculator else "silent"
    if not expected.calculator:
        return "fired"
    if isinstance(found, Missing):
        right = found.calculator == expected.calculator and expected.missing == frozenset(found.missing)
        return "right" if right else "wrong" if expected.missing is not None else "silent"
    return "right" if expected.missing is None and _agrees(expected, found) else "wrong"


def _agrees(expected: Expected, found: Computed) -> bool:
    if found.name != expected.calculator:
        return False
    return all(_same(found.call.get(name), value) for name, value in expected.fields.items())


def _same(given: object, value: str) -> bool:
    if isinstance(given, list):
        return [float(each) for each in given] == [float(each) for each in value.split(",")]
    try:
        return float(str(given)) == float(value)
    except ValueError:
        return str(given) == value
