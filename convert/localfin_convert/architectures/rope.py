"""Rotary position embeddings: what config.json says about them, their GGUF keys, and Llama 3's frequency factors."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from gguf import GGUFValueType as Type
from numpy.typing import NDArray

from localfin_convert.keys import Key
from localfin_models.errors import InputRefused
from localfin_models.language import _

_YARN_KEYS = (
    ("yarn_ext_factor", ("extrapolation_factor",)),
    ("yarn_attn_factor", ("attention_factor", "attn_factor")),
    ("yarn_beta_fast", ("beta_fast",)),
    ("yarn_beta_slow", ("beta_slow",)),
)


@dataclass(frozen=True, slots=True)
class Rope:
    """The parameters as transformers 5 arranges them, whichever way config.json spells them."""

    parameters: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return str(self.parameters["rope_type"])

    def has(self, name: str) -> bool:
        return self.parameters.get(name) is not None

    def number(self, name: str, default: float | None = None) -> float:
        """Raises InputRefused unless it is positive; `default` stands in where it is absent."""
        value = self.parameters.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e12:
            raise InputRefused(
                _("config.json: rope {name} is {value!r}, a positive number was expected").format(
                    name=name, value=str(value)[:40]
                )
            )
        return float(value)

    def keys(self, family: str) -> list[Key]:
        """In llama.cpp's order: scaling, then the base frequency."""
        prefix, keys = f"{family}.rope", list[Key]()
        if self.kind in ("linear", "yarn") and self.has("factor"):
            keys.append(Key(f"{prefix}.scaling.type", self.kind, Type.STRING, None))
            keys.append(Key(f"{prefix}.scaling.factor", self.number("factor"), Type.FLOAT32, None))
        if self.kind == "yarn" and self.has("factor"):
            original = int(self.number("original_max_position_embeddings"))
            keys.append(Key(f"{prefix}.scaling.original_context_length", original, Type.UINT32, None))
            for name, spellings in _YARN_KEYS:
                source = next((spelling for spelling in spellings if spelling in self.parameters), "")
                if self.has(source):
                    keys.append(Key(f"{prefix}.scaling.{name}", self.number(source), Type.FLOAT32, None))
        keys.append(Key(f"{prefix}.freq_base", self.number("rope_theta"), Type.FLOAT32, None))
        return keys

    def llama3_factors(self, dim: int, default_factor: float) -> NDArray[np.float32]:
        """What llama.cpp divides each frequency by (`conversion/llama.py`), float32 as torch's: (dim / 2,).

        torch divides a Python number by a tensor as reciprocal, then product; so does this. Its vectorised float32
        power is within one unit in the last place, ours correctly rounded: about one power in a hundred differs, and
        only in the narrow blended band does that reach a factor (none for published thetas and head sizes).
        """
        one = np.float32(1)
        exponents = np.arange(0, dim, 2, dtype=np.float32) / np.float32(dim)
        powers = np.power(np.float64(np.float32(self.number("rope_theta"))), exponents.astype(np.float64))
        wavelengths = one / (one / powers.astype(np.float32)) * np.float32(2 * math.pi)
        factor = self.number("factor", default_factor)
        low, high = self.number("low_freq_factor", 1.0), self.number("high_freq_factor", 4.0)
        original = self.number("original_max_position_embeddings", 8192)
        if low >= high:
            raise InputRefused(_("config.json: rope low_freq_factor must be smaller than high_freq_factor"))
        smooth = (one / wavelengths * np.float32(original) - np.float32(low)) / np.float32(high - low)
        blended = one / ((one - smooth) / np.float32(factor) + smooth)
        factors = np.where(wavelengths > np.float32(original / low), np.float32(factor), blended)
        return np.where(wavelengths < np.float32(original / high), one, factors).astype(np.float32)


def read_rope(config: Mapping[str, Any], kinds: tuple[str, ...], nested: str | None = None) -> Rope:
    """From `rope_parameters`, or the older `rope_scaling` and `rope_theta`; of the layers of type `nested`, if given.

    Raises InputRefused for a kind that is none of `kinds`.
    """
    stored: object = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if isinstance(stored, dict) and nested is not None and isinstance(stored.get(nested), dict):
        stored = stored[nested]
    if not isinstance(stored, dict):
        raise InputRefused(_("config.json: rope_parameters is not an object"))
    parameters = dict(stored)
    parameters.setdefault("rope_type", parameters.get("type", "default"))
    parameters.setdefault("rope_theta", config.get("rope_theta", 10000.0))
    if parameters["rope_type"] in ("llama3", "yarn"):
        parameters.setdefault("original_max_position_embeddings", config.get("max_position_embeddings"))
    if parameters["rope_type"] not in kinds:
        raise InputRefused(
            _("config.json: rope type {kind!r} is not supported").format(kind=str(parameters["rope_type"])[:40])
        )
    return Rope(parameters)
