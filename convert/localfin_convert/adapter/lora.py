"""A LoRA adapter's tensors as changes of the base's, every one accounted for; what cannot be merged is refused by name.

delta = (B @ A) * scale with scale = weight * alpha / r, or / sqrt(r) for rsLoRA (peft `tuners/lora/layer.py`). Around
it peft stores DoRA's magnitudes, rows of single tokens, and whole tensors: modules_to_save, trained biases, embeddings
that were saved because they were resized or targeted. `fan_in_fan_out` concerns layers that store (in, out), which
none of the families here has: peft switches it off for the others. `layers_to_transform` only chose the names.
"""

import re
from collections.abc import Iterator, Mapping

import numpy as np

from localfin_convert.adapter.changes import AddedBias, Change, LowRank, Rows, WeightDecomposed
from localfin_convert.adapter.experts import (
    read_experts,
    refuse_variants,
    router_parameter,
    scaled_otherwise,
    trained_twice,
)
from localfin_convert.adapter.folder import Folder, check_dtype, matrix, refuse_shape
from localfin_convert.adapter.peft_layers import Alone
from localfin_convert.adapter.targets import names_module, names_parameter, rank_and_scale
from localfin_convert.adapter.through_peft import merged_layers, require_peft
from localfin_convert.adapter.tokens import refuse_missing_rows, token_rows
from localfin_convert.adapter.whole import Found, whole_tensors
from localfin_convert.read.safetensors_file import StoredTensor
from localfin_convert.read.source import Source
from localfin_models.errors import InputRefused
from localfin_models.language import _

_PLAIN_INITS = (True, False, None, "gaussian", "eva", "orthogonal", "mica")
"""Initialisations that leave the base alone."""
_REPEATED_INITS = ("pissa", "olora")
"""Those that subtract from the base what peft computes anew, and alike, whenever it loads the adapter."""
_VARIANTS = ("kasa_config", "velora_config", "monteclora_config", "use_bdlora")
"""Settings of variants with tensors or shapes of their own."""
_NAME = r"^base_model\.model\.(?P<module>.+)\."
_ROLES = tuple(
    (re.compile(_NAME + tail + "$"), role)
    for tail, role in (
        (r"lora_A\.weight", "lora_A"),
        (r"lora_B\.weight", "lora_B"),
        (r"lora_B\.bias", "lora_bias"),
        (r"lora_embedding_A", "lora_embedding_A"),
        (r"lora_embedding_B", "lora_embedding_B"),
        (r"lora_magnitude_vector(?:\.weight)?", "lora_magnitude_vector"),
        (r"token_adapter\.trainable_tokens_delta", "trainable_tokens"),
    )
)
_OTHER_ROLES = re.compile(_NAME.replace(".+", ".+?") + r"(?P<part>lora_[^.]+(?:\..+)?)$"), ""
Parts = dict[str, StoredTensor]
"""A module's adapter tensors by role."""


def read_lora(folder: Folder, base: Mapping[str, Source]) -> Found:
    """Raises InputRefused; reads the adapter's small tensors, of whole ones only the header."""
    _refuse_unsupported(folder)
    changes, tensors = read_experts(folder, base)
    parts, loaded, saved = _sort(folder, tensors, base)
    refuse_missing_rows(folder, parts)
    by_peft = {module: roles for module, roles in parts.items() if _is_variant(folder, roles)}
    for module in by_peft:
        if (router := router_parameter(module, base)) is not None:
            refuse_variants(folder, router)
    if by_peft:
        require_peft(folder, "LoRA")
        modules = {module: {tensor.name: tensor for tensor in roles.values()} for module, roles in by_peft.items()}
        changes |= merged_layers(folder, Alone(folder.path), modules, base, loaded)
    for module, roles in parts.items():
        if module in by_peft:
            continue
        name = f"{module}.weight"
        shape = loaded.get(name, base[name]).shape
        for target, change in _module_changes(folder, module, roles, shape, base):
            changes[target] = (*changes.get(target, ()), change)
    twice = next((name for name in changes if name in saved), None)
    if twice is not None:
        raise trained_twice(twice)
    return Found(loaded, saved, changes)


def _refuse_unsupported(folder: Folder) -> None:
    config, init = folder.config, folder.config.get("init_lora_weights", True)
    reason = None
    if config.get("alora_invocation_tokens"):
        reason = _("an aLoRA works only behind its invocation tokens, so neither this nor peft merges it")
    elif config.get("arrow_config"):
        reason = _("Arrow chooses among adapters at run time, so neither this nor peft merges it")
    elif config.get("layer_replication"):
        reason = _("layer_replication makes another model, with layers that the base does not have")
    elif init not in (*_PLAIN_INITS, *_REPEATED_INITS):
        reason = _(
            "init_lora_weights={init!r} changed the base in a way that cannot be computed again; save the adapter with "
            "save_pretrained(…, path_initial_model_for_weight_conversion=…)"
        ).format(init=str(init)[:40])
    elif config.get("bias", "none") not in ("none", "all", "lora_only"):
        reason = _("bias={bias!r} is not known").format(bias=str(config["bias"])[:40])
    if reason is not None:
        raise InputRefused(_("{name}: {reason}").format(name=folder.name, reason=reason))


