"""tokenizer.json as a `tokenizers.Tokenizer` with the special tokens that transformers' AutoTokenizer would add to it.

What transformers does around the file and what matters to the vocabulary (read in transformers 5.23 and 4.57):
the tokens of `added_tokens_decoder` are added in the order of their ids, then the named special tokens (bos_token and
so on) and the extra ones, unless they are added tokens already. The file's normalizer and pre-tokenizer stay.
"""

import json
from typing import Any

from tokenizers import AddedToken, Tokenizer

from localfin_convert.vocabulary.files import MAX_ADDED_TOKENS, TokenizerFiles, damaged
from localfin_convert.vocabulary.special import token_content
from localfin_models.errors import InputRefused
from localfin_models.language import _

NAMED_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
CLASS_TOKENS: dict[str, dict[str, str]] = {
    "GPT2Tokenizer": dict.fromkeys(("unk_token", "bos_token", "eos_token"), "<|endoftext|>"),
    "LlamaTokenizer": {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"},
    "Qwen2Tokenizer": {
        "unk_token": "<|endoftext|>",
        "eos_token": "<|endoftext|>",
        "pad_token": "<|endoftext|>",
    },
}
"""Tokens a tokenizer class names by itself where tokenizer_config.json does not."""
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


def load_backend(files: TokenizerFiles) -> Tokenizer:
    """Raises InputRefused if the file's structure, ids or merges are wrong."""
    file = files.name("tokenizer.json")
    vocabulary = check_model(files)
    tokenizer = _parse(files)
    for token in files.added_tokens:
        if tokenizer.token_to_id(token["content"]) != token["id"]:
            raise damaged(file, _("added token {token} cannot have the id {id}").format(
                token=ascii(token["content"]), id=token["id"]))  # fmt: skip
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.add_tokens(_tokens_to_add(files, tokenizer))
    if tokenizer.get_vocab_size(with_added_tokens=False) != len(vocabulary):
        raise damaged(file, "model.vocab")
    return tokenizer


def check_model(files: TokenizerFiles) -> dict[str, int]:
    """The BPE vocabulary of tokenizer.json, every id of which is a number of 0 or more and stands once."""
    file = files.name("tokenizer.json")
    model: object = (files.tokenizer or {}).get("model")
    if not isinstance(model, dict):
        raise damaged(file, _("it has no model"))
    if model.get("type", "BPE") != "BPE":
        raise InputRefused(_("{file} has a {kind} vocabulary; known: BPE").format(file=file, kind=ascii(model["type"])))
    vocabulary: object = model.get("vocab")
    if not isinstance(vocabulary, dict) or not vocabulary:
        raise damaged(file, _("it has no vocabulary"))
    ids: set[int] = set()
    for token, token_id in vocabulary.items():
        if not isinstance(token_id, int) or isinstance(token_id, bool) or token_id < 0:
            raise damaged(file, _("the id of {token}").format(token=ascii(token)))
        if token_id in ids:
            raise damaged(file, _("two tokens have the id {id}").format(id=token_id))
        ids.add(token_id)
    return vocabulary


def special_tokens(files: TokenizerFiles) -> list[str]:
    """The texts of the named special tokens, then of the extra ones, each once."""
    return list(dict.fromkeys(token.content for token in [*_named_tokens(files), *_extra_tokens(files)]))


def named_entries(files: TokenizerFiles) -> dict[str, object]:
    """`bos_token` and so on, as tokenizer_config.json or the tokenizer's class names them: a text, an object or null.

    Left out is what neither of them speaks of.
    """
    settings = _settings(files)
    padding: object = (files.tokenizer or {}).get("padding")
    in_file = {"pad_token": padding.get("pad_token")} if isinstance(padding, dict) else {}
    known = {**in_file, **CLASS_TOKENS.get(_tokenizer_class(files), {}), **settings}
    more = (key for key in settings if key.endswith("_token") and key not in NAMED_TOKENS)
    return {key: known[key] for key in [*NAMED_TOKENS, *more] if key in known}


def _parse(files: TokenizerFiles) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(files.folder / "tokenizer.json"))
    except Exception as error:  # noqa: BLE001 - the library raises plain Exception for everything
        raise damaged(files.name("tokenizer.json"), _one_line(error)) from None
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise damaged(files.name("tokenizer.json"), _one_line(error)) from None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


