"""The adapters of a loaded model, from the parent's side: checked, handed to the sealed child, weighed and taken away.

A sealed child opens no file that was not named when it started. So on Linux it inherits a file in memory, read-only:
an adapter named later is copied into it, checked there, and loaded by the child from there, byte for byte what was
checked. Elsewhere nothing is sealed, and the child opens the adapter's own path.
"""

import hashlib
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

from localfin.engine.events import AdapterInfo, Lora
from localfin.engine.memory import refuse_adapter_if_too_large
from localfin.text import clean_text
from localfin_models.adapter_header import check_adapter
from localfin_models.errors import InputRefused, NotFound
from localfin_models.gguf_header import GgufHeader
from localfin_models.language import _
from localfin_models.worker import SealedWorker, WorkerDied

_CHUNK = 1 << 20
_LARGEST_F32 = 3.4028234663852886e38


class Adapters:
    """Those of one model in one child, which is started with `inherited`. `close` it after the child has ended."""

    def __init__(self, worker: SealedWorker, base: GgufHeader) -> None:
        self.active: tuple[AdapterInfo, ...] = ()
        self._worker, self._base = worker, base
        self._slot = _Slot()
        self._held: set[str] = set()
        """SHA-256 of those in the child's memory."""

    @property
    def inherited(self) -> tuple[int, ...]:
        """File descriptors for the child."""
        return self._slot.inherited

    def check(self, wanted: Sequence[Lora]) -> None:
        """What can be refused before the model is loaded. Raises NotFound or InputRefused."""
        for lora in wanted:
            if not 0 < abs(lora.scale) <= _LARGEST_F32:  # false for NaN, too
                raise InputRefused(
                    _("{scale} is no scale for {path}: a number other than 0 was expected").format(
                        scale=lora.scale, path=lora.path
                    )
                )
            with _open(lora.path) as file:
                check_adapter(file, lora.path, self._base)

    def use(self, wanted: Sequence[Lora]) -> tuple[AdapterInfo, ...]:
        """Exactly `wanted` from now on. Raises NotFound, InputRefused or NotEnough, and leaves things as they were."""
        self.check(wanted)
        try:
            found = tuple(self._load(lora) for lora in wanted)
            _refuse_twice(found)
            self._activate(found)
        except WorkerDied:
            raise
        except BaseException:
            self._activate(self.active)  # which frees what was loaded for nothing
            raise
        self.active = found
        return found

    def close(self) -> None:
        self._slot.close()

    def _load(self, lora: Lora) -> AdapterInfo:
        path = lora.path.absolute()
        with self._slot.holding(path) as copy:
            header = check_adapter(copy.file, path, self._base)
            if copy.sha256 not in self._held:
                self._worker.call("load_adapter", {"id": copy.sha256, "path": str(copy.path)})
                self._held.add(copy.sha256)
        return AdapterInfo(clean_text(header.name), path, copy.sha256, lora.scale, header.file_bytes)

    def _activate(self, infos: Sequence[AdapterInfo]) -> None:
        scales = {info.sha256: info.scale for info in infos}
        self._worker.call("use_adapters", {"scales": scales})
        self._held = set(scales)


def _refuse_twice(infos: Sequence[AdapterInfo]) -> None:
    if len({info.sha256 for info in infos}) < len(infos):
        raise InputRefused(_("an adapter is given twice; give it once, with a scale"))


@dataclass(frozen=True, slots=True)
class _Copy:
    path: Path
    """Where the child finds it."""
    file: BufferedReader
    sha256: str


class _Slot:
    """A file in memory that the child can read and only the parent can write; without such files, nothing."""

    def __init__(self) -> None:
        self.inherited: tuple[int, ...] = ()
        self._memory: int | None = None
        if hasattr(os, "memfd_create"):
            self._memory = os.memfd_create("adapter")
            os.fchmod(self._memory, 0o400)  # not to be opened again for writing
            self.inherited = (os.open(f"/proc/self/fd/{self._memory}", os.O_RDONLY),)

    @contextmanager
    def holding(self, path: Path) -> Generator[_Copy]:
        """The file at `path`, where the child can read it. Raises NotFound, InputRefused or NotEnough."""
        with _open(path) as file:
            refuse_adapter_if_too_large(os.fstat(file.fileno()).st_size)
            if self._memory is None:
                yield _Copy(path.resolve(), file, hashlib.file_digest(file, "sha256").hexdigest())
                return
            try:
                digest = _copied(file, self._memory)
                where = Path(f"/proc/self/fd/{self.inherited[0]}")
                with where.open("rb") as copy:
                    yield _Copy(where, copy, digest)
            finally:
                os.ftruncate(self._memory, 0)

    def close(self) -> None:
        for descriptor in (*self.inherited, *(() if self._memory is None else (self._memory,))):
            os.close(descriptor)
        self.inherited, self._memory = (), None


def _open(path: Path) -> BufferedReader:
    if not path.exists():
        raise NotFound(_("{path}: no such file").format(path=path))
    if not path.is_file():
        raise InputRefused(_("{path} is no file; a GGUF adapter was expected").format(path=path))
    try:
        return path.open("rb")
    except OSError as error:
        raise InputRefused(_("{path} cannot be read: {reason}").format(path=path, reason=error.strerror)) from None


def _copied(file: BufferedReader, memory: int) -> str:
    """Fills `memory` with the file; the SHA-256 in hex of what stands there now."""
    digest, at = hashlib.sha256(), 0
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
        view = memoryview(chunk)
        while view:
            written = os.pwrite(memory, view, at)
            view, at = view[written:], at + written
    return digest.hexdigest()
