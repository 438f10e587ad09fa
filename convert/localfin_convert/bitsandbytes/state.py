"""Which tensors of a checkpoint bitsandbytes quantized, and how: their state is checked before anything trusts it.

    X.weight, X.weight.absmax, X.weight.quant_map, X.weight.quant_state.bitsandbytes__nf4 (JSON in bytes)     4 bits
    … with X.weight.nested_absmax, X.weight.nested_quant_map                                   double quantization
    X.weight, X.SCB, X.weight_format                                                                        LLM.int8

Reads the small tables and the JSON; no weights and no scales.
"""

import json
import re
from collections.abc import Mapping
from math import prod
from typing import Any

import numpy as np

from localfin_convert.bitsandbytes.arithmetic import BLOCKSIZES, TABLES, Floats
from localfin_convert.bitsandbytes.stored import EightBit, FourBit, NestedScales, PlainScales, Scales
from localfin_convert.read.positional import OpenFiles
from localfin_convert.read.safetensors_file import StoredTensor
from localfin_convert.read.source import Source
from localfin_models.errors import InputRefused
from localfin_models.language import _

_DTYPES = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}
_PART = re.compile(
    r"^(?P<module>.+)\.(?P<part>SCB|weight_format"
    r"|weight\.(?:absmax|quant_map|nested_absmax|nested_quant_map|quant_state\.bitsandbytes__\w+))$"
)
_STATE = "weight.quant_state.bitsandbytes__"
_PLAIN, _NESTED = {"weight.absmax", "weight.quant_map"}, {"weight.nested_absmax", "weight.nested_quant_map"}
_MAX_STATE = 4096  # bytes of JSON
_CLOSE = 1e-4  # bitsandbytes' own tables of FP4 were rounded now and then, and it does not use the stored one
_PACKED = ("U8", "I8", "BF16", "F16", "F32")

Parts = Mapping[str, StoredTensor]
"""A module's state by the end of its tensors' names."""


def quantized_sources(stored: Mapping[str, StoredTensor], config: Mapping[str, Any]) -> dict[str, Source]:
    """`stored`, in its order, with each quantized weight in the place of its parts.

    Raises InputRefused for a malformed state.
    """
    parts: dict[str, dict[str, StoredTensor]] = {}
    sources: dict[str, Source] = {}
    for name, tensor in stored.items():
        match = _PART.match(name)
        if match is None:
            sources[name] = tensor
        else:
            parts.setdefault(f"{match['module']}.weight", {})[match["part"]] = tensor
    with OpenFiles() as files:
        for name, own in parts.items():
            if name not in sources:
                raise _malformed(name, _("the weight itself is missing"))
            weight = stored[name]
            sources[name] = _eight_bit(weight, own, config, files) if "SCB" in own else _four_bit(weight, own, files)
    return sources


def _eight_bit(weight: StoredTensor, parts: Parts, config: Mapping[str, Any], files: OpenFiles) -> EightBit:
    scb = parts["SCB"]
    if weight.dtype != "I8" or len(weight.shape) != 2 or (scb.dtype, scb.shape) != ("F32", weight.shape[:1]):
        raise _malformed(weight.name, _("its shape or dtype does not fit its SCB"))
    if not parts.keys() <= {"SCB", "weight_format"}:
        raise _malformed(weight.name, _("it has the state of 4 and of 8 bits"))
    layout = parts.get("weight_format")
    if layout is not None and (layout.n_bytes != 1 or layout.values(files, 0, 1) != b"\0"):
        raise _malformed(weight.name, _("its rows are stored in another order; load it on its GPU and save it again"))
    dtype = str(config.get("dtype", config.get("torch_dtype", "float16")))
    if dtype not in _DTYPES:
        raise InputRefused(
            _("config.json: dtype is {dtype!r}; {known} were expected").format(
                dtype=dtype[:40], known=", ".join(_DTYPES)
            )
        )
    return EightBit(weight.name, _DTYPES[dtype], weight, scb)


