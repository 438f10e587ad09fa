"""Real vocabularies for the golden checkpoints, rebuilt from `vocab/*.json.xz`.

Only the token strings are stored; scores and merges follow from them. The strings come from the vocabulary files of
llama.cpp (MIT), see README.md. Nothing here needs a network or an installed tokenizer library.
"""

import json
import lzma
import struct
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "vocab"
SIZES = {
    "llama-spm": 32_000, "llama-bpe": 128_256, "qwen2": 151_646, "gpt-2": 50_257, "deepseek-llm": 100_015,
    "tekken": 131_072, "llama-bpe-ko": 128_256 + 21,
}  # fmt: skip
"""Tokens of each vocabulary, whole."""
SPECIAL = {"llama-bpe": 256, "qwen2": 3, "gpt-2": 1, "deepseek-llm": 15, "tekken": 1_000}
"""How many of them stand apart from the words: tekken's in front, the others' behind."""
_DEEPSEEK_SPLITS = (
    r"[\r\n]", r"\s?[\p{Lu}\p{Ll}\p{Lt}]+", r"\s?[!-/:-~！-／：-～‘-‟\u3000-。]+", r"\s+$", "[一-龥ࠀ-一가-\ud7ff]+",
)  # fmt: skip
_TEKKEN_SPECIAL = (
    "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]", "[TOOL_CALLS]", "<pad>", "[PREFIX]", "[MIDDLE]", "[SUFFIX]",
)  # fmt: skip
_TEKKEN_UPPER, _TEKKEN_LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_TEKKEN_SPLIT = (
    rf"[^\r\n\p{{L}}\p{{N}}]?{_TEKKEN_UPPER}*{_TEKKEN_LOWER}+|[^\r\n\p{{L}}\p{{N}}]?{_TEKKEN_UPPER}+{_TEKKEN_LOWER}*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

KOREAN = ("은행", "금리", "계좌", "금융위원회")
"""Words that the Korean fine-tunes here add to a vocabulary."""


def _byte_letters() -> dict[int, str]:
    printing = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printing]
    return {byte: chr(byte) for byte in printing} | {byte: chr(256 + index) for index, byte in enumerate(others)}


BYTE_LETTERS = _byte_letters()
"""GPT-2's spelling of bytes: those that print stand for themselves, the rest follow from U+0100."""


@cache
def tokens(name: str) -> tuple[str, ...]:
    """The token strings of vocabulary `name` in the order of their ids."""
    return tuple(json.loads(lzma.decompress((_FOLDER / f"{name}.json.xz").read_bytes())))


@cache
def sentencepiece(size: int) -> bytes:
    """The first `size` pieces of Llama 2's vocabulary as a SentencePiece `tokenizer.model` (BPE, byte fallback).

    A piece's score is its rank in the merge order; pieces of spaces alone are never merged and carry -1e9.
    """
    pieces = bytearray()
    for index, piece in enumerate(tokens("llama-spm")[:size]):
        if index < 3:
            kind, score = (2 if index == 0 else 3), 0.0
        elif index < 259:
            kind, score = 6, 0.0
        else:
            kind, score = 1, -1e9 if set(piece) == {"▁"} else float(259 - index)
        text = piece.encode()
        body = _field(1, text) + b"\x15" + struct.pack("<f", score) + (b"" if kind == 1 else b"\x18" + bytes([kind]))
        pieces += _field(1, body)
    trainer = b"\x18\x02" + b"\x20" + _varint(size) + b"\x98\x02\x01"  # model_type BPE, vocab_size, byte_fallback
    normalizer = _field(1, b"identity") + b"\x18\x01" + b"\x20\x00"  # add_dummy_prefix, keep extra whitespace
    return bytes(pieces) + _field(2, trainer) + _field(3, normalizer)


@cache
def sentencepiece_json(size: int, added: tuple[str, ...], *, korean: bool = False) -> str:
    """The same vocabulary as a `tokenizer.json` alone, as fine-tunes often come: merges, no scores; `added` behind.

    `korean` puts Korean words in the place of the last pieces, ordinary ones with merges of their own.
    """
    words = tokens("llama-spm")[:size]
    if korean:
        more = expansion([f"▁{word}" for word in KOREAN] + list(KOREAN), frozenset(words))
        words = (*words[: size - len(more)], *more)
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    specials = [*enumerate(words[:3]), *enumerate(added, size)]
    replaced = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
    restored = {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": index, "content": text} | flags | {"special": index < 3 or text.startswith("<|")}
            for index, text in specials
        ],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, replaced]},
        "pre_tokenizer": None,
        "post_processor": _bos_template("<s>", 1),
        "decoder": {
            "type": "Sequence",
            "decoders": [
                restored,
                {"type": "ByteFallback"},
                {"type": "Fuse"},
                {"type": "Strip", "content": " "} | {"start": 1, "stop": 0},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "vocab": {word: rank for rank, word in enumerate(words)},
            "merges": [f"{left} {right}" for left, right in _all_merges(words[259:])],
        },
    }
    return json.dumps(tokenizer, ensure_ascii=False)


