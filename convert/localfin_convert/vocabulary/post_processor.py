"""What tokenizer.json's post-processor says about special tokens: which are added to a text, and what they are called.

The rules, with their quirks, are those of llama.cpp's `gguf-py/gguf/vocab.py`: it reads simple templates only
(`BOS A EOS`, `BOS A SEP B EOS`), and may rename tokens of tokenizer_config.json by what it finds there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from localfin_convert.vocabulary.files import TokenizerFiles, damaged


@dataclass(slots=True)
class PostProcessed:
    kinds: list[str]
    """The kinds of special tokens to look for; `eot` and `eom` join where an end of sequence is renamed."""
    settings: dict[str, Any]
    """tokenizer_config.json with the renamed tokens; empty where there is none."""
    added: dict[str, bool]
    """Kind -> whether the post-processor adds it."""
    bos: object = None
    eos: object = None
    cls: object = None
    sep: object = None


def read_post_processor(files: TokenizerFiles, kinds: Sequence[str]) -> PostProcessed:
    """Raises InputRefused if the post-processor is none that the `tokenizers` library could have written."""
    found = PostProcessed(list(kinds), dict(files.config or {}), {})
    if not files.tokenizer:
        return found
    _name_tokens(found)
    processor: object = files.tokenizer.get("post_processor")
    if not processor:
        return found
    file = files.name("tokenizer.json")
    if not isinstance(processor, dict):
        raise damaged(file, "post_processor")
    for step in _dicts(processor.get("processors", [processor]), file):
        match step.get("type"):
            case "ByteLevel":
                found.added.setdefault("bos", False)
                found.added.setdefault("eos", False)
            case "RobertaProcessing":
                _read_roberta(found, step, file)
            case "TemplateProcessing":
                single = _dicts(step.get("single", []), file)
                first, last = _read_single(found, single, file)
                _read_pair(found, _dicts(step.get("pair", []), file), first, last, file)
            case _:
                pass
    return found


def _name_tokens(found: PostProcessed) -> None:
    settings = found.settings
    found.bos, found.cls = settings.get("bos_token"), settings.get("cls_token")
    found.eos, found.sep = settings.get("eos_token"), settings.get("sep_token")
    if settings and not found.bos and found.cls:
        settings["bos_token"] = found.bos = found.cls
    if settings and not found.eos and found.sep:
        settings["eos_token"] = found.eos = found.sep


def _read_roberta(found: PostProcessed, step: dict[str, Any], file: str) -> None:
    found.added.update(bos=True, eos=True, sep=True)
    for kind, fallback in (("cls", found.bos), ("sep", found.eos)):
        pair: object = step.get(kind, [fallback])
        if not isinstance(pair, list) or not pair:
            raise damaged(file, "post_processor")
        if not getattr(found, kind) and found.settings:
            setattr(found, kind, pair[0])
            found.settings[f"{kind}_token"] = pair[0]


def _read_single(found: PostProcessed, single: list[dict[str, Any]], file: str) -> tuple[str | None, str | None]:
    """The special tokens at the start and the end of a single text."""
    if len(single) < 2:
        return None, None
    first, last = _special(single[0], file), _special(single[-1], file)
    if first:
        _read_first(found, first)
    if last:
        _read_last(found, last)
    return first, last


def _read_first(found: PostProcessed, first: str) -> None:
    if not found.settings:
        found.bos = first
    elif first not in (found.bos, found.cls):
        if not found.bos:
            found.settings["bos_token"] = found.bos = first
        if not found.cls:
            found.settings["cls_token"] = found.cls = first
    found.added["bos"] = first in (found.bos, found.cls)


def _read_last(found: PostProcessed, last: str) -> None:
    """A template that ends in another token than `eos_token`: that one becomes the end of turn (or of message)."""
    if not found.settings:
        found.eos = last
    elif last != found.eos:
        spare = next((kind for kind in ("eot", "eom") if kind not in found.kinds), None)
        if spare is not None:
            found.kinds.append(spare)
            found.settings[f"{spare}_token"] = found.eos
        found.settings["eos_token"] = found.eos = last
    found.added["eos"] = last == found.eos


def _read_pair(
    found: PostProcessed, pair: list[dict[str, Any]], first: str | None, last: str | None, file: str
) -> None:
    """Whether a separator stands between two texts: A [sep] [eos] B."""
    if not pair:
        return
    start = 1 if first and _special(pair[0], file) == first else 0
    stop = len(pair) - 1 if last and _special(pair[-1], file) == last else len(pair)
    texts = pair[start:stop]
    if not texts or _sequence(texts[0], file) != "A" or _sequence(texts[-1], file) != "B":
        return
    middle = texts[1:-1]
    if not middle:
        return
    ends = [_ends_text(found, entry, file) for entry in middle]
    added = (ends[0] and not last) or (len(ends) == 2 and ends[1])
    found.added["sep"] = added
    if added and not found.sep and found.settings:
        found.settings["sep_token"] = found.eos


def _ends_text(found: PostProcessed, entry: dict[str, Any], file: str) -> bool:
    token = _special(entry, file)
    return bool(token) and token in (found.sep, found.eos)


def _special(entry: dict[str, Any], file: str) -> str | None:
    return _id(entry.get("SpecialToken", {}), file)


def _sequence(entry: dict[str, Any], file: str) -> str | None:
    return _id(entry.get("Sequence", {}), file)


def _id(entry: object, file: str) -> str | None:
    value = entry.get("id") if isinstance(entry, dict) else 0
    if value is not None and not isinstance(value, str):
        raise damaged(file, "post_processor")
    return value


def _dicts(value: object, file: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise damaged(file, "post_processor")
    return value
