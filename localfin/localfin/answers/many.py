"""Many questions from a file: JSON lines in, JSON lines out, one answer a line, resumable by the questions' ids."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Self, cast

from localfin.answers.report import report
from localfin.assistant import AnswerLanguage, Assistant
from localfin.engine.errors import EngineDied
from localfin.engine.events import Sampling
from localfin.text import clean_text
from localfin_models.errors import InputRefused, LocalfinError, NotFound
from localfin_models.language import _

_LONGEST_LINE = 16 << 20


@dataclass(frozen=True, slots=True)
class Way:
    """How questions are asked, where they do not say so themselves."""

    system: str | None
    language: AnswerLanguage | None
    sampling: Sampling
    documents: tuple[Path, ...]
    evidence: bool

    def arguments(self) -> dict[str, Any]:
        """For `Assistant.stream` and `ask`."""
        return {
            "system": self.system, "language": self.language, "sampling": self.sampling, "documents": self.documents,
            "evidence": self.evidence,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """One question of the file."""

    id: str
    question: str
    system: str | None
    language: AnswerLanguage | None
    documents: tuple[Path, ...]


def read_questions(path: Path) -> list[Wanted]:
    """All of them, before the first is answered. Raises NotFound, or InputRefused with the number of the line."""
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        raise NotFound(_("{path} does not exist").format(path=path)) from None
    except OSError as error:
        raise InputRefused(_("{path} cannot be read: {error}").format(path=path, error=error.strerror)) from None
    found: dict[str, Wanted] = {}
    for number, line in enumerate(lines, 1):
        if line.strip():
            wanted = _wanted(line, number, path)
            if wanted.id in found:
                reason = _("{path}, line {number}: the id {id} stands twice")
                raise InputRefused(reason.format(path=path, number=number, id=wanted.id))
            found[wanted.id] = wanted
    if not found:
        raise InputRefused(_("{path}: there is no question in it").format(path=path))
    return list(found.values())


def answer_to(assistant: Assistant, wanted: Wanted, way: Way) -> dict[str, Any]:
    """The line of one answer. What refuses one question is its `error`; EngineDied ends all."""
    own = replace(
        way,
        system=wanted.system or way.system,
        language=wanted.language or way.language,
        documents=wanted.documents or way.documents,
    )
    head = {"id": wanted.id, "question": wanted.question}
    try:
        return {**head, **report(assistant.ask(wanted.question, **own.arguments()))}
    except EngineDied:
        raise
    except LocalfinError as error:
        return {**head, "error": str(error), "model": {"sha256": assistant.model.sha256}}


class Answers:
    """Where the answers go: a file that is appended to, or stdout. `done` are the ids that stand in it."""

    def __init__(self, path: Path | None, model_sha256: str) -> None:
        """Raises InputRefused where the file holds anything but answers of this model."""
        self.done: set[str] = set()
        self._path = path
        self._model = model_sha256
        self._file: IO[bytes] | None = None

    def __enter__(self) -> Self:
        if self._path is not None:
            try:
                self._file = self._path.open("r+b" if self._path.exists() else "w+b")
                self._read(self._file, self._path)
            except FileNotFoundError:
                reason = _("no such folder for the output: {parent}")
                raise NotFound(reason.format(parent=self._path.parent)) from None
            except OSError as error:
                reason = _("{out} cannot be written: {error}")
                raise InputRefused(reason.format(out=self._path, error=error.strerror)) from None
        return self

    def __exit__(self, *_exception: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, line: Mapping[str, Any]) -> bool:
        """One whole line, on the disk when this returns; says whether it is an error."""
        text = json.dumps(line, ensure_ascii=False)
        if self._file is None:
            print(text, flush=True)
        else:
            self._file.write(text.encode("utf-8", "replace") + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
        return "error" in line

    def _read(self, file: IO[bytes], path: Path) -> None:
        """What stands there; a line that a kill left torn at the end is cut off."""
        whole = 0
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                break
            try:
                row = json.loads(line)
                name, model = row["id"], row["model"]["sha256"]
            except (ValueError, KeyError, TypeError):
                reason = _("{path}, line {number}: this is no answer; name another file")
                raise InputRefused(reason.format(path=path, number=number)) from None
            if model != self._model:
                reason = _("{path} holds answers of another model; name another file")
                raise InputRefused(reason.format(path=path))
            self.done.add(str(name))
            whole += len(line)
        file.seek(whole)
        file.truncate()


def _wanted(line: bytes, number: int, path: Path) -> Wanted:
    def refused(reason: str) -> InputRefused:
        return InputRefused(_("{path}, line {number}: {reason}").format(path=path, number=number, reason=reason))

    if len(line) > _LONGEST_LINE:
        raise refused(_("the line is too long"))
    try:
        row: object = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise refused(_("this is no JSON")) from None
    if not isinstance(row, dict):
        raise refused(_("this is no JSON object"))
    fields = cast(dict[str, Any], row)
    question, name = fields.get("question"), fields.get("id", number)
    if not isinstance(question, str) or not clean_text(question).strip():
        raise refused(_("there is no question in it"))
    if not isinstance(name, str | int):
        raise refused(_("the id is neither text nor a whole number"))
    system, language, documents = fields.get("system"), fields.get("lang"), fields.get("documents", [])
    if language not in (None, "ko", "en"):
        raise refused(_("lang is neither ko nor en"))
    if not isinstance(documents, list) or not all(isinstance(each, str) for each in cast(list[object], documents)):
        raise refused(_("documents is no list of paths"))
    if not isinstance(system, str | None):
        raise refused(_("system is no text"))
    paths = tuple(map(Path, cast(list[str], documents)))
    return Wanted(str(name), clean_text(question).strip(), system, language, paths)
