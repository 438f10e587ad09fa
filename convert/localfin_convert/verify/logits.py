"""What llama.cpp computes from a converted file beside a float32 forward pass over the merged checkpoint.

Three models answer the same few prompts: the merged checkpoint (R); the weights that the file holds, dequantized, in
the same forward pass (Q); and llama.cpp with the file (L). R against Q is what quantization costs. Q against L must be
no more than the rounding of llama.cpp's own arithmetic, whatever the model and its type: this is what is judged. R
against L is what the user gets.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

import numpy as np
from gguf import GGMLQuantizationType as Type
from numpy.typing import NDArray

from localfin_convert.architectures import family_of
from localfin_convert.plan import Plan
from localfin_convert.read.positional import OpenFiles
from localfin_convert.reference import Reference, base_weights, gguf_weights, merged_weights
from localfin_convert.verify.llama import Llama
from localfin_convert.verify.stored import compared
from localfin_convert.write.output import Output
from localfin_models.errors import IntegrityFailed
from localfin_models.language import _

Floats = NDArray[np.float32]
Stage = Callable[[str], None]

PROMPTS = (
    "예금 1,000만원의 이자는 얼마입니까?",
    "A bank pays interest on deposits, and takes more of it for loans.",
    "2025-11-25 1,234,567원 3.5% 0.001",
)
WHOLE_MODEL = 200_000_000
"""Up to so many parameters in matrices every layer is computed; of a larger model the first few, see `layers_of`."""
_NOISE = {Type.F32: 2e-4, Type.F16: 3e-3, Type.BF16: 2e-2}
_QUANTIZED_NOISE = 2e-2
_MOST_NOISE = 0.15


@dataclass(frozen=True, slots=True)
class Distance:
    """Between the next-token distributions of two models, over all positions of the prompts."""

    kl_mean: float
    """Kullback-Leibler divergence, nats."""
    kl_max: float
    same_choice: float
    """The share of positions with the same most likely token."""


@dataclass(frozen=True, slots=True)
class Logits:
    prompts: int
    positions: int
    layers: int
    """Computed, from the first; then final norm and head."""
    of_layers: int
    quantization: Distance
    """From the merged checkpoint to the file's weights, both in float32."""
    llama: Distance
    """From the merged checkpoint to llama.cpp with the file."""
    noise: float
    """The share by which llama.cpp's logits differ from what the file's weights give in float32: `difference`."""
    noise_limit: float
    adapter: Distance | None
    """From the base to the merged checkpoint; None without adapters."""


def layers_of(plan: Plan, reference: Reference) -> int:
    """How many layers to compute: all of a small model, else two and as many more as show each kind of layer once."""
    matrices = sum(prod(tensor.shape) for tensor in plan.tensors if len(tensor.shape) > 1)
    every = family_of(plan.merge.checkpoint.config).layers
    return every if matrices <= WHOLE_MODEL else reference.first_layers()


def compare_logits(plan: Plan, reference: Reference, output: Output, llama: Llama, stage: Stage) -> Logits:
    """Raises IntegrityFailed where the file's weights are wrong, or what llama.cpp computes from them."""
    texts = llama.tokenize(PROMPTS)
    layers, every = layers_of(plan, reference), family_of(plan.merge.checkpoint.config).layers
    with OpenFiles() as files:
        stored = gguf_weights(plan, output)
        stage(_("the merged model, in float32"))
        base = base_weights(plan.merge, files)
        with compared(plan, base, merged_weights(plan.merge, files), stored) as merged:
            wanted = np.concatenate(reference.logits(merged, texts, layers=layers))
        stage(_("the file's weights, in float32"))
        expected = np.concatenate(reference.logits(stored, texts, layers=layers))
        adapter = None
        if plan.merge.adapters:
            stage(_("the base, in float32"))
            before = np.concatenate(reference.logits(base, texts, layers=layers))
            adapter = distance(before, wanted)
        stage(_("llama.cpp"))
        if layers == every:
            found = np.concatenate(llama.logits(texts))
        else:
            found = reference.head(stored, np.concatenate(llama.hidden(texts, layers)))
    noise, limit = difference(expected, found), _limit(plan, difference(wanted, expected))
    if not noise <= limit:
        raise IntegrityFailed(
            _("llama.cpp computes other logits than the file's weights give: {noise:.1%} apart, {limit:.1%} at most "
              "were expected; the model would not answer as it was trained").format(noise=noise, limit=limit)
        )  # fmt: skip
    return Logits(
        len(texts),
        len(found),
        layers,
        every,
        distance(wanted, expected),
        distance(wanted, found),
        noise,
        limit,
        adapter,
    )


def distance(first: Floats, second: Floats) -> Distance:
    """Of (positions, vocabulary) logits each."""
    divergences = _divergences(first, second)
    same = np.mean(first.argmax(axis=-1) == second.argmax(axis=-1))
    return Distance(float(divergences.mean()), float(divergences.max()), float(same))


def difference(expected: Floats, found: Floats) -> float:
    """The median over the positions of |found - expected| / |expected|, Euclidean, each row's mean taken out first.

    The median: where experts are chosen, rounding may choose others at a few positions.
    """
    centred = expected - expected.mean(axis=-1, keepdims=True)
    apart = (found - found.mean(axis=-1, keepdims=True)) - centred
    return float(np.median(np.linalg.norm(apart, axis=-1) / np.linalg.norm(centred, axis=-1)))


def _divergences(first: Floats, second: Floats) -> NDArray[np.float64]:
    """KL(first || second) in nats, position by position, in float64."""
    found = np.empty(len(first))
    for position, rows in enumerate(zip(first, second, strict=True)):
        log_p, log_q = map(_log_softmax, rows)
        found[position] = max(0.0, float(np.sum(np.exp(log_p) * (log_p - log_q))))
    return found


def _log_softmax(row: Floats) -> NDArray[np.float64]:
    shifted = row.astype(np.float64) - float(row.max())
    return np.asarray(shifted - np.log(np.exp(shifted).sum()))


def _limit(plan: Plan, cost: float) -> float:
    """What llama.cpp's arithmetic may make of it: it rounds what a matrix is multiplied with to the matrix's type.

    At least a few times what was measured on trained and on random models of every family, more where quantization
    moves the logits more (such a model answers as nervously to other rounding), and never what a wrong model gives.
    """
    kinds = {tensor.choice.final for tensor in plan.tensors if len(tensor.shape) > 1}
    floor = max(_NOISE.get(kind, _QUANTIZED_NOISE) for kind in kinds)
    return min(_MOST_NOISE, max(floor, 2 * cost))
