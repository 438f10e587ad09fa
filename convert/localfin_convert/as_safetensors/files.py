"""What stands beside the shards of a merged checkpoint: configuration, tokenizer, chat templates, licences. No code."""

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

from localfin_convert.adapter import Merge
from localfin_convert.as_safetensors.json_text import REMOVED, edited
from localfin_convert.provenance.inputs import InputFile
from localfin_convert.read.checkpoint import Checkpoint, read_json
from localfin_convert.vocabulary.files import TEMPLATE_FOLDER
from localfin_models.language import _

Content = bytes | Path
"""What a file is made of; a path is copied."""
JINJA, LEGACY_TEMPLATE, SETTINGS = "chat_template.jinja", "chat_template.json", "tokenizer_config.json"
_TOKENIZER = (
    "tokenizer.json", "tokenizer.model", SETTINGS, "special_tokens_map.json", "added_tokens.json", "vocab.json",
    "merges.txt", "tekken.json", JINJA, LEGACY_TEMPLATE,
)  # fmt: skip
_LICENCES = {"LICENSE", "LICENCE", "NOTICE", "COPYING", "USE_POLICY"}
_TEXTS = {"", ".txt", ".md"}
_TORCH = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}


def config_bytes(base: Checkpoint, merge: Merge) -> bytes:
    """The base's config.json, as its text stands but for what the merge makes wrong."""
    path = base.folder / "config.json"
    raw = read_json(path)
    changes: dict[str, object] = {name: REMOVED for name in ("quantization_config", "auto_map") if name in raw}
    if merge.rows is not None:
        changes["vocab_size"] = merge.rows
    if any(adapter.unties for adapter in merge.adapters):
        changes["tie_word_embeddings"] = False
    if base.is_quantized and not {"dtype", "torch_dtype"} & {name for name, value in raw.items() if value is not None}:
        changes["torch_dtype"] = _TORCH[_main_dtype(base)]
    return edited(path.read_text("utf-8"), changes).encode()


def dropped_code(folders: Sequence[Path]) -> Iterator[str]:
    """A remark for each file whose `auto_map` is left out."""
    for folder in dict.fromkeys(folders):
        for name in ("config.json", SETTINGS):
            if (folder / name).is_file() and "auto_map" in read_json(folder / name):
                yield _(
                    "{file}: `auto_map` is left out, and its code; only programs that know the model can read it"
                ).format(file=f"{folder.name}/{name}")


def carried(base: Path, tokenizer: Path, template: str | None) -> dict[str, Content]:
    """generation_config.json, the tokenizer and its chat templates by their names; `template` takes their place."""
    found: dict[str, Content] = {
        path.name: path
        for path in (base / "generation_config.json", *(tokenizer / name for name in _TOKENIZER))
        if path.is_file()
    }
    more = sorted((tokenizer / TEMPLATE_FOLDER).glob("*.jinja"))
    found |= {f"{TEMPLATE_FOLDER}/{path.name}": path for path in more if path.is_file()}
    if template is not None:
        found.pop(LEGACY_TEMPLATE, None)
        found[JINJA] = template.encode()
    if SETTINGS in found and (changes := _tokenizer_changes(read_json(tokenizer / SETTINGS), template)):
        found[SETTINGS] = edited((tokenizer / SETTINGS).read_text("utf-8"), changes).encode()
    return found


def licence_files(base: Path, adapters: Sequence[Path]) -> dict[str, Path]:
    """The base's under their names, an adapter's as `adapter.N-NAME`."""
    found = {path.name: path for path in _licences(base)}
    for number, folder in enumerate(adapters):
        found |= {f"adapter.{number}-{path.name}": path for path in _licences(folder)}
    return found


def input_files(files: Mapping[str, Content], base: Path, adapters: Sequence[Path]) -> tuple[InputFile, ...]:
    """Those among `files` that are copied, as inputs of the output."""
    folders = {base: "base"} | {folder: f"adapter.{number}" for number, folder in enumerate(adapters)}
    return tuple(
        InputFile(f"{name}/{path.relative_to(folder).as_posix()}", path)
        for path in files.values()
        if isinstance(path, Path)
        for folder, name in folders.items()
        if folder in (path.parent, path.parent.parent)
    )


def _main_dtype(base: Checkpoint) -> str:
    """That most weights have."""
    totals = dict.fromkeys(_TORCH, 0)
    for source in base.tensors.values():
        if source.dtype in totals:
            totals[source.dtype] += prod(source.shape)
    return max(totals, key=totals.__getitem__)


def _tokenizer_changes(settings: Mapping[str, Any], template: str | None) -> dict[str, object]:
    changes: dict[str, object] = {"auto_map": REMOVED} if "auto_map" in settings else {}
    stored = settings.get("chat_template")
    if template is None or stored is None:
        return changes
    if isinstance(stored, list):  # other templates by name stay beside it
        others = [one for one in stored if not (isinstance(one, dict) and one.get("name") == "default")]
        return {**changes, "chat_template": [{"name": "default", "template": template}, *others]}
    return {**changes, "chat_template": template}


def _licences(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.iterdir())
        if path.stem.upper() in _LICENCES and path.suffix.lower() in _TEXTS and path.is_file()
    ]
