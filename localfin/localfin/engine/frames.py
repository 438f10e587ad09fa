"""What the engine's child says, made into events. It is not trusted: anything unexpected raises WorkerDied."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from localfin.engine.events import Answered, Event, Finished, FinishReason, Prefill, Shifted, Text, Usage
from localfin.text import clean_text
from localfin_models.language import _
from localfin_models.worker import WorkerDied

_REASONS: dict[str, FinishReason] = {"stop": "stop", "length": "length", "cancelled": "cancelled"}
_LARGEST = 1 << 53


def event_of(frame: Mapping[str, Any], load_s: float) -> Event | None:
    """The event a frame of `generate` stands for; None for a text of which nothing may be shown."""
    match frame:
        case {"prefill": [done, total]}:
            return Prefill(_whole(done), _whole(total))
        case {"shifted": tokens}:
            return Shifted(_whole(tokens))
        case {"text": str(text)}:
            cleaned = clean_text(text)
            return Text(cleaned) if cleaned else None
        case {"done": {"reason": str(reason)}} if reason in _REASONS:
            numbers: Mapping[str, Any] = frame["done"]
            usage = Usage(
                prompt_tokens=count(numbers, "prompt_tokens"),
                completion_tokens=count(numbers, "completion_tokens"),
                prefill_s=_number(numbers.get("prefill_s")),
                decode_tokens_per_s=_number(numbers.get("decode_tokens_per_s")),
                load_s=load_s,
                shifted_tokens=count(numbers, "shifted_tokens"),
            )
            return Finished(_REASONS[reason], usage)
        case _:
            raise _broken()


def answered_of(frame: Mapping[str, Any], questions: int) -> Answered:
    """One of so many answers."""
    match frame:
        case {"answered": [number, str(text), str(reason), tokens]} if (
            reason in _REASONS and _whole(number) < questions
        ):
            return Answered(_whole(number), clean_text(text), _REASONS[reason], _whole(tokens))
        case _:
            raise _broken()


def tokens_of(frame: Mapping[str, Any]) -> list[int]:
    """The token ids that a frame holds under `tokens`."""
    tokens: object = frame.get("tokens")
    if not isinstance(tokens, list) or not all(type(token) is int and 0 <= token < 1 << 31 for token in tokens):
        raise _broken()
    return tokens


def counts_of(frame: Mapping[str, Any], texts: int) -> list[int]:
    """What a frame holds under `counts`, one for each of so many texts."""
    counts: object = frame.get("counts")
    if not isinstance(counts, list) or len(counts) != texts:
        raise _broken()
    return [_whole(each) for each in counts]


def done_of(frames: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """What a call returned, its events left out."""
    done: dict[str, Any] = {}
    for frame in frames:
        done = frame.get("done", done)
    return done


def count(frame: Mapping[str, Any], name: str) -> int:
    """The whole number, not negative, that a frame holds under `name`."""
    return _whole(frame.get(name))


def _whole(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise _broken()
    return value


def _number(value: object) -> float:
    if type(value) not in (int, float) or not isinstance(value, int | float):
        raise _broken()
    if not (math.isfinite(value) and 0 <= value <= _LARGEST):
        raise _broken()
    return float(value)


def _broken() -> WorkerDied:
    return WorkerDied(_("the worker process sent what is no answer, and was ended"))
