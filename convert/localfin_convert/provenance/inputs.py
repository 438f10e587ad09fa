"""The files an output follows from, and their SHA-256, computed in the background while the tensors are converted."""

import hashlib
import os
import threading
from collections.abc import Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from localfin_convert.adapter.folder import CONFIG, WEIGHTS
from localfin_convert.blocks import Place
from localfin_convert.read.checkpoint import INDEX
from localfin_convert.vocabulary.files import TEMPLATE_FOLDER
from localfin_models.errors import InputRefused
from localfin_models.files import file_sha256
from localfin_models.language import _

_TOKENIZER = (
    "tokenizer.model", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "chat_template.jinja", "chat_template.json",
)  # fmt: skip
_BASE = ("config.json", "generation_config.json", INDEX, *_TOKENIZER)
_ADAPTER = (CONFIG, WEIGHTS, *_TOKENIZER)
_CARDS = ("README.md", "LICENSE")
AHEAD = 256 << 20
"""Bytes of a shard that are hashed, and so read, before the conversion comes to them."""


@dataclass(frozen=True, slots=True)
class InputFile:
    name: str
    """`base/…`, `adapter.N/…` or `option/…`."""
    path: Path

    @property
    def is_shard(self) -> bool:
        return self.name.startswith("base/") and self.name.endswith(".safetensors")

    @property
    def placeholder(self) -> str:
        """As long as a SHA-256 in hex and as rare: stands in a header until the file is hashed."""
        return hashlib.sha256(b"localfin input " + self.name.encode("utf-8", "surrogateescape")).hexdigest()


def input_files(
    base: Path, shards: Sequence[Path], adapters: Sequence[Path], options: Sequence[Path]
) -> tuple[InputFile, ...]:
    """The base's configuration, vocabulary and shards, each adapter's files, and those given as options."""
    found = [InputFile(f"base/{path.relative_to(base)}", path) for path in _present(base, (*_BASE, *_CARDS))]
    found += [InputFile(f"base/{shard.name}", shard) for shard in shards]
    for number, folder in enumerate(adapters):
        present = _present(folder, (*_ADAPTER, *_CARDS))
        found += [InputFile(f"adapter.{number}/{path.relative_to(folder)}", path) for path in present]
    return (*found, *(InputFile(f"option/{path.name}", path) for path in options))


def _present(folder: Path, names: Sequence[str]) -> list[Path]:
    templates = sorted((folder / TEMPLATE_FOLDER).glob("*.jinja"))
    return [path for path in (*(folder / name for name in names), *templates) if path.is_file()]


class InputHashes:
    """Hashes `files` from its start on; leaving the block before the end stops it.

    Each file is read from its beginning to its end by one thread, beside the conversion's own reads. What the one read,
    the other finds in the page cache; so a base that does not fit into half of the memory is hashed in step with the
    conversion, `AHEAD` bytes before it, and read from the disk once. A quarter of the threads is enough: SHA-256
    runs at about 1 GB a second and core, the conversion at a third of that.
    """

    def __init__(self, files: Sequence[InputFile], threads: int, *, in_step: bool | None = None) -> None:
        """`in_step`: whether shards wait for the conversion; None where their size decides."""
        shards = {file: file.path.stat().st_size for file in files if file.is_shard}
        self._in_step = sum(shards.values()) > _memory() // 2 if in_step is None else in_step
        self._reached = Place("", 0)
        self._ended = self._stopped = False
        self._moved = threading.Condition()
        self._pool = ThreadPoolExecutor(max(1, threads // 4), "hash")
        futures = {file: self._pool.submit(self._sha256, file) for file in sorted(files, key=lambda one: one.is_shard)}
        self._futures = {file: futures[file] for file in files}

    def follow(self, place: Place) -> None:
        """The conversion reads there."""
        if self._in_step:
            with self._moved:
                self._reached = max(self._reached, place)
                self._moved.notify_all()

    def result(self) -> dict[InputFile, str]:
        """Waits for all. Raises InputRefused where a file cannot be read, or was changed meanwhile."""
        self._release()
        return {file: self._result(file, future) for file, future in self._futures.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stopped = True
        self._release()
        self._pool.shutdown(cancel_futures=True)

    def _release(self) -> None:
        with self._moved:
            self._ended = True
            self._moved.notify_all()

    def _sha256(self, file: InputFile) -> str:
        path = str(file.path)

        def step(done: int) -> None:
            if self._in_step and file.is_shard:
                with self._moved:
                    self._moved.wait_for(lambda: self._ended or self._reached >= Place(path, done - AHEAD))
            if self._stopped:
                raise CancelledError

        return file_sha256(file.path, step)

    def _result(self, file: InputFile, future: Future[str]) -> str:
        try:
            return future.result()
        except OSError as error:
            raise InputRefused(
                _("{file} cannot be read: {reason}").format(file=file.path, reason=error.strerror)
            ) from None


def _memory() -> int:
    """Bytes of this machine; as many as any base has where that cannot be told."""
    if not hasattr(os, "sysconf"):
        return 1 << 62
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
