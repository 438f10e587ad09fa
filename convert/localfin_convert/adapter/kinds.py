"""Every kind of adapter that peft 0.21 knows: merged by peft a layer at a time, or refused with the true reason.

A kind is named as `peft_type` spells it. LoRA and trainable tokens are merged without peft (`lora.py`).
"""

from localfin_models.language import _

ALONE = (
    "LOHA", "LOKR", "IA3", "OFT", "BOFT", "HRA", "FOURIERFT", "MISS", "LN_TUNING", "C3A", "DELORA", "WAVEFT", "SHIRA",
    "ROAD", "GLORA", "HIRA", "OSF", "GRALORA", "PSOFT", "PEANUT", "SUPERTUNING", "DEFT", "BEFT",
)  # fmt: skip
"""Whose layers do not know of each other: a model of one layer merges to the same bytes as the whole one."""
TOGETHER = ("ADALORA", "VERA", "PVERA", "VBLORA", "UNILORA", "RANDLORA", "TINYLORA")
"""Whose layers share matrices or vectors, or draw their random numbers in turn."""
_PROMPTS = (
    "PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "CPT", "CARTRIDGE", "ADAPTION_PROMPT",
)  # fmt: skip
_ROUTED = ("XLORA", "POLY", "LILY", "SHADOW")
_FROM_THE_BASE = ("FROD", "ADAMSS")


def why_not(kind: str) -> str | None:
    """Why adapters of `kind` are not merged; None where peft has no such kind."""
    if kind in _PROMPTS:
        return _("it adds trained vectors to the prompt or the attention, which no merge of weights can hold")
    if kind in _ROUTED:
        return _("what it adds depends on the input or the task, so peft cannot merge it either")
    if kind in _FROM_THE_BASE:
        return _("it is computed from all layers of the base anew whenever it is loaded; merge it with peft")
    return None
