"""The likeliest token that a grammar allows, without filtering a whole vocabulary. Runs in the sealed child."""

import ctypes
import math
import re
from array import array
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from localfin_models.errors import InputRefused
from localfin_models.language import _

if TYPE_CHECKING:
    from localfin.engine.llama import Llama

_LIKELY = 40
"""Tokens that are tried before all others."""
_NO_BRACKETS = re.compile(r'"(?:\\.|[^"\\])*"|\[(?:\\.|[^\]\\])*\]|#[^\n]*')
"""What stands in a grammar's texts, classes and comments."""
_LONGEST_GRAMMAR, _DEEPEST = 64 << 10, 64
"""Characters, and brackets within brackets: llama.cpp reads them by recursion, and more could end the process."""


class Chooser:
    """Chooses tokens for the outputs of a batch.

    The likeliest token of all is looked at first: a model that was told the form mostly keeps to it, and one token is
    checked in microseconds. Then the next likely ones; then, where a model wants something else altogether, all.
    """

    def __init__(self, llama: "Llama") -> None:
        b = self._b = llama.binding
        self._llama = llama
        self._size = int(b.llama_vocab_n_tokens(llama.vocab))
        self._greedy, self._likely = b.llama_sampler_init_greedy(), b.llama_sampler_init_top_k(_LIKELY)
        self._data = (b.llama_token_data * self._size)()
        self._ids = array("i", range(self._size))

    def grammar(self, text: str) -> Any:
        """A grammar at its beginning, to be freed; None for an empty text."""
        if not text:
            return None
        _refuse_if_deep(text)
        self._llama.log.clear()
        made = self._b.llama_sampler_init_grammar(self._llama.vocab, text.encode("utf-8", "replace"), b"root")
        if not made:
            reason = self._llama.log.reason() or _("no reason given")
            raise InputRefused(_("llama.cpp cannot read the grammar: {reason}").format(reason=reason))
        return made

    def choose(self, grammar: Any, index: int, chain: Any = None) -> int | None:
        """For the output at `index` of the batch; None where the answer ends. The grammar moves on by the token.

        `chain` chooses what is looked at first (without one, the likeliest token), and learns what was taken.
        """
        b = self._b
        if chain is None:
            token = int(b.llama_sampler_sample(self._greedy, self._llama.context, index))
        else:
            self._load_logits(index)
            drawn = self._apply(chain, self._size)
            token = int(drawn.data[drawn.selected].id)
        if grammar is not None and not self._allowed(grammar, [token]):
            token = self._best_allowed(grammar, index)
        if token < 0 or b.llama_vocab_is_eog(self._llama.vocab, token):
            return None
        for sampler in (grammar, chain):
            if sampler is not None:
                b.llama_sampler_accept(sampler, token)
        return token

    def _best_allowed(self, grammar: Any, index: int) -> int:
        """-1 where the grammar allows none."""
        logits = self._load_logits(index)
        likely = self._apply(self._likely, self._size)
        found = self._allowed(grammar, [likely.data[place].id for place in range(likely.size)])
        if found:
            return found[0]  # they came in falling order of likelihood
        best, level = -1, self._beginnings.first
        while level:
            level = self._allowed(grammar, level)
            best = max([best, *level], key=lambda token: logits[token] if token >= 0 else -math.inf)
            level = self._beginnings.longer(level)
        return best

    def _load_logits(self, index: int) -> Any:
        """All tokens with their logits into the array, and those logits."""
        pointer = ctypes.POINTER(ctypes.c_float * self._size)
        logits = ctypes.cast(self._b.llama_get_logits_ith(self._llama.context, index), pointer).contents
        self._load(self._ids)
        memoryview(self._data).cast("B").cast("f")[1::3] = memoryview(logits).cast("B").cast("f")
        return logits

    @cached_property
    def _beginnings(self) -> "_Beginnings":
        b, vocab, buffer = self._b, self._llama.vocab, ctypes.create_string_buffer(1024)
        pieces: list[bytes] = []
        for token in range(self._size):
            length = b.llama_token_to_piece(vocab, token, buffer, len(buffer), 0, True)
            # What ends an answer is judged apart from its spelling, and so is what has none or too long a one.
            pieces.append(buffer.raw[:length] if length > 0 and not b.llama_vocab_is_eog(vocab, token) else b"")
        return _Beginnings(pieces)

    def _allowed(self, grammar: Any, tokens: Sequence[int]) -> list[int]:
        """Those that may come next, in their order."""
        self._load(tokens)
        self._apply(grammar, len(tokens))
        logits = memoryview(self._data).cast("B").cast("f")[1 : 3 * len(tokens) : 3].tolist()
        return [token for token, logit in zip(tokens, logits, strict=True) if logit == 0.0]

    def _load(self, tokens: Sequence[int]) -> None:
        """In the layout of llama_token_data: id, logit, probability."""
        data = memoryview(self._data).cast("B")
        data.cast("i")[: 3 * len(tokens) : 3] = memoryview(array("i", tokens))
        data.cast("f")[1 : 3 * len(tokens) : 3] = memoryview(array("f", bytes(4 * len(tokens))))

    def _apply(self, sampler: Any, count: int) -> Any:
        chosen = self._b.llama_token_data_array(self._data, count, -1, False)
        self._b.llama_sampler_apply(sampler, ctypes.byref(chosen))
        return chosen


def _refuse_if_deep(grammar: str) -> None:
    depth = deepest = 0
    for character in _NO_BRACKETS.sub("", grammar):
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    if "\0" in grammar or len(grammar) > _LONGEST_GRAMMAR or deepest > _DEEPEST:
        reason = _("the grammar is too large: {length} characters, {depth} brackets deep")
        raise InputRefused(reason.format(length=len(grammar), depth=deepest))


class _Beginnings:
    """Tokens by the longest other token that they begin with.

    A grammar that does not allow `ab` allows no `abc`. So what is looked at is what begins with no other token, then
    what goes on from those that are allowed: of 32,000 tokens about a fifth.
    """

    def __init__(self, pieces: Sequence[bytes]) -> None:
        """`pieces` are the tokens' spellings; an empty one begins nothing."""
        self.first: list[int] = []
        self._longer: defaultdict[int, list[int]] = defaultdict(list)
        begun: list[int] = []
        for token in sorted(range(len(pieces)), key=lambda token: pieces[token]):
            while begun and not pieces[token].startswith(pieces[begun[-1]]):
                begun.pop()
            (self._longer[begun[-1]] if begun else self.first).append(token)
            if pieces[token]:
                begun.append(token)

    def longer(self, tokens: Sequence[int]) -> list[int]:
        """What goes on from these, one step further."""
        return [longer for token in tokens for longer in self._longer.get(token, ())]
