"""Whole tensors in an adapter's file: modules_to_save, trained biases, embeddings that were resized or targeted."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from localfin_convert.adapter.changes import Change
from localfin_convert.adapter.folder import EMBEDDINGS, Folder, check_dtype, refuse_shape
from localfin_convert.read.safetensors_file import StoredTensor
from localfin_convert.read.source import Source
from localfin_models.errors import InputRefused
from localfin_models.language import _

_WHOLE = re.compile(
    r"^base_model\.model\.(?P<module>.+?)"
    r"(?:\.(?P<wrapper>token_adapter\.base_layer|base_layer|original_module|modules_to_save)(?:\.default)?)?\.(?P<what>\w+)$"
)


@dataclass(frozen=True, slots=True)
class Found:
    """What an adapter's file holds, by the name of the base tensor it concerns."""

    loaded: dict[str, StoredTensor]
    """Whole tensors that peft loads in the place of the base's."""
    saved: dict[str, StoredTensor]
    """Whole tensors of modules_to_save, which stand beside the base's while training."""
    changes: dict[str, tuple[Change, ...]]
    """What is added to them, or put into some of their rows."""


def whole_tensors(
    folder: Folder, tensors: Mapping[str, StoredTensor], base: Mapping[str, Source], adapted: Collection[str]
) -> tuple[dict[str, StoredTensor], dict[str, StoredTensor]]:
    """What peft loads in the place of base tensors, and what it saved of modules_to_save, by the base's names.

    `adapted` are the modules that the adapter changes otherwise. Raises InputRefused for a tensor that is no tensor of
    the base, or of another shape, and where the file lacks what adapter_config.json promises.
    """
    loaded: dict[str, StoredTensor] = {}
    saved: dict[str, StoredTensor] = {}
    copies: list[tuple[str, str]] = []
    unmatched: list[str] = []
    for key, tensor in tensors.items():
        check_dtype(tensor)
        name, wrapper = base_name(key)
        if name not in base:
            unmatched.append(key)
        elif wrapper == "modules_to_save":
            copies.append((key, name))
        else:
            module = name.rpartition(".")[0]
            kind = saved if wrapper is None and _is_saved(module, folder) else loaded
            if name in kind or (kind is loaded and wrapper is None and module in adapted):
                unmatched.append(key)
            kind[name] = tensor
    # A resized vocabulary makes peft save the wrapped module once more, under the wrapper's name; it never loads that.
    unmatched += [key for key, name in copies if name not in saved]
    if unmatched:
        raise unmatched_tensors(unmatched)
    for name, tensor in (*loaded.items(), *saved.items()):
        _refuse_resized(name, tensor, base[name])
    _refuse_unsaved(folder, saved)
    return loaded, saved


def base_name(key: str) -> tuple[str, str | None]:
    """The base tensor that stands whole under `key`, if it is one, and the wrapper of peft's that holds it."""
    match = _WHOLE.match(key)
    return (f"{match['module']}.{match['what']}", match["wrapper"]) if match else ("", None)


def unmatched_tensors(keys: list[str]) -> InputRefused:
    return InputRefused(
        _("{count} adapter tensors match nothing in the base: {names}").format(
            count=len(keys), names=", ".join(key[:160] for key in keys[:3]) + (" …" if len(keys) > 3 else "")
        )
    )


def _is_saved(module: str, folder: Folder) -> bool:
    """Whether `module` or one around it ends in a name of modules_to_save."""
    names = tuple(map(str, folder.config.get("modules_to_save") or ()))
    steps = module.split(".")
    return bool(names) and any(".".join(steps[:end]).endswith(names) for end in range(1, len(steps) + 1))


def _refuse_resized(name: str, tensor: StoredTensor, stored: Source) -> None:
    """Embedding and head may have other numbers of rows; nothing else may differ."""
    grows = name.removesuffix(".weight").endswith((*EMBEDDINGS, "lm_head")) and tensor.shape[:1] > (0,)
    refuse_shape({tensor: (*tensor.shape[:1], *stored.shape[1:]) if grows else stored.shape}, stored.shape)


def _refuse_unsaved(folder: Folder, saved: Mapping[str, StoredTensor]) -> None:
    """modules_to_save must be in the file, as peft demands."""
    modules = [name.rpartition(".")[0] for name in saved]
    missing = [str(n) for n in folder.config.get("modules_to_save") or () if not any(str(n) in m for m in modules)]
    if missing:
        raise promised(folder, missing[0])


def promised(folder: Folder, module: str) -> InputRefused:
    return InputRefused(
        _("{name}: adapter_config.json promises {module}, of which the file holds nothing").format(
            name=folder.name, module=module[:80]
        )
    )
