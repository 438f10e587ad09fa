"""Real processes that are killed, interrupted, or run out of disk at a chosen system call."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

Make = Callable[..., Path]
STRACE = shutil.which("strace")
needs_strace = pytest.mark.skipif(STRACE is None, reason="needs strace")


def run(arguments: list[str], top: Path, *inject: str) -> subprocess.CompletedProcess[str]:
    traced = [STRACE or "", "-f", "-qq", "-o", os.devnull, *(f"--inject={fault}" for fault in inject)] if inject else []
    return subprocess.run(
        [*traced, sys.executable, "-c", "from localfin.cli import main; main()", "convert", "--no-verify", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(str(top / p) for p in ("localfin", "convert", "models"))},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


@needs_strace
@pytest.mark.parametrize(
    ("fault", "code", "words"),
    [
        ("pwrite64:error=ENOSPC:when=5", 6, "became full"),
        ("ftruncate:error=ENOSPC", 6, "became full"),
        ("pwrite64:error=EIO:when=9", 3, "cannot be written"),
        ("fsync:error=EIO:when=1", 3, "cannot be written"),
        ("pread64:error=EIO:when=20+", 3, "cannot be read"),
    ],
)
def test_a_failing_disk_leaves_nothing(
    checkpoint: Make, tmp_path: Path, top: Path, fault: str, code: int, words: str
) -> None:
    base = checkpoint()
    done = run([str(base), "-o", str(tmp_path / "out.gguf")], top, fault)
    assert done.returncode == code, done.stderr
    assert words in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base"]


@needs_strace
@pytest.mark.parametrize("fault", ["pwrite64:signal=KILL:when=7", "fsync:signal=KILL:when=1", "rename:signal=KILL"])
def test_a_kill_leaves_at_most_the_part(checkpoint: Make, tmp_path: Path, top: Path, fault: str) -> None:
    base, out = checkpoint(), tmp_path / "out.gguf"
    assert run([str(base), "-o", str(out)], top, fault).returncode == -signal.SIGKILL
    left = ["base", "out.gguf.part", "out.gguf.part.journal", *(["out.gguf.part.json"] if "rename" in fault else [])]
    assert sorted(path.name for path in tmp_path.iterdir()) == left
    assert run([str(base), "-o", str(out), "--resume"], top).returncode == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "out.gguf", "out.gguf.json"]


def test_an_interrupt_leaves_nothing(checkpoint: Make, tmp_path: Path, top: Path) -> None:
    base, out = checkpoint(), tmp_path / "out.gguf"
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(base), "--no-verify", "-o", str(out)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(str(top / p) for p in ("localfin", "convert", "models"))},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not (tmp_path / "out.gguf.part").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base"]


SLOW = """
import sys, time
from localfin_convert import merge, pipeline
convert_block = pipeline.convert_block
def slowly(block, file):
    time.sleep(0.2)
    return convert_block(block, file)
pipeline.convert_block = slowly
sys.argv.insert(1, "convert")
from localfin.cli import main
main()
"""
