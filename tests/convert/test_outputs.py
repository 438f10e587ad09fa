"""What an output may be named, and what it never takes the place of."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from localfin_convert import convert, write_lora, write_safetensors
from localfin_convert.adapter import Weighted
from localfin_convert.command import convert as command
from localfin_models.errors import InputRefused

Make = Callable[..., Path]
needs_posix = pytest.mark.skipif(sys.platform == "win32", reason="file modes and names of POSIX")


def snapshot(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["base/model.safetensors", "base/config.json", "base/config", "base/tokenizer.model"])
def test_force_does_not_replace_the_base(checkpoint: Make, adapter: Make, tmp_path: Path, name: str) -> None:
    base, one = checkpoint(), adapter()
    before = snapshot(tmp_path)
    with pytest.raises(InputRefused, match="is what is to be read"):
        convert(base, [one], tmp_path / name, force=True, verify=False)
    dry = CliRunner().invoke(command, [str(base), "-o", str(tmp_path / name), "--force", "--dry-run"])
    assert isinstance(dry.exception, InputRefused)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("name", ["adapter/adapter_model.safetensors", "base/model.safetensors"])
def test_force_does_not_replace_what_a_lora_is_made_of(
    checkpoint: Make, adapter: Make, tmp_path: Path, name: str
) -> None:
    base, one = checkpoint(), adapter()
    before = snapshot(tmp_path)
    with pytest.raises(InputRefused, match="is what is to be read"):
        write_lora(base, [one], tmp_path / name, force=True)
    assert snapshot(tmp_path) == before


@needs_posix
def test_force_replaces_no_device_and_no_pipe(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    base, one, pipe = checkpoint(), adapter(), tmp_path / "pipe.gguf"
    os.mkfifo(pipe)
    with pytest.raises(InputRefused, match="no file that could be replaced"):
        convert(base, [one], pipe, force=True, verify=False)
    with pytest.raises(InputRefused, match="no file that could be replaced"):
        write_lora(base, [one], pipe, force=True)
    assert pipe.is_fifo()


@pytest.mark.parametrize("out", ["", ".", "/"])
def test_a_folder_is_no_file_name(checkpoint: Make, out: str) -> None:
    with pytest.raises(InputRefused, match="give a file name"):
        convert(checkpoint(), [], Path(out), verify=False)


@needs_posix
@pytest.mark.parametrize("name", ["x" * 245 + ".gguf", "pj.gguf"])
def test_where_the_manifest_cannot_grow(checkpoint: Make, tmp_path: Path, name: str) -> None:
    base, folder = checkpoint(), tmp_path / "out"
    (folder / "pj.gguf.part.json").mkdir(parents=True)
    with pytest.raises(InputRefused, match="cannot be written"):
        convert(base, [], folder / name, verify=False)
    assert [path.name for path in folder.iterdir()] == ["pj.gguf.part.json"]


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_no_unicode(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"bad\xff\xfename")
    folder.mkdir()
    base, one = checkpoint().rename(folder / "base"), adapter().rename(folder / folder.name)
    assert convert(base, [one], folder / f"{folder.name}.gguf").verification is not None
    made = write_safetensors(base, [one], folder / f"{folder.name}.merged")
    assert b"# bad??name.merged" in (made.out / "README.md").read_bytes()


@needs_posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.model"])
def test_a_base_that_may_not_be_read(checkpoint: Make, tmp_path: Path, name: str) -> None:
    base = checkpoint()
    (base / name).chmod(0)
    with pytest.raises(InputRefused, match="cannot be read: Permission denied"):
        convert(base, [], tmp_path / "out.gguf", verify=False)


@needs_posix
def test_a_pipe_is_no_template(checkpoint: Make, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputRefused, match="pipe is not a file"):
        convert(checkpoint(), [], tmp_path / "out.gguf", prompt_format=str(tmp_path / "pipe"), verify=False)


def test_scales_at_the_end_of_float32_are_refused_without_a_warning(
    checkpoint: Make, adapter: Make, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    base, one = checkpoint(), adapter(config={"lora_alpha": 2e38})
    with pytest.raises(InputRefused, match="scales overflow"):
        convert(base, [one], tmp_path / "out.gguf", verify=False)
    with pytest.raises(InputRefused, match="scale is no usable number"):
        convert(base, [Weighted(one, 1e300)], tmp_path / "out.gguf", verify=False)
    assert not recwarn.list
