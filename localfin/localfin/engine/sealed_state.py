"""The file of one computed beginning: encrypted, authenticated, read whole or not at all.

    localfin-state-2\\n    17 bytes
    salt                  32 bytes, random: each file has a key of its own
    length of the head     4 bytes, little-endian
    head                  AES-256-GCM of the state's size (8 bytes) and the tokens (4 bytes each)
    pieces                AES-256-GCM of 4 MiB of the state each, the last one less

Nonces count the parts, so that none is missing, doubled or moved. What a state depends on (its scope) is associated
data of each part, together with the heading: a file of another model, adapter or build does not decrypt.
"""

import os
import secrets
import struct
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from localfin.engine.memory_file import MemoryFile
from localfin.key import derived_key

HEADING = b"localfin-state-2\n"
_PURPOSE = b"localfin prompt states"
_SALT, _TAG, _PIECE = 32, 16, 4 << 20
_HEAD = struct.Struct("<I")
_SIZE = struct.Struct("<Q")
_LONGEST_HEAD = 64 << 20


@dataclass(frozen=True, slots=True)
class Head:
    """What is known of a file without reading its state."""

    tokens: Sequence[int]
    size: int
    """Bytes of the state."""


def file_size(tokens: int, size: int) -> int:
    """Bytes of the file for so many tokens and a state of `size` bytes."""
    head = _SIZE.size + 4 * tokens + _TAG
    return len(HEADING) + _SALT + _HEAD.size + head + size + _TAG * -(-size // _PIECE)


def write_state(
    file: IO[bytes], key: bytes, scope: bytes, tokens: Sequence[int], memory: MemoryFile, size: int
) -> None:
    """The first `size` bytes of `memory` into `file`. Raises OSError."""
    parts = _Parts(key, scope, secrets.token_bytes(_SALT))
    head = parts.encrypt(0, _SIZE.pack(size) + array("i", tokens).tobytes())
    file.write(HEADING + parts.salt + _HEAD.pack(len(head)) + head)
    for number, at in enumerate(range(0, size, _PIECE), 1):
        piece = memory.read(at, min(_PIECE, size - at))
        file.write(parts.encrypt(number, piece))


def read_head(file: IO[bytes], key: bytes, scope: bytes) -> Head | None:
    """None where the file is not ours for this scope, or damaged at its beginning."""
    return _head(file, key, scope)[0]


def read_state(file: IO[bytes], key: bytes, scope: bytes, memory: MemoryFile) -> bool:
    """The state into `memory`; False where any bit of the file is not what was written. Raises OSError."""
    head, parts = _head(file, key, scope)
    if head is None or parts is None:
        return False
    if os.fstat(file.fileno()).st_size != file_size(len(head.tokens), head.size):
        return False
    pieces = [min(_PIECE, head.size - at) for at in range(0, head.size, _PIECE)]
    memory.resize(head.size)
    for number, length in enumerate(pieces, 1):
        piece = parts.decrypt(number, file.read(length + _TAG))
        if piece is None:
            memory.resize(0)
            return False
        memory.write((number - 1) * _PIECE, piece)
    return True


def _head(file: IO[bytes], key: bytes, scope: bytes) -> "tuple[Head | None, _Parts | None]":
    heading = file.read(len(HEADING))
    salt, length = file.read(_SALT), file.read(_HEAD.size)
    if heading != HEADING or len(length) < _HEAD.size or _HEAD.unpack(length)[0] > _LONGEST_HEAD:
        return None, None
    parts = _Parts(key, scope, salt)
    text = parts.decrypt(0, file.read(_HEAD.unpack(length)[0]))
    if text is None:
        return None, None
    tokens = array("i", text[_SIZE.size :])
    return Head(tokens, _SIZE.unpack_from(text)[0]), parts


class _Parts:
    """Encrypts and decrypts the parts of one file."""

    def __init__(self, key: bytes, scope: bytes, salt: bytes) -> None:
        self.salt = salt
        self._cipher = AESGCM(derived_key(key, salt, _PURPOSE))
        self._about = HEADING + salt + scope

    def encrypt(self, number: int, text: bytes) -> bytes:
        return self._cipher.encrypt(number.to_bytes(12, "little"), text, self._about)

    def decrypt(self, number: int, text: bytes) -> bytes | None:
        try:
            return self._cipher.decrypt(number.to_bytes(12, "little"), text, self._about)
        except (InvalidTag, ValueError):
            return None