def _sort(
    folder: Folder, tensors: Mapping[str, StoredTensor], base: Mapping[str, Source]
) -> tuple[dict[str, Parts], dict[str, StoredTensor], dict[str, StoredTensor]]:
    """Each tensor by its module and role, or as a whole tensor of the base. Raises InputRefused for what is neither."""
    parts: dict[str, Parts] = {}
    others: dict[str, StoredTensor] = {}
    roles = (*_ROLES, _OTHER_ROLES) if any(folder.config.get(name) for name in _VARIANTS) else _ROLES
    for key, tensor in tensors.items():
        check_dtype(tensor)
        match, role = next(((m, role) for pattern, role in roles if (m := pattern.match(key))), (None, ""))
        if match is not None and f"{match['module']}.weight" in base and _expected(folder, role):
            parts.setdefault(match["module"], {})[role or match["part"]] = tensor
        else:
            others[key] = tensor
    return parts, *whole_tensors(folder, others, base, parts)


def _expected(folder: Folder, role: str) -> bool:
    """A magnitude without `use_dora` would be left out by peft: it matches nothing there."""
    needed = {"lora_magnitude_vector": "use_dora", "lora_bias": "lora_bias"}.get(role)
    return needed is None or bool(folder.config.get(needed))


def _is_variant(folder: Folder, roles: Parts) -> bool:
    """Whether peft merges the module: DoRA of an embedding takes its norms over all rows, others have more parts."""
    config = folder.config
    return "trainable_tokens" not in roles and (
        config.get("init_lora_weights", True) in _REPEATED_INITS
        or any(config.get(name) for name in _VARIANTS)
        or (bool(config.get("use_dora")) and "lora_embedding_A" in roles)
    )


def _module_changes(
    folder: Folder, module: str, roles: Parts, shape: tuple[int, ...], base: Mapping[str, Source]
) -> Iterator[tuple[str, Change]]:
    name = f"{module}.weight"
    if "trainable_tokens" in roles:
        if len(roles) > 1 or len(shape) != 2:
            raise trained_twice(module)
        yield name, token_rows(folder, module, roles["trainable_tokens"], shape)
        return
    embedding = any(role.startswith("lora_embedding") for role in roles)
    sides = ("lora_embedding_A", "lora_embedding_B") if embedding else ("lora_A", "lora_B")
    missing = [side for side in sides if side not in roles]
    if missing or (embedding and len(roles) > 2 and "lora_magnitude_vector" not in roles):
        raise InputRefused(
            _("the adapter has only one half ({side}) for {module}").format(side=next(iter(roles)), module=module)
        )
    rank, scale, parameter = _rank_and_scale(folder, module, base)
    if len(shape) != 2:
        refuse_shape({roles[sides[0]]: (rank, *shape[1:])}, shape)
        raise InputRefused(_("the adapter's {module} is no matrix in the base").format(module=module))
    is_mica = folder.config.get("init_lora_weights") == "mica"
    low_rank = _low_rank(roles, sides, shape, rank, scale, rounds_delta=embedding or parameter or is_mica)
    yield name, _decomposed(low_rank, roles, module, shape) if folder.config.get("use_dora") else low_rank
    if folder.config.get("lora_bias"):
        yield f"{module}.bias", _added_bias(roles, module, shape, scale, base)


def _rank_and_scale(folder: Folder, module: str, base: Mapping[str, Source]) -> tuple[int, float, bool]:
    """And whether peft trains the weight as a parameter. Raises InputRefused for what peft would leave out."""
    config, router = folder.config, router_parameter(module, base)
    parameter = router or f"{module}.weight"
    if router is None and not names_parameter(config, parameter):
        if not names_module(config, module) and not config.get("ensure_weight_tying"):
            raise InputRefused(
                _("{name}: adapter_config.json does not target {module}, so peft would leave its tensors out").format(
                    name=folder.name, module=module
                )
            )
        return *rank_and_scale(folder, module), False
    refuse_variants(folder, parameter)
    found = rank_and_scale(folder, parameter)
    if not names_parameter(config, parameter) and rank_and_scale(folder, module) != found:
        raise scaled_otherwise(folder, module)
    return *found, True


def _low_rank(
    roles: Parts, sides: tuple[str, str], shape: tuple[int, ...], rank: int, scale: float, *, rounds_delta: bool
) -> LowRank:
    a, b = (roles[side] for side in sides)
    if sides[0] == "lora_A":
        refuse_shape({a: (rank, shape[1]), b: (shape[0], rank)}, shape)
        return LowRank(matrix(a), matrix(b), scale, rounds_delta)
    # peft computes the transpose, (columns, r) @ (r, rows); the products and their order are the same.
    refuse_shape({a: (rank, shape[0]), b: (shape[1], rank)}, shape)
    return LowRank(_transposed(b), _transposed(a), scale, rounds_delta)


def _transposed(tensor: StoredTensor) -> Rows:
    return np.ascontiguousarray(matrix(tensor).T)


def _decomposed(low_rank: LowRank, roles: Parts, module: str, shape: tuple[int, ...]) -> WeightDecomposed:
    magnitude = roles.get("lora_magnitude_vector")
    if magnitude is None:
        raise InputRefused(_("the adapter has no DoRA magnitudes for {module}").format(module=module))
    refuse_shape({magnitude: shape[:1]}, shape)
    return WeightDecomposed(low_rank, matrix(magnitude)[0])


def _added_bias(
    roles: Parts, module: str, shape: tuple[int, ...], scale: float, base: Mapping[str, Source]
) -> AddedBias:
    bias = roles.get("lora_bias")
    if bias is None or f"{module}.bias" not in base:
        raise InputRefused(
            _("the adapter has lora_bias, but {module} has no bias in the {which}").format(
                module=module, which=_("adapter") if bias is None else _("base")
            )
        )
    refuse_shape({bias: shape[:1]}, shape)
    return AddedBias(matrix(bias), scale)
