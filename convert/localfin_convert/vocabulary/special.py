"""Special tokens as llama.cpp's converter finds them: their ids, and which of them the tokenizer adds by itself.

Sources in the converter's order: the post-processor of tokenizer.json, tokenizer_config.json, config.json; what was
found first stays. Follows `gguf-py/gguf/vocab.py`, including what it does with unusual post-processors.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from localfin_convert.vocabulary.files import TokenizerFiles, damaged
from localfin_convert.vocabulary.post_processor import PostProcessed, read_post_processor
from localfin_convert.vocabulary.templates import Template, read_chat_template
from localfin_models.language import _

TOKEN_KINDS = ("bos", "eos", "unk", "sep", "pad", "cls", "mask")
NO_TOKEN = -1
MAX_NORMALIZERS = 64


@dataclass(frozen=True, slots=True)
class SpecialTokens:
    ids: dict[str, int] = field(default_factory=dict)
    """Kind -> token id."""
    added: dict[str, bool] = field(default_factory=dict)
    """Kind -> whether the tokenizer adds it to a text."""
    normalizer: dict[str, bool] = field(default_factory=dict)
    """`lowercase` and `strip_accents`, where tokenizer.json sets them."""
    template: Template = None


def read_special_tokens(
    files: TokenizerFiles, config: Mapping[str, Any], *, kinds: Sequence[str], limit: int | None
) -> SpecialTokens:
    """Ids of `limit` or more are left out, if a limit is given. Raises InputRefused for a negative id."""
    found = read_post_processor(files, kinds)
    ids: dict[str, int] = {}
    added = dict(found.added)
    if found.settings:
        for kind in found.kinds:
            _read_setting(kind, files, found, ids, added, limit)
    for kind in found.kinds:
        token_id = config.get(f"{kind}_token_id")
        if token_id != NO_TOKEN:
            _set_id(ids, kind, token_id, limit, files.name("config.json"))
    return SpecialTokens(
        ids,
        added,
        _normalizer_flags(files),
        read_chat_template(files) if found.settings else None,
    )


def _read_setting(
    kind: str,
    files: TokenizerFiles,
    found: PostProcessed,
    ids: dict[str, int],
    added: dict[str, bool],
    limit: int | None,
) -> None:
    flag = found.settings.get(f"add_{kind}_token")
    if isinstance(flag, bool):
        added.setdefault(kind, flag)
    content = token_content(found.settings.get(f"{kind}_token"))
    if content is not None:
        token_id = next((token["id"] for token in files.added_tokens if token["content"] == content), None)
        _set_id(ids, kind, token_id, limit, files.name("tokenizer.json"))


def token_content(entry: object) -> str | None:
    """The text of a special token in tokenizer_config.json, which is a string or an object with `content`."""
    content = entry.get("content") if isinstance(entry, dict) else entry
    return content if isinstance(content, str) else None


def _set_id(ids: dict[str, int], kind: str, token_id: object, limit: int | None, file: str) -> None:
    if not isinstance(token_id, int) or isinstance(token_id, bool):
        return
    if token_id < 0:
        raise damaged(file, _("{kind}_token_id is {id}").format(kind=kind, id=token_id))
    if limit is None or token_id < limit:
        ids.setdefault(kind, token_id)


def _normalizer_flags(files: TokenizerFiles) -> dict[str, bool]:
    flags: dict[str, bool] = {}
    for normalizer in _flatten((files.tokenizer or {}).get("normalizer"), files):
        kind = normalizer.get("type")
        if kind == "Lowercase":
            flags["lowercase"] = True
        elif kind == "StripAccents":
            flags["strip_accents"] = True
        elif kind == "BertNormalizer":
            flags.update({name: normalizer[name] for name in ("lowercase", "strip_accents") if name in normalizer})
    return {name: flags[name] for name in ("lowercase", "strip_accents") if flags.get(name) is not None}


def _flatten(normalizer: object, files: TokenizerFiles) -> Iterable[dict[str, Any]]:
    """The steps of a normalizer, sequences within sequences taken apart."""
    waiting = [normalizer] if normalizer else []
    for _step in range(MAX_NORMALIZERS):
        if not waiting:
            return
        step = waiting.pop(0)
        if not isinstance(step, dict):
            break
        if step.get("type") == "Sequence":
            steps: object = step.get("normalizers", [])
            if not isinstance(steps, list):
                break
            waiting = [*steps, *waiting]
        else:
            yield step
    raise damaged(files.name("tokenizer.json"), "normalizer")
