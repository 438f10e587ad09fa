"""Every way out that we know of, tried; the kernel's answer to each. The proof behind `localfin doctor --offline`.

Attempts are made so that they change nothing where they are allowed: a socket is made and closed, `execve` is given a
file that does not exist, `ptrace` a process that does not. A refusal is EPERM or EACCES; any other answer means that
the call got through to the kernel's own code, and counts as a way out.
"""

import ctypes
import errno
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from localfin_models.errors import LocalfinError
from localfin_models.language import _
from localfin_models.seal import WorkerLimits, bpf
from localfin_models.worker import SealedWorker, bare_environment
from localfin_models.worker.child import CancelFlag, Emit

REFUSALS = (errno.EPERM, errno.EACCES)
_AF_UNIX, _AF_INET, _AF_INET6, _AF_NETLINK, _AF_PACKET, _AF_VSOCK = 1, 2, 10, 16, 17, 40
_STREAM, _DGRAM, _RAW = 1, 2, 3
_HIGHEST_FAMILY = 46
_NO_SUCH_PROCESS = 0x3FFFFFFF
_PTRACE_PEEKUSER = 3
_ANY_NAME = "example.com"
_SOCKETS = {
    "TCP": (_AF_INET, _STREAM),
    "UDP": (_AF_INET, _DGRAM),
    "TCP over IPv6": (_AF_INET6, _STREAM),
    "UDP over IPv6": (_AF_INET6, _DGRAM),
    "netlink": (_AF_NETLINK, _RAW),
    "packet": (_AF_PACKET, _RAW),
    "vsock": (_AF_VSOCK, _STREAM),
    "AF_UNIX datagram": (_AF_UNIX, _DGRAM),
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way out that was tried."""

    where: str
    """`program`, `child process` or `worker`."""
    how: str
    """`Python`, or `libc` for a call through ctypes."""
    what: str
    answer: str
    """The kernel's: the name of its error, or `allowed`."""
    refused: bool | None
    """None where the answer proves nothing: it is shown, and not counted."""


def try_everything() -> list[Attempt]:
    """From this process, from a program it starts, and from a sealed worker."""
    return [*try_here("program"), *_from_child_process(), *_from_worker()]


def try_here(where: str, *, worker: bool = False) -> list[Attempt]:
    """Every attempt in this process; with `worker`, also those that only a worker must be refused."""
    if sys.platform != "linux":
        raise LocalfinError(_("there is no seal to try on this platform"))
    tries = _network_tries()
    if worker:
        tries += _worker_tries()
    return [_attempt(where, how, what, act) for how, what, act in tries]


class ProbeService:
    """The attempts, made inside a sealed worker."""

    def prepare(self, options: dict[str, Any], limits: WorkerLimits, cancelled: CancelFlag) -> WorkerLimits:
        return limits

    def handle(self, call: str, arguments: dict[str, Any], emit: Emit) -> dict[str, Any]:
        attempts = try_here("worker", worker=True)
        if arguments["landlock"]:
            read = Path("/etc/passwd").read_bytes
            attempts.append(_attempt("worker", "Python", "reading a file that was not given", read))
        return {"attempts": [asdict(a) for a in attempts]}


Act = Callable[[], object]


def _network_tries() -> list[tuple[str, str, Act]]:
    libc = ctypes.CDLL(None, use_errno=True)
    arch = bpf.architecture()
    numbers = arch.numbers if arch else {}

    def call(name: str, *arguments: int | None) -> Act:
        return lambda: _checked(libc.syscall(numbers[name], *arguments))

    tries: list[tuple[str, str, Act]] = []
    for what, (family, kind) in _SOCKETS.items():
        tries.append(("Python", what, partial(_python_socket, family, kind)))
        tries.append(("libc", what, partial(_libc_socket, libc, family, kind)))
    tries += [
        ("libc", "every other address family", lambda: _every_family(libc)),
        ("Python", "AF_UNIX connect to a daemon", _connect_unix),
        ("Python", "DNS", lambda: socket.getaddrinfo(_ANY_NAME, 443)),
        ("libc", "io_uring_setup", call("io_uring_setup", 1, None)),
        ("libc", "io_uring_enter", call("io_uring_enter", -1, 0, 0, 0, None)),
        ("libc", "ptrace", lambda: _checked(libc.ptrace(_PTRACE_PEEKUSER, _NO_SUCH_PROCESS, None, None))),
        ("libc", "process_vm_writev", call("process_vm_writev", _NO_SUCH_PROCESS, None, 0, None, 0, 0)),
        ("libc", "pidfd_getfd", call("pidfd_getfd", -1, 0, 0)),
        ("libc", "bpf", call("bpf", -1, None, 0)),
    ]
    if arch is not None and arch.x32:
        tries.append(("libc", "socket by its x32 number", lambda: _checked(libc.syscall(0x40000029, 2, 1, 0))))
    return tries


def _worker_tries() -> list[tuple[str, str, Act]]:
    libc = ctypes.CDLL(None, use_errno=True)
    beside = Path("/tmp") / f"localfin-probe-{os.getpid()}"  # looking for another folder would write to find one
    return [
        ("Python", "AF_UNIX stream", partial(_python_socket, _AF_UNIX, _STREAM)),
        ("Python", "AF_UNIX pair", _python_pair),
        ("libc", "execve", lambda: _checked(libc.execve(b"/nonexistent/program", None, None))),
        ("Python", "fork", _fork),
        ("Python", "signal to the parent", lambda: os.kill(os.getppid(), 0)),
        ("Python", "writing a file", lambda: _write_and_remove(beside)),
        ("Python", "removing a file", lambda: Path("/nonexistent/file").unlink()),
    ]


def _python_socket(family: int, kind: int) -> None:
    socket.socket(family, kind).close()


def _python_pair() -> None:
    for end in socket.socketpair():
        end.close()


def _libc_socket(libc: ctypes.CDLL, family: int, kind: int) -> None:
    os.close(_checked(libc.socket(family, kind, 0)))


def _attempt(where: str, how: str, what: str, act: Act) -> Attempt:
    try:
        act()
    except socket.gaierror as error:
        # A resolver tells neither errno nor reason: a machine without a network gives the same answer.
        return Attempt(where, how, what, str(error.strerror), refused=None)
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, str(error.errno))
        return Attempt(where, how, what, name, error.errno in REFUSALS)
    return Attempt(where, how, what, "allowed", refused=False)


