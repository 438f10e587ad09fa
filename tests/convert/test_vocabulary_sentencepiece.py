"""SentencePiece vocabularies: a trained one against the library itself, and the Hugging Face form without scores."""

from pathlib import Path
from typing import Any

import sentencepiece
from gguf import TokenType
from tests.convert.small_tokenizers import PIECES, fallback_json, write_folder

from localfin_convert.vocabulary import vocabulary_keys

FALLBACK_SIZE = len(PIECES) - 2


def read(folder: Path, vocab_size: int, architecture: str = "llama", **config: Any) -> dict[str, Any]:
    keys = vocabulary_keys(folder, {"vocab_size": vocab_size, **config}, architecture)
    return {key.name.removeprefix("tokenizer.ggml."): key.value for key in keys}


def test_a_trained_model(tmp_path: Path, sentencepiece_model: bytes) -> None:
    processor = sentencepiece.SentencePieceProcessor(model_proto=sentencepiece_model)
    count = processor.vocab_size()
    write_folder(tmp_path, {"tokenizer.model": sentencepiece_model})
    keys = read(tmp_path, count + 2)
    assert keys["tokens"] == [*(processor.id_to_piece(i) for i in range(count)), f"[PAD{count}]", f"[PAD{count + 1}]"]
    assert keys["scores"] == [*(processor.get_score(i) for i in range(count)), -10000.0, -10000.0]
    kinds = keys["token_type"]
    assert kinds[:3] == [TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL]
    assert kinds.count(TokenType.BYTE) == 256
    assert kinds[-2:] == [TokenType.UNUSED] * 2
    assert kinds.count(TokenType.NORMAL) == count - 3 - 256


def test_pad_token_of_minus_one_is_none(tmp_path: Path, sentencepiece_model: bytes) -> None:
    """Checkpoints of the first Llama say `pad_token_id: -1`; llama.cpp's converter stops there."""
    write_folder(tmp_path, {"tokenizer.model": sentencepiece_model})
    keys = read(tmp_path, 1000, pad_token_id=-1, eos_token_id=2)
    assert keys["eos_token_id"] == 2
    assert "padding_token_id" not in keys


def test_fallback_bpe_is_filled_up_to_the_embeddings(tmp_path: Path) -> None:
    """llama.cpp's converter leaves these ids out, and then cannot load the file it wrote."""
    write_folder(tmp_path, {"tokenizer.json": fallback_json([{"content": "<s>"}, {"content": "<new>"}])})
    keys = read(tmp_path, FALLBACK_SIZE + 3)
    assert keys["model"] == "llama"
    assert keys["tokens"][FALLBACK_SIZE:] == ["<new>", f"[PAD{FALLBACK_SIZE + 1}]", f"[PAD{FALLBACK_SIZE + 2}]"]
    assert keys["token_type"][FALLBACK_SIZE:] == [TokenType.USER_DEFINED, TokenType.UNUSED, TokenType.UNUSED]
    assert set(keys["scores"]) == {-1000.0}
    assert keys["token_type"][3] == TokenType.BYTE
