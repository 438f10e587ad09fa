"""Landlock: which files a worker may read and write, from now until it ends. Linux 5.13 and later, else unavailable.

It binds the calling thread and the threads and processes that come after it, so a worker calls it before it starts any.
Reading names and metadata (`stat`, `readlink`) is not covered by any version of it.
"""

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

# include/uapi/linux/landlock.h; the same three numbers on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_RULE_PATH_BENEATH = 1

_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_EXECUTE, _WRITE_FILE = 1 << 0, 1 << 1
_MAKE_DIR, _MAKE_REG = 1 << 7, 1 << 8
_REMOVE_DIR, _REMOVE_FILE = 1 << 4, 1 << 5
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_FILE_RIGHTS = _EXECUTE | _READ_FILE | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV
"""Those that may stand in a rule for a single file; the kernel refuses the others there."""

_READ = _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _TRUNCATE | _MAKE_DIR | _MAKE_REG | _REMOVE_DIR | _REMOVE_FILE | _IOCTL_DEV


class _RulesetAttr(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("access", ctypes.c_uint64), ("fd", ctypes.c_int32))


def landlock_version(libc: ctypes.CDLL) -> int:
    """The kernel's Landlock ABI; 0 where it has none or has it switched off."""
    return max(0, int(libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG)))


def restrict_files(libc: ctypes.CDLL, read: Sequence[Path], write: Sequence[Path]) -> int:
    """Allow reading below `read`, and changes below `write`, nothing else. Returns the ABI, 0 if unavailable.

    Paths that do not exist are skipped. From ABI 4 on TCP is refused as well, from ABI 6 on abstract AF_UNIX sockets
    and signals to outside. Raises OSError where the kernel has Landlock but refuses the rules. The caller has set
    NO_NEW_PRIVS.
    """
    version = landlock_version(libc)
    if version == 0:
        return 0
    handled = _handled_rights(version)
    attr = _RulesetAttr(handled, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 8 if version < 4 else 16 if version < 6 else 24
    ruleset = int(libc.syscall(_CREATE_RULESET, ctypes.byref(attr), ctypes.c_size_t(size), 0))
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "landlock_create_ruleset")
    try:
        for path in read:
            _allow(libc, ruleset, path, _READ & handled)
        for path in write:
            _allow(libc, ruleset, path, _WRITE & handled)
        if libc.syscall(_RESTRICT_SELF, ruleset, 0) != 0:
            raise OSError(ctypes.get_errno(), "landlock_restrict_self")
    finally:
        os.close(ruleset)
    return version


def _handled_rights(version: int) -> int:
    """ABI 1 knows 13 rights; 2 adds REFER, 3 TRUNCATE, 5 IOCTL_DEV."""
    bits = 13 + (version >= 2) + (version >= 3) + (version >= 5)
    return (1 << bits) - 1


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, access: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        rights = access if path.is_dir() else access & _FILE_RIGHTS
        rule = _PathBeneath(rights, fd)
        if libc.syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0) != 0:
            raise OSError(ctypes.get_errno(), f"landlock_add_rule {path}")
    finally:
        os.close(fd)
