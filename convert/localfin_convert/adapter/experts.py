"""LoRA on the experts of a mixture and on its router: peft's form for fused experts, and the older one for single ones.

Checkpoints store one matrix an expert and projection. transformers 5 fuses them into `experts.gate_up_proj`
(experts, 2 * inner, hidden) and `experts.down_proj` (experts, hidden, inner), which peft trains as parameters: A is
(experts * r, in) with one expert's rows together, B is (out, r * experts) with one expert's columns `experts` apart
(`ParamWrapper.get_delta_weight` of peft's `tuners/lora/layer.py`). Where both are trained, the wrapper of gate_up_proj
stands inside that of down_proj and is saved as its `base_layer`.

Adapters that were trained with transformers 4 hold LoRA for each expert. peft fuses them when it loads them
(`utils/transformers_weight_conversion.py`): gate and up side by side with twice the rank, zeros between them, and
scaled by patterns of its own. The deltas are the same as long as those patterns give the trained scale; elsewhere, and
where only some experts were trained, peft fails or is wrong, and this refuses. peft rounds deltas of parameters to the
weight's type before adding them. Mixtral's `block_sparse_moe` is called `mlp` in transformers 5.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from localfin_convert.adapter.changes import Change, LowRank
from localfin_convert.adapter.folder import Folder, matrix, refuse_shape
from localfin_convert.adapter.targets import names_parameter, rank_and_scale
from localfin_convert.read.safetensors_file import DTYPE_BYTES, StoredTensor
from localfin_convert.read.source import Source
from localfin_models.errors import InputRefused
from localfin_models.language import _

PREFIX = "base_model.model."
_EXPERT = re.compile(r"^(?P<block>.+)\.experts\.(?P<number>\d+)\.(?P<projection>\w+)\.weight$")
_GATE_UP, _DOWN = "gate_up_proj", "down_proj"
_FUSED = {"gate_proj": _GATE_UP, "up_proj": _GATE_UP, "down_proj": _DOWN, "w1": _GATE_UP, "w3": _GATE_UP, "w2": _DOWN}
"""By the projection's name, in the order in which they are fused."""
_OF_LAYERS = ("use_dora", "lora_bias", "kasa_config", "velora_config", "monteclora_config", "use_bdlora")
_FUSED_WHOLE = re.compile(r"^base_model\.model\.(?P<block>.+)\.experts\.(?P<fused>gate_up_proj|down_proj)$")


@dataclass(frozen=True, slots=True)
class Stack:
    """The matrices of the checkpoint that transformers fuses into one parameter."""

    parameter: str
    """transformers' name of it."""
    modules: tuple[tuple[str, ...], ...]
    """Their modules by projection, then by expert."""
    shape: tuple[int, ...]
    """Of each of them: (out, in)."""

    @property
    def experts(self) -> int:
        return len(self.modules[0])


def read_experts(
    folder: Folder, base: Mapping[str, Source]
) -> tuple[dict[str, tuple[Change, ...]], dict[str, StoredTensor]]:
    """Changes of the experts by base tensor, and what else the adapter holds, by names of this checkpoint's modules.

    Raises InputRefused for half an adapter, shapes of another base, and what peft would merge otherwise than trained.
    """
    stacks = _stacks(base)
    if not stacks:
        return {}, folder.tensors
    tensors = _renamed(folder, stacks)
    changes: dict[str, tuple[Change, ...]] = {}
    for stack in stacks.values():
        for keys, read in ((_fused_keys(folder, stack), _from_fused), (_single_keys(stack), _from_single)):
            held = {key: tensors.pop(key) for key in keys if key in tensors}
            if held:
                refuse_variants(folder, stack.parameter)
                for module, change in read(folder, stack, held):
                    if f"{module}.weight" in changes:
                        raise trained_twice(module)
                    changes[f"{module}.weight"] = (change,)
    for key in [key for key in tensors if _FUSED_WHOLE.match(key)]:
        tensors |= _slices(stacks, key, tensors.pop(key))
    return changes, tensors