def _tokens_to_add(files: TokenizerFiles, tokenizer: Tokenizer) -> list[AddedToken]:
    """All tokens that the settings know, ids ascending, then the special tokens that are no added tokens yet.

    To add a token again changes its flags only; a named token always becomes special.
    """
    named = _named_tokens(files)
    names = {token.content for token in named}
    tokens = [token for _id, token in sorted(_decoder(files).items())]
    for token in tokens:
        token.special = token.special or token.content in names
    known = {token.content for token in [*tokenizer.get_added_tokens_decoder().values(), *tokens]}
    for token in [*named, *_extra_tokens(files)]:
        if token.content not in known:
            known.add(token.content)
            tokens.append(token)
    if _tokenizer_class(files) == "Qwen2Tokenizer":
        tokens += [AddedToken(content, special=True) for content in special_tokens(files)]
    return tokens


def _decoder(files: TokenizerFiles) -> dict[int, AddedToken]:
    """added_tokens_decoder; where tokenizer_config.json has none, added_tokens.json and then tokenizer.json's own."""
    decoder = files.added_decoder
    if decoder is None:
        special = set(special_tokens(files))
        legacy = {
            token_id: {"content": content, "normalized": content not in special, "special": content in special}
            for content, token_id in files.added_ids.items()
        }
        decoder = {**legacy, **{token["id"]: token for token in files.added_tokens}}
    return {token_id: _added_token(entry, files) for token_id, entry in decoder.items()}


def _added_token(entry: Any, files: TokenizerFiles, **fixed: bool) -> AddedToken:
    """`entry` is a text, or an object with `content` and flags."""
    if isinstance(entry, str):
        return AddedToken(entry, special=True)
    flags = {name: entry[name] for name in _FLAGS if name in entry}
    if not all(isinstance(flag, bool) for flag in flags.values()):
        raise damaged(files.name("tokenizer_config.json"), entry["content"])
    return AddedToken(entry["content"], **{**flags, **fixed})


def _named_tokens(files: TokenizerFiles) -> list[AddedToken]:
    entries = named_entries(files).values()
    return [_added_token(entry, files, special=True) for entry in entries if token_content(entry) is not None]


def _extra_tokens(files: TokenizerFiles) -> list[AddedToken]:
    settings = _settings(files)
    extra: object = settings.get("extra_special_tokens") or settings.get("additional_special_tokens") or []
    entries = list(extra.values()) if isinstance(extra, dict) else extra
    if not isinstance(entries, list) or len(entries) > MAX_ADDED_TOKENS:
        raise damaged(files.name("tokenizer_config.json"), "additional_special_tokens")
    return [_added_token(entry, files) for entry in entries if token_content(entry) is not None]


def _settings(files: TokenizerFiles) -> dict[str, Any]:
    """tokenizer_config.json; special_tokens_map.json counts only where it has no added_tokens_decoder."""
    if files.added_decoder is not None:
        return files.config or {}
    return {**(files.config or {}), **(files.special_map or {})}


def _tokenizer_class(files: TokenizerFiles) -> str:
    """The class of transformers that would add tokens of its own; empty where it is a generic one."""
    if files.architecture in ("mistral", "mixtral", "phi3"):
        return ""
    default = "Qwen2Tokenizer" if files.architecture in ("qwen2", "qwen3", "qwen3_moe") else ""
    name = str((files.config or {}).get("tokenizer_class") or default).removesuffix("Fast")
    return "" if name == "LlamaTokenizer" and _byte_level(files) else name


def _byte_level(files: TokenizerFiles) -> bool:
    parts = [(files.tokenizer or {}).get(part) for part in ("pre_tokenizer", "decoder", "post_processor")]
    return '"ByteLevel"' in json.dumps(parts)
