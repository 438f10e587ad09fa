"""Where the evidence for a question comes from: documents, the handbook, calculators, tables.

Documents that are named and not yet indexed are read into an index in memory, which ends with the library: asking about
a file does not add it to what later questions may be answered from.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from localfin.answers.events import Source
from localfin.answers.evidence import (
    ENOUGH,
    ENOUGH_NAMED,
    ENOUGH_TABLE,
    LOOKED_AT,
    Found,
    from_documents,
    from_handbook,
    numbered,
)
from localfin.answers.prompt import Language
from localfin.computed import Computed
from localfin.documents import Documents, Hit, Outcome, Passage
from localfin.store import Database
from localfin_models.errors import InputRefused, LocalfinError, NotFound
from localfin_models.language import _

if TYPE_CHECKING:
    from localfin.tables import Table

_TABLES = frozenset({".csv", ".tsv", ".xlsx"})
"""Files that are tables first: a question about them is tried on their rows."""
_FEW = 64
"""Passages that a context may hold all of."""

Progress = Callable[[int, int], None]
"""Bytes of files read, and in all."""


class Library:
    """What one question, or many about the same documents, may be answered from. Close it."""

    def __init__(
        self, documents: Documents | None, named: Sequence[Path] = (), progress: Progress | None = None
    ) -> None:
        """`documents`: the index; None where there is none yet. With `named` files or folders they alone may answer.

        Raises NotFound for a path that is none; InputRefused where no file that is named can be read.
        """
        self.named = tuple(named)
        self.refused: list[str] = []
        """Why files of a folder could not be read."""
        self._documents = documents
        self._indexed: list[Path] = []
        self._extra: Documents | None = None
        for path in self.named:
            self._take(path, progress)

    def computed(self, question: str, language: Language) -> Sequence[Computed]:
        """What a calculator or a table says; empty where no figure is to be computed.

        The tables are those of the named files; without any, those of documents that the question finds.
        """
        if self.named:
            return self._from_tables(question, language) or self._from_calculator(question, language)
        return self._from_calculator(question, language) or self._from_tables(question, language)

    def table(self, question: str) -> "Table | None":
        """The first table that the question is about: of the named files, else of documents that it finds."""
        from localfin import tables

        for path in self._table_files(question):
            with suppress(LocalfinError):
                for table in tables.tables_of(path):
                    return table
        return None

    def missing(self, question: str, language: Language) -> str | None:
        """What to ask back, where a question asks for a calculation and leaves something out."""
        from localfin import calc

        found = calc.asked(question, language)
        return found.text if isinstance(found, calc.Missing) else None

    def passages(self, question: str, language: Language) -> tuple[list[Source], list[Passage]]:
        """The passages that match well enough, the best first and numbered; and those that nearly do."""
        groups: list[Found] = []
        if self.named:
            if self._documents is not None and self._indexed:
                groups.append(_searched(self._documents, question, ENOUGH_NAMED, self._indexed))
            if self._extra is not None:
                groups.append(_searched(self._extra, question, ENOUGH_NAMED, None))
        else:
            if self._documents is not None:
                groups.append(_searched(self._documents, question, ENOUGH, None))
            groups.append(from_handbook(question, language))
        return numbered([sources for sources, _near in groups]), [each for _sources, near in groups for each in near]

    def whole(self) -> list[Source]:
        """All passages of the named documents in reading order, if they are few; empty else.

        The same for every question, so that a prompt begins with the same tokens, whose computed state is kept.
        """
        found: list[Passage] = []
        if self._documents is not None and self._indexed:
            found += self._documents.first(_FEW + 1, self._indexed)
        if self._extra is not None:
            found += self._extra.first(_FEW + 1)
        return [Source(at, each, 1.0) for at, each in enumerate(found, 1)] if len(found) <= _FEW else []

    def close(self) -> None:
        if self._extra is not None:
            self._extra.database.close()
            self._extra = None

    def _take(self, path: Path, progress: Progress | None) -> None:
        indexed = self._documents
        if indexed is not None:
            with suppress(NotFound):
                indexed.search("", 1, [path])  # raises where it is not in the index
                self._told(path, indexed.add([path], progress))
                self._indexed.append(path)
                return
        if self._extra is None:
            self._extra = Documents(Database(None))
        self._told(path, self._extra.add([path], progress))

    def _told(self, path: Path, outcomes: Sequence[Outcome]) -> None:
        reasons = [outcome.reason for outcome in outcomes if outcome.state == "refused"]
        read = [outcome for outcome in outcomes if outcome.state not in ("refused", "gone")]
        if not read:
            raise InputRefused(reasons[0] if reasons else _("{path}: there is no document in it").format(path=path))
        self.refused += reasons

    def _from_calculator(self, question: str, language: Language) -> Sequence[Computed]:
        from localfin import calc

        found = calc.asked(question, language)
        return (found,) if isinstance(found, Computed) else ()

    def _from_tables(self, question: str, language: Language) -> Sequence[Computed]:
        from localfin import tables

        for path in self._table_files(question):
            with suppress(LocalfinError):  # what holds no table is searched like any document
                for table in tables.tables_of(path):
                    if (found := tables.asked(question, table, language)) is not None:
                        return (found,)
        return ()

    def _table_files(self, question: str) -> Iterator[Path]:
        for path in self.named or self._found(question):
            files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
            yield from (file for file in files if file.suffix.lower() in _TABLES)

    def _found(self, question: str) -> Sequence[Path]:
        """The documents that match the question so far that their tables are tried; the best first."""
        if self._documents is None:
            return ()
        sources, _near = _searched(self._documents, question, ENOUGH_TABLE, None)
        return list(dict.fromkeys(each.passage.document for each in sources if each.passage.document is not None))


def _searched(documents: Documents, question: str, enough: float, within: Sequence[Path] | None) -> Found:
    hits: list[Hit] = documents.search(question, LOOKED_AT, within)
    return from_documents(question, hits, enough)
