"""Damaged and hostile tokenizer files: one clear line and InputRefused, whatever they hold."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.convert.small_tokenizers import (
    PIECES,
    byte_level_json,
    fallback_json,
    sentencepiece_bytes,
    write_folder,
)

from localfin_convert.vocabulary import vocabulary_keys
from localfin_models.errors import InputRefused

SETTINGS: dict[str, Any] = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "bos_token": {"__type": "AddedToken", "content": "<s>", "lstrip": False, "normalized": False},
    "eos_token": "</s>",
    "added_tokens_decoder": {"261": {"content": "<s>", "special": True}, "262": {"content": "</s>", "special": True}},
    "additional_special_tokens": ["<s>"],
    "add_bos_token": True,
    "chat_template": [{"name": "default", "template": "{{ messages }}"}],
}
POST_PROCESSOR: dict[str, Any] = {
    "type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
    "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
    "special_tokens": {"<s>": {"id": "<s>", "ids": [261], "tokens": ["<s>"]}},
}
TOKENIZER = byte_level_json(
    [{"content": "<s>"}, {"content": "</s>"}],
    post_processor=POST_PROCESSOR,
    normalizer={"type": "Sequence", "normalizers": [{"type": "NFC"}]},
)


class AnyPretokenizer(dict[str, str]):
    """Knows every fingerprint."""

    def get(self, key: str, default: Any = None) -> Any:
        return "any"


def refusal(folder: Path, vocab_size: Any = 300, architecture: str = "llama") -> str:
    with pytest.raises(InputRefused) as caught:
        vocabulary_keys(folder, {"vocab_size": vocab_size}, architecture, pretokenizers=AnyPretokenizer())
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


def test_no_tokenizer_at_all(tmp_path: Path) -> None:
    assert "neither tokenizer.model nor tokenizer.json" in refusal(tmp_path)


def test_only_tekken(tmp_path: Path) -> None:
    assert "tekken.json" in refusal(write_folder(tmp_path, {"tekken.json": {}}))


@pytest.mark.parametrize("size", [None, 0, -1, True, "300", 1 << 40, 3.5])
def test_vocab_size_that_is_none(tmp_path: Path, size: Any) -> None:
    write_folder(tmp_path, {"tokenizer.model": sentencepiece_bytes()})
    assert "vocab_size" in refusal(tmp_path, size)


def test_unknown_architecture(tmp_path: Path) -> None:
    write_folder(tmp_path, {"tokenizer.model": sentencepiece_bytes()})
    assert "llama, mistral, qwen2" in refusal(tmp_path, architecture="mamba")


@pytest.mark.parametrize("length", [0, 1, 7, 100, 3000, -9, -1])
def test_truncated_sentencepiece_model(tmp_path: Path, length: int) -> None:
    write_folder(tmp_path, {"tokenizer.model": sentencepiece_bytes()[:length]})
    assert "tokenizer.model is damaged" in refusal(tmp_path)


def test_a_tiktoken_file_in_the_place_of_a_sentencepiece_model(tmp_path: Path) -> None:
    write_folder(tmp_path, {"tokenizer.model": "IQ== 0\nIg== 1\n"})
    assert "no SentencePiece model" in refusal(tmp_path)


def test_sentencepiece_piece_that_is_not_utf8(tmp_path: Path) -> None:
    write_folder(tmp_path, {"tokenizer.model": sentencepiece_bytes([*PIECES, (b"\xff\xfe", -1.0, 1)])})
    assert "tokenizer.model" in refusal(tmp_path)


def test_more_pieces_than_embeddings(tmp_path: Path) -> None:
    write_folder(tmp_path, {"tokenizer.model": sentencepiece_bytes()})
    message = refusal(tmp_path, len(PIECES) - 1)
    assert str(len(PIECES)) in message
    assert str(len(PIECES) - 1) in message


NO_JSON = [b"", b"{", b"[]", b"3", b"\xff\xfe{}", b"[" * 100_000, b'{"a":' * 100_000, b"\xef\xbb\xbf{}"]


@pytest.mark.parametrize("file", ["tokenizer", "tokenizer_config", "added_tokens", "special_tokens_map"])
@pytest.mark.parametrize("content", NO_JSON, ids=range(len(NO_JSON)))
def test_json_that_is_none(tmp_path: Path, file: str, content: bytes) -> None:
    write_folder(tmp_path, {"tokenizer.json": TOKENIZER, f"{file}.json": content})
    assert f"{file}.json" in refusal(tmp_path)


FIRST, SECOND = TOKENIZER["added_tokens"]
BROKEN_REGEX = {"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated", "invert": False}
MODEL_DAMAGE = {
    "no model": {"model": None},
    "a list": {"model": []},
    "WordPiece": {"model": {"type": "WordPiece", "vocab": {"a": 0}}},
    "no vocabulary": {"model": {"type": "BPE", "merges": []}},
    "empty vocabulary": {"model": {"type": "BPE", "vocab": {}, "merges": []}},
    "a list of tokens": {"model": {"type": "BPE", "vocab": ["a"], "merges": []}},
    "negative id": {"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}},
    "id twice": {"model": {"type": "BPE", "vocab": {"a": 0, "b": 0}, "merges": []}},
    "id is true": {"model": {"type": "BPE", "vocab": {"a": True}, "merges": []}},
    "id is text": {"model": {"type": "BPE", "vocab": {"a": "0"}, "merges": []}},
    "id is huge": {"model": {"type": "BPE", "vocab": {"a": 1 << 70}, "merges": []}},
    "id without embedding": {"model": {"type": "BPE", "vocab": {"a": 300}, "merges": []}},
    "merge of an unknown token": {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "b"]]}},
    "merge of three": {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "a", "a"]]}},
    "merge is a number": {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": [3]}},
    "added tokens are an object": {"added_tokens": {"a": 1}},
    "added token without content": {"added_tokens": [{"id": 261}]},
    "added token with a negative id": {"added_tokens": [{**FIRST, "id": -1}]},
    "added token with another's id": {"added_tokens": [FIRST, {**SECOND, "id": 261}]},
    "added tokens with a hole": {"added_tokens": [{**FIRST, "id": 270}]},
    "lone surrogate": {"added_tokens": [{**FIRST, "content": "\ud800"}]},
    "post-processor is text": {"post_processor": "x"},
    "template without entries": {"post_processor": {**POST_PROCESSOR, "single": [1, 2]}},
    "unknown pre-tokenizer": {"pre_tokenizer": {"type": "Nonsense"}},
    "broken regex": {"pre_tokenizer": BROKEN_REGEX},
}  # fmt: skip


@pytest.mark.parametrize("what", MODEL_DAMAGE)
def test_damaged_tokenizer_json(tmp_path: Path, what: str) -> None:
    text = json.dumps({**TOKENIZER, **MODEL_DAMAGE[what]})
    assert "tokenizer.json" in refusal(write_folder(tmp_path, {"tokenizer.json": text}))


SETTINGS_DAMAGE = {
    "decoder is a list": {"added_tokens_decoder": []},
    "id is no number": {"added_tokens_decoder": {"x": {"content": "a"}}},
    "negative id": {"added_tokens_decoder": {"-1": {"content": "a"}}},
    "superscript id": {"added_tokens_decoder": {"²": {"content": "a"}}},
    "no content": {"added_tokens_decoder": {"261": {"special": True}}},
    "flag is text": {"added_tokens_decoder": {"261": {"content": "<s>", "special": "yes"}}},
    "add_prefix_space is text": {"add_prefix_space": "yes"},
    "template without text": {"chat_template": [{"name": "default", "template": 3}]},
    "extra tokens are a number": {"additional_special_tokens": 3},
}  # fmt: skip


@pytest.mark.parametrize("what", SETTINGS_DAMAGE)
def test_damaged_settings(tmp_path: Path, what: str) -> None:
    files = {"tokenizer.json": TOKENIZER, "tokenizer_config.json": {**SETTINGS, **SETTINGS_DAMAGE[what]}}
    assert "tokenizer_config.json" in refusal(write_folder(tmp_path, files))


def test_negative_special_token_id(tmp_path: Path) -> None:
    write_folder(tmp_path, {"tokenizer.model": sentencepiece_bytes()})
    with pytest.raises(InputRefused, match="bos_token_id is -5"):
        vocabulary_keys(tmp_path, {"vocab_size": 300, "bos_token_id": -5}, "llama")


def test_token_id_too_large_for_the_format(tmp_path: Path) -> None:
    write_folder(tmp_path, {"tokenizer.json": TOKENIZER})
    config = {"vocab_size": 300, "eos_token_id": 1 << 32}
    with pytest.raises(InputRefused, match="out of range"):
        vocabulary_keys(tmp_path, config, "llama", pretokenizers=AnyPretokenizer())


def test_vocabulary_with_holes_and_no_scores(tmp_path: Path) -> None:
    damaged = copy.deepcopy(fallback_json())
    damaged["model"]["vocab"]["▁은행"] = 290
    assert "holes" in refusal(write_folder(tmp_path, {"tokenizer.json": damaged}))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 400) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=4,
)


def replace_somewhere(value: Any, draw: st.DrawFn) -> Any:
    """`value` with one node, at any depth, replaced by any JSON."""
    if isinstance(value, dict) and value and draw(st.integers(0, 4)):
        key = draw(st.sampled_from(list(value)))
        return {**value, key: replace_somewhere(value[key], draw)}
    if isinstance(value, list) and value and draw(st.integers(0, 4)):
        index = draw(st.integers(0, len(value) - 1))
        return [*value[:index], replace_somewhere(value[index], draw), *value[index + 1 :]]
    return draw(json_values)


@st.composite
def damaged_files(draw: st.DrawFn) -> tuple[dict[str, Any], str]:
    files: dict[str, Any] = {
        "tokenizer.json": draw(st.sampled_from([TOKENIZER, fallback_json([{"content": "<s>"}])])),
        "tokenizer_config.json": SETTINGS,
        "special_tokens_map.json": {"bos_token": {"content": "<s>"}, "eos_token": "</s>"},
        "added_tokens.json": {"<more>": 263},
    }
    name = draw(st.sampled_from(list(files)))
    files[name] = replace_somewhere(files[name], draw)
    return files, draw(st.sampled_from(["llama", "mistral", "qwen2"]))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(damaged=damaged_files())
def test_any_damage_is_refused_or_harmless(tmp_path: Path, damaged: tuple[dict[str, Any], str]) -> None:
    files, architecture = damaged
    folder = write_folder(tmp_path, {name: json.dumps(content) for name, content in files.items()})
    try:
        keys = vocabulary_keys(folder, {"vocab_size": 300}, architecture, pretokenizers=AnyPretokenizer())
    except InputRefused as refused:
        assert "\n" not in str(refused)  # noqa: PT017 - other outcomes are allowed
    else:
        assert len({key.name for key in keys}) == len(keys)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(offset=st.integers(0, len(sentencepiece_bytes()) - 1), value=st.integers(0, 255))
def test_any_changed_byte_of_a_sentencepiece_model(tmp_path: Path, offset: int, value: int) -> None:
    raw = bytearray(sentencepiece_bytes())
    raw[offset] = value
    write_folder(tmp_path, {"tokenizer.model": bytes(raw)})
    try:
        keys = vocabulary_keys(tmp_path, {"vocab_size": 300}, "llama")
    except InputRefused as refused:
        assert "\n" not in str(refused)  # noqa: PT017
    else:
        assert len(keys) >= 5
