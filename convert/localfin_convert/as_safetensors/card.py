"""README.md of a merged checkpoint: what it was made of, for the Hub and for people. In English, as cards are.

`base_model_relation` is the Hub's word: `finetune` for one base with one adapter merged into it, `merge` for what
several models went into.
"""

import json
import re

from localfin_convert.provenance import Provenance
from localfin_convert.provenance.origin import AdapterOrigin
from localfin_models.licences import Licence
from localfin_models.manifest import IN_FOLDER

_PLAIN = re.compile(r"[A-Za-z][\w./+-]*")
_REPOSITORY = re.compile(r"[\w.-]+(/[\w.-]+)?")


def card_text(provenance: Provenance, merge_onto: str, name: str) -> str:
    """`name` of the output; `merge_onto` one of MERGES."""
    base, adapters = provenance.base, provenance.adapters
    origin = f"[{base.organization}/{base.name}]({base.repo_url})" if base.repo_url else f"`{base.name}`"
    lines = [
        "---",
        *_front_matter(provenance),
        "---",
        "",
        f"# {name}",
        "",
        f"{origin}, dequantized." if not adapters else f"{origin} with adapters merged into its weights.",
        "",
    ]
    if adapters:
        lines += ["| adapter | weight | kind | licence |", "| --- | --- | --- | --- |"]
        lines += [_row(adapter) for adapter in adapters]
        lines.append("")
    lines += [
        _PRECISION[merge_onto] + (" " + _SUM if adapters else ""),
        "",
        f"Made by localfin {provenance.tools['localfin']}. `{IN_FOLDER}` lists the files of this folder and those",
        "it was made from with their SHA-256; `localfin models verify` compares the former.",
    ]
    return "\n".join(lines) + "\n"


_PRECISION = {
    "16bit": "The adapters are added to the base as it is stored.",
    "dequantized": "The base is what its quantized weights amount to, in 16 bits.",
}
_SUM = (
    "Each delta is added in float32 and the sum rounded to the dtype of the base's tensor, as peft's "
    "`merge_and_unload` does."
)


def _front_matter(provenance: Provenance) -> list[str]:
    base = provenance.base
    repository = f"{base.organization}/{base.name}" if base.organization else base.name
    lines = ["library_name: transformers", "pipeline_tag: text-generation"]
    if _REPOSITORY.fullmatch(repository):
        lines.append(f"base_model: {_scalar(repository)}")
        if provenance.adapters:
            lines.append(f"base_model_relation: {'finetune' if len(provenance.adapters) == 1 else 'merge'}")
    lines += _licence_lines(provenance.licences)
    tags = ["merge", *(["lora"] if any(one.training.get("peft_type") == "LORA" for one in provenance.adapters) else [])]
    return [*lines, "tags:", *(f"- {tag}" for tag in ([*tags, "localfin"] if provenance.adapters else ["localfin"]))]


def _licence_lines(licences: tuple[Licence, ...]) -> list[str]:
    """Several licences as a list: all of them apply."""
    identifiers = list(dict.fromkeys(one.identifier for one in licences))
    if not identifiers:
        return []
    lines = [f"license: {_scalar(identifiers[0])}"] if len(identifiers) == 1 else [
        "license:", *(f"- {_scalar(one)}" for one in identifiers)
    ]  # fmt: skip
    names = list(dict.fromkeys(one.name for one in licences if one.name))
    links = list(dict.fromkeys(one.link for one in licences if one.link))
    lines += [f"license_name: {_scalar(', '.join(names))}"] if names else []
    return [*lines, *([f"license_link: {_scalar(links[0])}"] if links else [])]


def _row(adapter: AdapterOrigin) -> str:
    kind = str(adapter.training.get("peft_type", ""))
    licences = ", ".join(licence.key for licence in adapter.licences) or "not named"
    return f"| {_cell(adapter.name)} | {adapter.weight:g} | {_cell(kind)} | {_cell(licences)} |"


def _cell(text: str) -> str:
    return "".join(character for character in text if character.isprintable()).replace("|", "\\|")


def _scalar(text: str) -> str:
    """A YAML scalar: JSON's strings are its quoted ones."""
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)
