"""Where a base and its adapters come from: names, licences, and what an adapter says it was trained on."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localfin_convert.adapter.folder import CONFIG
from localfin_convert.provenance.card import Card, read_card
from localfin_convert.read.checkpoint import read_json
from localfin_models.language import _
from localfin_models.licences import Licence

_HUB = "https://huggingface.co/"
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_CACHED = re.compile(r"models--([\w.-]+?)--([\w.-]+)")
"""The Hub's cache: `models--ORGANIZATION--NAME/snapshots/REVISION`."""
_REPACKED = re.compile(r"(-unsloth)?-(bnb-4bit|bnb-8bit|4bit|gptq|awq)$")
"""Endings of the quantized copies that QLoRA adapters are trained on."""
_TRAINING = ("peft_type", "r", "lora_alpha", "use_rslora", "use_dora")


@dataclass(frozen=True, slots=True)
class BaseOrigin:
    name: str
    organization: str
    """Empty unless the folder itself shows it."""
    licences: tuple[Licence, ...]

    @property
    def repo_url(self) -> str:
        return f"{_HUB}{self.organization}/{self.name}" if self.organization else ""


@dataclass(frozen=True, slots=True)
class AdapterOrigin:
    name: str
    weight: float
    trained_on: str
    """`base_model_name_or_path`, as a name without folders; empty where it is left out."""
    training: Mapping[str, Any]
    """What of adapter_config.json sets its scale."""
    licences: tuple[Licence, ...]


def base_origin(folder: Path, config: Mapping[str, Any], adapters: Sequence[Path]) -> BaseOrigin:
    """The name is the folder's, or that of the Hub's cache around it.

    The organization counts only where the cache's path has it, or where `organization/name` of config.json or of an
    adapter stands in the model card, too: `models/llama` may as well be a relative path of the one who trained.
    """
    card = read_card(folder)
    cached = _CACHED.fullmatch(folder.resolve().parent.parent.name)
    if cached is not None:
        return BaseOrigin(cached[2], cached[1], card.licences)
    claims = [config.get("_name_or_path"), *(_training(path).get("base_model_name_or_path") for path in adapters)]
    name = folder.resolve().name
    for claim in claims:
        if isinstance(claim, str) and _REPOSITORY.fullmatch(claim) and _claimed(claim, card):
            organization, _slash, own = claim.partition("/")
            if _alike(own, name):
                return BaseOrigin(own, organization, card.licences)
    return BaseOrigin(name, "", card.licences)


def adapter_origin(folder: Path, weight: float) -> AdapterOrigin:
    """Raises InputRefused where its configuration is no JSON object."""
    config, card = _training(folder), read_card(folder)
    named = config.get("base_model_name_or_path")
    trained_on = re.split(r"[/\\]", named.rstrip("/\\"))[-1] if isinstance(named, str) else ""
    if cached := re.search(_CACHED, named) if isinstance(named, str) else None:
        trained_on = cached[2]
    training = {key: config[key] for key in _TRAINING if isinstance(config.get(key), str | int | float)}
    printable = "".join(character for character in trained_on if character.isprintable())[:200]
    return AdapterOrigin(folder.resolve().name, weight, printable, training, card.licences)


def remarks(base: BaseOrigin, adapters: Sequence[AdapterOrigin]) -> Iterator[str]:
    """What must be heard: licences that limit use, or are missing; adapters that name another base. A line each."""
    yield from _licence_remarks(_("base {name}").format(name=base.name), base.licences)
    if not base.licences:
        yield _("base {name}: no licence is named in its folder; find it before you pass the model on").format(
            name=base.name
        )
    for adapter in adapters:
        yield from _licence_remarks(_("adapter {name}").format(name=adapter.name), adapter.licences)
        if adapter.trained_on and not _alike(adapter.trained_on, base.name):
            yield _("adapter {name} says it was trained on {trained}; make sure that {base} is the same model").format(
                name=adapter.name, trained=adapter.trained_on, base=base.name
            )


def _licence_remarks(whose: str, licences: Sequence[Licence]) -> Iterator[str]:
    for licence in licences:
        if licence.limits:
            line = _("{whose}: licence {licence} {limits}").format(
                whose=whose, licence=licence.key, limits=licence.sentence()
            )
            yield f"{line} ({licence.text})" if licence.text else line


def _training(folder: Path) -> dict[str, Any]:
    return read_json(folder / CONFIG)


def _claimed(repository: str, card: Card) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(repository)}(?![\w-])", card.text) is not None


def _alike(one: str, other: str) -> bool:
    first, second = (_REPACKED.sub("", name.lower().replace("_", "-")) for name in (one, other))
    return first == second
