"""The seccomp filters: what each denies, written as classic BPF. Pure data and arithmetic; installs nothing.

A filter looks at `struct seccomp_data`: the system call's number, the architecture, and six 64-bit arguments. It cannot
follow pointers, so a call whose meaning hides behind one (clone3, openat2) is answered ENOSYS, upon which the C
library falls back to the older call whose flags lie in a register. Everything denied is answered EPERM, not killed:
a refusal can be reported.
"""

import errno
import platform
import struct
from dataclasses import dataclass

# struct seccomp_data { int nr; u32 arch; u64 instruction_pointer; u64 args[6]; }
_NR, _ARCH, _ARGS = 0, 4, 16

_LOAD = 0x20  # BPF_LD | BPF_W | BPF_ABS
_AND = 0x54  # BPF_ALU | BPF_AND | BPF_K
_JEQ = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_JGE = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_RET = 0x06  # BPF_RET | BPF_K

ALLOW = 0x7FFF0000  # SECCOMP_RET_ALLOW
DENY = 0x00050000 | errno.EPERM  # SECCOMP_RET_ERRNO
MISSING = 0x00050000 | errno.ENOSYS

AF_UNIX, SOCK_DGRAM, SOCK_TYPE_MASK = 1, 2, 0xF
CLONE_THREAD = 0x00010000
_OPEN_WRITES = 0o3 | 0o100 | 0o1000  # O_WRONLY | O_RDWR | O_CREAT | O_TRUNC, equal on both architectures
_X32_BIT = 0x40000000


@dataclass(frozen=True, slots=True)
class Architecture:
    """One processor's system call numbers, from the kernel's own tables."""

    audit: int
    """AUDIT_ARCH_*: a call made in another mode (32-bit on a 64-bit kernel) carries another one and is denied."""
    numbers: dict[str, int]
    x32: bool
    """Whether numbers with bit 30 are a second table for the same calls, which must be closed as well."""


# Numbers that both processors share: system calls added since Linux 5.1 have one number everywhere.
_COMMON = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "open_tree": 428,
    "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "pidfd_open": 434, "clone3": 435,
    "openat2": 437, "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442,
}  # fmt: skip

_X86_64 = {
    "open": 2, "shmget": 29, "socket": 41, "connect": 42, "accept": 43, "sendto": 44, "recvfrom": 45, "sendmsg": 46,
    "recvmsg": 47, "bind": 49, "listen": 50, "socketpair": 53, "clone": 56, "fork": 57, "vfork": 58, "execve": 59,
    "kill": 62, "semget": 64, "msgget": 68, "truncate": 76, "rename": 82, "mkdir": 83, "rmdir": 84, "creat": 85,
    "link": 86, "unlink": 87, "symlink": 88, "chmod": 90, "fchmod": 91, "chown": 92, "fchown": 93, "lchown": 94,
    "ptrace": 101, "rt_sigqueueinfo": 129, "utime": 132, "mknod": 133, "chroot": 161, "mount": 165, "umount2": 166,
    "init_module": 175, "setxattr": 188, "lsetxattr": 189, "fsetxattr": 190, "removexattr": 197, "lremovexattr": 198,
    "fremovexattr": 199, "tkill": 200, "tgkill": 234, "utimes": 235, "mq_open": 240, "kexec_load": 246, "add_key": 248,
    "request_key": 249, "keyctl": 250, "openat": 257, "mkdirat": 258, "mknodat": 259, "fchownat": 260, "futimesat": 261,
    "unlinkat": 263, "renameat": 264, "linkat": 265, "symlinkat": 266, "fchmodat": 268, "unshare": 272,
    "utimensat": 280, "accept4": 288, "rt_tgsigqueueinfo": 297, "perf_event_open": 298, "recvmmsg": 299,
    "prlimit64": 302, "open_by_handle_at": 304, "sendmmsg": 307, "setns": 308, "process_vm_readv": 310,
    "process_vm_writev": 311, "finit_module": 313, "renameat2": 316, "kexec_file_load": 320, "bpf": 321,
    "execveat": 322, "userfaultfd": 323, "fchmodat2": 452,
}  # fmt: skip

_AARCH64 = {
    "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15, "fremovexattr": 16,
    "mknodat": 33, "mkdirat": 34, "unlinkat": 35, "symlinkat": 36, "linkat": 37, "renameat": 38, "umount2": 39,
    "mount": 40, "truncate": 45, "chroot": 51, "fchmod": 52, "fchmodat": 53, "fchownat": 54, "fchown": 55, "openat": 56,
    "utimensat": 88, "unshare": 97, "kexec_load": 104, "init_module": 105, "ptrace": 117, "kill": 129, "tkill": 130,
    "tgkill": 131, "rt_sigqueueinfo": 138, "mq_open": 180, "msgget": 186, "semget": 190, "shmget": 194, "socket": 198,
    "socketpair": 199, "bind": 200, "listen": 201, "accept": 202, "connect": 203, "sendto": 206, "recvfrom": 207,
    "sendmsg": 211, "recvmsg": 212, "add_key": 217, "request_key": 218, "keyctl": 219, "clone": 220, "execve": 221,
    "rt_tgsigqueueinfo": 240, "perf_event_open": 241, "accept4": 242, "recvmmsg": 243, "prlimit64": 261,
    "open_by_handle_at": 265, "setns": 268, "sendmmsg": 269, "process_vm_readv": 270, "process_vm_writev": 271,
    "finit_module": 273, "renameat2": 276, "bpf": 280, "execveat": 281, "userfaultfd": 282, "kexec_file_load": 294,
    "fchmodat2": 452,
}  # fmt: skip

ARCHITECTURES = {
    "x86_64": Architecture(0xC000003E, _X86_64 | _COMMON, x32=True),
    "aarch64": Architecture(0xC00000B7, _AARCH64 | _COMMON, x32=False),
}

