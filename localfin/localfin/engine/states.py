"""What the context holds of a beginning, to and from the memory that parent and child share. Runs in the sealed child.

The child may write no file: the parent keeps states on disk, and hands back only bytes that it can vouch for.
"""

import contextlib
import ctypes
import mmap
from collections.abc import Sequence

from localfin.engine.llama import Llama


class SequenceState:
    """The state of sequence 0."""

    def __init__(self, llama: Llama, memory: int | None) -> None:
        """`memory` is the shared memory's descriptor; None where there is none."""
        self._llama, self._memory = llama, memory

    @property
    def size(self) -> int:
        """Bytes it takes now."""
        return int(self._llama.binding.llama_state_seq_get_size(self._llama.context, 0))

    def restore(self, size: int, count: int, beginning: Sequence[int]) -> bool:
        """From `size` bytes, which hold `count` tokens that begin with `beginning`; False where llama.cpp refuses.

        What comes after the beginning is taken out again. The context is empty where it is False.
        """
        b, llama = self._llama.binding, self._llama
        if self._memory is None or not size:
            return False
        llama.forget()
        read = 0
        with contextlib.suppress(OSError), mmap.mmap(self._memory, size) as memory:  # no room: it is computed instead
            data = (ctypes.c_uint8 * size).from_buffer(memory)
            read = b.llama_state_seq_set_data(llama.context, data, size, 0)
            del data
        whole = read == size and b.llama_memory_seq_pos_max(llama.memory, 0) == count - 1
        # Some memories (recurrent ones) cannot go back: they restore what they hold as a whole, or not at all.
        if not whole or not b.llama_memory_seq_rm(llama.memory, 0, len(beginning), -1):
            llama.forget()
            return False
        llama.held = list(beginning)
        return True

    def keep(self) -> int:
        """Write it into the shared memory, which the parent has made large enough; returns its bytes."""
        size = self.size
        if self._memory is None or not self._llama.held:
            return 0
        b, context, written = self._llama.binding, self._llama.context, 0
        with contextlib.suppress(OSError), mmap.mmap(self._memory, size) as memory:
            data = (ctypes.c_uint8 * size).from_buffer(memory)
            written = int(b.llama_state_seq_get_data(context, data, size, 0))
            del data
        return written