def _four_bit(weight: StoredTensor, parts: Parts, files: OpenFiles) -> FourBit:
    keys = [key for key in parts if key.startswith(_STATE)]
    if len(keys) != 1 or parts.keys() - {keys[0]} not in (_PLAIN, _PLAIN | _NESTED):
        raise _malformed(weight.name, _("parts of it are missing or too many"))
    kind = keys[0].removeprefix(_STATE)
    if kind not in TABLES:
        raise _malformed(weight.name, _("{kind!r} is neither nf4 nor fp4").format(kind=kind[:40]))
    nested = parts.keys() >= _NESTED
    state = _state(weight.name, parts[keys[0]], kind, files, nested=nested)
    shape, blocksize = (state["shape"][0], state["shape"][1]), state["blocksize"]
    count = prod(shape)
    if weight.dtype not in _PACKED or weight.n_bytes != (count + 1) // 2:
        raise _malformed(
            weight.name,
            _("{found} bytes, {expected} for {shape}").format(
                found=weight.n_bytes, expected=(count + 1) // 2, shape=list(shape)
            ),
        )
    table = _table(weight.name, parts["weight.quant_map"], 16, files)
    if np.abs(table - TABLES[kind]).max() > _CLOSE:
        raise _malformed(weight.name, _("its quant_map is not that of {kind}").format(kind=kind))
    scales = _scales(weight.name, parts, state, -(-count // blocksize), files, nested=nested)
    return FourBit(weight.name, _DTYPES[state["dtype"]], shape, kind, blocksize, weight, scales)


def _scales(
    name: str, parts: Parts, state: Mapping[str, Any], blocks: int, files: OpenFiles, *, nested: bool
) -> Scales:
    absmax = parts["weight.absmax"]
    if (absmax.dtype, absmax.shape) != ("U8" if nested else "F32", (blocks,)):
        raise _malformed(name, _("its absmax is not one a block"))
    if not nested:
        return PlainScales(absmax)
    blocksize, outer = state["nested_blocksize"], parts["weight.nested_absmax"]
    if (outer.dtype, outer.shape) != ("F32", (-(-blocks // blocksize),)):
        raise _malformed(name, _("its nested_absmax is not one a block"))
    table = _table(name, parts["weight.nested_quant_map"], 256, files)
    return NestedScales(absmax, outer, table, np.float32(state["nested_offset"]), blocksize)


def _table(name: str, stored: StoredTensor, size: int, files: OpenFiles) -> Floats:
    if (stored.dtype, stored.shape) != ("F32", (size,)):
        raise _malformed(name, _("a quant_map is not {size} numbers").format(size=size))
    table = np.frombuffer(stored.values(files, 0, size), "<f4")
    if not (np.abs(table) <= 1).all():  # NaN too
        raise _malformed(name, _("a quant_map holds more than -1 to 1"))
    return table


def _state(name: str, stored: StoredTensor, kind: str, files: OpenFiles, *, nested: bool) -> dict[str, Any]:
    """The JSON object, its keys and values checked."""
    state: Any = None
    if stored.dtype == "U8" and len(stored.shape) == 1 and stored.n_bytes <= _MAX_STATE:
        try:
            state = json.loads(stored.values(files, 0, stored.n_bytes))
        except (ValueError, RecursionError):
            state = None
    checks = {**_CHECKS, **_NESTED_CHECKS} if nested else _CHECKS
    if not isinstance(state, dict) or state.keys() != checks.keys() or state["quant_type"] != kind:
        raise _malformed(name, _("its quant_state is not the JSON expected"))
    wrong = next((key for key, check in checks.items() if not check(state[key])), None)
    if wrong is not None:
        raise _malformed(name, _("{key} is {value}").format(key=wrong, value=str(state[wrong])[:40]))
    return state


def _is_blocksize(value: object) -> bool:
    return type(value) is int and value in BLOCKSIZES


def _is_shape(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(item) is int and 0 < item < 2**31 for item in value)


def _is_number(value: object) -> bool:
    return isinstance(value, float | int) and abs(value) <= float(np.finfo(np.float32).max)  # neither NaN nor Inf is


_CHECKS = {
    "quant_type": tuple(TABLES).__contains__,  # tuples, as a list is in no dict and cannot even be asked for
    "blocksize": _is_blocksize,
    "dtype": tuple(_DTYPES).__contains__,
    "shape": _is_shape,
}
_NESTED_CHECKS = {
    "nested_blocksize": _is_blocksize,
    "nested_dtype": ("float32",).__contains__,
    "nested_offset": _is_number,
}


def _malformed(name: str, what: str) -> InputRefused:
    return InputRefused(
        _("tensor {name}: what bitsandbytes saved of it is malformed: {what}").format(name=name[:120], what=what)
    )
