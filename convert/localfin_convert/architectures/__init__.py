"""The model families the converter knows, found by `architectures[0]` of config.json. One file a family."""

from collections.abc import Mapping
from typing import Any

from localfin_convert.architectures.family import Family, Tensor
from localfin_convert.architectures.llama import Llama, Mistral
from localfin_convert.architectures.qwen2 import Qwen2
from localfin_models.errors import InputRefused
from localfin_models.language import _

FAMILIES: dict[str, type[Family]] = {
    "LlamaForCausalLM": Llama,
    "MistralForCausalLM": Mistral,
    "Qwen2ForCausalLM": Qwen2,
}

__all__ = ["FAMILIES", "Family", "Tensor", "family_of"]


def family_of(config: Mapping[str, Any]) -> Family:
    """Raises InputRefused, listing the known ones, for an architecture that is not among them."""
    names = config.get("architectures")
    name = names[0] if isinstance(names, list) and names and isinstance(names[0], str) else None
    if name not in FAMILIES:
        raise InputRefused(
            _("unknown architecture {name!r} in config.json; known: {known}").format(
                name=str(name)[:80], known=", ".join(FAMILIES)
            )
        )
    return FAMILIES[name](config)
