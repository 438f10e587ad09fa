"""`convert --compare TEXT`: the perplexity of both merges of a QLoRA adapter, measured on the user's own text.

The merge that is not wanted is made and measured first, under a name of its own beside the output, and removed: what
can go wrong goes wrong before the output exists, and no two of them take up the disk at once.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from localfin_convert.bitsandbytes.trained import MERGES
from localfin_convert.pipeline import Report
from localfin_convert.read.checkpoint import open_checkpoint
from localfin_convert.read.text import read_text
from localfin_convert.request import Request
from localfin_convert.verify.llama import DEFAULT_N_CTX, open_llama
from localfin_convert.verify.perplexity import Perplexity
from localfin_convert.write.output import refuse_inputs
from localfin_models.errors import InputRefused
from localfin_models.language import _
from localfin_models.manifest import manifest_path

Make = Callable[[Request, Path], Report]
"""Converts to a path."""
Progress = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]
"""Of measuring one of MERGES: called with tokens of the text done and in all."""


@dataclass(frozen=True, slots=True)
class Comparison:
    report: Report
    """Of the output, which is kept."""
    kept: str
    """Which of the merges it is."""
    perplexities: dict[str, Perplexity]
    """By merge; over the same tokens, so that they can be compared."""


def compare(asked: Request, out: Path, text: Path, make: Make, threads: int, progress: Progress) -> Comparison:
    """Makes both merges and keeps the one that is asked for, that onto the 16-bit base if none is.

    Raises NotFound without `text`; InputRefused where it is no text or too short, or where the base is quantized: from
    such a base one merge can be made.
    """
    refuse_inputs([out], [text])
    words = read_text(text)
    if open_checkpoint(asked.base).is_quantized:
        raise InputRefused(
            _("{name} is quantized; give the 16-bit base, from which both merges are made").format(name=asked.base.name)
        )
    kept = asked.merge_onto or MERGES[0]
    other = next(merge for merge in MERGES if merge != kept)
    beside = out.with_name(f"{out.name}.{other}.part")
    _remove(beside)  # left by a run that was killed
    try:
        make(replace(asked, name=beside.stem, merge_onto=other), beside)
        perplexities = {other: _measure(beside, words, other, threads, progress)}
    finally:
        _remove(beside)
    report = make(replace(asked, merge_onto=kept), out)
    perplexities[kept] = _measure(out, words, kept, threads, progress)
    return Comparison(report, kept, {merge: perplexities[merge] for merge in MERGES})


def _remove(beside: Path) -> None:
    """As every file of ours that ends in `.part`, it is replaced by the next run."""
    for path in (beside, manifest_path(beside)):
        path.unlink(missing_ok=True)


def _measure(path: Path, words: str, merge: str, threads: int, progress: Progress) -> Perplexity:
    with open_llama(path, threads=threads, repack=True) as llama, progress(merge) as show:
        return llama.perplexity(
            words, DEFAULT_N_CTX, lambda done, total: show(done * DEFAULT_N_CTX, total * DEFAULT_N_CTX)
        )
