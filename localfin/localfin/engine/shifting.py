"""A full context, or a conversation that lost its oldest turns: the rest moves up instead of being computed anew.

What moves up was computed with the lost part in view, and keeps what it took from it: it is close to, but not the same
as, what computing the rest alone would give. Runs in the sealed child.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from localfin.engine.llama import Llama

_SAME = 64
"""Tokens that must be the same before a gap counts as one: fewer may be chance."""
SINK = 4
"""Tokens at the start of a context that never fall out: models lean on them whatever they say (attention sinks, Xiao et
al. 2023, arXiv:2309.17453, who keep four)."""
_LEAST_ROOM = 64
"""Tokens. A context with less room after the beginning is not shifted: an answer cannot go on from so little."""


def take_out(llama: "Llama", start: int, count: int) -> bool:
    """`count` tokens from `start` on, of sequence 0, and move up what follows; False where the memory cannot."""
    b = llama.binding
    if not b.llama_memory_can_shift(llama.memory) or not b.llama_memory_seq_rm(llama.memory, 0, start, start + count):
        return False
    b.llama_memory_seq_add(llama.memory, 0, start + count, -1, -count)
    del llama.held[start : start + count]
    return True


def oldest(held: int, beginning: int) -> int:
    """How many of `held` tokens go when the context is full: half of what stands after the beginning; 0 for none."""
    after = held - beginning
    return after // 2 if after >= _LEAST_ROOM else 0


def gap(held: Sequence[int], prompt: Sequence[int], same: int) -> int:
    """How many tokens of `held` are left out in `prompt` after the first `same`; 0 where it does not go on so."""
    following = list(prompt[same : same + _SAME])
    if len(following) < _SAME:
        return 0
    for at in range(same + 1, len(held) - _SAME + 1):
        if held[at] == following[0] and list(held[at : at + _SAME]) == following:
            return at - same
    return 0


def common_beginning(first: Sequence[int], second: Sequence[int]) -> int:
    """How many tokens both begin with."""
    for count, (one, other) in enumerate(zip(first, second, strict=False)):
        if one != other:
            return count
    return min(len(first), len(second))
