"""Hand-made tokenizers, the same bytes on every machine: a SentencePiece model, and two kinds of tokenizer.json."""

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
WORDS = ("▁", "t", "h", "e", "▁t", "▁the", "he", "은", "행", "은행", "▁은행")
Piece = tuple[str | bytes, float, int]
BYTES: list[Piece] = [(f"<0x{byte:02X}>", 0.0, BYTE) for byte in range(256)]
PIECES: list[Piece] = [
    ("<unk>", 0.0, UNKNOWN),
    ("<s>", 0.0, CONTROL),
    ("</s>", 0.0, CONTROL),
    *BYTES,
    *((word, -float(rank), NORMAL) for rank, word in enumerate(WORDS)),
    ("<user>", 0.0, USER_DEFINED),
    ("<gone>", 0.0, UNUSED),
]
MERGES = (("t", "h"), ("th", "e"), ("Ġ", "the"), ("i", "n"), ("Ġ", "Ġ"))


def sentencepiece_bytes(pieces: Sequence[Piece] = PIECES) -> bytes:
    """A `ModelProto` (sentencepiece_model.proto): 1 pieces, 2 trainer_spec (BPE, byte fallback), 3 normalizer_spec."""
    trainer = b"".join([_varint(3, 2), _varint(35, 1)])
    normalizer = _chunk(1, b"identity") + _varint(3, 1) + _varint(4, 0)
    return b"".join(_chunk(1, _piece(*piece)) for piece in pieces) + _chunk(2, trainer) + _chunk(3, normalizer)


def byte_alphabet() -> list[str]:
    """GPT-2's printable character of each byte."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    rest = [byte for byte in range(256) if byte not in plain]
    table = {byte: chr(byte) for byte in plain} | {byte: chr(256 + index) for index, byte in enumerate(rest)}
    return [table[byte] for byte in range(256)]


def byte_level_json(added: Sequence[Mapping[str, Any]] = (), **parts: Any) -> dict[str, Any]:
    """A byte-level BPE: 256 bytes, then a token a merge. `added` need no ids: they follow the vocabulary."""
    tokens = [*byte_alphabet(), *(left + right for left, right in MERGES)]
    return {
        "version": "1.0",
        "added_tokens": _with_ids(added, {token: index for index, token in enumerate(tokens)}),
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
        "post_processor": None,
        "decoder": {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        "model": {
            "type": "BPE",
            "vocab": {token: index for index, token in enumerate(tokens)},
            "merges": [list(pair) for pair in MERGES],
        },
        **parts,
    }


def fallback_json(added: Sequence[Mapping[str, Any]] = (), **parts: Any) -> dict[str, Any]:
    """The pieces of PIECES as Hugging Face's `tokenizers` stores them, without scores."""
    vocabulary = {str(piece): index for index, (piece, _score, _kind) in enumerate(PIECES[:-2])}
    steps = [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0},
    ]
    return {
        "version": "1.0",
        "added_tokens": _with_ids(added, vocabulary),
        "normalizer": {"type": "Prepend", "prepend": "▁"},
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": {"type": "Sequence", "decoders": steps},
        "model": {
            "type": "BPE",
            "unk_token": "<unk>",
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": vocabulary,
            "merges": [["h", "e"], ["▁", "t"], ["▁t", "he"], ["은", "행"], ["▁", "은행"]],
        },
        **parts,
    }


def write_folder(folder: Path, files: Mapping[str, Any]) -> Path:
    """Bytes and text as they are, anything else as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        text = content if isinstance(content, str | bytes) else json.dumps(content, ensure_ascii=False)
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8"))
    return folder


def _with_ids(added: Sequence[Mapping[str, Any]], vocabulary: Mapping[str, int]) -> list[dict[str, Any]]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    tokens: list[dict[str, Any]] = []
    free = len(vocabulary)
    for token in added:
        known = vocabulary.get(token["content"])
        tokens.append({"id": free if known is None else known, **flags, **token})
        free += known is None
    return tokens


def _piece(text: str | bytes, score: float, kind: int) -> bytes:
    raw = text if isinstance(text, bytes) else text.encode("utf-8")
    return _chunk(1, raw) + b"\x15" + struct.pack("<f", score) + _varint(3, kind)


def _chunk(field: int, content: bytes) -> bytes:
    return _number(field << 3 | 2) + _number(len(content)) + content


def _varint(field: int, value: int) -> bytes:
    return _number(field << 3) + _number(value)


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
