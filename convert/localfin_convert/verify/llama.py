"""What llama.cpp makes of a GGUF file: its tokens, its logits, its perplexity on a text. The parent's side."""

import base64
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from localfin_convert.verify.child import Child, address_space, open_child
from localfin_convert.verify.perplexity import Perplexity
from localfin_models.cores import available_cores
from localfin_models.gguf_header import check_gguf

_SERVICE = "localfin_convert.verify.evaluator:Evaluator"
DEFAULT_N_CTX = 512


@dataclass(frozen=True, slots=True)
class Chat:
    """What the file says for conversations."""

    bos_id: int
    """-1 where the vocabulary has none; its spelling is empty then."""
    bos: str
    eos_id: int
    eos: str
    template: str
    """Empty where there is none."""


class Llama:
    """A file in its child. Every call raises IntegrityFailed where the child ends: the file made llama.cpp abort."""

    def __init__(self, child: Child) -> None:
        self._child = child

    @property
    def pid(self) -> int | None:
        """The child's process id."""
        return self._child.pid

    def tokenize(self, texts: Sequence[str], *, special: bool = True) -> list[list[int]]:
        """Token ids of each text: control tokens spelled in it are read as such; `special` adds BOS and EOS as set."""
        done = self._child.call("tokenize", {"texts": list(texts), "how": {"special": special, "parse": True}})
        return [[int(token) for token in tokens] for tokens in done["tokens"]]

    def texts(self, tokens: Sequence[Sequence[int]]) -> list[str]:
        """Each row of token ids as text, control tokens spelled out."""
        return [str(text) for text in self._child.call("texts", {"tokens": [list(row) for row in tokens]})["texts"]]

    def chat(self) -> Chat:
        done = self._child.call("chat", {})
        (bos_id, bos), (eos_id, eos) = done["bos"], done["eos"]
        return Chat(int(bos_id), str(bos), int(eos_id), str(eos), str(done["template"]))

    def logits(self, texts: Sequence[Sequence[int]]) -> list[NDArray[np.float32]]:
        """Of each text, given as token ids: (positions, vocabulary) float32."""
        return self._arrays(texts, None)

    def hidden(self, texts: Sequence[Sequence[int]], layers: int) -> list[NDArray[np.float32]]:
        """Of each text: what leaves the `layers`th layer, (positions, width) float32; later layers are not computed.

        `layers`: from 1 to one fewer than the model has.
        """
        return self._arrays(texts, layers)

    def perplexity(
        self, text: str, n_ctx: int = DEFAULT_N_CTX, progress: Callable[[int, int], None] | None = None
    ) -> Perplexity:
        """In chunks of `n_ctx` tokens (shorter for a short text), as llama.cpp's tool computes it.

        `progress` is called with chunks done and in all. Raises InputRefused where the text is too short.
        """
        for frame in self._child.stream("perplexity", {"text": text, "n_ctx": n_ctx}):
            if "done" in frame:
                return Perplexity(**frame["done"])
            if progress is not None:
                progress(*frame["chunk"])
        raise AssertionError("a call ends with its result")

    def _arrays(self, texts: Sequence[Sequence[int]], layers: int | None) -> list[NDArray[np.float32]]:
        arguments = {"texts": [list(text) for text in texts], "layers": layers}
        rows = [
            np.frombuffer(base64.b64decode(frame["values"]), "<f4")
            for frame in self._child.stream("logits", arguments)
            if "values" in frame
        ]
        ends = np.cumsum([len(text) for text in texts]).tolist()
        return [np.stack(rows[end - len(text) : end]) for end, text in zip(ends, texts, strict=True)]


@contextmanager
def open_llama(
    path: Path, *more: Path, threads: int | None = None, n_ctx: int = DEFAULT_N_CTX, repack: bool = False
) -> Generator[Llama]:
    """The GGUF at `path` (of a split one: its parts in order), for texts of up to `n_ctx` tokens.

    `repack` rearranges the weights for the processor, which takes their size in memory once more and makes long texts
    faster. Raises NotFound or InputRefused for a bad file.
    """
    threads, header = threads or available_cores(), check_gguf(path)
    memory = address_space(header, n_ctx, n_ctx + 256, threads)
    with open_child(_SERVICE, (path, *more), memory, threads=threads, repack=repack) as child:
        yield Llama(child)
