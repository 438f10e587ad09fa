"""Every system call by which a conversion changes its output's folder: killed there, or told of a full or broken disk.

strace counts each thread's calls by name, so that a point is a name and a number. CI takes every name, some of them at
their first, middle and last call; `make long` takes all points, without and with an older output.
"""

import hashlib
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.convert.test_faults import STRACE, needs_strace
from tests.convert.tiny import convert

from localfin_convert import write_lora
from localfin_models.errors import InputRefused
from localfin_models.manifest import verify_model

Make = Callable[..., Path]
Point = tuple[str, int]
MUTATING = (
    "openat", "write", "writev", "pwrite64", "pwritev", "ftruncate", "truncate", "fallocate", "fsync", "fdatasync",
    "rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "rmdir", "link", "linkat", "symlink",
    "symlinkat", "chmod", "fchmod", "fchmodat", "copy_file_range", "sendfile",
)  # fmt: skip
OLD = b"an older output"
MOST = 1_000_000
KINDS = {
    "single": ("-q", "q8_0", "--no-verify", "--threads", "1"),
    "split": ("-q", "q8_0", "--no-verify", "--threads", "1", "--split-max-size", "1M"),
    "as-lora": ("--as-lora",),
}
AFTER_THE_NAMES = {"openat", "fsync", "unlink"}
"""Of the folder and of the journal: may fail when the files have their names, which they keep."""


@dataclass(frozen=True)
class Subject:
    """One conversion, its files as an undisturbed run makes them, and the points of that run."""

    kind: str
    base: Path
    lora: Path
    files: dict[str, str]
    """Name -> SHA-256."""
    points: tuple[Point, ...]
    environment: dict[str, str]

    def again(self, out: Path, *, force: bool) -> None:
        """Goes on in this process."""
        if self.kind == "as-lora":  # seconds of work: always from its beginning
            write_lora(self.base, [self.lora], out, force=force)
            return
        most = MOST if self.kind == "split" else None
        convert(self.base, [self.lora], out, "q8_0", split_max_bytes=most, threads=1, force=force, resume=True)

    def run(self, out: Path, *extra: str, fault: str | None = None) -> subprocess.CompletedProcess[str]:
        names = {name for final in (*self.files, out.name) for name in (final, final + ".part")}
        names.add(out.name + ".part.journal")
        paths = [str(out.parent), *(str(out.parent / name) for name in sorted(names))]
        traced = [] if fault is None else [
            STRACE or "", "-f", "-qq", "--seccomp-bpf", "-o", str(out.parent.with_suffix(".trace")),
            *(part for path in paths for part in ("-P", path)), fault,
        ]  # fmt: skip
        return subprocess.run(
            [*traced, sys.executable, "-c", "from localfin.cli import main; main()", "convert", str(self.base),
             "-a", str(self.lora), *KINDS[self.kind], "-o", str(out), *extra],
            env=self.environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip


@pytest.fixture
def subject(
    request: pytest.FixtureRequest, checkpoint: Make, adapter: Make, tmp_path: Path, environment: dict[str, str]
) -> Subject:
    start = Subject(request.param, checkpoint(), adapter(), {}, (), environment)
    out = folder(tmp_path, "undisturbed") / "model.gguf"
    assert start.run(out).returncode == 0
    undisturbed = replace(start, files=contents(out.parent))
    shutil.rmtree(out.parent)
    out.parent.mkdir()
    assert undisturbed.run(out, fault="--trace=" + ",".join(MUTATING)).returncode == 0
    return replace(undisturbed, points=points_of(out.parent.with_suffix(".trace")))


def points_of(trace: Path) -> tuple[Point, ...]:
    """Each name, 1 to the most calls of it that one thread made."""
    calls = Counter(re.findall(r"^(\d+) +([a-z]\w*)\(", trace.read_text(), re.MULTILINE))
    most = Counter[str]()
    for (_thread, name), count in calls.items():
        most[name] = max(most[name], count)
    return tuple((name, number) for name, count in sorted(most.items()) for number in range(1, count + 1))


def spread(points: tuple[Point, ...], *where: float) -> tuple[Point, ...]:
    """Of every name the calls at those shares of its number: 0 the first, 1 the last."""
    last = dict(points)
    chosen = {(name, 1 + round(share * (count - 1))) for name, count in last.items() for share in where}
    return tuple(sorted(chosen))


def folder(parent: Path, name: str) -> Path:
    made = parent / name
    made.mkdir()
    return made


def contents(where: Path) -> dict[str, str]:
    """Without the manifests, which name the time: `check_manifest` looks at them."""
    models = sorted(path for path in where.iterdir() if path.suffix != ".json")
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in models}