def trained_twice(module: str) -> InputRefused:
    return InputRefused(_("the adapter trains {module} in two ways at once").format(module=module))


def router_parameter(module: str, base: Mapping[str, Source]) -> str | None:
    """The router's weight as transformers names it, which peft trains as a parameter; None for other modules."""
    block, _dot, leaf = module.rpartition(".")
    return _transformers_name(f"{module}.weight") if leaf == "gate" and _is_mixture(block, base) else None


def refuse_variants(folder: Folder, parameter: str) -> None:
    """What peft has for layers only, or would compute from what a parameter's module does not have."""
    used = next((name for name in _OF_LAYERS if folder.config.get(name)), None)
    if folder.config.get("init_lora_weights") in ("pissa", "olora"):
        used = str(folder.config["init_lora_weights"])
    if used is not None:
        raise InputRefused(
            _("{name}: {kind} of a parameter ({parameter}) is not merged").format(
                name=folder.name, kind=used, parameter=parameter
            )
        )


def scaled_otherwise(folder: Folder, module: str) -> InputRefused:
    return InputRefused(
        _(
            "{name}: peft with transformers 5 gives {module} another rank or scale than it was trained with "
            "(rsLoRA and patterns by the old names are lost there); merge it with transformers 4"
        ).format(name=folder.name, module=module)
    )


def _is_mixture(block: str, base: Mapping[str, Source]) -> bool:
    return any(f"{block}.experts.0.{projection}.weight" in base for projection in ("w2", "down_proj"))


def _stacks(base: Mapping[str, Source]) -> dict[str, Stack]:
    """By the fused parameter's name."""
    found: dict[str, dict[str, list[tuple[int, str]]]] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    for name, stored in base.items():
        match = _EXPERT.match(name)
        if match is not None and match["projection"] in _FUSED:
            parameter = _transformers_name(f"{match['block']}.experts.{_FUSED[match['projection']]}")
            module = name.removesuffix(".weight")
            found.setdefault(parameter, {}).setdefault(match["projection"], []).append((int(match["number"]), module))
            shapes[parameter] = stored.shape
    return {
        parameter: Stack(
            parameter,
            tuple(tuple(module for _, module in sorted(own[name])) for name in _FUSED if name in own),
            shapes[parameter],
        )
        for parameter, own in found.items()
    }


def _renamed(folder: Folder, stacks: Mapping[str, Stack]) -> dict[str, StoredTensor]:
    """The adapter's tensors under the names that this checkpoint gives to their modules."""
    mixtral = any(".block_sparse_moe." in stack.modules[0][0] for stack in stacks.values())
    tensors: dict[str, StoredTensor] = {}
    for key, tensor in folder.tensors.items():
        name = key.replace(".mlp.", ".block_sparse_moe.") if mixtral else key
        if name in tensors:
            raise trained_twice(name.removeprefix(PREFIX))
        tensors[name] = tensor
    return tensors


def _transformers_name(name: str) -> str:
    return name.replace(".block_sparse_moe.", ".mlp.")


def _fused_keys(folder: Folder, stack: Stack) -> list[str]:
    """Of A and B where peft trains the fused parameter; none where `target_parameters` does not name it."""
    if not names_parameter(folder.config, stack.parameter):
        return []
    container, _dot, fused = stack.parameter.rpartition(".")
    inner = fused == _GATE_UP and names_parameter(folder.config, f"{container}.{_DOWN}")
    experts = stack.modules[0][0].rsplit(".", 2)[0]
    return _keys(f"{experts}.base_layer" if inner else experts)


def _single_keys(stack: Stack) -> list[str]:
    return [key for modules in stack.modules for module in modules for key in _keys(module)]


def _keys(module: str) -> list[str]:
    return [f"{PREFIX}{module}.lora_{side}.weight" for side in "AB"]


