"""The beginning of a prompt, made ready in the child before an answer: from disk where it was kept, computed and kept
where not. The parent's side.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from localfin.engine.frames import count, done_of, tokens_of
from localfin.engine.kept import KeptStates
from localfin.engine.memory import free_memory
from localfin.engine.memory_file import MemoryFile

WORTH_KEEPING = 128
"""Tokens that must be new in a beginning, or missing in the context, before a file is written or read: fewer are
computed in a second or two, and a file takes from some megabytes to some hundred."""

Call = Callable[[str, Mapping[str, Any]], Iterator[dict[str, Any]]]
"""One call of the child: its frames, the last of them `done`."""


class Beginnings:
    """Those of one child, which inherits `memory`. `close` it before the memory."""

    def __init__(self, states: KeptStates | None, memory: MemoryFile, largest: int) -> None:
        """No state has more than `largest` bytes. Without `states`, or without shared memory, none are kept."""
        self._states = states if memory.inherited else None
        self._memory, self._largest = memory, largest
        self._writing: threading.Thread | None = None

    def prepare(self, call: Call, request: Mapping[str, Any], scope: bytes, n_ctx: int) -> Iterator[dict[str, Any]]:
        """Hand the prompt in `request` to the child; the frames are those of a beginning that is being computed."""
        prompt = done_of(call("prompt", request))
        if self._states is None:
            return
        tokens, held = tokens_of(prompt), count(prompt, "held")
        if len(tokens) - held < WORTH_KEEPING:
            return
        self._settle()
        there = max(held, self._restore(call, self._states, scope, tokens, held + WORTH_KEEPING, n_ctx))
        if len(tokens) - there >= WORTH_KEEPING:
            yield from self._compute(call, self._states, scope, tokens)

    def close(self) -> None:
        """Waits for a file that is being written."""
        self._settle()

    def _restore(
        self, call: Call, states: KeptStates, scope: bytes, tokens: list[int], least: int, n_ctx: int
    ) -> int:  # fmt: skip
        """The tokens that the context then holds; 0 where no state gives `least` of them."""
        for found in states.find(scope, tokens, n_ctx, self._most()):
            if found.common < least:
                break
            try:
                size = self._memory.size if states.load(found, scope, self._memory) else 0
                request = {"bytes": size, "tokens": found.tokens, "common": found.common}
                if size and done_of(call("restore", request)).get("restored") is True:
                    return found.common
            finally:
                self._memory.resize(0)
        return 0

    def _compute(self, call: Call, states: KeptStates, scope: bytes, tokens: list[int]) -> Iterator[dict[str, Any]]:
        size = 0
        for frame in call("beginning", {}):
            if "done" in frame:
                size = count(frame["done"], "bytes")
            else:
                yield frame
        if not 0 < size <= self._most():
            return
        self._memory.resize(size)
        if count(done_of(call("keep", {})), "bytes") == size:
            self._write(states, scope, tokens, size)
        else:
            self._memory.resize(0)

    def _most(self) -> int:
        """Bytes of a state for which there is memory now."""
        free = free_memory()
        return self._largest if free is None else min(self._largest, free)

    def _write(self, states: KeptStates, scope: bytes, tokens: list[int], size: int) -> None:
        """Beside the answer, which need not wait for the disk."""

        def write() -> None:
            states.keep(scope, tokens, self._memory, size)
            self._memory.resize(0)

        self._writing = threading.Thread(target=write, name="prompt state")
        self._writing.start()

    def _settle(self) -> None:
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.join()
