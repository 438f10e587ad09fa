"""Tiny checkpoints and adapters on disk."""

import json
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sentencepiece
from tests.convert.tiny import (
    ADAPTER_CONFIG,
    CONFIG,
    VOCAB,
    llama_tensors,
    lora_tensors,
    write_safetensors,
)


@pytest.fixture(scope="session")
def sentencepiece_model() -> bytes:
    """A BPE vocabulary with byte fallback, of VOCAB pieces."""
    sentences = ["the bank pays interest on the deposit", "은행은 예금에 이자를 지급한다", "a loan of 1000 won"] * 20
    model = BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_writer=model, vocab_size=VOCAB, model_type="bpe", byte_fallback=True,
        normalization_rule_name="identity", minloglevel=2,
    )  # fmt: skip
    return model.getvalue()


@pytest.fixture
def checkpoint(tmp_path: Path, sentencepiece_model: bytes) -> Callable[..., Path]:
    """Writes a checkpoint folder; `tensors` and `config` replace the defaults, `shards` splits it with an index."""

    def write(
        name: str = "base",
        tensors: Mapping[str, tuple[str, np.ndarray]] | None = None,
        config: Mapping[str, Any] | None = None,
        shards: int = 1,
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({**CONFIG, **(config or {})}))
        (folder / "tokenizer.model").write_bytes(sentencepiece_model)
        (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer"}))
        stored = dict(tensors or llama_tensors())
        if shards == 1:
            write_safetensors(folder / "model.safetensors", stored)
            return folder
        names = list(stored)
        weight_map = {}
        for index in range(shards):
            file = f"model-{index + 1:05d}-of-{shards:05d}.safetensors"
            mine = names[index::shards]
            write_safetensors(folder / file, {tensor: stored[tensor] for tensor in mine})
            weight_map |= dict.fromkeys(mine, file)
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
        return folder

    return write


@pytest.fixture
def adapter(tmp_path: Path) -> Callable[..., Path]:
    def write(
        name: str = "adapter",
        tensors: Mapping[str, tuple[str, np.ndarray]] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "adapter_config.json").write_text(json.dumps({**ADAPTER_CONFIG, **(config or {})}))
        write_safetensors(folder / "adapter_model.safetensors", tensors or lora_tensors())
        return folder

    return write
