"""The seal: what the kernel answers with it and without it, and what the filters say on the processor we are not on."""

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from localfin.cli import _network_asked
from localfin_models.seal import bpf

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="seccomp is Linux's")


def python(code: str, environment: dict[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, env=environment, check=False
    )


@linux_only
def test_without_the_seal_the_same_attempts_get_through(environment):
    ran = subprocess.run(
        [sys.executable, "-m", "localfin.probe", "here"], capture_output=True, env=environment, check=True
    )
    rows = {(row["how"], row["what"]): row for row in json.loads(ran.stdout)}
    for what in ("TCP", "UDP", "netlink", "AF_UNIX datagram"):
        assert rows["Python", what]["answer"] == "allowed"
        assert rows["libc", what]["answer"] == "allowed"
    assert rows["Python", "AF_UNIX connect to a daemon"]["answer"] == "ENOENT"
    assert rows["libc", "ptrace"]["answer"] == "ESRCH"
    assert not rows["libc", "every other address family"]["refused"]
    # Without a network a resolver fails without any seal: its answer must not count as a refusal.
    assert rows["Python", "DNS"]["refused"] is not True


@linux_only
def test_the_doctor_proves_the_seal(run):
    ran = run("doctor", "--offline", "--json")
    proof = json.loads(ran.stdout)
    assert (ran.returncode, proof["ok"]) == (0, True)
    assert proof["kernel"]["Seccomp"] == "2"
    answers = {(a["where"], a["how"], a["what"]): a["answer"] for a in proof["attempts"]}
    assert {a["what"] for a in proof["attempts"] if a["refused"] is None} == {"DNS"}
    for where in ("program", "child process", "worker"):
        for what in ("TCP", "UDP", "TCP over IPv6", "UDP over IPv6", "netlink", "vsock", "packet"):
            assert answers[where, "Python", what] == answers[where, "libc", what] == "EPERM"
        assert answers[where, "libc", "io_uring_setup"] == answers[where, "libc", "ptrace"] == "EPERM"
    for how, what in (
        ("Python", "AF_UNIX stream"),
        ("libc", "execve"),
        ("Python", "fork"),
        ("Python", "writing a file"),
    ):
        assert answers["worker", how, what] == "EPERM"
    assert answers["worker", "Python", "reading a file that was not given"] in ("EACCES", "EPERM")


@linux_only
def test_the_doctor_fails_where_something_gets_through(environment):
    ran = python(
        """
        import click.testing
        from localfin.commands.doctor import doctor
        result = click.testing.CliRunner().invoke(doctor, ["--offline"])
        print(result.exit_code, "FAIL" in result.output)
        """,
        environment,
    )
    assert ran.stdout.split() == ["1", "True"], ran.stderr


@linux_only
def test_the_program_keeps_what_asyncio_needs_and_no_more(environment):
    ran = python(
        """
        import asyncio, socket, threading
        from localfin_models.seal import seal_program
        started, answers = threading.Event(), []
        def before_the_seal():
            started.wait()
            try:
                socket.socket()
            except PermissionError:
                answers.append("refused")
        thread = threading.Thread(target=before_the_seal)
        thread.start()
        assert seal_program().enforced
        started.set()
        thread.join()
        print(*answers, asyncio.run(asyncio.sleep(0, "slept")))
        """,
        environment,
    )
    assert ran.stdout.split() == ["refused", "slept"], ran.stderr


@linux_only
def test_a_worker_reads_and_writes_only_where_it_may(environment, tmp_path):
    given, other, folder = tmp_path / "given", tmp_path / "other", tmp_path / "folder"
    given.write_text("given")
    other.write_text("other")
    folder.mkdir()
    ran = python(
        f"""
        from pathlib import Path
        from localfin_models.seal import WorkerLimits, seal_worker
        folder = Path({str(folder)!r})
        status = seal_worker(WorkerLimits(read=(Path({str(given)!r}),), write=(folder,), file_bytes=8))
        print(Path({str(given)!r}).read_text())
        (folder / "a").write_text("x")
        for act in (lambda: Path({str(other)!r}).read_text(), lambda: Path({str(given)!r}).write_text("no"),
                    lambda: Path({str(other)!r}).write_text("no"), lambda: (folder / "b").write_text("x" * 99)):
            try:
                act()
                print("allowed")
            except OSError as error:
                print(type(error).__name__)
        """,
        environment,
    )
    assert (folder / "a").read_text() == "x", ran.stderr
    assert ran.stdout.split() == ["given", "PermissionError", "PermissionError", "PermissionError", "OSError"]


@linux_only
def test_memory_is_bounded(environment):
    ran = python(
        """
        from localfin_models.seal import WorkerLimits, seal_worker
        seal_worker(WorkerLimits(memory_bytes=64 << 20))
        try:
            bytearray(256 << 20)
        except MemoryError:
            print("bounded")
        """,
        environment,
    )
    assert ran.stdout.strip() == "bounded", ran.stderr


AF_INET, STREAM, DGRAM, CLOEXEC = 2, 1, 2, 0o2000000
OPEN_READ, OPEN_WRITE, OPEN_CREATE = 0o2000000, 0o1, 0o101
PID = 4242


def decide(code: bytes, arch: int, number: int, *arguments: int) -> int:
    """What a filter answers: an interpreter for the few instructions that ours use."""
    words = [number, arch, 0, 0]
    for argument in (*arguments, *[0] * (6 - len(arguments))):
        words += [argument & 0xFFFFFFFF, argument >> 32 & 0xFFFFFFFF]
    accumulator, at = 0, 0
    while True:
        operation, jump_true, jump_false = int.from_bytes(code[at : at + 2], sys.byteorder), code[at + 2], code[at + 3]
        value = int.from_bytes(code[at + 4 : at + 8], sys.byteorder)
        at += 8
        if operation == 0x20:
            accumulator = words[value // 4]
        elif operation == 0x54:
            accumulator &= value
        elif operation == 0x15:
            at += 8 * (jump_true if accumulator == value else jump_false)
        elif operation == 0x35:
            at += 8 * (jump_true if accumulator >= value else jump_false)
        else:
            assert operation == 0x06
            return value


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_filters_decide_as_written_on_both_processors(machine):
    arch = bpf.ARCHITECTURES[machine]
    program = bpf.program_filter(arch)
    worker = bpf.worker_filter(arch, PID, writes_files=False)
    writer = bpf.worker_filter(arch, PID, writes_files=True)

    def on(code: bytes, name: str, *arguments: int) -> int:
        return decide(code, arch.audit, arch.numbers[name], *arguments)

    assert on(program, "socket", bpf.AF_UNIX, STREAM | CLOEXEC) == bpf.ALLOW
    assert on(program, "socket", bpf.AF_UNIX | 1 << 40, STREAM) == bpf.ALLOW  # the kernel reads the low half only
    assert on(program, "socket", AF_INET, STREAM) == bpf.DENY
    assert on(program, "socket", bpf.AF_UNIX, DGRAM | CLOEXEC) == bpf.DENY
    assert on(program, "socketpair", bpf.AF_UNIX, DGRAM) == bpf.DENY
    assert on(program, "connect", 3) == bpf.DENY
    assert on(program, "execve") == bpf.ALLOW
    assert on(program, "openat", 0, 0, OPEN_CREATE) == bpf.ALLOW
    for name in ("socket", "socketpair", "sendto", "execve", "execveat", "kill", "io_uring_setup", "ptrace", "unshare"):
        assert on(worker, name, bpf.AF_UNIX, STREAM) == bpf.DENY
        assert on(writer, name, bpf.AF_UNIX, STREAM) == bpf.DENY
    assert on(worker, "clone", 0x11) == bpf.DENY
    assert on(worker, "clone", 0x3D0F00 | bpf.CLONE_THREAD) == bpf.ALLOW
    assert on(worker, "clone3") == bpf.MISSING
    assert on(worker, "tgkill", PID) == bpf.ALLOW
    assert on(worker, "tgkill", PID + 1) == bpf.DENY
    assert on(worker, "prlimit64", 0) == bpf.ALLOW
    assert on(worker, "prlimit64", PID - 1) == bpf.DENY
    assert on(worker, "openat", 0, 0, OPEN_READ) == bpf.ALLOW
    assert on(worker, "openat", 0, 0, OPEN_WRITE) == on(worker, "openat", 0, 0, OPEN_CREATE) == bpf.DENY
    assert on(worker, "openat2") == bpf.MISSING
    assert on(worker, "unlinkat") == on(worker, "fchmod", 3) == bpf.DENY
    assert on(writer, "openat", 0, 0, OPEN_CREATE) == on(writer, "unlinkat") == bpf.ALLOW
    for code in (program, worker, writer):
        assert decide(code, 0x40000003, 102) == bpf.DENY  # a 32-bit call on a 64-bit kernel
        assert decide(code, arch.audit, 999_999) == bpf.ALLOW
    if arch.x32:
        assert decide(program, arch.audit, 0x40000000 | 41, AF_INET, STREAM) == bpf.DENY


@pytest.mark.parametrize(
    ("machine", "header"),
    [
        ("x86_64", Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h")),
        ("aarch64", Path("/usr/include/asm-generic/unistd.h")),
    ],
)
def test_the_numbers_are_the_kernels(machine, header):
    if not header.exists():
        pytest.skip("no kernel headers here")
    said = {}
    for line in header.read_text().splitlines():
        words = line.split()
        if len(words) == 3 and words[0] == "#define" and words[1].startswith("__NR") and words[2].isdigit():
            said[words[1].removeprefix("__NR3264_").removeprefix("__NR_")] = int(words[2])
    known = bpf.ARCHITECTURES[machine].numbers
    compared = {name: said[name] for name in known if name in said}
    assert len(compared) > 70
    assert compared == {name: known[name] for name in compared}


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["fraud", "check", "new.csv", "--engine", "spark://host:7077"], "--engine"),
        (["fraud", "fit", "h.parquet", "--engine=local[2]", "-o", "s"], "--engine"),
        (["fraud", "check", "--engine.csv"], None),
        (["fraud", "evaluate", "h.csv", "--engine", "local"], None),
        (["ask", "fraud", "check", "--engine", "local"], None),
        (["--engine", "fraud", "check"], None),
        (["fraud"], None),
        ([], None),
    ],
)
def test_only_an_option_that_needs_a_network_lifts_the_seal(arguments: list[str], asked: str | None) -> None:
    assert _network_asked(arguments) == asked


def test_a_check_without_a_cluster_is_sealed_and_says_nothing(environment, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("time,amount\n2024-03-05 15:30:00,5\n")
    line = [sys.executable, "-m", "localfin", "fraud", "check", "new.csv"]
    for more, code, said in (
        (["--engine", "elsewhere"], 2, "no Spark master"),
        (["--engine", "local"], 2, "--history"),
        ([], 0, ""),
    ):
        run = subprocess.run([*line, *more], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert run.returncode == code, run.stderr
        assert said in run.stderr
        assert ("not sealed" in run.stderr) is bool(more)
