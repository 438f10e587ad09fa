"""What of passages and turns fits a model's context, counted in its tokens; what does not is named, never cut.

The question and what the user tells the model always go in. Passages come next, the best first, then the turns
before, the newest first. A turn is dropped together with its answer, so that the roles alternate.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from localfin.answers.events import Dropped, MakeUp, Source
from localfin.answers.prompt import Language, passage_text, place_of, system_text
from localfin.engine.events import Message
from localfin.text import clean_text

ANSWER = 1024
"""Tokens kept free for the answer where `max_tokens` does not say; at most a quarter of the context."""
_FRAME = 64
_PER_MESSAGE = 12
"""Tokens of a chat template: at its ends, and around each message. The largest that are in use take about as many."""
_HISTORY = 0.4
"""Of what is left beside the question, this much is for the turns before, if they need it."""
_SHOWN = 60

Count = Callable[[Sequence[str]], list[int]]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What goes to the model."""

    messages: tuple[Message, ...]
    sources: tuple[Source, ...]
    """Those that fit, numbered as the model sees them."""
    make_up: MakeUp


def fitted(
    question: str,
    sources: Sequence[Source],
    history: Sequence[Message],
    own: str | None,
    *,
    n_ctx: int,
    max_tokens: int | None,
    language: Language,
    count: Count,
) -> Prompt:
    """The prompt for a question. `sources` are the best first, `history` the oldest first."""
    reserved = min(max_tokens or ANSWER, n_ctx // 4)
    turns = _turns(history)
    texts = [passage_text(source) for source in sources]
    said = ["\n\n".join(message.content for message in turn) for turn in turns]
    rules = system_text(sources[:1], own, language).removesuffix(texts[0] if texts else "")
    question_tokens, system_tokens, *others = count([question, rules, *texts, *said])
    passage_tokens, turn_tokens = others[: len(texts)], others[len(texts) :]
    turn_tokens = [tokens + len(turn) * _PER_MESSAGE for tokens, turn in zip(turn_tokens, turns, strict=True)]
    left = n_ctx - reserved - _FRAME - 2 * _PER_MESSAGE - question_tokens - system_tokens
    for_passages = left - min(sum(turn_tokens), int(left * _HISTORY))
    taken = _that_fit(passage_tokens, for_passages)
    left -= sum(passage_tokens[at] for at in taken)
    kept = _newest_that_fit(turn_tokens, left)
    given = tuple(replace(sources[at], number=number) for number, at in enumerate(taken, 1))
    dropped = [
        *(Dropped("passage", place_of(source.passage), passage_tokens[at]) for at, source in enumerate(sources)
          if at not in taken),
        *(Dropped("turn", _first_words(turn), turn_tokens[at]) for at, turn in enumerate(turns[:kept])),
    ]  # fmt: skip
    make_up = MakeUp(
        context=n_ctx,
        reserved=reserved,
        system=system_tokens,
        documents=sum(passage_tokens[at] for at in taken),
        history=sum(turn_tokens[kept:]),
        question=question_tokens,
        dropped=tuple(dropped),
    )
    system = system_text(given, own, language) if given else own or ""
    first = [Message("system", system)] if system else []
    before = [message for turn in turns[kept:] for message in turn]
    return Prompt((*first, *before, Message("user", question)), given, make_up)


def _turns(history: Sequence[Message]) -> list[list[Message]]:
    """A question with what follows it, up to the next question."""
    turns: list[list[Message]] = []
    for message in history:
        if message.role == "user" or not turns:
            turns.append([])
        turns[-1].append(message)
    return turns


def _that_fit(tokens: Sequence[int], room: int) -> list[int]:
    """The numbers of those that fit, the first first; a long one that does not fit leaves its room to others."""
    taken: list[int] = []
    for at, each in enumerate(tokens):
        if each <= room:
            taken.append(at)
            room -= each
    return taken


def _newest_that_fit(tokens: Sequence[int], room: int) -> int:
    """How many of the oldest are left out."""
    kept = len(tokens)
    while kept and tokens[kept - 1] <= room:
        kept -= 1
        room -= tokens[kept]
    return kept


def _first_words(turn: Sequence[Message]) -> str:
    words = " ".join(clean_text(turn[0].content).split())
    return words if len(words) <= _SHOWN else words[: _SHOWN - 3] + "..."