def byte_level(name: str, size: int, added: tuple[str, ...] = ()) -> str:
    """The `tokenizer.json` of vocabulary `name` in `size` tokens: its first words, its special tokens, then `added`."""
    makers = {"llama-bpe": llama3, "llama-bpe-ko": llama3_korean, "qwen2": qwen2, "gpt-2": gpt2}
    makers |= {"deepseek-llm": deepseek, "tekken": tekken}
    return makers[name](min(size, SIZES[name]), added)


@cache
def llama3(size: int = SIZES["llama-bpe"], added: tuple[str, ...] = ()) -> str:
    """Llama 3's `tokenizer.json`, merges as "left right" strings."""
    return _llama3(*_parts("llama-bpe", size, added), ())


@cache
def llama3_korean(size: int = SIZES["llama-bpe-ko"], added: tuple[str, ...] = ()) -> str:
    """Llama 3's vocabulary with Korean words behind its special tokens, as fine-tunes expand it."""
    spelled = ["".join(map(BYTE_LETTERS.__getitem__, word.encode())) for word in KOREAN]
    more = expansion(spelled, frozenset(tokens("llama-bpe")[:size]))
    words, special = _parts("llama-bpe", size - len(more), ())
    return _llama3(words, [*special, *enumerate(added, size)], more)


def _llama3(words: tuple[str, ...], special: list[tuple[int, str]], more: tuple[str, ...]) -> str:
    begin = _bos_template("<|begin_of_text|>", len(words))
    return _byte_level_json(
        words,
        [f"{left} {right}" for left, right in _all_merges((*words, *more))],
        special,
        normalizer=None,
        pre=[_split(_SPLIT % "{1,3}"), _byte_level(False, False)],
        post_processor={"type": "Sequence", "processors": [_byte_level(True, True), begin]},
        ignore_merges=True,
        more=more,
    )


@cache
def tekken(size: int = SIZES["tekken"], added: tuple[str, ...] = ()) -> str:
    """The `tokenizer.json` of Mistral's tekken vocabulary, the special tokens in front."""
    count = SPECIAL["tekken"]
    words = tokens("tekken")[: size - count]
    special = [*_TEKKEN_SPECIAL, *(f"<SPECIAL_{index}>" for index in range(len(_TEKKEN_SPECIAL), count))]
    return _byte_level_json(
        (*special, *words),
        [f"{left} {right}" for left, right in _all_merges(words)],
        [*enumerate(special), *enumerate(added, size)],
        normalizer=None,
        pre=[_split(_TEKKEN_SPLIT), _byte_level(True, False)],
        post_processor=_bos_template("<s>", 1),
        ignore_merges=True,
        marked=("<", "["),
    )


@cache
def qwen2(size: int = SIZES["qwen2"], added: tuple[str, ...] = ()) -> str:
    """Qwen2's `tokenizer.json`, merges as [left, right] pairs."""
    words, special = _parts("qwen2", size, added)
    return _byte_level_json(
        words,
        [list(pair) for pair in _one_merge_each(words)],
        special,
        normalizer={"type": "NFC"},
        pre=[_split(_SPLIT % ""), _byte_level(False, False)],
        post_processor=_byte_level(False, False),
        ignore_merges=False,
    )


@cache
def gpt2(size: int = SIZES["gpt-2"], added: tuple[str, ...] = ()) -> str:
    """GPT-2's `tokenizer.json`: the smallest real vocabulary with a known pre-tokenizer."""
    words, special = _parts("gpt-2", size, added)
    return _byte_level_json(
        words,
        [f"{left} {right}" for left, right in _one_merge_each(words)],
        special,
        normalizer=None,
        pre=[_byte_level(True, True)],
        post_processor=_byte_level(True, True),
        ignore_merges=False,
    )


