"""The model families the converter knows, found by `architectures[0]` of config.json. One file a family."""

from collections.abc import Mapping
from typing import Any

from localfin_convert.architectures.exaone import Exaone, Exaone4
from localfin_convert.architectures.family import Family, Tensor
from localfin_convert.architectures.gemma import Gemma2, Gemma3
from localfin_convert.architectures.llama import Llama, Mistral
from localfin_convert.architectures.mixtral import Mixtral
from localfin_convert.architectures.phi3 import Phi3
from localfin_convert.architectures.qwen2 import Qwen2
from localfin_convert.architectures.qwen3 import Qwen3, Qwen3Moe
from localfin_models.errors import InputRefused
from localfin_models.language import _

FAMILIES: dict[str, type[Family]] = {
    "LlamaForCausalLM": Llama,
    "MistralForCausalLM": Mistral,
    "MixtralForCausalLM": Mixtral,
    "Qwen2ForCausalLM": Qwen2,
    "Qwen3ForCausalLM": Qwen3,
    "Qwen3MoeForCausalLM": Qwen3Moe,
    "Gemma2ForCausalLM": Gemma2,
    "Gemma3ForCausalLM": Gemma3,
    "Phi3ForCausalLM": Phi3,
    "ExaoneForCausalLM": Exaone,
    "Exaone4ForCausalLM": Exaone4,
}

__all__ = ["FAMILIES", "Family", "Tensor", "family_of"]


def family_of(config: Mapping[str, Any]) -> Family:
    """Raises InputRefused, listing the known ones, for an architecture that is not among them.

    Code that comes with the model is never run. It is let pass only where the family's own releases carry it, by the
    names they give it: a model with other code may compute something else.
    """
    names = config.get("architectures")
    name = names[0] if isinstance(names, list) and names and isinstance(names[0], str) else None
    if name not in FAMILIES:
        raise InputRefused(
            _("unknown architecture {name!r} in config.json; known: {known}").format(
                name=str(name)[:80], known=", ".join(FAMILIES)
            )
        )
    family = FAMILIES[name]
    if not _is_own_code(config.get("auto_map"), family.own_code):
        raise InputRefused(_("config.json has `auto_map`: the model brings its own code, which is not run"))
    return family(config)


def _is_own_code(auto_map: object, own: str) -> bool:
    if auto_map is None:
        return True
    modules = [str(value).partition(".")[0] for value in auto_map.values()] if isinstance(auto_map, dict) else [""]
    return bool(own) and all(module in (f"configuration_{own}", f"modeling_{own}") for module in modules)
