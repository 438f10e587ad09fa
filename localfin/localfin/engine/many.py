"""Many answers in one batch, all from one beginning that is computed once. Runs in the sealed child.

Sequence 0 holds the beginning; every answer has a sequence of its own, in which the beginning's cells are shared. A
sequence that ends makes room for the next question in the same step. Greedy throughout.
"""

import codecs
import ctypes
import math
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from localfin.engine.errors import ContextFull
from localfin.engine.events import FinishReason
from localfin.engine.llama import BATCH, Llama
from localfin_models.errors import LocalfinError
from localfin_models.language import _

_LIKELY = 40
"""Tokens tried under a grammar before the whole vocabulary is, which is serial and takes milliseconds."""


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
        self._chooser = _Chooser(llama)
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


class _Chooser:
    """The likeliest token that a grammar allows.

    The likeliest of all is looked at first: a model that was asked for the form mostly keeps to it, and one token is
    checked in microseconds.
    """

    def __init__(self, llama: Llama) -> None:
        b = self._b = llama.binding
        self._llama = llama
        self._size = int(b.llama_vocab_n_tokens(llama.vocab))
        self._greedy, self._likely = b.llama_sampler_init_greedy(), b.llama_sampler_init_top_k(_LIKELY)
        self._one = (b.llama_token_data * 1)()
        self._all = (b.llama_token_data * self._size)()
        self._ids = memoryview((ctypes.c_int32 * self._size)(*range(self._size))).cast("B").cast("i")

    def grammar(self, text: str) -> Any:
        if not text:
            return None
        made = self._b.llama_sampler_init_grammar(self._llama.vocab, text.encode(), b"root")
        if not made:
            raise LocalfinError(_("llama.cpp cannot read the grammar"))
        return made

    def choose(self, grammar: Any, index: int) -> int | None:
        """For the output at `index` of the batch; None where the answer ends. The grammar moves on by the token."""
        b = self._b
        token = int(b.llama_sampler_sample(self._greedy, self._llama.context, index))
        if grammar is not None and not self._allows(grammar, token):
            token = self._best_allowed(grammar, index)
        if token < 0 or b.llama_vocab_is_eog(self._llama.vocab, token):
            return None
        if grammar is not None:
            b.llama_sampler_accept(grammar, token)
        return token

    def _allows(self, grammar: Any, token: int) -> bool:
        self._one[0].id, self._one[0].logit = token, 0.0
        self._apply(self._one, 1, grammar)
        return float(self._one[0].logit) == 0.0

    def _best_allowed(self, grammar: Any, index: int) -> int:
        """-1 where the grammar allows none."""
        self._load(index)
        likely = self._apply(self._all, self._size, self._likely, grammar)
        for place in range(likely.size):  # in falling order of likelihood
            if likely.data[place].logit > -math.inf:
                return int(likely.data[place].id)
        self._load(index)
        found = self._apply(self._all, self._size, grammar, self._greedy)
        best = found.data[found.selected]
        return int(best.id) if best.logit > -math.inf else -1

    def _load(self, index: int) -> None:
        """Every token with its logit, in the layout of llama_token_data: id, logit, probability."""
        logits = ctypes.cast(
            self._b.llama_get_logits_ith(self._llama.context, index), ctypes.POINTER(ctypes.c_float * self._size)
        )
        whole = memoryview(self._all).cast("B")
        whole.cast("i")[::3] = self._ids
        whole.cast("f")[1::3] = memoryview(logits.contents).cast("B").cast("f")

    def _apply(self, data: Any, size: int, *samplers: Any) -> Any:
        array = self._b.llama_token_data_array(data, size, -1, False)
        for sampler in samplers:
            self._b.llama_sampler_apply(sampler, ctypes.byref(array))
        return array