@cache
def deepseek(size: int = SIZES["deepseek-llm"], added: tuple[str, ...] = ()) -> str:
    """DeepSeek LLM's `tokenizer.json`, the beginning of a text marked in its post-processor.

    The published file leaves that to the tokenizer's class, which transformers 5 no longer asks.
    """
    words, special = _parts("deepseek-llm", size, added)
    digits = {"type": "Digits", "individual_digits": True}
    return _byte_level_json(
        words,
        [f"{left} {right}" for left, right in _one_merge_each(words)],
        special,
        normalizer=None,
        pre=[*map(_split, _DEEPSEEK_SPLITS), digits, _byte_level(True, False)],
        post_processor=_bos_template("<｜begin▁of▁sentence｜>", len(words)),
        ignore_merges=False,
    )


def _parts(name: str, size: int, added: tuple[str, ...]) -> tuple[tuple[str, ...], list[tuple[int, str]]]:
    """The first words of a vocabulary of `size` tokens; its special tokens and the added ones, with their ids."""
    words, special = tokens(name)[: size - SPECIAL[name]], tokens(name)[-SPECIAL[name] :]
    return words, list(enumerate((*special, *added), len(words)))


def expansion(words: Sequence[str], known: frozenset[str]) -> tuple[str, ...]:
    """What a vocabulary lacks to put `words` together from the left: letters, then longer and longer beginnings."""
    pieces = [*(letter for word in words for letter in word)]
    pieces += [word[:end] for word in words for end in range(2, len(word) + 1)]
    return tuple(dict.fromkeys(piece for piece in pieces if piece not in known))


def _all_merges(words: tuple[str, ...]) -> list[tuple[str, str]]:
    """Every way to put a word together from two others, in the order of the words, then of the parts."""
    ranks = {word: rank for rank, word in enumerate(words)}
    merges: list[tuple[str, str]] = []
    for word in words:
        cuts = [(word[:at], word[at:]) for at in range(1, len(word)) if word[:at] in ranks and word[at:] in ranks]
        merges += sorted(cuts, key=lambda cut: (ranks[cut[0]], ranks[cut[1]]))
    return merges


def _one_merge_each(words: tuple[str, ...]) -> list[tuple[str, str]]:
    """The one merge that makes each word when all earlier merges have been applied to its letters."""
    ranks = {word: rank for rank, word in enumerate(words)}
    merges: list[tuple[str, str]] = []
    for rank, word in enumerate(words):
        parts = list(word)
        while len(parts) > 2:
            best = min((ranks.get(parts[i] + parts[i + 1], rank), i) for i in range(len(parts) - 1))
            at = best[1]
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        if len(parts) == 2:
            merges.append((parts[0], parts[1]))
    return merges


def _byte_level_json(
    words: tuple[str, ...],
    merges: list[Any],
    added: list[tuple[int, str]],
    *,
    normalizer: dict[str, Any] | None,
    pre: list[dict[str, Any]],
    post_processor: dict[str, Any],
    ignore_merges: bool,
    more: tuple[str, ...] = (),
    marked: tuple[str, ...] = ("<",),
) -> str:
    """`added` are special where they begin with one of `marked`.

    `more` are words behind them: those in front stand in the model's own vocabulary then, because `tokenizers` would
    give them ids behind it otherwise.
    """
    own = (*words, *(text for _index, text in added[: SPECIAL["llama-bpe"]]), *more) if more else words
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": index, "content": text} | flags | {"special": text.startswith(marked)} for index, text in added
        ],
        "normalizer": normalizer,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": pre},
        "post_processor": post_processor,
        "decoder": _byte_level(True, True),
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": ignore_merges,
            "vocab": {word: rank for rank, word in enumerate(own)},
            "merges": merges,
        },
    }
    return json.dumps(tokenizer, ensure_ascii=False)


def _byte_level(trim_offsets: bool, use_regex: bool) -> dict[str, Any]:
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": trim_offsets, "use_regex": use_regex}


def _split(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def _bos_template(token: str, token_id: int) -> dict[str, Any]:
    return {
        "type": "TemplateProcessing",
        "single": [_special(token), _sequence("A", 0)],
        "pair": [_special(token), _sequence("A", 0), _special(token, 1), _sequence("B", 1)],
        "special_tokens": {token: {"id": token, "ids": [token_id], "tokens": [token]}},
    }


def _special(token: str, type_id: int = 0) -> dict[str, Any]:
    return {"SpecialToken": {"id": token, "type_id": type_id}}


def _sequence(name: str, type_id: int) -> dict[str, Any]:
    return {"Sequence": {"id": name, "type_id": type_id}}


def _field(number: int, body: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return bytes([number << 3 | 2]) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
