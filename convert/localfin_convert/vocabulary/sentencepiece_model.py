"""The vocabulary in a SentencePiece `tokenizer.model`, with the tokens that were added to it later."""

from typing import Any

from gguf import TokenType
from sentencepiece import SentencePieceProcessor

from localfin_convert.vocabulary.files import TokenizerFiles, damaged
from localfin_convert.vocabulary.pieces import Pieces, looks_special, padding, plain_spaces
from localfin_models.errors import InputRefused
from localfin_models.language import _

MAX_MODEL = 64 * 1024 * 1024
ADDED_SCORE = -1000.0
UNUSED_SCORE = -10000.0


def read_pieces(files: TokenizerFiles, vocab_size: int) -> Pieces | None:
    """`vocab_size` pieces, the rest of them `[PAD{id}]` and unused; None where the folder has no tokenizer.model.

    Added tokens with ids of `vocab_size` or more are left out: the model has no embedding for them.
    Raises InputRefused for a damaged file, or for more pieces than the model has embeddings.
    """
    if files.sentencepiece is None:
        return None
    processor = load_processor(files)
    count: int = processor.vocab_size()
    if count > vocab_size:
        raise InputRefused(
            _("{file} has {count} tokens, config.json's vocab_size is {size}").format(
                file=files.name("tokenizer.model"), count=count, size=vocab_size
            )
        )
    unused = vocab_size - count
    try:
        tokens: list[str] = [*processor.id_to_piece(list(range(count))), *map(padding, range(count, vocab_size))]
    except UnicodeDecodeError:
        raise damaged(files.name("tokenizer.model"), _("a token is not UTF-8 text")) from None
    scores: list[float] = [*processor.get_score(list(range(count))), *[UNUSED_SCORE] * unused]
    types = [*(_type(processor, token_id) for token_id in range(count)), *[TokenType.UNUSED] * unused]
    pieces = Pieces("llama", "default", tokens, scores, types)
    _add_tokens(pieces, files)
    return pieces


def mark_added(pieces: Pieces, files: TokenizerFiles) -> None:
    """Phi-3's rule, laid over `pieces`: added tokens stand as they are, also those of tokenizer.json alone, and only
    the mark `special` makes a control token.
    """
    entries = [*(files.added_decoder or {}).items(), *((token["id"], token) for token in files.added_tokens)]
    for token_id, entry in entries:
        if token_id < len(pieces.tokens):
            kind = TokenType.CONTROL if entry.get("special") else TokenType.USER_DEFINED
            _replace(pieces, token_id, entry["content"], kind)


def piece_count(files: TokenizerFiles) -> int:
    """Pieces of tokenizer.model; 0 without. Raises InputRefused for a damaged file."""
    return 0 if files.sentencepiece is None else int(load_processor(files).vocab_size())


def load_processor(files: TokenizerFiles) -> Any:
    path = files.sentencepiece
    file = files.name("tokenizer.model")
    assert path is not None
    try:
        if path.stat().st_size > MAX_MODEL:
            raise InputRefused(_("{file} is larger than {most} MB").format(file=file, most=MAX_MODEL >> 20))
        processor = SentencePieceProcessor()
        processor.LoadFromSerializedProto(path.read_bytes())
    except OSError as error:
        raise InputRefused(_("{file} cannot be read: {reason}").format(file=file, reason=error.strerror)) from None
    except (RuntimeError, UnicodeDecodeError):
        raise damaged(file, _("no SentencePiece model; where tokenizer.json holds the vocabulary, remove it")) from None
    if processor.vocab_size() == 0:
        raise damaged(file, _("it has no tokens"))
    return processor


def _type(processor: Any, token_id: int) -> TokenType:
    if processor.is_unknown(token_id):
        return TokenType.UNKNOWN
    if processor.is_control(token_id):
        return TokenType.CONTROL
    if processor.is_unused(token_id):
        return TokenType.UNUSED
    return TokenType.BYTE if processor.is_byte(token_id) else TokenType.NORMAL


def _add_tokens(pieces: Pieces, files: TokenizerFiles) -> None:
    """First added_tokens.json, then tokenizer_config.json, whose marks tell control tokens from words of the user."""
    for token, token_id in files.added_ids.items():
        if token_id < len(pieces.tokens):
            _replace(pieces, token_id, token, TokenType.USER_DEFINED)
    for token_id, entry in (files.added_decoder or {}).items():
        if token_id < len(pieces.tokens):
            content: str = entry["content"]
            if entry.get("special") or looks_special(content):
                _replace(pieces, token_id, content, TokenType.CONTROL)
            else:
                _replace(pieces, token_id, plain_spaces(content), TokenType.USER_DEFINED)


def _replace(pieces: Pieces, token_id: int, token: str, kind: TokenType) -> None:
    pieces.tokens[token_id] = token
    pieces.scores[token_id] = ADDED_SCORE
    pieces.types[token_id] = kind