def check_manifest(where: Path, point: Point) -> None:
    """At any instant it is the right one or none."""
    for manifest in where.glob("*.gguf.json"):
        assert verify_model(manifest.with_suffix("")).files, point


def older(where: Path, subject: Subject) -> dict[str, str]:
    for name in subject.files:
        (where / name).write_bytes(OLD + name.encode())
    return contents(where)


def check_kill(subject: Subject, where: Path, point: Point, *, force: bool) -> None:
    name, number = point
    out, extra = where / "model.gguf", ("--force",) if force else ()
    before = older(where, subject) if force else {}
    done = subject.run(out, *extra, fault=f"--inject={name}:signal=KILL:when={number}")
    assert done.returncode == -signal.SIGKILL, (point, done.stderr)
    after = contents(where)
    finals = {file: digest for file, digest in after.items() if ".part" not in file}
    assert all(file.startswith("model.gguf.part") or file.removesuffix(".part") in subject.files
               for file in after.keys() - finals.keys()), (point, after)  # fmt: skip
    check_manifest(where, point)
    first = min(subject.files)
    if first in finals:  # what is opened leads to the old files or to the new ones
        assert finals in (before, subject.files), point
    if subject.kind == "as-lora" and finals and not force:
        with pytest.raises(InputRefused, match="exists"):
            subject.again(out, force=False)
        force = True
    subject.again(out, force=force)
    assert contents(where) == subject.files, point
    check_manifest(where, point)


def check_failure(subject: Subject, where: Path, point: Point, error: str, *, force: bool) -> None:
    name, number = point
    before = older(where, subject) if force else {}
    fault = f"--inject={name}:error={error}:when={number}"
    done = subject.run(where / "model.gguf", *(("--force",) if force else ()), fault=fault)
    after = contents(where)
    check_manifest(where, point)
    if done.returncode == 0:
        assert name in AFTER_THE_NAMES, point
        left = {"model.gguf.part.journal"} if name == "unlink" else set[str]()
        assert {file: digest for file, digest in after.items() if file not in left} == subject.files, point
        return
    assert done.returncode == {"ENOSPC": 6, "EIO": 3}[error], (point, done.stderr)
    assert done.stderr.splitlines()[-1].startswith("localfin: "), (point, done.stderr)
    assert "Traceback" not in done.stderr, point
    gone = force and len(subject.files) > 1 and name == "rename"  # several names do not change at one instant
    assert after == ({} if gone else before), point


def sweep(check: Callable[[Path, Point, bool], None], points: tuple[Point, ...], top: Path, both: bool) -> int:
    """Two at a time; over an older output every second point, or every one once more."""
    work = [(point, force) for at, point in enumerate(points) for force in ((False, True) if both else (at % 2 == 1,))]
    with ThreadPoolExecutor(2) as pool:
        for _done in pool.map(lambda one: check(folder(top, f"{one[0][0]}-{one[0][1]}-{one[1]}"), *one), work):
            pass
    return len(work)


def kills(subject: Subject) -> Callable[[Path, Point, bool], None]:
    return lambda where, point, force: check_kill(subject, where, point, force=force)


def failures(subject: Subject, error: str) -> Callable[[Path, Point, bool], None]:
    return lambda where, point, force: check_failure(subject, where, point, error, force=force)


@needs_strace
@pytest.mark.parametrize(
    ("subject", "killed", "error", "failed"),
    [("single", (0, 0.5, 1), "ENOSPC", 1), ("split", (0.6,), "EIO", 0.6), ("as-lora", (0.4,), "EIO", 0)],
    indirect=["subject"],
)
def test_kills_and_failures_leave_no_torn_model(
    subject: Subject, killed: tuple[float, ...], error: str, failed: float, tmp_path: Path
) -> None:
    assert {"openat", "pwrite64", "ftruncate", "fsync", "rename"} <= dict(subject.points).keys()
    sweep(kills(subject), spread(subject.points, *killed), folder(tmp_path, "kills"), both=False)
    sweep(failures(subject, error), spread(subject.points, failed), folder(tmp_path, "failures"), both=False)


@needs_strace
@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("subject", KINDS, indirect=True)
def test_every_kill_and_failure(
    subject: Subject, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    runs = sweep(kills(subject), subject.points, folder(tmp_path, "kills"), both=True)
    for error in ("ENOSPC", "EIO"):
        runs += sweep(failures(subject, error), subject.points, folder(tmp_path, error), both=True)
    record_property("points", runs)
