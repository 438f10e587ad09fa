"""Which tokens llama-imatrix computes at once: that decides in which order they are added, and so the last bits."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_BATCH, _UBATCH = 2048, 512
"""llama.cpp's defaults, which llama-imatrix takes."""
_CELLS = 256
"""llama.cpp rounds a sequence's cells up to this."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Chunks of `n_ctx` tokens, several of them side by side, each a sequence of its own."""

    n_ctx: int

    @property
    def together(self) -> int:
        """How many chunks."""
        return max(1, _BATCH // self.n_ctx)

    @property
    def cells(self) -> int:
        """Of keys and values."""
        return self.together * -(-self.n_ctx // _CELLS) * _CELLS

    @property
    def batch(self) -> int:
        """Tokens of one step."""
        return min(_UBATCH, self.together * self.n_ctx)

    def context(self) -> dict[str, Any]:
        """As llama_context_params: keys and values in float16 and the quickest attention, as llama.cpp sets it."""
        return {
            "n_ctx": self.together * self.n_ctx,
            "n_seq_max": self.together,
            "n_batch": self.batch,
            "n_ubatch": self.batch,
            "swa_full": False,
        }

    def spans(self, chunks: int) -> Iterator[range]:
        """The positions of each step: as many as fit beside each other.

        llama-imatrix hands over all at once, which llama.cpp then cuts into these; so cut, the logits take less memory.
        """
        step = _UBATCH // chunks
        for first in range(0, self.n_ctx, step):
            yield range(first, min(first + step, self.n_ctx))