def _checked(answer: int) -> int:
    if answer < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return answer


def _every_family(libc: ctypes.CDLL) -> None:
    """Raises EPERM only if all were refused; an answer from further inside the kernel (no such family) comes first."""
    tried = {family for family, _kind in _SOCKETS.values()}
    answers: list[int] = []
    for family in set(range(_HIGHEST_FAMILY)) - tried:
        for kind in (_STREAM, _DGRAM, _RAW):
            descriptor = libc.socket(family, kind, 0)
            if descriptor >= 0:
                os.close(descriptor)
                return
            answers.append(ctypes.get_errno())
    number = next((a for a in answers if a not in REFUSALS), errno.EPERM)
    raise OSError(number, os.strerror(number))


def _connect_unix() -> None:
    """A worker is refused the socket, the program the connecting; without a seal it is a daemon that is missing."""
    with socket.socket(_AF_UNIX, _STREAM) as end:
        end.connect("/nonexistent/daemon")


def _fork() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def _write_and_remove(path: Path) -> None:
    path.write_bytes(b"x")
    path.unlink()


def _from_child_process() -> list[Attempt]:
    """A fresh interpreter that installs nothing itself: what it is refused, it inherited."""
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "localfin.probe", "child process"],
        env=bare_environment("localfin"), capture_output=True, check=False,
    )  # fmt: skip
    if ran.returncode != 0:
        words = ran.stderr.decode("utf-8", "replace").strip()[-200:]
        raise LocalfinError(_("the probe's child process failed: {words}").format(words=words))
    return [Attempt(**row) for row in json.loads(ran.stdout)]


def _from_worker() -> list[Attempt]:
    worker = SealedWorker("localfin.probe:ProbeService")
    try:
        status = worker.start(WorkerLimits())
        # Without Landlock (before Linux 5.13) files stay readable; the doctor says so, and it is no way out.
        return [Attempt(**row) for row in worker.call("try", {"landlock": status["landlock"]})["attempts"]]
    finally:
        worker.stop()


if __name__ == "__main__":
    print(json.dumps([asdict(a) for a in try_here(sys.argv[1])]))
