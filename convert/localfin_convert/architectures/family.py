"""What all families share: hyper-parameters to GGUF keys, checkpoint names to GGUF names, which rows go where.

Follows `conversion/base.py` of llama.cpp;
what config.json leaves out has the defaults of transformers' config classes.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import gguf
import numpy as np
from gguf import GGUFValueType as Type
from numpy.typing import NDArray

from localfin_convert.architectures.rope import Rope, read_rope
from localfin_convert.keys import Key
from localfin_models.errors import InputRefused
from localfin_models.language import _

MAX_LAYERS = 512
MAX_EXPERTS = 1024
"""llama.cpp's own limits (`src/llama-hparams.h`)."""
_BLOCK = re.compile(r"^blk\.\d+\.")
_EXPERT = re.compile(r"\.experts\.(\d{1,4})\.")
_SKIPPED = (".attention.masked_bias", ".attention.bias", ".rotary_emb.inv_freq")


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where a checkpoint tensor goes."""

    name: str
    """In the GGUF file."""
    heads: int = 0
    """Attention heads whose rows are to be reordered (see `permute_rows`); 0 leaves the rows alone."""
    shift: float = 0.0
    """Added to every value: some families store a norm's weight less one."""
    expert: int | None = None
    """Which slice of the three-dimensional tensor `name` this is; None where the tensor stands for itself."""


