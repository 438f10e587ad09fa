"""What is under way at once: memory within its bound, reads in the disk's order, hashes in step with the conversion."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.convert.tiny import convert

from localfin_convert import pipeline
from localfin_convert.blocks import Block, Converted, Place
from localfin_convert.command import convert as command
from localfin_convert.merge import convert_block
from localfin_convert.plan import PlannedTensor
from localfin_convert.provenance import inputs
from localfin_convert.provenance.inputs import InputFile, InputHashes
from localfin_convert.read.positional import OpenFiles
from localfin_models.errors import NotEnough

Make = Callable[..., Path]
PEAK = """
import sys
from pathlib import Path
from localfin_convert import convert
base, out, threads, memory = sys.argv[1:]
convert(Path(base), [], Path(out), threads=int(threads), memory=int(memory), verify=False)
[peak] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:")]
print(int(peak.split()[1]) * 1024)
"""
"""The peak of this program alone: rusage begins with that of pytest, from which it was forked."""


def test_more_threads_than_fit_are_not_used(checkpoint: Make, tmp_path: Path, top: Path) -> None:
    """Blocks of 2 MB and more a thread: 200 threads would take a gigabyte."""
    base, out, allowed = checkpoint(), tmp_path / "out.gguf", 140_000_000
    packages = os.pathsep.join(str(top / name) for name in ("localfin", "convert", "models"))
    ran = subprocess.run(
        [sys.executable, "-c", PEAK, str(base), str(out), "200", str(allowed)],
        env={**os.environ, "PYTHONPATH": packages}, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert int(ran.stdout) <= allowed
    dry = CliRunner().invoke(
        command,
        [str(base), "-o", str(tmp_path / "b.gguf"), "--dry-run", "--json", "--threads", "200", "--memory", "140M"],
    )
    assert json.loads(dry.stdout)["memory_bytes"] <= allowed


def test_too_little_memory_is_said_before_anything_is_written(checkpoint: Make, tmp_path: Path) -> None:
    base = checkpoint()
    with pytest.raises(NotEnough, match=r"takes 1\d\d MB of memory, and 50 MB are allowed"):
        convert(base, [], tmp_path / "out.gguf", memory=50_000_000)
    for way in (["-o", "out.gguf"], ["-o", "folder", "--to", "safetensors", "--merge-onto", "dequantized"]):
        result = CliRunner().invoke(command, [str(base), *way, "--memory", "50M"])
        assert isinstance(result.exception, NotEnough)
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


def test_tensors_are_read_as_they_lie_on_the_disk(
    checkpoint: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names are dealt out to the shards in turn, so that the output's order is another."""
    places = list[Place]()
    follow = InputHashes.follow

    def noting(self: InputHashes, place: Place) -> None:
        places.append(place)
        follow(self, place)

    monkeypatch.setattr(InputHashes, "follow", noting)
    convert(checkpoint(shards=3), [], tmp_path / "out.gguf", threads=1)
    assert len({path for path, _offset in places}) == 3
    assert places == sorted(places)


def shard_of(folder: Path, size: int) -> InputFile:
    path = folder / "model.safetensors"
    path.write_bytes(os.urandom(1 << 20) * (size >> 20))
    return InputFile("base/model.safetensors", path)


def test_a_shard_is_hashed_in_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not beyond what is ahead of the conversion; the rest when that is over."""
    monkeypatch.setattr(inputs, "AHEAD", 2 << 20)
    shard, seen = shard_of(tmp_path, 8 << 20), list[int]()
    real = inputs.file_sha256

    def noting(path: Path, step: Callable[[int], None]) -> str:
        def noted(done: int) -> None:
            seen.append(done >> 20)
            step(done)

        return real(path, noted)

    monkeypatch.setattr(inputs, "file_sha256", noting)
    with InputHashes([shard], 1, in_step=True) as hashes:
        hashes.follow(Place(str(shard.path), 0))
        until(lambda: seen == [1, 2, 3])
        time.sleep(0.1)
        assert seen == [1, 2, 3]
        hashes.follow(Place(str(shard.path), 3 << 20))
        until(lambda: seen[-1] == 6)
        assert hashes.result() == {shard: hashlib.sha256(shard.path.read_bytes()).hexdigest()}


def test_a_base_that_fits_is_not_waited_for_and_a_failure_ends_a_wait(tmp_path: Path) -> None:
    shard = shard_of(tmp_path, 8 << 20)
    with InputHashes([shard], 1) as hashes:
        until(lambda: all(future.done() for future in hashes._futures.values()))
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), InputHashes([shard], 1, in_step=True):
        raise ZeroDivisionError
    assert threading.active_count() <= before


def test_the_bytes_do_not_depend_on_the_pace(
    checkpoint: Make, adapter: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, lora = checkpoint(shards=3), adapter()
    expected = convert(base, [lora], tmp_path / "out.gguf").out.read_bytes()
    monkeypatch.setattr(inputs, "AHEAD", 1 << 12)
    monkeypatch.setattr(inputs, "_memory", lambda: 0)

    def slowly(block: Block[PlannedTensor], files: OpenFiles) -> Converted:
        time.sleep(0.001)
        return convert_block(block, files)

    monkeypatch.setattr(pipeline, "convert_block", slowly)
    assert convert(base, [lora], tmp_path / "out.gguf", force=True).out.read_bytes() == expected


def until(true: Callable[[], bool]) -> None:
    for _ in range(500):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come")
