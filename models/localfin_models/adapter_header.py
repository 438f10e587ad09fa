"""The header of a GGUF adapter, held against its base's in plain Python before any C code sees the file.

llama.cpp reads `general.type`, `adapter.type`, `adapter.lora.alpha` and a pair `NAME.lora_a`, `NAME.lora_b` for each
tensor NAME of the base that is changed. Shapes, the fastest dimension first: A (columns, rank), B (rank, rows), stacked
experts behind them; of the embedding A (rank, vocabulary), B (rank, width). It leaves out without a word what its
graphs do not look at, norms among it; shapes that it does not compare end the process in the first computation, as does
an embedding's pair where the embedding is the head, too. All of that is refused here.

Not covered: the numbers in the tensors.
Source: `src/llama-adapter.cpp` and `build_lora_mm` in `src/llama-graph.cpp` of llama.cpp.
"""

import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, NoReturn

from localfin_models.errors import InputRefused
from localfin_models.gguf_header import GgufHeader, TensorInfo, read_header
from localfin_models.language import _

_ALPHA = "adapter.lora.alpha"
_EMBEDDING, _HEAD = "token_embd.weight", "output.weight"
_FLOAT32 = 6  # gguf_type
_TYPES = frozenset({0, 1, 8, 30})  # ggml_type: F32, F16, Q8_0, BF16
_MULTIPLIED = re.compile(
    r"(blk\.\d+\.(attn_(q|k|v|qkv|output)|ffn_(gate|up|down)(_exps|_shexp)?|ffn_gate_inp)|output|token_embd)\.weight"
)


def check_adapter(file: BinaryIO, path: Path, base: GgufHeader) -> GgufHeader:
    """The header of the LoRA in `file`, which llama.cpp can apply to `base`; `path` names it in errors.

    Raises InputRefused with one line that says what is wrong.
    """
    header = read_header(file, path)
    _check_keys(header, base)
    tensors = {tensor.name: tensor for tensor in base.tensors}
    for name, (a, b) in _pairs(header).items():
        if name not in tensors:
            _refuse(header, _("the base has no tensor {name}; is it for another base?").format(name=_short(name)))
        if not _MULTIPLIED.fullmatch(name):
            _refuse(header, _("llama.cpp applies no LoRA to {name}").format(name=name))
        if name == _EMBEDDING and _HEAD not in tensors:
            _refuse(header, _("the base's embedding is its head, too; llama.cpp cannot apply a LoRA to it"))
        _check_shapes(header, name, a, b, tensors[name].shape)
    return header


def _check_keys(header: GgufHeader, base: GgufHeader) -> None:
    for key, expected in (("general.type", "adapter"), ("adapter.type", "lora")):
        if header.keys.get(key) != expected:
            found = _short(str(header.keys.get(key, _("missing"))))
            _refuse(header, _("{key} is {found}, {expected} was expected").format(
                key=key, found=found, expected=expected
            ))  # fmt: skip
    if header.architecture != base.architecture:
        _refuse(header, _("it is for {theirs} models, the base is a {ours}").format(
            theirs=_short(header.architecture), ours=base.architecture
        ))  # fmt: skip
    alpha = header.keys.get(_ALPHA)
    if header.types.get(_ALPHA) != _FLOAT32 or not isinstance(alpha, float) or not alpha or not math.isfinite(alpha):
        _refuse(header, _("{key} is {found}, a float32 other than 0 was expected").format(
            key=_ALPHA, found=_short(str(alpha))
        ))  # fmt: skip
    if any(key.startswith("adapter.alora.") for key in (*header.lengths, *header.keys)):
        _refuse(header, _("it is an aLoRA, which works from some token on: that is not supported"))


def _pairs(header: GgufHeader) -> dict[str, tuple[TensorInfo, TensorInfo]]:
    sides: dict[str, dict[str, TensorInfo]] = {}
    for tensor in header.tensors:
        name, _dot, side = tensor.name.rpartition(".")
        if side not in ("lora_a", "lora_b"):
            _refuse(header, _("{name} is no part of a LoRA").format(name=_short(tensor.name)))
        if tensor.type not in _TYPES:
            _refuse(header, _("{name} is not F32, F16, BF16 or Q8_0").format(name=_short(tensor.name)))
        sides.setdefault(name, {})[side] = tensor
    for name, found in sides.items():
        if len(found) < 2:
            _refuse(header, _("of {name} only one half is there").format(name=_short(name)))
    return {name: (found["lora_a"], found["lora_b"]) for name, found in sides.items()}


def _check_shapes(header: GgufHeader, name: str, a: TensorInfo, b: TensorInfo, base: tuple[int, ...]) -> None:
    rank = b.shape[0]
    columns, rows, *experts = base if len(base) > 1 else (*base, 1)
    fitting: list[tuple[int, ...]] = [(columns, rank, *experts), (rank, rows, *experts)]
    if name == _EMBEDDING:
        fitting = [(rank, rows), (rank, columns)]
    if [a.shape, b.shape] != fitting:
        _refuse(header, _("{name} is {a} and {b}, {fit_a} and {fit_b} would fit; is it for another base?").format(
            name=name, a=_spelled(a.shape), b=_spelled(b.shape), fit_a=_spelled(fitting[0]), fit_b=_spelled(fitting[1])
        ))  # fmt: skip


def _short(text: str) -> str:
    """Of what the file says, as much as a line takes, and nothing that a terminal obeys."""
    return "".join(character for character in text[:60] if character.isprintable())


def _spelled(shape: Iterable[int]) -> str:
    return "x".join(map(str, shape))


def _refuse(header: GgufHeader, reason: str) -> NoReturn:
    raise InputRefused(_("{path} is no LoRA for this base: {reason}").format(path=header.path, reason=reason))
