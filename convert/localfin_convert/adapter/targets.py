"""Which modules and parameters an adapter's configuration names, with which rank and scale, by peft's own rules.

peft leaves out what its configuration does not name, without a word; so a tensor for such a module has no place here.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

from localfin_convert.adapter.folder import EMBEDDINGS, Folder
from localfin_models.errors import InputRefused
from localfin_models.language import _

_ALL_LINEAR = "all-linear"
_LARGEST_SCALE = 3e38
"""Of float32, in which peft multiplies."""
_REPEATED_GROUP = re.compile(r"\)[*+{]")
_ESCAPED = re.compile(r"\\.|\[\^?\]?[^\]]*\]")
_MOST_REPETITIONS = 4
_LAYER = re.compile(r".*?\.[^.]*\.(?P<index>\d+)\.")


def by_pattern(patterns: object, module: str, default: object) -> Any:
    """The value of the first pattern that matches `(.*\\.)?(pattern)$`, as in peft's `get_pattern_key`."""
    if isinstance(patterns, dict):
        for key, value in patterns.items():
            if _match(rf"(.*\.)?({key})$", module, str(key)):
                return value
    return default


def rank_and_scale(folder: Folder, name: str) -> tuple[int, float]:
    """Of the module or parameter `name`: r, and weight * alpha / r or / sqrt(r) for rsLoRA. Raises InputRefused."""
    config = folder.config
    rank = by_pattern(config.get("rank_pattern"), name, config.get("r"))
    alpha = by_pattern(config.get("alpha_pattern"), name, config.get("lora_alpha"))
    if type(rank) is not int or rank < 1 or not isinstance(alpha, int | float) or not abs(alpha) < _LARGEST_SCALE:
        raise InputRefused(_("adapter_config.json has no usable r and lora_alpha for {module}").format(module=name))
    scale = folder.weight * alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
    if not abs(scale) < _LARGEST_SCALE:
        raise InputRefused(_("the adapter's scale is no usable number: look at lora_alpha in adapter_config.json"))
    return rank, scale


def names_module(config: Mapping[str, Any], module: str) -> bool:
    """As peft's `check_target_module_exists`; `all-linear` is every layer but embedding and head.

    Raises InputRefused for a malformed pattern.
    """
    if _names(config.get("exclude_modules") or (), module):
        return False
    saved = config.get("modules_to_save") or ()
    if any(_match(rf"(^|.*\.){name}($|\..*)", module, str(name)) for name in saved):
        return False
    targets = config.get("target_modules") or ()
    if isinstance(targets, str):
        if targets.lower() == _ALL_LINEAR:
            return not module.endswith((*EMBEDDINGS, "lm_head"))
        return _names(targets, module)
    return module in targets or (_names(targets, module) and _in_layers(config, module))


def names_parameter(config: Mapping[str, Any], parameter: str) -> bool:
    """Whether `target_parameters` names it. These are compared as they stand, never as patterns."""
    return any(f".{parameter}".endswith(f".{name}") for name in config.get("target_parameters") or ())


def _names(targets: object, module: str) -> bool:
    if isinstance(targets, str):
        return _match(rf"(?:{targets})\Z", module, targets)
    return isinstance(targets, list | tuple) and any(f".{module}".endswith(f".{target}") for target in targets)


def _in_layers(config: Mapping[str, Any], module: str) -> bool:
    """Whether `layers_to_transform` has the layer of `module`, the first number in its name."""
    layers, patterns = config.get("layers_to_transform"), config.get("layers_pattern")
    if layers is None or layers == []:
        return True
    if patterns:
        named = [patterns] if isinstance(patterns, str) else patterns
        found = next((m for p in named if (m := _search(rf"(?:^|.*?\.){p}\.(?P<index>\d+)\.", module, str(p)))), None)
    else:
        found = _LAYER.match(module)
    return found is not None and int(found["index"]) in (layers if isinstance(layers, list) else [layers])


def _match(pattern: str, text: str, stated: str) -> bool:
    return _search(pattern, text, stated) is not None


def _search(pattern: str, text: str, stated: str) -> re.Match[str] | None:
    # A repeated group can take Python's matcher exponential time; each further repetition, a name's length more.
    if _REPEATED_GROUP.search(stated) or _most_repetitions(stated) > _MOST_REPETITIONS:
        raise InputRefused(
            _("adapter_config.json has a pattern that could match for hours: {key!r}; name the modules instead").format(
                key=stated[:80]
            )
        )
    try:
        return re.match(pattern, text)
    except re.error:
        raise InputRefused(_("adapter_config.json has the malformed pattern {key!r}").format(key=stated[:80])) from None


def _most_repetitions(pattern: str) -> int:
    """In one of its outermost alternatives: of those, one after the other is tried."""
    depth, counts = 0, [0]
    for char in _ESCAPED.sub("x", pattern):
        depth += (char == "(") - (char == ")")
        if char == "|" and depth == 0:
            counts.append(0)
        counts[-1] += char in "*+{"
    return max(counts)
