"""The chat templates of a tokenizer: read where the converter looks for them, written as the converter writes them."""

import string
from collections.abc import Sequence
from typing import Any, TypeAlias

from localfin_convert.read.checkpoint import read_json
from localfin_convert.vocabulary.files import TEMPLATE_FOLDER, TokenizerFiles, damaged, read_template
from localfin_convert.vocabulary.key_list import KeyList

Template: TypeAlias = str | Sequence[dict[str, Any]] | None
"""One template, or several with `name` and `template`."""

CHAT_TEMPLATE = "tokenizer.chat_template"
_NAME_CHARACTERS = frozenset(string.ascii_letters + string.digits)


def read_chat_template(files: TokenizerFiles) -> Template:
    """`chat_template` of tokenizer_config.json if it has one, else chat_template.jinja, else chat_template.json."""
    template = (files.config or {}).get("chat_template", _from_own_file(files))
    return template if isinstance(template, str | list) else None


def default_template(template: Template) -> str:
    """The one that a conversation is rendered with; empty where there is none."""
    if template is None or isinstance(template, str):
        return template or ""
    return dict(map(_named, template)).get("default", "")


def add_template(keys: KeyList, template: Template) -> None:
    """The default as `tokenizer.chat_template`, others as `tokenizer.chat_template.NAME`, their names in an array."""
    if template is None:
        return
    if isinstance(template, str):
        keys.add_string(CHAT_TEMPLATE, template)
        return
    default = ""
    names: set[str] = set()
    for name, text in map(_named, template):
        if name == "default":
            default = text
        elif name:
            names.add(name)
            keys.add_string(f"{CHAT_TEMPLATE}.{name}", text)
    keys.add_strings("tokenizer.chat_templates", sorted(names))
    keys.add_string(CHAT_TEMPLATE, default)


def _named(choice: object) -> tuple[str, str]:
    """Name (other characters than letters and digits as `_`) and text; an empty name where either is missing."""
    name = choice.get("name", "") if isinstance(choice, dict) else None
    text = choice.get("template") if isinstance(choice, dict) else None
    if not isinstance(name, str) or not (text is None or isinstance(text, str)):
        raise damaged("tokenizer_config.json", "chat_template")
    clean = "".join(character if character in _NAME_CHARACTERS else "_" for character in name)
    return ("", "") if text is None else (clean, text)


def _from_own_file(files: TokenizerFiles) -> Template:
    jinja = files.folder / "chat_template.jinja"
    if jinja.is_file():
        more = sorted((files.folder / TEMPLATE_FOLDER).glob("*.jinja"))
        default = read_template(jinja)
        if not more:
            return default
        named = [{"name": path.stem, "template": read_template(path)} for path in more]
        return [{"name": "default", "template": default}, *named]
    legacy = files.folder / "chat_template.json"
    return read_json(legacy).get("chat_template") if legacy.is_file() else None
