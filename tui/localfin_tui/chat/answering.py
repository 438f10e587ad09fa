"""What runs beside the screen: reading an answer, on a thread that only posts messages.

The thread saves the answer as it comes, so that what has been read on the screen is on the disk within seconds.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from textual.message import Message

from localfin.answers.events import Checked, Event, Evidence
from localfin.assistant import language_of
from localfin.documents import Documents
from localfin.engine.events import Engine, Finished, ModelInfo, Prefill, Sampling, Shifted, Text
from localfin.engine.events import Message as Turn
from localfin.settings import Settings
from localfin.store import State, Store, StoredMessage
from localfin_models.errors import LocalfinError
from localfin_tui.host import ours

SAVE_EVERY_S = 2.0
_LINE = 400
"""Cells of a source's line, which the screen wraps."""


@dataclass
class Reading(Message):
    """The prompt is being read: tokens done of total."""

    done: int
    total: int


@dataclass
class Wrote(Message):
    text: str


@dataclass
class Ended(Message):
    """The answer is over and stored. `error` says why where it broke off."""

    stored: StoredMessage
    error: LocalfinError | None = None


@dataclass
class NotKept(Message):
    """The answer is over but could not be stored."""

    error: LocalfinError


Post = Callable[[Message], object]


def turns(messages: Sequence[StoredMessage]) -> list[Turn]:
    """What the model is given: every question that has an answer, with it, and the last question.

    A question whose answer never began is left out, as the screen says of it; the roles alternate then, as chat
    templates demand.
    """
    given: list[Turn] = []
    for message in messages:
        if message.role == "user":
            if given and given[-1].role == "user":
                given.pop()
            given.append(Turn("user", message.content))
        elif message.content and given and given[-1].role == "user":
            given.append(Turn("assistant", message.content))
    return given


@dataclass(frozen=True, slots=True)
class Asked:
    """What the last question of a chat needs for its answer."""

    given: tuple[Turn, ...]
    """System text, earlier turns, the question."""
    sampling: Sampling
    documents: Documents | None
    """What to answer from and to check against, beside the handbook and the calculators; None asks the model alone."""


def asked_of(settings: Settings, store: Store, messages: Sequence[StoredMessage]) -> Asked:
    first = (Turn("system", settings.system),) if settings.system else ()
    sampling = Sampling(settings.temperature, max_tokens=settings.max_tokens or None)
    return Asked((*first, *turns(messages)), sampling, Documents(store.database) if settings.evidence else None)


def read_answer(engine: Engine, store: Store, asked: Asked, answer: StoredMessage, post: Post) -> None:
    """Generate into the stored `answer`, and post what happens, ending in one Ended or NotKept."""
    pieces: list[str] = []
    end: Finished | None = None
    error: LocalfinError | None = None
    saved = time.monotonic()
    try:
        for event in _events(engine, asked):
            match event:
                case Prefill(done, total):
                    post(Reading(done, total))
                case Text(text):
                    pieces.append(text)
                    post(Wrote(text))
                case Checked():
                    pieces.append(_below(event, asked))
                case Shifted() | Evidence():
                    pass  # the answer's end says how much fell out, and what it cites
                case Finished():
                    end = event
                case LocalfinError():
                    error = event
            if pieces and time.monotonic() - saved >= SAVE_EVERY_S:
                store.keep_partial(answer.id, "".join(pieces))
                saved = time.monotonic()
        stored = _finish(store, answer.id, "".join(pieces), end)
    except LocalfinError as failure:
        engine.cancel()
        post(NotKept(failure))
    else:
        post(Ended(stored, error))


def _events(engine: Engine, asked: Asked) -> Iterator[Event | LocalfinError]:
    """The answer's events and, last, its error if it raised one: the store's errors take another way."""
    try:
        if asked.documents is None or engine.model is None:
            yield from engine.generate(asked.given, asked.sampling)
        else:
            yield from _with_evidence(engine, engine.model, asked, asked.documents)
    except Exception as error:  # noqa: BLE001 - on a thread nobody else would hear of it
        yield ours(error)


def _with_evidence(engine: Engine, model: ModelInfo, asked: Asked, documents: Documents) -> Iterator[Event]:
    # Imported when the first question comes: they read what the first screen does not need.
    from localfin.answers import answering
    from localfin.answers.library import Library

    *before, question = asked.given
    system = before[0].content if before and before[0].role == "system" else None
    history = tuple(turn for turn in before if turn.role != "system")
    language = language_of(question.content)
    whole = answering.Asked(question.content, language, "", system, history, asked.sampling)
    yield from answering.answered(engine, model, whole, Library(documents))


def _below(checked: Checked, asked: Asked) -> str:
    """The sources and notes that stand below an answer."""
    from localfin.answers.lines import note_lines, source_lines

    language = language_of(asked.given[-1].content)
    lines = [*source_lines(checked.citations, language, _LINE), *note_lines(checked.notes, _LINE)]
    return "\n\n" + "\n".join(lines) if lines else ""


def _finish(store: Store, answer_id: int, content: str, end: Finished | None) -> StoredMessage:
    if end is None:
        return store.finish_answer(answer_id, content, "failed")
    state: State = "stopped" if end.reason == "cancelled" else "complete"
    return store.finish_answer(answer_id, content, state, end.usage, end.reason)
