"""The shipped starter: its files, sizes and shapes, and that the GGUF is what its base and adapter convert to."""

import hashlib
import json
import math
import re
import struct
from pathlib import Path

import pytest
import sentencepiece
from gguf import GGUFReader
from tests.golden.record import record

from localfin_convert import convert
from localfin_convert.prompt_format import SEED_TEMPLATE

MODELS = Path(__file__).resolve().parents[2] / "models"
BASE = MODELS / "starter" / "base"
ADAPTER = MODELS / "starter" / "adapter"
CARD = MODELS / "starter" / "README.md"
GGUF = MODELS / "localfin_models" / "starter.gguf"
MB = 1_000_000


def header(path: Path) -> dict[str, dict[str, object]]:
    """The JSON header of a safetensors file, read by hand."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        return {name: entry for name, entry in json.loads(file.read(length)).items() if name != "__metadata__"}


def read_json(path: Path) -> dict[str, object]:
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def vocabulary() -> sentencepiece.SentencePieceProcessor:
    return sentencepiece.SentencePieceProcessor(model_file=str(BASE / "tokenizer.model"))


def test_sizes() -> None:
    files = [path for folder in (BASE, ADAPTER) for path in folder.iterdir()]
    assert sum(path.stat().st_size for path in files) <= 26 * MB
    assert GGUF.stat().st_size <= 8 * MB


def test_only_the_files_a_checkpoint_needs() -> None:
    assert {path.name for path in BASE.iterdir()} == {
        "config.json", "generation_config.json", "model.safetensors", "tokenizer.model", "tokenizer_config.json",
    }  # fmt: skip
    assert {p.name for p in ADAPTER.iterdir()} == {
        "adapter_config.json", "adapter_model.safetensors", "chat_template.jinja",
    }  # fmt: skip


def test_shapes_suit_the_quantizer() -> None:
    config = read_json(BASE / "config.json")
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["hidden_size"] % 256 == 0
    assert config["intermediate_size"] % 256 == 0
    assert config["max_position_embeddings"] >= 4096
    tensors = header(BASE / "model.safetensors")
    assert {entry["dtype"] for entry in tensors.values()} == {"BF16"}
    assert ("lm_head.weight" in tensors) != config["tie_word_embeddings"]


def test_adapter_is_the_lora_it_says() -> None:
    config = read_json(ADAPTER / "adapter_config.json")
    assert (config["peft_type"], config["r"], config["lora_alpha"], config["lora_dropout"]) == ("LORA", 16, 32, 0.05)
    assert sorted(config["target_modules"]) == ["k_proj", "o_proj", "q_proj", "v_proj"]
    assert config["base_model_name_or_path"] == "localfin-starter-base"
    layers = read_json(BASE / "config.json")["num_hidden_layers"]
    assert len(header(ADAPTER / "adapter_model.safetensors")) == layers * 4 * 2
    assert (ADAPTER / "chat_template.jinja").read_text(encoding="utf-8") == SEED_TEMPLATE


def test_no_file_names_a_place_on_a_machine() -> None:
    for path in (*BASE.glob("*.json"), *ADAPTER.glob("*.json"), CARD):
        assert not re.search(r"/(root|home|tmp|work)\b", path.read_text(encoding="utf-8")), path


def test_vocabulary_is_bpe_with_byte_fallback(vocabulary: sentencepiece.SentencePieceProcessor) -> None:
    assert (vocabulary.unk_id(), vocabulary.bos_id(), vocabulary.eos_id()) == (0, 1, 2)
    assert vocabulary.vocab_size() == read_json(BASE / "config.json")["vocab_size"]
    assert sum(vocabulary.is_byte(i) for i in range(vocabulary.vocab_size())) == 256
    assert vocabulary.encode("2026", out_type=str) == ["▁", "2", "0", "2", "6"]
    for text in ("한 글자 두  글자", "ﬁ ½ Ａ", "뷁 🙂 ∑", "줄\n바꿈\t탭", "5,000만원을 연 3.5%로"):
        assert vocabulary.decode(vocabulary.encode(text)) == text
        assert 0 not in vocabulary.encode(text)


def test_gguf_has_the_tensors_and_the_template() -> None:
    reader = GGUFReader(GGUF)
    assert reader.fields["general.architecture"].contents() == "llama"
    assert reader.fields["tokenizer.ggml.model"].contents() == "llama"
    assert reader.fields["llama.context_length"].contents() >= 4096
    assert reader.fields["tokenizer.chat_template"].contents() == SEED_TEMPLATE
    weights = sum(math.prod(entry["shape"]) for entry in header(BASE / "model.safetensors").values())
    assert sum(int(tensor.n_elements) for tensor in reader.tensors) == weights
    assert {"Q4_K", "Q6_K", "F32"} == {tensor.tensor_type.name for tensor in reader.tensors}


def test_gguf_is_what_base_and_adapter_convert_to(tmp_path: Path) -> None:
    report = convert(BASE, [ADAPTER], tmp_path / GGUF.name, prompt_format="seed")
    assert report.changed > 0
    assert record(tmp_path / GGUF.name) == record(GGUF)  # all but the versions and hashes in its provenance
    found = report.verification
    assert found is not None
    assert (found.conversations, found.tokens.limitations) == (4, ())
    assert found.logits.noise < 0.02  # of a trained model; a random one answers more nervously
    assert found.logits.llama.kl_mean < 0.03
    assert found.logits.llama.kl_mean < 1.5 * found.logits.quantization.kl_mean
    assert found.logits.adapter is not None
    assert found.logits.adapter.kl_mean > 0.1


def test_card_names_this_file_and_has_the_measured_table() -> None:
    card = CARD.read_text(encoding="utf-8")
    assert hashlib.sha256(GGUF.read_bytes()).hexdigest() in card
    for kind in ("calculation", "definition", "fraud", "question", "reading", "refusal"):
        for language in ("ko", "en"):
            assert re.search(rf"^\| {kind} \| {language} \| \d+ \| [\d.]+ \|", card, re.MULTILINE)
    assert "What it cannot do" in card
    assert "Apache-2.0" in card
