"""`--compare`: both merges measured on a text, one kept."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from click.testing import CliRunner

from localfin_convert import convert
from localfin_convert.command import convert as command
from localfin_convert.verify.llama import open_llama
from localfin_models.errors import InputRefused, NotFound

Make = Callable[..., Path]


def test_both_merges_are_measured_and_one_is_kept(top: Path, tmp_path: Path) -> None:
    base, adapter = (str(top / "models" / "starter" / name) for name in ("base", "adapter"))
    words = tmp_path / "text.txt"
    words.write_text("은행은 예금에 이자를 지급하고, 대출에는 이자를 받는다. " * 12, encoding="utf-8")
    folder = tmp_path / "out"
    folder.mkdir()
    for name in ("m.dequantized.gguf", "m.16bit.gguf.json"):  # of the user's
        (folder / name).write_text("mine")
    for name in ("m.gguf.16bit.part", "m.gguf.16bit.part.json"):  # of a run that was killed while it measured
        (folder / name).write_text("left over")
    arguments = [base, "-a", adapter, "-o", str(folder / "m.gguf"), "-q", "q8_0", "--compare", str(words), "--json"]
    run = CliRunner().invoke(
        command, [*arguments, "--merge-onto", "dequantized", "--no-verify"], catch_exceptions=False
    )
    found = json.loads(run.stdout)
    mine = {path.name for path in folder.iterdir() if path.name.startswith("m.gguf") or path.read_text() != "mine"}
    assert mine == {"m.gguf", "m.gguf.json"}
    assert found["merge_onto"] == "dequantized"
    for merge, measured in found["perplexity"].items():
        out = tmp_path / merge / "m.gguf"
        out.parent.mkdir()
        report = convert(Path(base), [Path(adapter)], out, "q8_0", merge_onto=merge, verify=False)
        with open_llama(out, repack=True) as llama:
            assert measured == asdict(llama.perplexity(words.read_text(encoding="utf-8")))
        assert (report.sha256 == found["sha256"]) == (merge == "dequantized")
    assert found["perplexity"]["16bit"]["value"] != found["perplexity"]["dequantized"]["value"]


@pytest.mark.parametrize(
    ("content", "words"), [(None, "no such file"), (b"\xff\xfe", "not a text in UTF-8"), (b"short", "32 at least")]
)
def test_a_text_that_cannot_be_measured_leaves_nothing(
    content: bytes | None, words: str, top: Path, tmp_path: Path
) -> None:
    base, adapter = (str(top / "models" / "starter" / name) for name in ("base", "adapter"))
    file, out = tmp_path / "text.txt", tmp_path / "out" / "m.gguf"
    out.parent.mkdir()
    if content is not None:
        file.write_bytes(content)
    run = CliRunner().invoke(command, [base, "-a", adapter, "-o", str(out), "-q", "f16", "--compare", str(file)])
    assert isinstance(run.exception, InputRefused | NotFound)
    assert words in str(run.exception)
    assert not list(out.parent.iterdir())


def test_the_text_is_not_the_output(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    words = tmp_path / "m.gguf"
    words.write_text("text")
    arguments = [str(checkpoint()), "-a", str(adapter()), "-o", str(words), "--compare", str(words), "--force"]
    assert "is what is to be read" in str(CliRunner().invoke(command, arguments).exception)
    assert words.read_text() == "text"
