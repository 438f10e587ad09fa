"""llama.cpp reads from a model's name whether blanks behind special tokens belong to them."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from gguf import GGUFReader
from tests.golden.cases import CASES
from tests.golden.checkpoints import write_base

from localfin_convert import convert
from localfin_convert.verify.llama import open_llama

PHI3 = next(case for case in CASES if case.name == "phi3-longrope")
QWEN = next(case for case in CASES if case.architecture == "qwen2")
FILES = ("tokenizer.json", "tokenizer_config.json")
TEXT = "<|user|>\n 예금이 뭐야?<|end|>  \n<|assistant|>\n"


def phi3(folder: Path, *, strips: bool) -> Path:
    """Its special tokens flagged as those of Phi-3 are: all but the plain ones take the blanks behind them."""
    base = write_base(replace(PHI3, layers=2), folder)
    if strips:
        end = {"content": "</s>", "special": True, "normalized": False}
        tokenizer, config = (json.loads((base / name).read_text("utf-8")) for name in FILES)
        tokenizer["added_tokens"].append({"id": 2} | end)
        config["added_tokens_decoder"]["2"] = end
        for entry in (*tokenizer["added_tokens"], *config["added_tokens_decoder"].values()):
            entry["rstrip"] = entry["content"] != "<|endoftext|>"
        for name, content in zip(FILES, (tokenizer, config), strict=True):
            (base / name).write_text(json.dumps(content), "utf-8")
    return base


@pytest.mark.parametrize("name", ["mine", "Phi-3-mini", "my_phi3"])
@pytest.mark.parametrize("strips", [True, False])
def test_the_tokens_are_the_sources_whatever_the_files_name(name: str, strips: bool, tmp_path: Path) -> None:
    base, out = phi3(tmp_path / "base", strips=strips), tmp_path / f"{name}.gguf"
    convert(base, [], out, "q8_0")
    with open_llama(out, threads=1) as llama:
        with_blanks, without = llama.tokenize([TEXT, re.sub(r">\s+", ">", TEXT)])
    assert (with_blanks == without) is strips
    general = GGUFReader(out).fields["general.name"].contents()
    assert (general == name) is (("phi" in name.lower()) is strips)


def test_a_name_keeps_no_other_model_from_loading(tmp_path: Path) -> None:
    base = write_base(replace(QWEN, layers=2), tmp_path / "base")
    out = tmp_path / "not-phi3.gguf"
    assert convert(base, [], out, "q8_0").verification is not None
    assert GGUFReader(out).fields["general.name"].contents() == "not-phi 3"
