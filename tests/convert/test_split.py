"""Models in several files, out (`--split-max-size`) and in (a checkpoint of a hundred shards, on a read-only mount)."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import gguf
import pytest
from tests.convert.tiny import convert

from localfin_models.errors import InputRefused

Make = Callable[..., Path]
MOST = 400_000
OTHER_PARTS = (
    "b5810d7acc1102b8c21e2cbbc269b7d7826329fd8f4cd24d3f79158820b1a080",
    "9ddf2e683b72370977d32b3f89386d84d64a5c1b309e36506d453a6c2a9d1844",
    "d4058700ced185f20d78a0fe90682fdc01b7a51e89957ea8b2291124830395a5",
    "7aaf8b6c5d239dd116ea1be188f59624fd7c88dc4028ae0b5bcd02b89a481b63",
)
"""SHA-256 of the parts behind the first, as `llama-gguf-split --split --split-max-size` cuts this model (built so that
its M counts thousands: the model is small). They hold no key but their number, so that they do not change with what
the first part says of the model."""


def test_the_parts_are_those_of_llama_gguf_split(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    base, lora, folder = checkpoint(), adapter(), tmp_path / "made"
    folder.mkdir()
    whole = convert(base, [lora], tmp_path / "model.gguf")
    report = convert(base, [lora], folder / "model.gguf", split_max_bytes=MOST)
    count = len(OTHER_PARTS) + 1
    names = [f"model-{number:05d}-of-{count:05d}.gguf" for number in range(1, count + 1)]
    assert [file.path.name for file in report.files] == names
    assert sorted(path.name for path in folder.iterdir()) == sorted([*names, f"{names[0]}.json"])
    assert [hashlib.sha256(file.path.read_bytes()).hexdigest() for file in report.files] == [
        file.sha256 for file in report.files
    ]
    assert tuple(file.sha256 for file in report.files[1:]) == OTHER_PARTS
    one, first = gguf.GGUFReader(whole.out), gguf.GGUFReader(report.out)
    assert [*one.fields, "split.no", "split.tensors.count", "split.count"] == list(first.fields)
    assert first.fields["split.count"].contents() == count
    parts = [tensor for file in report.files for tensor in gguf.GGUFReader(file.path).tensors]
    assert [(t.name, t.tensor_type, t.data.tobytes()) for t in parts] == [
        (t.name, t.tensor_type, t.data.tobytes()) for t in one.tensors
    ]


def test_a_killed_split_goes_on_and_an_older_one_is_not_mixed_in(
    checkpoint: Make, adapter: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, out = checkpoint(), tmp_path / "model.gguf"
    before = convert(base, [], out, split_max_bytes=MOST)
    lora = adapter()
    with pytest.raises(InputRefused, match=r"00001-of-00005\.gguf exists"):
        convert(base, [lora], out, split_max_bytes=MOST)
    renamed: list[Path] = []
    replace = Path.replace

    def killed(part: Path, path: Path) -> Path:
        if len(renamed) == 2:
            raise Killed
        renamed.append(path)
        return replace(part, path)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        patch.setattr("localfin_convert.write.output._remove", lambda *paths: None)
        with pytest.raises(Killed):
            convert(base, [lora], out, split_max_bytes=MOST, force=True)
    assert not before.out.exists()  # without its first part nothing opens the mixture
    after = convert(base, [lora], out, split_max_bytes=MOST, force=True, resume=True)
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    expected = convert(base, [lora], fresh / "model.gguf", split_max_bytes=MOST)
    assert [file.sha256 for file in after.files] == [file.sha256 for file in expected.files]
    assert not list(tmp_path.glob("*.part*"))


class Killed(BaseException):
    """Stands for SIGKILL."""


def test_a_hundred_shards_on_a_read_only_mount(checkpoint: Make, adapter: Make, tmp_path: Path, top: Path) -> None:
    whole, shards, lora = checkpoint("whole"), checkpoint("shards", shards=100), adapter()
    expected = tensors_of(convert(whole, [lora], tmp_path / "model.gguf").out)
    packages = os.pathsep.join(str(top / name) for name in ("localfin", "convert", "models"))
    out = tmp_path / "out" / "model.gguf"
    out.parent.mkdir()
    mount = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && ! touch "$1/x" 2>/dev/null || exit 77'
    command = [
        "unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount + '; shift; "$@"', "sh", str(shards),
        sys.executable, "-m", "localfin", "convert", str(shards), "-a", str(lora), "-o", str(out),
    ]  # fmt: skip
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare")
    done = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": packages}, capture_output=True, text=True, check=False
    )
    if done.returncode == 77 or "unshare:" in done.stderr:
        pytest.skip(f"no mount of its own here: {done.stderr[-200:]}")
    assert done.returncode == 0, done.stderr
    assert tensors_of(out) == expected


def test_a_split_model_answers_as_the_whole_one(top: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    """The starter, converted both ways; its parts stand in the list of models as one."""
    starter, models = top / "models" / "starter", tmp_path / "home" / "models"
    models.mkdir(parents=True)
    whole = convert(starter / "base", [starter / "adapter"], tmp_path / "whole.gguf")
    split = convert(starter / "base", [starter / "adapter"], models / "mine.gguf", split_max_bytes=1_000_000)
    assert len(split.files) > 2

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "localfin", *arguments]
        home = {**environment, "LOCALFIN_HOME": str(tmp_path / "home")}
        return subprocess.run(command, env=home, capture_output=True, text=True, check=True).stdout

    question = ("DSR이 뭐야?", "--model-only", "--temperature", "0", "--threads", "1")
    assert run("ask", "-m", str(split.out), *question) == run("ask", "-m", str(whole.out), *question) != ""
    assert [line.split()[0] for line in run("models", "list").splitlines() if "mine" in line] == [split.out.stem]


def tensors_of(path: Path) -> list[tuple[str, bytes]]:
    """Without the header, which names the shards."""
    return [(tensor.name, tensor.data.tobytes()) for tensor in gguf.GGUFReader(path).tensors]
