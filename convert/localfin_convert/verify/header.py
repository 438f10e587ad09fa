"""What the finished file's header makes llama.cpp compute, where a few short prompts would not show a mistake.

Wrong epsilons and rotations change little over some twenty positions, and ruin long texts. So the frequencies that
llama.cpp will rotate by are computed from the header alone, as ggml does it, and compared with the reference's.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from localfin_convert.architectures import family_of
from localfin_convert.plan import Plan
from localfin_convert.reference import Reference
from localfin_convert.write.output import Output
from localfin_models.errors import IntegrityFailed
from localfin_models.gguf_header import GgufHeader, Scalar
from localfin_models.language import _

_CLOSE = 1e-4
"""Relative; the file keeps float32."""


def compare_header(header: GgufHeader, output: Output, plan: Plan, reference: Reference) -> None:
    """`header`: of the first part of `output`. Raises IntegrityFailed."""
    family = family_of(plan.merge.checkpoint.config)
    epsilon = _number(header.keys, f"{family.name}.attention.layer_norm_rms_epsilon", 0.0)
    if not math.isclose(epsilon, family.epsilon, rel_tol=_CLOSE):
        raise IntegrityFailed(
            _("the file's norms have the epsilon {found}, the source's {expected}").format(
                found=epsilon, expected=family.epsilon
            )
        )
    expected = reference.frequencies()
    found = rope_frequencies(header, _factors(plan, output), family.head_dim)
    if found.shape != expected.shape or not np.allclose(found, expected, rtol=_CLOSE):
        raise IntegrityFailed(
            _("the file rotates positions by other frequencies than the source: check its rope settings")
        )


def rope_frequencies(header: GgufHeader, factors: NDArray[np.float32] | None, head_dim: int) -> NDArray[np.float32]:
    """Radians a position of each pair of values, as `ggml_rope_ext` of llama.cpp has them: (rotated / 2,)."""
    keys, prefix = header.keys, f"{header.architecture}.rope."
    rotated = int(_number(keys, prefix + "dimension_count", head_dim))
    base = _number(keys, prefix + "freq_base", 10_000.0)
    plain = base ** -(np.arange(0, rotated, 2) / rotated) / (1.0 if factors is None else factors)
    scaled = plain / _number(keys, prefix + "scaling.factor", 1.0)
    if keys.get(prefix + "scaling.type", "linear") != "yarn":
        return scaled.astype(np.float32)
    original = _number(keys, prefix + "scaling.original_context_length", header.n_ctx_train)
    fast, slow = (
        _number(keys, f"{prefix}scaling.yarn_beta_{name}", default) for name, default in (("fast", 32.0), ("slow", 1.0))
    )
    low, high = (rotated * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(base)) for turns in (fast, slow))
    low, high = max(0, math.floor(low)), min(rotated - 1, math.ceil(high))
    ramp = np.clip((np.arange(rotated // 2) - low) / max(0.001, high - low), 0, 1)
    return (scaled * ramp + plain * (1 - ramp)).astype(np.float32)


def _factors(plan: Plan, output: Output) -> NDArray[np.float32] | None:
    """What llama.cpp divides each frequency by, for a text within the original context."""
    names = ("rope_freqs.weight", "rope_factors_short.weight")
    tensor = next((tensor for tensor in plan.tensors if tensor.name in names), None)
    return None if tensor is None else np.frombuffer(output.read(tensor.n_bytes, tensor.offset), "<f4")


def _number(keys: Mapping[str, Scalar], name: str, default: float) -> float:
    value = keys.get(name, default)
    return float(value) if isinstance(value, int | float) else default
