"""The tokenizer's files in a folder, read once and checked for shape: no value of a wrong type gets past here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localfin_convert.read.checkpoint import read_json
from localfin_models.errors import InputRefused
from localfin_models.language import _

MAX_TEMPLATE = 256 << 10
MAX_ADDED_TOKENS = 1 << 20
TEMPLATE_FOLDER = "additional_chat_templates"


@dataclass(frozen=True, slots=True)
class TokenizerFiles:
    """Each part is None where the folder has no such file."""

    folder: Path
    architecture: str
    """config.json's model_type: llama, mistral, qwen3_moe …"""
    tokenizer: dict[str, Any] | None
    config: dict[str, Any] | None
    """tokenizer_config.json"""
    special_map: dict[str, Any] | None
    added_ids: dict[str, int]
    """added_tokens.json"""
    sentencepiece: Path | None
    tekken: bool

    def name(self, file: str) -> str:
        return f"{self.folder.name}/{file}"

    @property
    def added_tokens(self) -> list[dict[str, Any]]:
        """`added_tokens` of tokenizer.json: `content` a string, `id` a number of 0 or more, each once."""
        return (self.tokenizer or {}).get("added_tokens") or []

    @property
    def added_decoder(self) -> dict[int, dict[str, Any]] | None:
        """`added_tokens_decoder` of tokenizer_config.json; None where it has none."""
        decoder = (self.config or {}).get("added_tokens_decoder")
        return None if decoder is None else {int(token_id): token for token_id, token in decoder.items()}


def open_tokenizer_files(folder: Path, architecture: str) -> TokenizerFiles:
    """Raises InputRefused where a file is damaged, or where there is no tokenizer at all."""
    files = TokenizerFiles(
        folder,
        architecture,
        _optional(folder / "tokenizer.json"),
        _optional(folder / "tokenizer_config.json"),
        _optional(folder / "special_tokens_map.json"),
        _optional(folder / "added_tokens.json") or {},
        folder / "tokenizer.model" if (folder / "tokenizer.model").is_file() else None,
        (folder / "tekken.json").is_file(),
    )
    if files.tokenizer is None and files.sentencepiece is None and not files.tekken:
        raise InputRefused(
            _("{folder} has no tokenizer: neither tokenizer.model nor tokenizer.json").format(folder=folder.name)
        )
    if files.tokenizer is not None:
        _check_added_tokens(files)
    _check_added_decoder(files)
    for token, token_id in files.added_ids.items():
        if not _is_id(token_id):
            raise damaged(files.name("added_tokens.json"), _("the id of {token}").format(token=ascii(token)))
    return files


def damaged(file: str, what: str) -> InputRefused:
    return InputRefused(_("{file} is damaged: {what}").format(file=file, what=what))


def read_template(path: Path) -> str:
    """The text of a chat template, line ends as `\\n`. Raises InputRefused if it is too long or not UTF-8."""
    try:
        if path.exists() and not path.is_file():  # a pipe would be waited for
            raise InputRefused(_("{file} is not a file").format(file=path.name))
        if path.stat().st_size > MAX_TEMPLATE:
            raise InputRefused(_("{file} is larger than {most} KB").format(file=path.name, most=MAX_TEMPLATE >> 10))
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise InputRefused(_("{file} is not UTF-8 text").format(file=path.name)) from None
    except OSError as error:
        raise InputRefused(_("{file} cannot be read: {why}").format(file=path.name, why=error.strerror)) from None


def _optional(path: Path) -> dict[str, Any] | None:
    return read_json(path) if path.is_file() else None


def _check_added_tokens(files: TokenizerFiles) -> None:
    file = files.name("tokenizer.json")
    tokens: object = (files.tokenizer or {}).get("added_tokens")
    if tokens is None:
        return
    if not isinstance(tokens, list) or len(tokens) > MAX_ADDED_TOKENS:
        raise damaged(file, "added_tokens")
    ids: set[int] = set()
    for token in tokens:
        if not isinstance(token, dict) or not isinstance(token.get("content"), str) or not _is_id(token.get("id")):
            raise damaged(file, "added_tokens")
        if token["id"] in ids:
            raise damaged(file, _("two added tokens have the id {id}").format(id=token["id"]))
        ids.add(token["id"])


def _check_added_decoder(files: TokenizerFiles) -> None:
    decoder: object = (files.config or {}).get("added_tokens_decoder")
    if decoder is None:
        return
    file = files.name("tokenizer_config.json")
    if not isinstance(decoder, dict) or len(decoder) > MAX_ADDED_TOKENS:
        raise damaged(file, "added_tokens_decoder")
    for token_id, token in decoder.items():
        if not (token_id.isascii() and token_id.isdigit()):
            raise damaged(file, _("added_tokens_decoder: {id} is no token id").format(id=ascii(token_id)))
        if not isinstance(token, dict) or not isinstance(token.get("content"), str):
            raise damaged(file, _("added_tokens_decoder: token {id}").format(id=token_id))


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
