"""Going on after a kill: what is whole is kept, what is not is done again, and the bytes are those of one run."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.convert.tiny import convert

from localfin_convert import pipeline
from localfin_convert.blocks import Block, Converted
from localfin_convert.plan import PlannedTensor

Make = Callable[..., Path]
Kill = Callable[[int], None]


class Killed(BaseException):
    """Stands for SIGKILL: nothing of ours gets to clean up."""


@pytest.fixture
def killed_after(monkeypatch: pytest.MonkeyPatch) -> Kill:
    """Stops the next conversion after so many blocks, leaving what a kill leaves."""

    def arrange(count: int) -> None:
        def fatal(done: int, total: int) -> None:
            nonlocal count
            count -= 1
            if count == 0:
                raise Killed

        monkeypatch.setattr("localfin_convert.write.output._remove", lambda *paths: None)
        arrange.progress = fatal  # type: ignore[attr-defined]

    return arrange


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tensors that are computed from now on."""
    names: list[str] = []
    convert_block = pipeline.convert_block

    def counting(block: Block[PlannedTensor], file: object) -> Converted:
        names.append(block.tensor.name)
        return convert_block(block, file)  # type: ignore[arg-type]

    monkeypatch.setattr(pipeline, "convert_block", counting)
    return names


def interrupted(base: Path, lora: Path, out: Path, killed_after: Kill, count: int) -> None:
    killed_after(count)
    with pytest.raises(Killed):
        convert(base, [lora], out, threads=1, progress=killed_after.progress)  # type: ignore[attr-defined]
    assert out.with_name("out.gguf.part").is_file()


def test_goes_on_with_the_same_bytes(
    checkpoint: Make,
    adapter: Make,
    tmp_path: Path,
    killed_after: Kill,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base, lora, out = checkpoint(), adapter(), tmp_path / "out.gguf"
    whole = convert(base, [lora], out)
    expected = out.read_bytes()
    out.unlink()
    interrupted(base, lora, out, killed_after, 20)
    names = counted(monkeypatch)
    report = convert(base, [lora], out, resume=True)
    assert out.read_bytes() == expected
    assert (report.sha256, report.changed) == (whole.sha256, whole.changed)
    assert 0 < len(names) <= 39 - 19
    assert not out.with_name("out.gguf.part.journal").exists()


def test_a_torn_tensor_and_a_torn_line_are_done_again(
    checkpoint: Make,
    adapter: Make,
    tmp_path: Path,
    killed_after: Kill,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base, lora, out = checkpoint(), adapter(), tmp_path / "out.gguf"
    expected = convert(base, [lora], out).sha256
    out.unlink()
    interrupted(base, lora, out, killed_after, 20)
    journal, part = out.with_name("out.gguf.part.journal"), out.with_name("out.gguf.part")
    lines = journal.read_text().splitlines()
    offset = json.loads(lines[3])[2][0][0]
    raw = bytearray(part.read_bytes())
    raw[offset + 7] ^= 1
    part.write_bytes(raw)
    journal.write_text("\n".join([*lines[:-1], lines[-1][:-4], "[]", "[0, 1]", '{"a": 1}', "[99999, 0, []]"]))
    names = counted(monkeypatch)
    assert convert(base, [lora], out, resume=True).sha256 == expected
    assert len(names) >= 39 - 19 + 1


@pytest.mark.parametrize("change", ["adapter", "type", "base"])
def test_another_conversion_starts_afresh(
    checkpoint: Make, adapter: Make, tmp_path: Path, killed_after: Kill, change: str
) -> None:
    base, lora, out = checkpoint(), adapter(), tmp_path / "out.gguf"
    interrupted(base, lora, out, killed_after, 20)
    if change == "adapter":
        lora = adapter("other", config={"lora_alpha": 3})
    if change == "base":
        (base / "model.safetensors").touch()
    quantization = "q8_0" if change == "type" else "q4_k_m"
    fresh = convert(base, [lora], tmp_path / "fresh.gguf", quantization)
    again = convert(base, [lora], out, quantization, resume=True)
    # The name is the file's own; everything else is equal.
    assert again.n_bytes - len("out") == pytest.approx(fresh.n_bytes - len("fresh"), abs=32)
    assert out.read_bytes()[-1000:] == (tmp_path / "fresh.gguf").read_bytes()[-1000:]
