"""Words that mean the same in finance, in Korean and English: a table that ships, and the user's own beside it.

groups = [
    ["금리", "이자율", "interest rate"],
]
"""

import tomllib
from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from typing import Any

from localfin.documents.ranking import Words
from localfin.documents.words import question_words
from localfin_models.errors import InputRefused, LocalfinError
from localfin_models.home import home
from localfin_models.language import _

FILE = "synonyms.toml"
"""In LOCALFIN_HOME, the user's own groups; a group that shares a word with one that ships makes it larger."""
LARGEST = 1 << 20
"""Bytes of the user's file at most."""


class Synonyms:
    """Groups of names for one thing, each name as the words that the index knows."""

    def __init__(self, groups: Iterable[Sequence[str]]) -> None:
        self._groups: dict[Words, list[Words]] = {}
        for group in groups:
            names = [words for name in group if (words := _words(name))]
            known = [other for name in names for other in self._groups.get(name, [])]
            every = list(dict.fromkeys([*known, *names]))
            self._groups.update(dict.fromkeys(every, every))
        self._longest = max(map(len, self._groups), default=0)

    def of(self, runs: Sequence[Sequence[str]]) -> dict[Words, list[Words]]:
        """What a question names, with its other names; the question is given as its words by run of letters.

        A name begins a run or ends one: 금리 stands in 대출금리, 출금 does not.
        """
        flat = [word for run in runs for word in run]
        starts, stops = set[int](), set[int]()
        at = 0
        for run in runs:
            starts.add(at)
            at += len(run)
            stops.add(at)
        found: dict[Words, list[Words]] = {}
        for start in range(len(flat)):
            for stop in range(start + 1, min(len(flat), start + self._longest) + 1):
                name = tuple(flat[start:stop])
                others = [other for other in self._groups.get(name, []) if other != name]
                if others and (start in starts or stop in stops):
                    found[name] = others
        return found


def load_synonyms() -> Synonyms:
    """The table that ships and the user's own. Raises InputRefused where the latter is no such table."""
    shipped = tomllib.loads(files("localfin.documents").joinpath(FILE).read_text(encoding="utf-8"))
    return Synonyms([*shipped["groups"], *_users()])


def _users() -> Iterator[list[str]]:
    path = home() / FILE
    try:
        if not path.exists():
            return
        if path.stat().st_size > LARGEST:
            raise InputRefused(_("{path}: larger than {size} bytes").format(path=path, size=LARGEST))
        groups: Any = tomllib.loads(path.read_text(encoding="utf-8")).get("groups")
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputRefused(_("{path}: no table of synonyms: {reason}").format(path=path, reason=error)) from None
    except OSError as error:
        raise LocalfinError(str(error)) from None
    if not isinstance(groups, list) or not all(_is_group(group) for group in groups):
        said = _('{path}: write `groups = [["금리", "interest rate"], ["…", "…"]]`')
        raise InputRefused(said.format(path=path))
    yield from groups


def _is_group(group: object) -> bool:
    return isinstance(group, list) and all(isinstance(name, str) for name in group)


def _words(name: str) -> Words:
    return tuple(word for run in question_words(name) for word in run)
