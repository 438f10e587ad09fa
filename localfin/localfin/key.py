"""The key that is kept beside what it protects: 32 random bytes in a file of LOCALFIN_HOME that only its owner reads.

It makes a copied, backed-up or synchronised cache or database unreadable without the key file. It does not protect
from whoever can read all files of the user, and with them the key.
"""

import contextlib
import os
import secrets
import stat
import zlib
from pathlib import Path

from localfin_models.errors import InputRefused, LocalfinError
from localfin_models.home import home
from localfin_models.language import _

BYTES = 32
_NAME = "key"
_HEADING = "localfin-key-1"
_LONGEST_FILE = 200


def home_key() -> bytes:
    """The key of LOCALFIN_HOME, made on first use.

    Raises InputRefused where its file is damaged, another's, or readable by others; LocalfinError where none can be
    made.
    """
    path = home() / _NAME
    try:
        return _read(path)
    except FileNotFoundError:
        return _made(path)


def derived_key(key: bytes, salt: bytes, purpose: bytes) -> bytes:
    """A key of 32 bytes for one purpose and one salt: HKDF-SHA256 (RFC 5869)."""
    # Imported here: it takes 30 ms, which a command that keeps nothing need not wait for.
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), BYTES, salt, purpose).derive(key)


def _read(path: Path) -> bytes:
    """Raises FileNotFoundError where there is none."""
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise InputRefused(_("{path} cannot be read: {reason}").format(path=path, reason=error.strerror)) from None
    try:
        state = os.fstat(file)
        if not stat.S_ISREG(state.st_mode):
            raise _damaged(path)
        if os.name == "posix" and (state.st_mode & 0o077 or state.st_uid != os.geteuid()):
            reason = _("{path} can be read by others, or belongs to another: chown it to yourself and chmod 600 it")
            raise InputRefused(reason.format(path=path))
        text = os.read(file, _LONGEST_FILE)
    finally:
        os.close(file)
    words = text.decode("ascii", "replace").split(" ")
    with contextlib.suppress(ValueError, IndexError):
        key = bytes.fromhex(words[1])
        if len(key) == BYTES and text == _text(key):
            return key
    raise _damaged(path)


def _made(path: Path) -> bytes:
    """Written beside and linked: whole or not at all, and of two processes at once one wins."""
    beside = path.with_name(f"{_NAME}.{secrets.token_hex(8)}")
    try:
        try:
            file = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(file, "wb") as stream:
                stream.write(_text(secrets.token_bytes(BYTES)))
                stream.flush()
                os.fsync(stream.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(beside, path)
        finally:
            beside.unlink(missing_ok=True)
        return _read(path)
    except OSError as error:
        raise LocalfinError(_("the key {path} cannot be made ({error})").format(path=path, error=error)) from None


def _text(key: bytes) -> bytes:
    return f"{_HEADING} {key.hex()} {zlib.crc32(key):08x}\n".encode()


def _damaged(path: Path) -> InputRefused:
    reason = _("{path} is no key of localfin, or damaged; restore it, or remove it and lose what it protects")
    return InputRefused(reason.format(path=path))
