"""Many answers in one batch, all from one beginning that is computed once. Runs in the sealed child.

Sequence 0 holds the beginning; every answer has a sequence of its own, in which the beginning's cells are shared. A
sequence that ends makes room for the next question in the same step. Greedy throughout.
"""

import codecs
import ctypes
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from localfin.engine.errors import ContextFull
from localfin.engine.events import FinishReason
from localfin.engine.llama import BATCH, Llama
from localfin_models.language import _


@dataclass(frozen=True, slots=True)
class Question:
    tokens: list[int]
    """What follows the beginning, up to where the answer starts."""
    grammar: str
    """GBNF with the root `root`; empty for none."""


@dataclass(frozen=True, slots=True)
class Ended:
    """One answer."""

    question: int
    text: str
    reason: FinishReason
    tokens: int


@dataclass(slots=True)
class _Running:
    """A sequence at work."""

    sequence: int
    question: int
    waiting: list[int]
    """Tokens to be computed next."""
    position: int
    cells: int
    """Set aside for it in the context."""
    grammar: Any
    decoder: Any = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"))
    text: str = ""
    made: int = 0
    reason: FinishReason | None = None


class Batch:
    """The sequences of one context. Only one `answers` runs at a time."""

    def __init__(self, llama: Llama, sequences: int) -> None:
        self._llama, self._b = llama, llama.binding
        self._free = list(range(sequences, 0, -1))
        self._running: list[_Running] = []
        self._tokens = self._b.llama_batch_init(BATCH, 0, 1)
        self._chooser = llama.chooser
        self._buffer = ctypes.create_string_buffer(256)

    def answers(
        self, beginning: Sequence[int], questions: Sequence[Question], max_tokens: int, stops: tuple[str, ...] = ()
    ) -> Iterator[Ended]:
        """Each answer as it ends; what is missing when it stops was cancelled.

        The beginning is in sequence 0 already, or computed now. Raises ContextFull where a question has no room.
        """
        for question in questions:
            self._refuse_if_too_long(len(beginning), len(question.tokens) + max_tokens)
        if not self._llama.prefill(beginning, lambda _done, _total: None):
            return
        waiting = deque(enumerate(questions))
        room = self._llama.n_ctx - len(beginning)
        try:
            while True:
                while waiting and self._free:
                    number, question = waiting[0]
                    cells = len(question.tokens) + max_tokens
                    if cells + sum(running.cells for running in self._running) > room:
                        break
                    waiting.popleft()
                    self._start(number, question, len(beginning), cells)
                if not self._running or not self._step(max_tokens, stops):
                    return
                yield from self._ended()
        finally:
            for running in list(self._running):
                self._end(running)

    def _refuse_if_too_long(self, beginning: int, tokens: int) -> None:
        if beginning + tokens > self._llama.n_ctx:
            reason = _("the prompt has {tokens} tokens, the context holds {n_ctx}: shorten it, or enlarge --n-ctx")
            raise ContextFull(reason.format(tokens=beginning + tokens, n_ctx=self._llama.n_ctx))

    def _start(self, number: int, question: Question, position: int, cells: int) -> None:
        grammar = self._chooser.grammar(question.grammar)
        sequence = self._free.pop()
        self._b.llama_memory_seq_cp(self._llama.memory, 0, sequence, -1, -1)
        self._running.append(_Running(sequence, number, list(question.tokens), position, cells, grammar))

    def _step(self, max_tokens: int, stops: tuple[str, ...]) -> bool:
        """Compute one batch and choose a token for each sequence whose turn it is; False where it was cancelled."""
        turns = self._fill()
        if not self._llama.compute(self._tokens):
            return False
        for running, index in turns:
            self._take(running, self._chooser.choose(running.grammar, index), max_tokens, stops)
        return True

    def _fill(self) -> list[tuple[_Running, int]]:
        """Sequences that wait for one token come first, so that a long question does not hold them up."""
        batch, count = self._tokens, 0
        turns: list[tuple[_Running, int]] = []
        for running in sorted(self._running, key=lambda running: len(running.waiting)):
            taken = running.waiting[: BATCH - count]
            for token in taken:
                batch.token[count], batch.pos[count] = token, running.position
                batch.n_seq_id[count], batch.seq_id[count][0] = 1, running.sequence
                batch.logits[count] = 0
                running.position += 1
                count += 1
            del running.waiting[: len(taken)]
            if taken and not running.waiting:
                batch.logits[count - 1] = 1
                turns.append((running, count - 1))
        batch.n_tokens = count
        return turns

    def _take(self, running: _Running, token: int | None, max_tokens: int, stops: tuple[str, ...]) -> None:
        if token is None:
            running.reason = "stop"
            return
        running.made += 1
        running.text += running.decoder.decode(self._llama.piece(token, self._buffer, 0))
        found = min((at for at in map(running.text.find, stops) if at >= 0), default=-1)
        if found >= 0:
            running.text, running.reason = running.text[:found], "stop"
        elif running.made >= max_tokens:
            running.reason = "length"
        running.waiting = [token]

    def _ended(self) -> Iterator[Ended]:
        for running in [running for running in self._running if running.reason is not None]:
            self._end(running)
            yield Ended(running.question, running.text.strip(), running.reason or "stop", running.made)

    def _end(self, running: _Running) -> None:
        self._running.remove(running)
        self._b.llama_memory_seq_rm(self._llama.memory, running.sequence, -1, -1)
        self._free.append(running.sequence)
        if running.grammar is not None:
            self._b.llama_sampler_free(running.grammar)