def permute_rows(rows: NDArray[Any], heads: int) -> NDArray[Any]:
    """(n, columns) of whole heads -> the same rows, each head's two halves interleaved as ggml's RoPE reads them.

    transformers stores a head as [x0 … xk, y0 … yk]; ggml rotates neighbouring pairs: [x0, y0, … xk, yk].
    """
    count = rows.shape[0]
    return rows.reshape(heads, 2, count // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def unpermute_rows(rows: NDArray[Any], heads: int) -> NDArray[Any]:
    """The inverse of `permute_rows`."""
    count = rows.shape[0]
    return rows.reshape(heads, count // heads // 2, 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


class Family:
    arch: ClassVar[gguf.MODEL_ARCH]
    defaults: ClassVar[dict[str, Any]] = {}
    own_code: ClassVar[str] = ""
    """The module names of `auto_map` end in this where the family's releases carry the code of this very family."""
    embedding: ClassVar[str] = "model.embed_tokens.weight"
    head: ClassVar[str] = "lm_head.weight"
    final_norm: ClassVar[str] = "model.norm.weight"
    ups: ClassVar[int] = 1
    """Matrices in ffn_up: two where the gate is stored in it."""
    block: ClassVar[str] = "model.layers.{}."
    block_tensors: ClassVar[tuple[str, ...]] = ()
    """Checkpoint names every layer must have, below `block`; `{}` stands for the number of each expert."""
    rope_kinds: ClassVar[tuple[str, ...]] = ("default", "linear", "yarn", "llama3")
    llama3_factor: ClassVar[float] = 8.0
    """Where a llama3 rope has no factor."""
    norm_epsilon: ClassVar[str] = "rms_norm_eps"
    """What config.json calls it."""
    expert_order: ClassVar[tuple[str, ...]] = ()
    """GGUF names of a layer's stacked tensors, in the order in which llama.cpp's converter writes them."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = {**self.defaults, **{key: value for key, value in config.items() if value is not None}}
        self.layers = self._natural("num_hidden_layers", MAX_LAYERS)
        self.heads = self._natural("num_attention_heads")
        self.config.setdefault("num_key_value_heads", self.heads)
        self.kv_heads = self._natural("num_key_value_heads")
        self.hidden = self._natural("hidden_size")
        if ("head_dim" not in self.config and self.hidden % self.heads) or self.heads % self.kv_heads:
            raise InputRefused(
                _("config.json: hidden_size {hidden}, {heads} heads and {kv_heads} kv heads do not divide").format(
                    hidden=self.hidden, heads=self.heads, kv_heads=self.kv_heads
                )
            )
        if self.head_dim % 2:
            raise InputRefused(
                _("config.json: a head has {dim} values, an even number was expected").format(dim=self.head_dim)
            )
        self.rope = self.read_rope()
        self._names = gguf.get_tensor_name_map(self.arch, self.layers)

    @property
    def name(self) -> str:
        return str(gguf.MODEL_ARCH_NAMES[self.arch])

    @property
    def vocab_size(self) -> int:
        return self._natural("vocab_size")

    @property
    def head_dim(self) -> int:
        return self._natural("head_dim") if "head_dim" in self.config else self.hidden // self.heads

    @property
    def experts(self) -> int:
        """Of a layer; 0 in a dense model."""
        return 0

    @property
    def experts_used(self) -> int:
        """Of a layer, for each token."""
        return self._natural("num_experts_per_tok")

    @property
    def epsilon(self) -> float:
        """Of the norms."""
        return self._real(self.norm_epsilon)

    @property
    def is_70b(self) -> bool:
        """Whether llama.cpp's quantizer takes it for a 70B model, whose attn_v gets more bits."""
        return False

    def tensor(self, name: str) -> Tensor | None:
        """Where the checkpoint's `name` goes; None for what is left out. Raises InputRefused if unknown."""
        if name.endswith(_SKIPPED):
            return None
        expert = _EXPERT.search(name) if self.experts else None
        if expert is None:
            return Tensor(self._mapped(name), self.heads_to_permute(name), self.shift(name))
        stacked = f"{name[: expert.start()]}.experts.{name[expert.end() :]}"
        return Tensor(self._mapped(stacked), expert=int(expert[1]))

    def _mapped(self, name: str) -> str:
        """The GGUF name."""
        mapped = self._names.get_name(key=name, try_suffixes=(".weight", ".bias"))
        if mapped is None:
            raise InputRefused(
                _("tensor {name!r} does not belong to a {family} model of {layers} layers").format(
                    name=name[:120], family=self.name, layers=self.layers
                )
            )
        return str(mapped)

    def heads_to_permute(self, name: str) -> int:
        return 0

    def shift(self, name: str) -> float:
        return 0.0

    def required(self) -> Iterator[str]:
        """Checkpoint names without which the model would not run."""
        yield self.embedding
        for layer in range(self.layers):
            for name in self.block_tensors:
                numbers = range(self.experts) if "{}" in name else range(1)
                yield from (self.block.format(layer) + name.format(number) for number in numbers)
        yield self.final_norm
        if not self.config.get("tie_word_embeddings"):
            yield self.head

    def expected_shape(self, name: str) -> tuple[int, ...] | None:
        """Of the tensor `name` of the GGUF file, as config.json has it; None where this table does not say."""
        query, key = self.heads * self.head_dim, self.kv_heads * self.head_dim
        inner = self._natural("intermediate_size")
        return {
            "attn_q.weight": (query, self.hidden), "attn_q.bias": (query,),
            "attn_k.weight": (key, self.hidden), "attn_k.bias": (key,),
            "attn_v.weight": (key, self.hidden), "attn_v.bias": (key,),
            "attn_qkv.weight": (query + 2 * key, self.hidden),
            "attn_output.weight": (self.hidden, query),
            "ffn_gate.weight": (inner, self.hidden),
            "ffn_up.weight": (inner * self.ups, self.hidden),
            "ffn_down.weight": (self.hidden, inner),
            "attn_norm.weight": (self.hidden,), "ffn_norm.weight": (self.hidden,), "output_norm.weight": (self.hidden,),
            "token_embd.weight": (self.vocab_size, self.hidden), "output.weight": (self.vocab_size, self.hidden),
        }.get(_BLOCK.sub("", name))  # fmt: skip

    def extra_tensors(self) -> dict[str, NDArray[np.float32]]:
        """Tensors that are computed, not stored."""
        if self.rope.kind != "llama3":
            return {}
        return {"rope_freqs.weight": self.rope.llama3_factors(self.head_dim, self.llama3_factor)}

    def read_rope(self) -> Rope:
        return read_rope(self.config, self.rope_kinds)

    def rope_keys(self) -> list[Key]:
        return self.rope.keys(self.name)

    def first_keys(self) -> list[Key]:
        """What llama.cpp's converter writes while it makes the tensors, hence before all but the architecture."""
        return []

    def hyperparameters(self) -> list[Key]:
        """In llama.cpp's order, from block_count to the head lengths."""
        keys = [
            self._count("block_count", self.layers),
            self._count("context_length", self._natural("max_position_embeddings")),
            self._count("embedding_length", self.hidden),
            self._count("feed_forward_length", self._natural("intermediate_size")),
            *self._head_count_keys(),
            *self.rope_keys(),
            self._epsilon_key(),
        ]
        if self.experts:
            keys.append(self._count("expert_count", self.experts))
            keys.append(self._count("expert_used_count", self.experts_used))
        return keys + (self._head_length_keys() if "head_dim" in self.config else [])

    def family_keys(self) -> list[Key]:
        """What follows `general.file_type` for this family alone."""
        return []

    def _count(self, name: str, value: int) -> Key:
        return Key(f"{self.name}.{name}", value, Type.UINT32, None)

    def _number(self, name: str, value: float) -> Key:
        return Key(f"{self.name}.{name}", value, Type.FLOAT32, None)

    def _head_count_keys(self) -> list[Key]:
        return [
            self._count("attention.head_count", self.heads),
            self._count("attention.head_count_kv", self.kv_heads),
        ]

    def _head_length_keys(self) -> list[Key]:
        return [
            self._count("attention.key_length", self.head_dim),
            self._count("attention.value_length", self.head_dim),
        ]

    def _epsilon_key(self) -> Key:
        return self._number("attention.layer_norm_rms_epsilon", self.epsilon)

    def _natural(self, name: str, most: int = 2**31 - 1) -> int:
        value = self.config.get(name)
        if type(value) is not int or not 0 < value <= most:
            raise InputRefused(
                _("config.json: {name} is {value!r}, a positive integer up to {most} was expected").format(
                    name=name, value=str(value)[:40], most=most
                )
            )
        return value

    def _real(self, name: str) -> float:
        value = self.config.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e12:
            raise InputRefused(
                _("config.json: {name} is {value!r}, a number was expected").format(name=name, value=str(value)[:40])
            )
        return float(value)
