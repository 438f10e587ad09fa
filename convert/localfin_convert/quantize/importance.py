"""`--imatrix`: which tensors an importance matrix weighs, as llama_model_quantize takes it; which types need one.

llama.cpp weighs whatever the matrix names, embedding and head as well. Rows of another size are an error; the embedding
it then leaves unweighed. Types of about two bits are refused without importance. In the embedding and the head
llama.cpp lets them pass, and ggml ends the process for three of them.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from gguf import GGMLQuantizationType as Type
from numpy.typing import NDArray

from localfin_convert.imatrix import Imatrix
from localfin_convert.quantize.types import Choice, Shape
from localfin_models.errors import InputRefused
from localfin_models.language import _

Importance = Mapping[str, NDArray[np.float32]]
"""By tensor: (experts, columns), one expert for a plain matrix."""
EMBEDDING, _HEAD = "token_embd.weight", "output.weight"
_NEED_IT = frozenset({Type.IQ3_XXS, Type.IQ2_XXS, Type.IQ2_XS, Type.IQ2_S, Type.IQ1_M, Type.IQ1_S})
_ABORT_WITHOUT = frozenset({Type.IQ2_XXS, Type.IQ2_XS, Type.IQ1_S})
_PLAIN = frozenset({Type.F32, Type.F16, Type.BF16})
_MOST = np.float32(1e20)
"""Far beyond any activation's square; near float32's end ggml's sums overflow, and some types end the process."""


def importance_of(imatrix: Imatrix | None, tensors: Sequence[Shape], choices: Mapping[str, Choice]) -> Importance:
    """For the tensors that it weighs. Raises InputRefused for one of another model, and where one is needed."""
    if imatrix is not None and not any(tensor.name in imatrix.importance for tensor in tensors):
        raise InputRefused(_("{name} weighs no tensor of this model").format(name=imatrix.name))
    found = dict[str, NDArray[np.float32]]()
    for tensor in tensors:
        choice = choices[tensor.name]
        rows = None
        if imatrix is not None and choice.final is not choice.intermediate:
            rows = _rows(imatrix, tensor)
        if rows is not None and choice.final not in _PLAIN:
            found[tensor.name] = rows
        needing = _ABORT_WITHOUT if tensor.name in (EMBEDDING, _HEAD) else _NEED_IT
        if rows is None and choice.final in needing:
            raise _needed(imatrix, tensor.name, choice.final)
    return found


def unweighed(tensors: Sequence[Shape], choices: Mapping[str, Choice], importance: Importance) -> list[str]:
    """Names of the quantized matrices that it leaves out; but not embedding and head, which are seldom measured."""
    return [
        tensor.name
        for tensor in tensors
        if tensor.name not in (*importance, EMBEDDING, _HEAD) and choices[tensor.name].final not in _PLAIN
    ]


def _rows(imatrix: Imatrix, tensor: Shape) -> NDArray[np.float32] | None:
    experts = tensor.shape[0] if len(tensor.shape) == 3 else 1
    held = imatrix.importance.get(tensor.name)
    if tensor.name == EMBEDDING and held is not None and held.size != tensor.shape[-1]:
        return None
    rows = imatrix.of(tensor.name, experts, tensor.shape[-1])
    if rows is not None and not (rows <= _MOST).all():
        raise InputRefused(
            _("{name} holds no mean squares for {tensor}: some are beyond any").format(
                name=imatrix.name, tensor=tensor.name
            )
        )
    return rows


def _needed(imatrix: Imatrix | None, tensor: str, kind: Type) -> InputRefused:
    if imatrix is None:
        return InputRefused(
            _("{type} for {tensor} needs an importance matrix: --imatrix FILE").format(type=kind.name, tensor=tensor)
        )
    return InputRefused(
        _("{type} for {tensor} needs its importance, and {name} has none").format(
            type=kind.name, tensor=tensor, name=imatrix.name
        )
    )
