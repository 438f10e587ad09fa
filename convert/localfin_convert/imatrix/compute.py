"""`localfin imatrix`: an importance matrix of a GGUF on a text, with the sums and counts of llama-imatrix."""

import base64
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from localfin_convert.imatrix.file import Sums, write_imatrix
from localfin_convert.imatrix.layout import Layout
from localfin_convert.read.text import read_text
from localfin_convert.verify.child import Child, address_space, open_child
from localfin_convert.write.output import refuse_existing
from localfin_models.cores import available_cores
from localfin_models.errors import InputRefused
from localfin_models.gguf_header import GgufHeader, check_gguf
from localfin_models.language import _

_SERVICE = "localfin_convert.imatrix.service:ImatrixService"
DEFAULT_N_CTX = 512
FEWEST_N_CTX = 64
"""Shorter chunks see too little of each other, and llama.cpp would keep 256 cells of each."""


@dataclass(frozen=True, slots=True)
class ImatrixReport:
    """The importance matrix that was made."""

    out: Path
    tensors: int
    chunks: int
    """Of the text, computed."""
    n_ctx: int
    """Tokens of a chunk."""
    unseen: int
    """Experts that no token came to; all their columns weigh the same."""
    n_bytes: int
    sha256: str
    seconds: float


def make_imatrix(
    model: Path,
    text: Path,
    out: Path,
    *,
    chunks: int | None = None,
    n_ctx: int = DEFAULT_N_CTX,
    force: bool = False,
    threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ImatrixReport:
    """Measure `model`, a GGUF, on `text` in chunks of `n_ctx` tokens; `out` appears only when whole.

    `chunks` bounds how many; `progress` is called with tokens done and in all. Raises NotFound, InputRefused (also
    for a text of fewer than two chunks), NotEnough or IntegrityFailed; nothing is left behind then.
    """
    started, threads = time.monotonic(), threads or available_cores()
    refuse_existing(out, force=force)
    words, header = read_text(text), check_gguf(model)
    parts = (model, *header.others)
    _refuse_unfit(header, out, (*parts, text), n_ctx)
    layout = Layout(n_ctx)
    memory = address_space(header, layout.batch, layout.cells, threads) + _of_sums(header)
    with open_child(_SERVICE, parts, memory, threads=threads, repack=True) as child:
        # llama-imatrix leaves out a last line's end.
        sums, computed = _sums(child, words.removesuffix("\n"), n_ctx, chunks, progress)
    if not sums:
        raise InputRefused(_("llama.cpp multiplies by no matrix in the layers of {name}").format(name=model.name))
    most = max(int(one.counts.max()) for one in sums.values())
    written = write_imatrix(out, sums, [text.name], most // n_ctx, n_ctx, force=force)
    return ImatrixReport(
        out, len(sums), computed, n_ctx, sum(int((one.counts == 0).sum()) for one in sums.values()),
        written.n_bytes, written.sha256, time.monotonic() - started,
    )  # fmt: skip


def _refuse_unfit(header: GgufHeader, out: Path, inputs: Sequence[Path], n_ctx: int) -> None:
    """What would be found after hours."""
    if out.exists() and any(out.samefile(one) for one in inputs):
        raise InputRefused(_("{out} is what the importance matrix is made of; give another name").format(out=out))
    if not os.access(out.parent, os.W_OK):
        raise InputRefused(_("the folder {folder} cannot be written to").format(folder=out.parent))
    if header.n_ctx_train < n_ctx:
        raise InputRefused(
            _("{name} was trained on {trained} tokens at once; chunks of {n_ctx} are too long").format(
                name=header.path.name, trained=header.n_ctx_train, n_ctx=n_ctx
            )
        )


def _of_sums(header: GgufHeader) -> int:
    """Bytes, at most, in the child: the sums, and a copy of one."""
    return 2 * 4 * sum(t.shape[0] * prod(t.shape[2:]) for t in header.tensors if len(t.shape) > 1)


def _sums(
    child: Child, text: str, n_ctx: int, chunks: int | None, progress: Callable[[int, int], None] | None
) -> tuple[dict[str, Sums], int]:
    """By tensor; and how many chunks there were."""
    rows, counts, computed = dict[str, list[bytes]](), dict[str, list[int]](), 0
    for frame in child.stream("imatrix", {"text": text, "n_ctx": n_ctx, "chunks": chunks}):
        if "done" in frame:
            computed = int(frame["done"]["chunks"])
        elif "tokens" in frame:
            if progress is not None:
                progress(*frame["tokens"])
        else:
            rows.setdefault(frame["tensor"], []).append(base64.b64decode(frame["squares"]))
            counts.setdefault(frame["tensor"], []).append(int(frame["count"]))
    return {
        name: Sums(
            np.frombuffer(b"".join(mine), "<f4").astype(np.float32, copy=False).reshape(len(mine), -1),
            np.array(counts[name], np.int64),
        )
        for name, mine in rows.items()
    }, computed