# Ways around a seal: another interface for the same work, another process's memory or descriptors, the kernel itself.
_NEVER = (
    "io_uring_setup", "io_uring_enter", "io_uring_register", "ptrace", "process_vm_readv", "process_vm_writev",
    "process_madvise", "pidfd_getfd", "bpf", "perf_event_open", "userfaultfd", "kexec_load", "kexec_file_load",
    "init_module", "finit_module", "open_by_handle_at",
)  # fmt: skip

_NO_SOCKETS = (
    "socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "sendto", "sendmsg", "sendmmsg",
    "recvfrom", "recvmsg", "recvmmsg",
)  # fmt: skip

# Other programs, other processes, other namespaces, and memory or keys shared with them.
_ALONE = (
    "execve", "execveat", "fork", "vfork", "kill", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open",
    "pidfd_send_signal", "shmget", "semget", "msgget", "mq_open", "add_key", "request_key", "keyctl", "unshare",
    "setns", "chroot", "mount", "umount2", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick",
    "mount_setattr",
)  # fmt: skip

_NO_FILE_CHANGES = (
    "truncate", "rename", "renameat", "renameat2", "mkdir", "mkdirat", "rmdir", "creat", "link", "linkat", "unlink",
    "unlinkat", "symlink", "symlinkat", "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown",
    "fchownat", "mknod", "mknodat", "setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr",
    "fremovexattr", "utime", "utimes", "futimesat", "utimensat",
)  # fmt: skip


def architecture() -> Architecture | None:
    """This processor's table; None where the project has none."""
    return ARCHITECTURES.get(platform.machine())


def program_filter(arch: Architecture) -> bytes:
    """For the process a person starts: AF_UNIX stream sockets may be made (asyncio needs a pair), nothing may connect.

    A datagram AF_UNIX socket can be sent from to any path without `connect`, so it is not given out either.
    """
    return _assemble(
        arch,
        [
            *_deny(arch, (*_NEVER, "connect")),
            *_only_unix_streams(arch, "socket"),
            *_only_unix_streams(arch, "socketpair"),
        ],
    )


def worker_filter(arch: Architecture, pid: int, *, writes_files: bool) -> bytes:
    """For a worker: no socket of any kind, no other program or process, no change to files if not `writes_files`.

    Threads are still made, and the process `pid` may signal itself: `abort` does, and its reason should be told.
    """
    rules = _deny(arch, (*_NEVER, *_NO_SOCKETS, *_ALONE))
    rules += _answer(arch, "clone3", MISSING)
    # The flags of clone are its first argument on both architectures.
    rules += _rule(arch, "clone", _argument(0), [_op(_AND, CLONE_THREAD), _jump(_JEQ, 0, 0, 1), _op(_RET, DENY)])
    rules += _rule(arch, "tgkill", _argument(0), [_jump(_JEQ, pid, 1, 0), _op(_RET, DENY)])
    # Limits of its own may be read and lowered (pid 0); those of others may not be touched.
    rules += _rule(arch, "prlimit64", _argument(0), [_jump(_JEQ, 0, 1, 0), _op(_RET, DENY)])
    if not writes_files:
        rules += _deny(arch, _NO_FILE_CHANGES)
        rules += _answer(arch, "openat2", MISSING)
        refuse_writes = [_op(_AND, _OPEN_WRITES), _jump(_JEQ, 0, 1, 0), _op(_RET, DENY)]
        rules += _rule(arch, "openat", _argument(2), refuse_writes)
        rules += _rule(arch, "open", _argument(1), refuse_writes)
    return _assemble(arch, rules)


def _assemble(arch: Architecture, rules: list[bytes]) -> bytes:
    head = [_op(_LOAD, _ARCH), _jump(_JEQ, arch.audit, 1, 0), _op(_RET, DENY), _op(_LOAD, _NR)]
    if arch.x32:
        head += [_jump(_JGE, _X32_BIT, 0, 1), _op(_RET, DENY)]
    return b"".join([*head, *rules, _op(_RET, ALLOW)])


def _deny(arch: Architecture, names: tuple[str, ...]) -> list[bytes]:
    """Answer EPERM to each of `names` that this architecture has; the accumulator keeps the call's number."""
    return [op for name in names for op in _answer(arch, name, DENY)]


def _answer(arch: Architecture, name: str, value: int) -> list[bytes]:
    if name not in arch.numbers:
        return []
    return [_jump(_JEQ, arch.numbers[name], 0, 1), _op(_RET, value)]


def _rule(arch: Architecture, name: str, argument: bytes, body: list[bytes]) -> list[bytes]:
    """`body` runs for `name` with `argument` loaded; falling out of it allows the call."""
    if name not in arch.numbers:
        return []
    whole = [argument, *body, _op(_RET, ALLOW)]
    return [_jump(_JEQ, arch.numbers[name], 0, len(whole)), *whole]


def _only_unix_streams(arch: Architecture, name: str) -> list[bytes]:
    # The kernel reads family and type as int: the low 32 bits, which stand first on a little-endian machine.
    family = [_jump(_JEQ, AF_UNIX, 1, 0), _op(_RET, DENY)]
    kind = [_argument(1), _op(_AND, SOCK_TYPE_MASK), _jump(_JEQ, SOCK_DGRAM, 0, 1), _op(_RET, DENY)]
    return _rule(arch, name, _argument(0), [*family, *kind])


def _argument(index: int) -> bytes:
    return _op(_LOAD, _ARGS + 8 * index)


def _op(code: int, value: int) -> bytes:
    return _jump(code, value, 0, 0)


def _jump(code: int, value: int, if_true: int, if_false: int) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)  # struct sock_filter
