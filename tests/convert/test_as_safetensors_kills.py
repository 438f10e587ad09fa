"""Merged checkpoints whose writing is killed, interrupted or fails: whole, or going on with the same bytes.

A child is forked for each point: every opening, renaming, making and removing of something in or beside the output,
as Python's audit events count them. There it is killed, or told of an error.
"""

import errno
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from localfin_convert import as_safetensors, write_safetensors
from localfin_convert.adapter import Weighted
from localfin_convert.as_safetensors.rows import merge_block
from localfin_convert.as_safetensors.shards import MergedTensor
from localfin_convert.blocks import Block, Converted
from localfin_convert.read.positional import OpenFiles
from localfin_models.errors import InputRefused, IntegrityFailed, LocalfinError, NotEnough
from localfin_models.manifest import verify_model

Make = Callable[..., Path]
EVENTS = {"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate", "os.listdir", "os.scandir"}
OWN = ("localfin-manifest.json", "localfin-convert.journal")
EVERY = pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.long)], ids=["some", "every"])
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def contents(folder: Path) -> dict[str, str]:
    """Without the manifest, which names the time, and a journal, which a kill behind the renaming leaves."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in OWN)
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def in_child(work: Callable[[], object], out: Path, at: Callable[[int], None]) -> tuple[int, int]:
    """Runs `work`; `at` is told the number of each event at `out` and beside it. Exit or signal, and their number."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        count, busy = 0, False

        def watch(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal count, busy
            if busy or event not in EVENTS or not str(arguments[0]).startswith(str(out)):
                return
            count += 1
            busy = True
            try:
                at(count)
            finally:
                busy = False

        code = 0
        try:
            sys.addaudithook(watch)
            work()
        except LocalfinError as error:
            code = error.exit_code
        except BaseException:  # noqa: BLE001 - the child must not go on as a test
            code = 99
        os.write(writing, str(count).encode())
        os._exit(code)
    os.close(writing)
    _child, status = os.waitpid(child, 0)
    with os.fdopen(reading) as pipe:
        told = pipe.read()
    return os.waitstatus_to_exitcode(status), int(told or 0)


class Subject:
    """One conversion over an older output, or over none."""

    def __init__(self, base: Path, lora: Path, top: Path, *, older: bool) -> None:
        self.base, self.lora, self.top, self.older = base, lora, top, older
        old, new = (top / name / "out" for name in ("old", "new"))  # the card names the output
        for out in (old, new):
            out.parent.mkdir()
        self.old_at = old
        self.old = contents(write_safetensors(base, [Weighted(lora, 2)], old, threads=1).out)
        self.new = contents(write_safetensors(base, [lora], new, threads=1).out)
        assert self.old != self.new

    def prepared(self, name: str) -> Path:
        out = self.top / name / "out"
        out.parent.mkdir()
        if self.older:
            shutil.copytree(self.old_at, out)
        return out

    def write(self, out: Path, **options: bool) -> None:
        write_safetensors(self.base, [self.lora], out, threads=1, force=self.older, **options)

    def check_whole(self, out: Path, point: int) -> None:
        """What lies there leads to the old model or to the new one, never to a torn one."""
        if out.exists():
            verify_model(out)
            assert contents(out) in (self.old, self.new), point
        elif self.older:  # between two renames
            verify_model(out.with_name("out.replaced"))


@pytest.fixture(params=[False, True], ids=["new", "over an older one"])
def subject(request: pytest.FixtureRequest, checkpoint: Make, adapter: Make, tmp_path: Path) -> Subject:
    return Subject(checkpoint(shards=2), adapter(), tmp_path, older=request.param)


def points_of(subject: Subject, *, every: bool) -> list[int]:
    """All, or some: the last ones are those of the renames."""
    out = subject.prepared("undisturbed")
    code, points = in_child(lambda: subject.write(out), out, lambda number: None)
    assert code == 0
    assert contents(out) == subject.new
    assert points > 20
    return list(range(1, points + 1)) if every else [*range(1, points - 8, 9), *range(points - 8, points + 1)]


@EVERY
def test_a_kill_at_any_point_is_gone_on_from(subject: Subject, every: bool) -> None:
    def kill(wanted: int) -> Callable[[int], None]:
        def at(number: int) -> None:
            if number == wanted:
                os.kill(os.getpid(), signal.SIGKILL)

        return at

    for point in points_of(subject, every=every):
        out = subject.prepared(f"kill-{point}")
        code, _points = in_child(lambda out=out: subject.write(out), out, kill(point))  # type: ignore[misc]
        assert code == -signal.SIGKILL
        subject.check_whole(out, point)
        if out.exists() and contents(out) == subject.new and not subject.older:
            with pytest.raises(InputRefused, match="exists"):
                subject.write(out, resume=True)
        else:
            subject.write(out, resume=True)
        assert contents(out) == subject.new, point
        left = {path.name for path in out.parent.iterdir()} - {"out"}
        assert not left, point
        verify_model(out)


@EVERY
def test_an_error_at_any_point_leaves_what_was(subject: Subject, every: bool) -> None:
    def fail(wanted: int) -> Callable[[int], None]:
        def at(number: int) -> None:
            if number == wanted:
                raise OSError((errno.ENOSPC, errno.EIO)[number % 2], "as the disk says")

        return at

    for point in points_of(subject, every=every):
        out = subject.prepared(f"error-{point}")
        code, _points = in_child(lambda out=out: subject.write(out), out, fail(point))  # type: ignore[misc]
        assert code in (0, NotEnough.exit_code, InputRefused.exit_code), point
        subject.check_whole(out, point)
        expected = subject.new if code == 0 else subject.old if subject.older else {}
        assert contents(out) == expected, point
        left = {path.name for path in out.parent.iterdir()} - {"out"}
        assert left <= ({"out.replaced"} if code == 0 else set()), point


def test_resuming_does_only_what_is_missing(
    checkpoint: Make, adapter: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject, out = Subject(checkpoint(shards=2), adapter(), tmp_path, older=False), tmp_path / "out"

    def kill(done: int, total: int) -> None:
        if done > total * 0.6:
            os.kill(os.getpid(), signal.SIGKILL)

    def killed() -> None:
        write_safetensors(subject.base, [subject.lora], out, threads=1, progress=kill)

    assert in_child(killed, out, lambda number: None)[0] == -signal.SIGKILL
    journal = out.with_name("out.part") / "localfin-convert.journal"
    lines = journal.read_text().splitlines()
    assert len(lines) > 10
    journal.write_text("\n".join([*lines[:-1], lines[-1][:-5]]))  # the last line torn
    torn = out.with_name("out.part") / "model-00001-of-00002.safetensors"
    raw = bytearray(torn.read_bytes())
    raw[-100:] = bytes(100)
    torn.write_bytes(raw)
    computed = list[str]()

    def counting(block: Block[MergedTensor], files: OpenFiles) -> Converted:
        computed.append(block.tensor.name)
        return merge_block(block, files)

    monkeypatch.setattr(as_safetensors, "merge_block", counting)
    report = write_safetensors(subject.base, [subject.lora], out, threads=1, resume=True)
    assert contents(out) == subject.new
    assert 0 < len(set(computed)) < 39 / 2
    assert report.changed == write_safetensors(subject.base, [subject.lora], tmp_path / "once").changed


def test_another_conversion_starts_afresh(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    subject, out = Subject(checkpoint(), adapter(), tmp_path, older=False), tmp_path / "out"

    def killed() -> None:
        kill = lambda done, total: os.kill(os.getpid(), signal.SIGKILL) if done > total / 2 else None  # noqa: E731
        write_safetensors(subject.base, [Weighted(subject.lora, 2)], out, threads=1, progress=kill)

    assert in_child(killed, out, lambda number: None)[0] == -signal.SIGKILL
    (out.with_name("out.part") / "stale.json").write_text("{}")
    subject.write(out, resume=True)
    assert contents(out) == subject.new


def test_a_disk_that_gives_back_other_bytes(
    checkpoint: Make, adapter: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("localfin_convert.write.folder.hash_file", lambda path: "0" * 64)
    with pytest.raises(IntegrityFailed, match="other bytes"):
        write_safetensors(checkpoint(), [adapter()], tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "base"]


SLOW = """
import sys, time
from localfin_convert import as_safetensors
merge_block = as_safetensors.merge_block
def slowly(block, file):
    time.sleep(0.2)
    return merge_block(block, file)
as_safetensors.merge_block = slowly
sys.argv[1:1] = ["convert", "--to", "safetensors"]
from localfin.cli import main
main()
"""


def test_an_interrupt_leaves_nothing_and_two_runs_do_not_mix(
    checkpoint: Make, adapter: Make, tmp_path: Path, environment: dict[str, str]
) -> None:
    base, lora, out = checkpoint(), adapter(), tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(base), "-a", str(lora), "-o", str(out)],
        env=environment, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not (tmp_path / "out.part" / "model.safetensors").exists():
        assert process.poll() is None
        time.sleep(0.02)
    for resume in (False, True):
        with pytest.raises(InputRefused, match="another conversion is writing"):
            write_safetensors(base, [lora], out, resume=resume)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "base"]
