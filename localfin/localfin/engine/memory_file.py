"""A piece of memory that parent and child share under the same descriptor (Linux). Nothing else."""

import os


class MemoryFile:
    """Without such memory, `inherited` is empty, and nothing can be read or written."""

    def __init__(self) -> None:
        self._memory = os.memfd_create("state") if hasattr(os, "memfd_create") else None

    @property
    def inherited(self) -> tuple[int, ...]:
        """The descriptor for the child."""
        return () if self._memory is None else (self._memory,)

    @property
    def size(self) -> int:
        return 0 if self._memory is None else os.fstat(self._memory).st_size

    def resize(self, size: int) -> None:
        """To `size` bytes, all zero."""
        if self._memory is not None:
            os.ftruncate(self._memory, 0)
            os.ftruncate(self._memory, size)

    def write(self, at: int, data: bytes) -> None:
        """Raises OSError."""
        view = memoryview(data)
        while self._memory is not None and view:
            written = os.pwrite(self._memory, view, at)
            view, at = view[written:], at + written

    def read(self, at: int, size: int) -> bytes:
        """So many bytes, fewer where the child has made it shorter."""
        found = bytearray()
        while self._memory is not None and (piece := os.pread(self._memory, size - len(found), at + len(found))):
            found += piece
        return bytes(found)

    def close(self) -> None:
        if self._memory is not None:
            os.close(self._memory)
            self._memory = None
