"""The forward pass of a decoder, layer by layer and tensor by tensor, for several short texts at once.

A matrix is asked for, used on the tokens of all texts, and dropped: peak memory is the largest matrix of a layer in
float32 (one expert's, where there are experts), a slice of the head, and the logits.
"""

from collections.abc import Collection, Iterable, Sequence, Sized
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from localfin_convert.architectures import Family, family_of
from localfin_convert.read.checkpoint import Checkpoint
from localfin_convert.reference.arithmetic import attend, rms_norm, soft_cap, softmax
from localfin_convert.reference.positions import frequencies, rotate, rotation
from localfin_convert.reference.traits import Traits, traits_of
from localfin_convert.reference.weights import Floats, Weights

_HEAD_ELEMENTS = 1 << 24
"""Of the head at a time: 64 MiB."""


class Reference:
    """What a model computes whose weights stand as in `checkpoint`: of which only config and tensor names matter.

    Raises InputRefused for what config.json says and llama.cpp would not do.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._names, self._family = checkpoint.tensors.keys(), family_of(checkpoint.config)
        self._traits = traits_of(self._family)
        own = self._family.head in self._names and self._family.tensor(self._family.head) is not None
        self._head = self._family.head if own else self._family.embedding

    def logits(
        self,
        weights: Weights,
        texts: Sequence[Sequence[int]],
        *,
        layers: int | None = None,
        positions: Sequence[Sequence[int]] | None = None,
    ) -> list[Floats]:
        """Of each text, (positions, vocab) float32: of the positions asked for, else of every one.

        `texts`: the token ids of each, at least one. With fewer `layers` than the model has, final norm and head
        are applied to what leaves the last of them (an early exit): less to compute, and still every kind of tensor.
        Weights that are too large give infinite logits or NaN, and no warning.
        """
        asked = positions if positions is not None else [range(len(text)) for text in texts]
        hidden = self._hidden(weights, texts, self._family.layers if layers is None else layers)
        rows = [own[list(places)] for own, places in zip(hidden, asked, strict=True)]
        return np.split(self.head(weights, np.concatenate(rows)), _ends(rows)[:-1])

    def head(self, weights: Weights, hidden: Floats) -> Floats:
        """Final norm and head on what leaves a layer: (positions, hidden) -> (positions, vocab)."""
        with np.errstate(over="ignore", invalid="ignore"):
            norm = weights(self._family.final_norm) + np.float32(self._family.shift(self._family.final_norm))
            return self._project(weights, rms_norm(hidden, norm, self._family.epsilon))

    def first_layers(self) -> int:
        """How many of the first layers hold two, and one of each kind there is: seeing all positions, or a window."""
        sees_all = [self._traits.window(number) is None for number in range(self._family.layers)]
        other = sees_all.index(not sees_all[0]) if len(set(sees_all)) > 1 else 0
        return min(self._family.layers, max(2, other + 1))

    def frequencies(self) -> Floats:
        """By which llama.cpp shall rotate a short text's positions, in radians a position: (rotated / 2,)."""
        return frequencies(self._family, self._family.rope, self._traits.rotated, 1)[0].astype(np.float32)

    def _hidden(self, weights: Weights, texts: Sequence[Sequence[int]], layers: int) -> list[Floats]:
        """Of each text, (positions, hidden): what leaves the last of the `layers`."""
        borders = _ends(texts)[:-1]
        with np.errstate(over="ignore", invalid="ignore"):
            hidden = self._embed(weights, np.concatenate([np.asarray(text, np.int64) for text in texts]))
            for number in range(layers):
                hidden = _Layer(self._family, self._traits, self._names, weights, number).run(hidden, borders)
        return np.split(hidden, borders)

    def _embed(self, weights: Weights, tokens: np.ndarray) -> Floats:
        known, places = np.unique(tokens, return_inverse=True)
        rows = np.concatenate([weights(self._family.embedding, range(token, token + 1)) for token in known.tolist()])
        return rows[places] * np.float32(self._traits.embedding_scale)

    def _project(self, weights: Weights, hidden: Floats) -> Floats:
        vocabulary = self._family.vocab_size
        logits = np.empty((len(hidden), vocabulary), np.float32)
        step = max(1, _HEAD_ELEMENTS // self._family.hidden)
        for first in range(0, vocabulary, step):
            rows = range(first, min(first + step, vocabulary))
            np.matmul(hidden, weights(self._head, rows).T, out=logits[:, rows.start : rows.stop])
        return soft_cap(logits, self._traits.logit_cap)


@dataclass(frozen=True, slots=True)
class _Layer:
    family: Family
    traits: Traits
    names: Collection[str]
    weights: Weights
    number: int

    def run(self, x: Floats, borders: list[int]) -> Floats:
        """(tokens, hidden), the texts one after the other, `borders` between them -> the same after this layer."""
        traits = self.traits
        attended = self._attention(self._norm(traits.before_attention, x), borders)
        x = x + self._norm(traits.after_attention, attended)
        mlp = self._experts if traits.router else self._mlp
        return x + self._norm(traits.after_mlp, mlp(self._norm(traits.before_mlp, x)))

    def _attention(self, x: Floats, borders: list[int]) -> Floats:
        family, traits = self.family, self.traits
        count = len(x)
        qkv = self._linear(x, *traits.qkv).reshape(count, family.heads + 2 * family.kv_heads, family.head_dim)
        q, k, v = np.split(qkv, (family.heads, family.heads + family.kv_heads), axis=1)
        q, k = (self._norm(name, heads) for name, heads in zip(traits.head_norms, (q, k), strict=True))
        window, rope, mixed = traits.window(self.number), traits.rope(self.number), list[Floats]()
        for part in zip(*(np.split(heads, borders) for heads in (q, k, v)), strict=True):
            queries, keys, values = part
            if rope is not None:
                turns = rotation(family, rope, traits.rotated, len(queries))
                queries, keys = rotate(queries, *turns), rotate(keys, *turns)
            mixed.append(attend(queries, keys, values, traits.scale, traits.attention_cap, window))
        return self._linear(np.concatenate(mixed).reshape(count, -1), traits.out)

    def _mlp(self, x: Floats, expert: int = 0) -> Floats:
        gate, up = np.split(self._linear(x, *(name.format(expert) for name in self.traits.gate_up)), 2, axis=-1)
        return self._linear(self.traits.activate(gate) * up, self.traits.down.format(expert))

    def _experts(self, x: Floats) -> Floats:
        """Each token goes through the experts that the router gives the highest probabilities, weighted by them."""
        probabilities = softmax(self._linear(x, self.traits.router))
        chosen = np.argsort(-probabilities, axis=-1, kind="stable")[:, : self.family.experts_used]
        shares = np.take_along_axis(probabilities, chosen, axis=-1)
        if self.traits.normalizes_experts:
            shares /= shares.sum(axis=-1, keepdims=True)
        mixed = np.zeros_like(x)
        for expert in np.unique(chosen).tolist():
            tokens, places = np.nonzero(chosen == expert)
            mixed[tokens] += self._mlp(x[tokens], expert) * shares[tokens, places, None]
        return mixed

    def _linear(self, x: Floats, *modules: str) -> Floats:
        """(…, in) -> (…, out): the outputs of all `modules` side by side."""
        return np.concatenate([self._one(x, self.family.block.format(self.number) + name) for name in modules], axis=-1)

    def _one(self, x: Floats, module: str) -> Floats:
        product = x @ self.weights(f"{module}.weight").T
        return product + self.weights(f"{module}.bias") if f"{module}.bias" in self.names else product

    def _norm(self, module: str, x: Floats) -> Floats:
        """Unchanged where the checkpoint has no such norm."""
        name = f"{self.family.block.format(self.number)}{module}.weight"
        if name not in self.names:
            return x
        return rms_norm(x, self.weights(name) + np.float32(self.family.shift(name)), self.family.epsilon)


def _ends(parts: Iterable[Sized]) -> list[int]:
    """Where each ends when they lie one after the other."""
    return list(accumulate(map(len, parts)))
