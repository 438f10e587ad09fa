"""The beginning of many questions in the child: computed or restored, kept for the next start, answered from.

A state travels through a piece of memory that parent and child share, because the child may write no file: the parent
keeps it on disk, and hands back only bytes that its checksum vouches for.
"""

import ctypes
import mmap
from collections.abc import Iterator, Sequence

from localfin.engine.llama import Llama
from localfin.engine.many import Batch, Ended, Question
from localfin.engine.prompt import OpenPrompt


class SharedBeginning:
    def __init__(self, llama: Llama, batch: Batch, prompt: OpenPrompt, state: int | None) -> None:
        """`state` is the descriptor of the shared memory; None where there is none."""
        self._llama, self._batch, self._prompt, self._state = llama, batch, prompt, state

    def restore(self, size: int) -> bool:
        """Into sequence 0, from `size` bytes in the shared memory; False where there are none or llama.cpp refuses."""
        if self._state is None or not size:
            return False
        b, llama = self._llama.binding, self._llama
        llama.forget()
        with mmap.mmap(self._state, size) as memory:
            data = (ctypes.c_uint8 * size).from_buffer(memory)
            read = b.llama_state_seq_set_data(llama.context, data, size, 0)
            del data
        # The last token is computed anew by the next prefill; the others must all be there.
        if read != size or b.llama_memory_seq_pos_max(llama.memory, 0) != len(self._prompt.head) - 1:
            llama.forget()
            return False
        llama.held = list(self._prompt.head)
        return True

    def compute(self) -> int:
        """The beginning into sequence 0; returns the bytes its state takes, 0 where it was cancelled."""
        if not self._llama.prefill(self._prompt.head, lambda _done, _total: None):
            return 0
        return int(self._llama.binding.llama_state_seq_get_size(self._llama.context, 0))

    def keep(self) -> int:
        """Write the state into the shared memory, which the parent has made large enough; returns its bytes."""
        if self._state is None or not self._llama.held:
            return 0
        b, context = self._llama.binding, self._llama.context
        size = int(b.llama_state_seq_get_size(context, 0))
        with mmap.mmap(self._state, size) as memory:
            data = (ctypes.c_uint8 * size).from_buffer(memory)
            written = int(b.llama_state_seq_get_data(context, data, size, 0))
            del data
        return written

    def answers(self, questions: Sequence[tuple[str, str]], max_tokens: int) -> Iterator[Ended]:
        """`questions` are texts and grammars."""
        asked = [Question(self._prompt.rest(text), grammar) for text, grammar in questions]
        return self._batch.answers(self._prompt.head, asked, max_tokens, self._prompt.stops)
