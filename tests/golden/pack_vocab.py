"""Packs the vocabularies of a llama.cpp source tree into `vocab/*.json.xz`; run once per change of that list.

python -m tests.golden.pack_vocab LLAMA_CPP_DIR
"""

import json
import lzma
import sys
from pathlib import Path

from gguf import GGUFReader

KEPT = {"llama-spm": 32_000, "llama-bpe": 128_256, "qwen2": 151_646, "gpt-2": 50_257, "deepseek-llm": 100_015}
"""The vocabularies and how many of their tokens are real (the rest is padding)."""


def main(llama_cpp: Path) -> None:
    for name, count in KEPT.items():
        field = GGUFReader(llama_cpp / "models" / f"ggml-vocab-{name}.gguf").fields["tokenizer.ggml.tokens"]
        words = [bytes(field.parts[index]).decode() for index in field.data[:count]]
        packed = lzma.compress(json.dumps(words, ensure_ascii=False).encode(), preset=9 | lzma.PRESET_EXTREME)
        target = Path(__file__).parent / "vocab" / f"{name}.json.xz"
        target.write_bytes(packed)
        print(f"{target.name}: {len(words)} tokens, {len(packed)} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
