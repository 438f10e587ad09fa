"""The files an output follows from, and their SHA-256, computed in the background while the tensors are converted."""

import hashlib
import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from localfin_convert.adapter.folder import CONFIG, WEIGHTS
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


@dataclass(frozen=True, slots=True)
class InputFile:
    name: str
    """`base/…`, `adapter.N/…` or `option/…`."""
    path: Path

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

    Each file is read from its beginning to its end by one thread, beside the conversion's own reads, which come near
    it in time: what one of them read, the other finds in the page cache. A quarter of the threads is enough: SHA-256
    runs at about 1 GB a second and core, the conversion at a tenth of that.
    """

    def __init__(self, files: Sequence[InputFile], threads: int) -> None:
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(max(1, threads // 4), "hash")
        self._futures: dict[InputFile, Future[str]] = {
            file: self._pool.submit(file_sha256, file.path, self._stop) for file in files
        }

    def result(self) -> dict[InputFile, str]:
        """Waits for all. Raises InputRefused where a file cannot be read, or was changed meanwhile."""
        return {file: self._hash(file, future) for file, future in self._futures.items()}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stop.set()
        self._pool.shutdown(cancel_futures=True)

    def _hash(self, file: InputFile, future: Future[str]) -> str:
        try:
            return future.result()
        except OSError as error:
            raise InputRefused(
                _("{file} cannot be read: {reason}").format(file=file.path, reason=error.strerror)
            ) from None
