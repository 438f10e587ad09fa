"""What runs beside the screen: reading an answer, on a thread that only posts messages.

The thread saves the answer as it comes, so that what has been read on the screen is on the disk within seconds.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from textual.message import Message

from localfin.engine.events import Engine, Event, Finished, Prefill, Sampling, Shifted, Text
from localfin.engine.events import Message as Turn
from localfin.settings import Settings
from localfin.store import State, Store, StoredMessage
from localfin_models.errors import LocalfinError
from localfin_tui.host import ours

SAVE_EVERY_S = 2.0


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


def asked_of(settings: Settings, messages: Sequence[StoredMessage]) -> tuple[list[Turn], Sampling]:
    """What the model is given for the last of `messages`, and how it is to answer."""
    first = [Turn("system", settings.system)] if settings.system else []
    return [*first, *turns(messages)], Sampling(settings.temperature, max_tokens=settings.max_tokens or None)


def read_answer(
    engine: Engine, store: Store, given: Sequence[Turn], sampling: Sampling, answer: StoredMessage, post: Post
) -> None:
    """Generate into the stored `answer`, and post what happens, ending in one Ended or NotKept."""
    pieces: list[str] = []
    end: Finished | None = None
    error: LocalfinError | None = None
    saved = time.monotonic()
    try:
        for event in _events(engine, given, sampling):
            match event:
                case Prefill(done, total):
                    post(Reading(done, total))
                case Text(text):
                    pieces.append(text)
                    post(Wrote(text))
                case Shifted():
                    pass  # the answer's end says how much fell out
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


def _events(engine: Engine, given: Sequence[Turn], sampling: Sampling) -> Iterator[Event | LocalfinError]:
    """The engine's events and, last, its error if it raised one: the store's errors take another way."""
    try:
        yield from engine.generate(given, sampling)
    except Exception as error:  # noqa: BLE001 - on a thread nobody else would hear of it
        yield ours(error)


def _finish(store: Store, answer_id: int, content: str, end: Finished | None) -> StoredMessage:
    if end is None:
        return store.finish_answer(answer_id, content, "failed")
    state: State = "stopped" if end.reason == "cancelled" else "complete"
    return store.finish_answer(answer_id, content, state, end.usage, end.reason)
