"""`--tensor-type PATTERN=TYPE`: types for the tensors whose names a pattern finds, as llama-quantize takes them.

llama.cpp searches with C++'s std::regex (ECMAScript), we with Python's re: what only one of them knows, or what they
read differently, is refused.
"""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from gguf import GGMLQuantizationType as Type

from localfin_models.errors import InputRefused
from localfin_models.language import _

KINDS = {
    kind.name.lower(): kind
    for kind in (
        Type.F32, Type.F16, Type.BF16, Type.Q8_0, Type.Q6_K, Type.Q5_K, Type.Q4_K, Type.Q3_K, Type.Q2_K,
        Type.Q5_0, Type.Q5_1, Type.Q4_0, Type.Q4_1, Type.IQ4_NL, Type.IQ4_XS, Type.IQ3_S, Type.IQ3_XXS,
        Type.IQ2_S, Type.IQ2_XS, Type.IQ2_XXS, Type.IQ1_M, Type.IQ1_S, Type.TQ2_0, Type.TQ1_0, Type.MXFP4,
    )
}  # fmt: skip
"""What may stand behind the `=`."""
_DISAGREE = re.compile(
    r"\(\?(?![:!])"  # lookbehind, flags, named groups
    r"|[*+?}]\+"  # possessive
    r"|\\(?![dwsb]|[^0-9a-zA-Z])"  # other escapes, references to a group
    r"|\[\^?\]|\[[^]]*\["  # an empty class, one within another
    r"|\{(?!\d+(,\d*)?\})"  # a brace that begins no count
)


@dataclass(frozen=True, slots=True)
class Override:
    pattern: str
    """In lower case, as llama-quantize makes it; searched for anywhere in a name."""
    kind: Type

    def matches(self, name: str) -> bool:
        return re.search(self.pattern, name, re.ASCII) is not None


def read_override(text: str) -> Override:
    """`ffn_down=q6_k`. Raises InputRefused."""
    pattern, separator, kind = text.partition("=")
    if not (pattern and separator and kind.lower() in KINDS):
        raise InputRefused(
            _("--tensor-type {text}: PATTERN=TYPE was expected, with one of {types}").format(
                text=text, types=", ".join(KINDS)
            )
        )
    plain = pattern.isascii() and pattern.isprintable()  # else lower case differs; and no name has anything else
    pattern = pattern.lower()
    if not plain or _DISAGREE.search(pattern) or not _compiles(pattern):
        raise InputRefused(
            _("--tensor-type {text}: the pattern is none that llama.cpp and Python read alike").format(text=text)
        )
    return Override(pattern, KINDS[kind.lower()])


def refuse_idle(overrides: Sequence[Override], names: Sequence[str]) -> None:
    """Raises InputRefused for one that none of `names`, those of the quantized tensors, has: llama.cpp ignores it."""
    idle = next((one for one in overrides if not any(map(one.matches, names))), None)
    if idle is not None:
        raise InputRefused(
            _("--tensor-type {pattern}={type}: no tensor that is quantized has such a name").format(
                pattern=idle.pattern, type=idle.kind.name.lower()
            )
        )


def _compiles(pattern: str) -> bool:
    try:
        with warnings.catch_warnings(action="error", category=FutureWarning):  # sets whose meaning may change
            re.compile(pattern, re.ASCII)
    except (re.error, FutureWarning, RecursionError, OverflowError):
        return False
    return True
