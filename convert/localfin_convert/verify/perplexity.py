"""Perplexity of a text as llama.cpp's tool defines it: whole chunks, of each the second half scored."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from localfin_models.errors import InputRefused
from localfin_models.language import _

FEWEST_TOKENS = 32


@dataclass(frozen=True, slots=True)
class Perplexity:
    value: float
    """e to the mean negative log-likelihood (nats) of a scored token."""
    error: float
    """Standard error of `value`, from the spread of the tokens' likelihoods."""
    scored: int
    """Tokens."""
    n_ctx: int
    """Tokens of a chunk; of each, the first half is context."""


@dataclass(slots=True)
class Scores:
    """The sum so far, over `chunks` chunks of `n_ctx` tokens."""

    n_ctx: int
    chunks: int
    total: float = 0.0
    squares: float = 0.0
    count: int = 0

    @classmethod
    def over(cls, tokens: int, n_ctx: int) -> Self:
        """At least two chunks: those of a short text are shorter than `n_ctx`. Raises InputRefused below 32 tokens."""
        if tokens < FEWEST_TOKENS:
            raise InputRefused(
                _("the text has {tokens} tokens; a perplexity needs {fewest} at least").format(
                    tokens=tokens, fewest=FEWEST_TOKENS
                )
            )
        n_ctx = min(n_ctx, tokens // 2)
        return cls(n_ctx, tokens // n_ctx)

    @property
    def first(self) -> int:
        """The first position of a chunk whose logits count."""
        return self.n_ctx // 2

    def add(self, logits: NDArray[np.float32], following: Sequence[int]) -> None:
        """`logits`: (positions, vocabulary); `following`: the token that came after each position."""
        for row, token in zip(logits, following, strict=True):
            shifted = row - row.max()
            nll = math.log(float(np.exp(shifted).sum(dtype=np.float64))) - float(shifted[token])
            self.total += nll
            self.squares += nll * nll
            self.count += 1

    def result(self) -> Perplexity:
        mean = self.total / self.count
        variance = max(0.0, self.squares / self.count - mean * mean)
        value = math.exp(mean)
        return Perplexity(value, value * math.sqrt(variance / max(1, self.count - 1)), self.count, self.n_ctx)
