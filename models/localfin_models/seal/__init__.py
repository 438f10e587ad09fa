"""The seal: the kernel keeps this process, and its workers more tightly still, from every network.

What is covered (Linux on x86_64 and aarch64; the kernel enforces it on every thread and every later child process,
whether the call comes from Python, from a C library or from a program started by us, and it cannot be lifted again):

- the program: no socket but AF_UNIX streams, and no `connect` at all, so that no local daemon (a resolver, a proxy,
  D-Bus) can be asked to go out for us; no io_uring; no reaching into other processes;
- a worker: no socket of any kind, no other program, no new process, no signal to others; readable (Landlock) are only
  the files it was given, the Python installation and what the kernel says of the processor, the memory and the worker
  itself; nothing is writable unless a folder or device was given; bounded memory and file size, no core dump;
- 32-bit and x32 calls, which would be second names for the same work, are refused whole.

What is not covered: sockets that were open before (a standard stream may be one); what other programs do with files we
write; the metadata of files (`stat`); bugs of the kernel. Where the kernel has no Landlock, a worker reads whatever the
user can. A worker that offloads reads its GPU driver's files, writes to its devices, and has no memory limit; as it was
given something to write, only Landlock keeps it from other files: without Landlock it can write those, too. Other
platforms: nothing is enforced, and the status says so.
"""

import ctypes
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from localfin_models.errors import LocalfinError
from localfin_models.language import _

_PR_SET_NO_NEW_PRIVS = 38
_SET_MODE_FILTER, _FLAG_TSYNC = 1, 1
_SECCOMP = {"x86_64": 317, "aarch64": 277}


@dataclass(frozen=True, slots=True)
class SealStatus:
    """What now holds for this process."""

    enforced: bool
    """Whether the kernel refuses the network."""
    landlock: int
    """The Landlock ABI in force for files; 0 where none is."""
    memory_bytes: int | None
    """The limit on address space; None where none was set."""


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What a worker may touch."""

    read: tuple[Path, ...] = ()
    write: tuple[Path, ...] = ()
    """Folders (or device files) it may change; empty refuses every change to any file."""
    memory_bytes: int | None = None
    """Address space it may take beyond what it holds when it is sealed."""
    file_bytes: int = 0
    """The longest file it may write."""


def seal_program() -> SealStatus:
    """Seal this process and all that it starts. Raises LocalfinError on a Linux that cannot."""
    return SealStatus(_install_filter(worker=False, writes_files=True), 0, None)


def seal_worker(limits: WorkerLimits) -> SealStatus:
    """Seal this process as a worker, which must have one thread only. Raises LocalfinError on a Linux that cannot."""
    if sys.platform != "linux":
        return SealStatus(enforced=False, landlock=0, memory_bytes=None)
    from localfin_models.seal.landlock import restrict_files

    libc = _libc()
    _no_new_privileges(libc)
    try:
        version = restrict_files(libc, [*_library_paths(), *limits.read], limits.write)
    except OSError as error:
        raise LocalfinError(_("the kernel refused to restrict files: {error}").format(error=error)) from None
    memory = _limit_resources(limits)
    enforced = _install_filter(worker=True, writes_files=bool(limits.write))
    return SealStatus(enforced, version, memory)


def _install_filter(*, worker: bool, writes_files: bool) -> bool:
    if sys.platform != "linux":
        return False
    from localfin_models.seal import bpf

    arch = bpf.architecture()
    machine = os.uname().machine
    if arch is None or machine not in _SECCOMP:
        raise LocalfinError(_("no seal is known for this processor ({machine})").format(machine=machine))
    code = bpf.worker_filter(arch, os.getpid(), writes_files=writes_files) if worker else bpf.program_filter(arch)
    libc = _libc()
    _no_new_privileges(libc)
    answer = int(libc.syscall(_SECCOMP[machine], _SET_MODE_FILTER, _FLAG_TSYNC, ctypes.byref(_program(code))))
    if answer != 0:
        reason = os.strerror(ctypes.get_errno()) if answer < 0 else f"thread {answer}"
        raise LocalfinError(
            _("the kernel refused the network seal, without which nothing runs ({reason})").format(reason=reason)
        )
    return True


def _program(code: bytes) -> ctypes.Structure:
    """struct sock_fprog { unsigned short len; struct sock_filter *filter; } over `code`, which it keeps alive."""

    class SockFprog(ctypes.Structure):
        _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_char_p))

    return SockFprog(len(code) // 8, code)


def _no_new_privileges(libc: ctypes.CDLL) -> None:
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise LocalfinError(_("the kernel refused NO_NEW_PRIVS, without which no seal can be installed"))


def _limit_resources(limits: WorkerLimits) -> int | None:
    """RLIMIT_CORE 0, RLIMIT_FSIZE, and RLIMIT_AS as what is mapped now plus `memory_bytes`; soft and hard alike."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_bytes, limits.file_bytes))
    if limits.memory_bytes is None:
        return None
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    allowed = mapped + limits.memory_bytes
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    if hard != resource.RLIM_INFINITY:
        allowed = min(allowed, hard)
    resource.setrlimit(resource.RLIMIT_AS, (allowed, allowed))
    return allowed


def _library_paths() -> Sequence[Path]:
    """What Python itself reads while it runs: modules imported late, and the kernel's answers about processors."""
    found = {Path(p) for p in (*sys.path, sys.prefix, sys.base_prefix) if p and p != os.sep}
    system = ("/sys/devices/system", "/proc/cpuinfo", "/proc/meminfo", "/proc/self", "/dev/null", "/dev/urandom")
    return [*sorted(found), *(Path(p) for p in system)]


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
