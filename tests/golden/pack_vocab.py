"""Packs the vocabularies of a llama.cpp source tree, and Mistral's, into `vocab/*.json.xz`; run once per change.

python -m tests.golden.pack_vocab LLAMA_CPP_DIR TEKKEN_JSON

TEKKEN_JSON is `data/tekken_240718.json` of the package mistral-common.
"""

import base64
import json
import lzma
import sys
from collections.abc import Sequence
from pathlib import Path

from gguf import GGUFReader
from tests.golden.vocabularies import BYTE_LETTERS

KEPT = {"llama-spm": 32_000, "llama-bpe": 128_256, "qwen2": 151_646, "gpt-2": 50_257, "deepseek-llm": 100_015}
"""The vocabularies and how many of their tokens are real (the rest is padding)."""


TEKKEN_WORDS = 131_072 - 1_000


def main(llama_cpp: Path, tekken: Path) -> None:
    for name, count in KEPT.items():
        field = GGUFReader(llama_cpp / "models" / f"ggml-vocab-{name}.gguf").fields["tokenizer.ggml.tokens"]
        words = [bytes(field.parts[index]).decode() for index in field.data[:count]]
        pack(name, words)
    entries = json.loads(tekken.read_text(encoding="utf-8"))["vocab"][:TEKKEN_WORDS]
    pack(
        "tekken", ["".join(BYTE_LETTERS[byte] for byte in base64.b64decode(entry["token_bytes"])) for entry in entries]
    )


def pack(name: str, words: Sequence[str]) -> None:
    packed = lzma.compress(json.dumps(words, ensure_ascii=False).encode(), preset=9 | lzma.PRESET_EXTREME)
    target = Path(__file__).parent / "vocab" / f"{name}.json.xz"
    target.write_bytes(packed)
    print(f"{target.name}: {len(words)} tokens, {len(packed)} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
