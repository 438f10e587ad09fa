"""A byte-level BPE in tokenizer.json (GPT-2's kind: Llama 3, Qwen2): tokens, types, merges, pre-tokenizer."""

from collections.abc import Mapping
from typing import Any

from gguf import TokenType
from tokenizers import AddedToken, Tokenizer

from localfin_convert.vocabulary.backend import load_backend
from localfin_convert.vocabulary.files import TokenizerFiles, damaged
from localfin_convert.vocabulary.pieces import Pieces, looks_special, padding, plain_spaces
from localfin_convert.vocabulary.pretokenizers import PROBE, fingerprint
from localfin_convert.vocabulary.special import token_content
from localfin_models.errors import InputRefused
from localfin_models.language import _

SPACE = "\u0120"
"""How byte-level vocabularies write a space."""


def read_pieces(files: TokenizerFiles, vocab_size: int, pretokenizers: Mapping[str, str]) -> Pieces:
    """`vocab_size` tokens; ids that the tokenizer does not know are `[PAD{id}]` and unused.

    Raises InputRefused for a damaged file, a pre-tokenizer that is not in `pretokenizers`, or an id of `vocab_size`
    or more.
    """
    tokenizer = load_backend(files)
    vocabulary = {token_id: token for token, token_id in tokenizer.get_vocab().items()}
    largest = max(vocabulary)
    if largest >= vocab_size:
        raise InputRefused(
            _("{file}: token {token} has the id {id}, config.json's vocab_size is {size}").format(
                file=files.name("tokenizer.json"), token=ascii(vocabulary[largest]), id=largest, size=vocab_size
            )
        )
    pretokenizer = _pretokenizer(files, tokenizer, pretokenizers)
    added = tokenizer.get_added_tokens_decoder()
    tokens: list[str] = []
    types: list[TokenType] = []
    for token_id in range(vocab_size):
        token, kind = _token(token_id, vocabulary.get(token_id), added.get(token_id), tokenizer)
        tokens.append(token)
        types.append(kind)
    return Pieces("gpt2", pretokenizer, tokens, [], types, _merges(files))


def _token(token_id: int, text: str | None, added: AddedToken | None, tokenizer: Tokenizer) -> tuple[str, TokenType]:
    if text is None:
        return padding(token_id), TokenType.UNUSED
    if added is None:
        return text, TokenType.NORMAL
    if not added.normalized:
        # llama.cpp looks for these in the text as it stands, so they are written as they come out of the tokenizer.
        text = tokenizer.decode(tokenizer.encode(text, add_special_tokens=False).ids, skip_special_tokens=False)
    if added.special or looks_special(text):
        return text, TokenType.CONTROL
    return plain_spaces(text), TokenType.USER_DEFINED


def _pretokenizer(files: TokenizerFiles, tokenizer: Tokenizer, pretokenizers: Mapping[str, str]) -> str:
    ids = tokenizer.encode(PROBE).ids
    digest = fingerprint(ids)
    name = pretokenizers.get(digest) or pretokenizers.get(fingerprint(_as_llama_tokenizer(files, tokenizer, ids)))
    if name is None:
        raise InputRefused(
            _("{file}: unknown pre-tokenizer, fingerprint {digest}; llama.cpp could not split texts as it does").format(
                file=files.name("tokenizer.json"), digest=digest
            )
        )
    return name


def _as_llama_tokenizer(files: TokenizerFiles, tokenizer: Tokenizer, ids: list[int]) -> list[int]:
    """The probe's ids as transformers 4 gives them for this class, whose settings replace the file's post-processor.

    Models such as deepseek-llm have their known fingerprint from there.
    """
    settings = files.config or {}
    if settings.get("tokenizer_class") not in ("LlamaTokenizer", "LlamaTokenizerFast"):
        return ids
    ends = [("bos", settings.get("add_bos_token", True)), ("eos", settings.get("add_eos_token", False))]
    start, stop = ([_token_id(tokenizer, settings.get(f"{kind}_token"))] if added else [] for kind, added in ends)
    plain = tokenizer.encode(PROBE, add_special_tokens=False).ids
    return [token_id for token_id in [*start, *plain, *stop] if token_id is not None]


def _token_id(tokenizer: Tokenizer, entry: object) -> int | None:
    content = token_content(entry)
    return None if content is None else tokenizer.token_to_id(content)


def _merges(files: TokenizerFiles) -> list[str]:
    """`left right`, one a merge, in order; from tokenizer.json, or merges.txt where it has none."""
    merges: Any = ((files.tokenizer or {}).get("model") or {}).get("merges")
    if not merges:
        return _merges_from_text(files)
    if isinstance(merges, list) and all(isinstance(merge, str) for merge in merges):
        return merges
    if isinstance(merges, list) and all(map(_is_pair, merges)):
        return [f"{left.replace(' ', SPACE)} {right.replace(' ', SPACE)}" for left, right in merges]
    raise damaged(files.name("tokenizer.json"), "model.merges")


def _is_pair(merge: object) -> bool:
    return isinstance(merge, list) and len(merge) == 2 and all(isinstance(part, str) for part in merge)


def _merges_from_text(files: TokenizerFiles) -> list[str]:
    path = files.folder / "merges.txt"
    if not path.is_file():
        return []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise damaged(files.name("merges.txt"), _("it is not UTF-8 text")) from None
    if lines and lines[0].strip().startswith("#"):
        lines = lines[1:]
    pairs = (line.split() for line in lines)
    return [f"{pair[0]} {pair[1]}" for pair in pairs if len(pair) == 2]
