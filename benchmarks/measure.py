"""Runs a program and measures it from outside: wall, processor time, peak memory, bytes read and written (Linux).

The parent must stay small: a child's peak memory includes what its parent held when it started it.
"""

import os
import platform
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cost:
    """What one program cost."""

    wall_s: float
    cpu_s: float
    """User and system time, with all threads."""
    peak_rss_mb: float
    """Largest resident memory, mapped files included (MB of 1e6 bytes)."""
    read_mb: float
    """Bytes fetched from the disk; 0 where all was in the page cache."""
    written_mb: float
    """Bytes handed to write calls."""


class StepFailedError(RuntimeError):
    """A measured program ended with an error; carries the end of what it said."""


def run(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Cost:
    """Runs `command` to its end, its output going to `log`; raises StepFailedError where it fails."""
    before = _io()
    started = time.monotonic()
    with log.open("wb") as output:
        child = subprocess.Popen(command, env=dict(environment), stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(child.pid, 0)
    wall = time.monotonic() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        tail = log.read_text(errors="replace")[-2000:]
        raise StepFailedError(f"{' '.join(command[:3])} ended with {child.returncode}:\n{tail}")
    after = _io()
    return Cost(
        wall_s=wall,
        cpu_s=usage.ru_utime + usage.ru_stime,
        peak_rss_mb=usage.ru_maxrss * 1024 / 1e6,
        read_mb=(after["read_bytes"] - before["read_bytes"]) / 1e6,
        written_mb=(after["wchar"] - before["wchar"]) / 1e6,
    )


def prepare(folder: Path, *, cold: bool) -> None:
    """Puts a folder's files into the page cache, or out of it, so that all programs start alike."""
    os.sync()
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as stream:
                if cold:
                    os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                else:
                    while stream.read(1 << 24):
                        pass


def floor(folder: Path, size_mb: int = 512) -> dict[str, float]:
    """MB/s of copying in memory, of writing a file to the disk of `folder` (fsync counted), of reading it back."""
    block, path = os.urandom(1 << 24), folder / "rate.bin"
    count = (size_mb << 20) // len(block)
    target = bytearray(len(block))
    started = time.monotonic()
    for _ in range(count):
        target[:] = block
    copied = time.monotonic()
    try:
        with path.open("wb", buffering=0) as file:
            for _ in range(count):
                file.write(block)
            os.fsync(file.fileno())
            written = time.monotonic()
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        began = time.monotonic()
        with path.open("rb", buffering=0) as file:
            while file.readinto(target):
                pass
        read = time.monotonic()
    finally:
        path.unlink(missing_ok=True)
    total = count * len(block) / 1e6
    return {
        "memory_mb_s": total / (copied - started),
        "write_mb_s": total / (written - copied),
        "read_mb_s": total / (read - began),
    }


def machine() -> dict[str, str | int | float]:
    """The machine and how busy it was."""
    cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    name = next((line.split(":")[1].strip() for line in cpuinfo if line.startswith("model name")), platform.machine())
    return {
        "processor": name,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "load_before": os.getloadavg()[0],
        "python": platform.python_version(),
    }


def _io() -> dict[str, int]:
    """This process's counters, which include those of its ended children."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return {name: int(value) for name, value in (line.split(": ") for line in lines)}
