"""The pre-tokenizer's fingerprint, merges, and the ids that a byte-level BPE leaves free."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
from gguf import TokenType
from tests.convert.small_tokenizers import byte_level_json, write_folder
from tokenizers import Tokenizer

from localfin_convert.keys import Key
from localfin_convert.vocabulary import vocabulary_keys
from localfin_convert.vocabulary.pretokenizers import PRETOKENIZERS, PROBE, fingerprint
from localfin_models.errors import InputRefused

SIZE = 261
BOS = {"content": "<|begin|>"}


def known(folder: Path, ids_before: list[int] | None = None) -> dict[str, str]:
    """A table with the one fingerprint of the tokenizer in `folder`, of the plain ids after `ids_before`."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return {fingerprint([*(ids_before or []), *tokenizer.encode(PROBE, add_special_tokens=False).ids]): "ours"}


def by_name(keys: list[Key]) -> dict[str, Any]:
    return {key.name.removeprefix("tokenizer.ggml."): key.value for key in keys}


def test_the_probe_is_llama_cpps() -> None:
    # The digest of `chktxt` in conversion/base.py of llama-cpp-python 0.3.36.
    digest = hashlib.sha256(PROBE.encode("utf-8")).hexdigest()
    assert digest == "a36179c1e2b1cfcfbfad1dc779addad2ffc778201e4cf0d538bddeafa2c526da"
    assert fingerprint([1, 22]) == hashlib.sha256(b"[1, 22]").hexdigest()


def test_the_table_has_the_models_users_bring() -> None:
    names = set(PRETOKENIZERS.values())
    assert {"llama-bpe", "smaug-bpe", "qwen2", "deepseek-llm", "deepseek-r1-qwen", "tekken", "exaone"} <= names
    assert all(len(digest) == 64 and int(digest, 16) for digest in PRETOKENIZERS)


def test_unknown_pretokenizer_is_named_by_its_fingerprint(tmp_path: Path) -> None:
    write_folder(tmp_path, {"tokenizer.json": byte_level_json()})
    (digest,) = known(tmp_path)
    with pytest.raises(InputRefused, match=f"unknown pre-tokenizer, fingerprint {digest}"):
        vocabulary_keys(tmp_path, {"vocab_size": SIZE}, "llama")


def test_another_pretokenizer_has_another_fingerprint(tmp_path: Path) -> None:
    plain = write_folder(tmp_path / "plain", {"tokenizer.json": byte_level_json()})
    spaced = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    words = {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, spaced]}
    other = write_folder(tmp_path / "other", {"tokenizer.json": byte_level_json(pre_tokenizer=words)})
    assert by_name(vocabulary_keys(plain, {"vocab_size": SIZE}, "llama", pretokenizers=known(plain)))["pre"] == "ours"
    with pytest.raises(InputRefused):
        vocabulary_keys(other, {"vocab_size": SIZE}, "llama", pretokenizers=known(plain))


@pytest.mark.parametrize(("added", "start"), [(True, [SIZE]), (False, [])])
def test_llama_tokenizer_class_adds_its_own_start(tmp_path: Path, added: bool, start: list[int]) -> None:
    """deepseek-llm: transformers 4 puts the class's settings in the post-processor's place; the table has that."""
    settings = {"tokenizer_class": "LlamaTokenizerFast", "bos_token": "<|begin|>", "add_bos_token": added}
    byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}
    write_folder(
        tmp_path,
        {"tokenizer.json": byte_level_json([BOS], post_processor=byte_level), "tokenizer_config.json": settings},
    )
    keys = vocabulary_keys(tmp_path, {"vocab_size": SIZE + 1}, "llama", pretokenizers=known(tmp_path, start))
    assert by_name(keys)["pre"] == "ours"


def test_two_ways_to_write_merges(tmp_path: Path) -> None:
    pairs = byte_level_json()
    texts = byte_level_json()
    texts["model"]["merges"] = [" ".join(pair) for pair in texts["model"]["merges"]]
    written = []
    for name, content in (("pairs", pairs), ("texts", texts)):
        folder = write_folder(tmp_path / name, {"tokenizer.json": content})
        keys = vocabulary_keys(folder, {"vocab_size": SIZE}, "llama", pretokenizers=known(folder))
        written.append(by_name(keys)["merges"])
    assert written[0] == written[1] == ["t h", "th e", "Ġ the", "i n", "Ġ Ġ"]


def test_space_in_a_merge_is_written_as_byte_level_space(tmp_path: Path) -> None:
    content = byte_level_json()
    content["model"]["vocab"].update({" ": SIZE, " t": SIZE + 1})
    content["model"]["merges"].append([" ", "t"])
    write_folder(tmp_path, {"tokenizer.json": content})
    keys = vocabulary_keys(tmp_path, {"vocab_size": SIZE + 2}, "llama", pretokenizers=known(tmp_path))
    assert by_name(keys)["merges"][-1] == "Ġ t"


def test_merges_txt_where_tokenizer_json_has_none(tmp_path: Path) -> None:
    content = byte_level_json()
    content["model"]["merges"] = []
    write_folder(tmp_path, {"tokenizer.json": content, "merges.txt": "#version: 0.2\nt h\nth e\n\nthree parts here\n"})
    keys = vocabulary_keys(tmp_path, {"vocab_size": SIZE}, "llama", pretokenizers=known(tmp_path))
    assert by_name(keys)["merges"] == ["t h", "th e"]


def test_free_ids_are_unused(tmp_path: Path) -> None:
    content = byte_level_json()
    del content["model"]["vocab"]["ĠĠ"]
    content["model"]["merges"].pop()
    content["model"]["vocab"]["in"] = SIZE + 2
    write_folder(tmp_path, {"tokenizer.json": content})
    keys = by_name(vocabulary_keys(tmp_path, {"vocab_size": SIZE + 4}, "llama", pretokenizers=known(tmp_path)))
    free = [259, 260, 261, 262, 264]
    assert [keys["tokens"][token_id] for token_id in free] == [f"[PAD{token_id}]" for token_id in free]
    assert {token_id for token_id, kind in enumerate(keys["token_type"]) if kind == TokenType.UNUSED} == set(free)
    assert keys["tokens"][263] == "in"
    assert len(keys["tokens"]) == SIZE + 4


def test_more_tokens_than_embeddings_names_the_token(tmp_path: Path) -> None:
    """A fine-tune that added a token and kept the base's embeddings (llama.cpp issue 5910)."""
    write_folder(tmp_path, {"tokenizer.json": byte_level_json([BOS])})
    with pytest.raises(InputRefused, match=r"'<\|begin\|>' has the id 261, config.json's vocab_size is 261"):
        vocabulary_keys(tmp_path, {"vocab_size": SIZE}, "llama", pretokenizers=known(tmp_path))


def test_byte_level_in_a_llama_is_not_taken_for_sentencepiece(tmp_path: Path) -> None:
    write_folder(tmp_path, {"tokenizer.json": byte_level_json()})
    keys = by_name(vocabulary_keys(tmp_path, {"vocab_size": SIZE}, "llama", pretokenizers=known(tmp_path)))
    assert keys["model"] == "gpt2"
    assert "scores" not in keys
