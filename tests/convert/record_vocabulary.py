"""Writes vocabulary_expected.json: what llama.cpp's own converter makes of vocabulary_cases.py.

    python tests/convert/record_vocabulary.py LLAMA_CPP

LLAMA_CPP is the source tree inside llama-cpp-python's source distribution (vendor/llama.cpp); torch and transformers
must be installed. The fingerprint of a pre-tokenizer is recorded in the place of its name: these have none.
"""

import ast
import hashlib
import importlib
import json
import logging
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PROBE = re.compile(r"chktxt = ('(?:[^'\\]|\\.)*')")


def main(llama_cpp: Path) -> None:
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error")
    # One after the other: each of these trees has a package `tests`, and llama.cpp's gguf is newer than pip's.
    import_from(llama_cpp / "gguf-py", "gguf")
    cases = import_from(HERE.parents[1], "tests.convert.vocabulary_cases")
    base = import_from(llama_cpp, "conversion.base")
    logging.disable(logging.CRITICAL)
    probe = ast.literal_eval(PROBE.findall(Path(base.__file__).read_text(encoding="utf-8"))[0])
    base.TextModel.get_vocab_base_pre = lambda _model, tokenizer: fingerprint(tokenizer.encode(probe))
    expected = {name: record(case, cases) for name, case in cases.CASES.items()}
    lines = (f"{json.dumps(name)}: {json.dumps(keys, ensure_ascii=False)}" for name, keys in expected.items())
    (HERE / "vocabulary_expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def import_from(folder: Path, name: str) -> Any:
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(folder))


def fingerprint(ids: list[int]) -> str:
    return hashlib.sha256(str(ids).encode()).hexdigest()


def record(case: Any, cases: Any) -> list[Any]:
    gguf = importlib.import_module("gguf")
    module, kind = ("qwen", "Qwen2Model") if case.architecture == "qwen2" else ("llama", "LlamaModel")
    tokenizers = importlib.import_module("tests.convert.small_tokenizers")
    with tempfile.TemporaryDirectory() as folder:
        tokenizers.write_folder(Path(folder), {**case.files, "config.json": case.model_config()})
        model = getattr(importlib.import_module(f"conversion.{module}"), kind)(
            Path(folder), gguf.LlamaFileType.MOSTLY_F16, Path(folder) / "out.gguf"
        )
        model.set_vocab()
    keys = []
    for name, entry in model.gguf_writer.kv_data[0].items():
        if name.startswith("tokenizer."):
            array = entry.type is gguf.GGUFValueType.ARRAY
            element = gguf.GGUFValueType.get_type(entry.value[0]) if array else None
            keys.append(cases.recorded(name, entry.type, element, entry.value))
    return keys


if __name__ == "__main__":
    main(Path(sys.argv[1]))
