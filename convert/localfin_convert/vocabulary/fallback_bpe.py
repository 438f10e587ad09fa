"""A SentencePiece-like BPE in tokenizer.json (byte fallback, no tokenizer.model): llama.cpp's `LlamaHfVocab`.

Such a file has merges and no scores. The converter gives every token the same score, so that llama.cpp merges from the
left instead of by the merges' order: texts may be split otherwise than by the original tokenizer. With the
tokenizer.model at hand, the scores are right.
"""

import re

from gguf import TokenType
from tokenizers import Tokenizer

from localfin_convert.vocabulary.backend import load_backend, special_tokens
from localfin_convert.vocabulary.files import TokenizerFiles, damaged
from localfin_convert.vocabulary.pieces import Pieces, padding
from localfin_models.errors import InputRefused
from localfin_models.language import _

SCORE = -1000.0
_BYTE = re.compile(r"<0x[0-9A-Fa-f]{2}>")


def read_pieces(files: TokenizerFiles, vocab_size: int) -> Pieces | None:
    """The tokens, filled up to `vocab_size` with `[PAD{id}]`; None where tokenizer.json is of another kind.

    The converter does not fill up, and llama.cpp refuses its file where the model has more embeddings than tokens.
    """
    if not _has_byte_fallback(files):
        return None
    tokenizer = load_backend(files)
    base = tokenizer.get_vocab_size(with_added_tokens=False)
    vocabulary = {token_id: token for token, token_id in tokenizer.get_vocab().items()}
    if base > vocab_size:
        raise InputRefused(
            _("{file} has {count} tokens, config.json's vocab_size is {size}").format(
                file=files.name("tokenizer.json"), count=base, size=vocab_size
            )
        )
    if any(token_id not in vocabulary for token_id in range(base)):
        raise damaged(files.name("tokenizer.json"), _("the ids of its vocabulary have holes"))
    special = {tokenizer.token_to_id(token) for token in special_tokens(files)}
    tokens = [vocabulary[token_id] for token_id in range(base)]
    types = [_type(token, token_id in special) for token_id, token in enumerate(tokens)]
    _append_added(tokens, types, tokenizer, special)
    unused = range(len(tokens), vocab_size)
    tokens += map(padding, unused)
    types += [TokenType.UNUSED] * len(unused)
    return Pieces("llama", "default", tokens, [SCORE] * len(tokens), types)


def _has_byte_fallback(files: TokenizerFiles) -> bool:
    model = (files.tokenizer or {}).get("model")
    decoder = (files.tokenizer or {}).get("decoder")
    return (
        isinstance(model, dict)
        and model.get("type") == "BPE"
        and bool(model.get("byte_fallback"))
        and isinstance(decoder, dict)
        and decoder.get("type") == "Sequence"
    )


def _type(token: str, special: bool) -> TokenType:
    if _BYTE.fullmatch(token):
        return TokenType.BYTE
    return TokenType.CONTROL if special else TokenType.NORMAL


def _append_added(tokens: list[str], types: list[TokenType], tokenizer: Tokenizer, special: set[int | None]) -> None:
    """The added tokens behind the base vocabulary, in the order of their ids."""
    base = len(tokens)
    for token_id, token in sorted(tokenizer.get_added_tokens_decoder().items()):
        if token_id >= base:
            tokens.append(token.content)
            types.append(TokenType.CONTROL if token_id in special else TokenType.USER_DEFINED)