def _from_fused(folder: Folder, stack: Stack, held: Mapping[str, StoredTensor]) -> Iterator[tuple[str, LowRank]]:
    a, b = _both(held, stack.parameter)
    rank, scale = rank_and_scale(folder, stack.parameter)
    (out, columns), parts = stack.shape, len(stack.modules)
    refuse_shape(
        {a: (rank * stack.experts, columns), b: (out * parts, rank * stack.experts)},
        (stack.experts, out * parts, columns),
    )
    rows, values = matrix(a), matrix(b)
    for part, modules in enumerate(stack.modules):
        for expert, module in enumerate(modules):
            own = values[part * out : (part + 1) * out, expert :: stack.experts].copy()
            yield module, LowRank(rows[expert * rank : (expert + 1) * rank], own, scale, rounds_delta=True)


def _from_single(folder: Folder, stack: Stack, held: Mapping[str, StoredTensor]) -> Iterator[tuple[str, LowRank]]:
    modules = [module for projection in stack.modules for module in projection]
    missing = next((m for m in modules if f"{PREFIX}{m}.lora_A.weight" not in held), None)
    if missing is not None:
        raise InputRefused(
            _("{name} trains some experts but not {missing}; peft needs all of {parameter}, which it fuses").format(
                name=folder.name, missing=missing, parameter=stack.parameter
            )
        )
    fused = _fused_scale(folder, stack)
    for module in modules:
        a, b = _both({key: held[key] for key in _keys(module) if key in held}, module)
        rank, scale = rank_and_scale(folder, module)
        if (rank, scale) != fused:
            raise scaled_otherwise(folder, module)
        refuse_shape({a: (rank, stack.shape[1]), b: (stack.shape[0], rank)}, stack.shape)
        yield module, LowRank(matrix(a), matrix(b), scale, rounds_delta=True)


def _fused_scale(folder: Folder, stack: Stack) -> tuple[float, float]:
    """Rank and scale of one projection after peft's fusing, as `_convert_peft_config_moe` sets them."""
    parts, config = len(stack.modules), folder.config
    if parts == 1:
        return rank_and_scale(folder, stack.parameter)
    patterns = {
        key: {**(config.get(key) or {}), rf".*\.{_GATE_UP}": config.get(default, 0) * parts}
        for key, default in (("rank_pattern", "r"), ("alpha_pattern", "lora_alpha"))
    }
    rank, scale = rank_and_scale(replace(folder, config={**config, **patterns}), stack.parameter)
    return rank / parts, scale


def _both(held: Mapping[str, StoredTensor], module: str) -> tuple[StoredTensor, StoredTensor]:
    sides = {key.rsplit(".", 2)[1]: tensor for key, tensor in held.items()}
    if len(sides) != 2:
        raise InputRefused(
            _("the adapter has only one half ({side}) for {module}").format(side=next(iter(sides)), module=module)
        )
    return sides["lora_A"], sides["lora_B"]


def _slices(stacks: Mapping[str, Stack], key: str, tensor: StoredTensor) -> dict[str, StoredTensor]:
    """A fused parameter of modules_to_save, cut into the checkpoint's matrices: each is one run of its bytes."""
    stack = stacks.get(_transformers_name(key.removeprefix(PREFIX)))
    if stack is None:
        return {key: tensor}
    (out, columns), parts = stack.shape, len(stack.modules)
    refuse_shape({tensor: (stack.experts, out * parts, columns)}, (stack.experts, out * parts, columns))
    size = out * columns * DTYPE_BYTES[tensor.dtype]
    return {
        f"{PREFIX}{module}.weight": StoredTensor(
            tensor.name, tensor.dtype, stack.shape, tensor.path, tensor.offset + (expert * parts + part) * size, size
        )
        for part, modules in enumerate(stack.modules)
        for expert, module in enumerate(modules)
    }
