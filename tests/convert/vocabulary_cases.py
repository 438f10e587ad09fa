"""Small tokenizer folders, each for one rule of llama.cpp's converter, and the shape in which its keys are recorded."""

import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gguf import GGUFValueType
from tests.convert.small_tokenizers import PIECES, byte_level_json, fallback_json, sentencepiece_bytes

QWEN_REGEX = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
QWEN_PARTS = {
    "normalizer": {"type": "NFC"},
    "pre_tokenizer": {
        "type": "Sequence",
        "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": QWEN_REGEX}, "behavior": "Isolated", "invert": False},
            {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
        ],
    },
    "post_processor": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False},
}
BYTE_LEVEL_SIZE = 261
SPECIALS = [{"content": "<|begin|>"}, {"content": "<|end|>"}, {"content": "<|turn|>"}]
ENDS = {"bos_token": "<|begin|>", "eos_token": "<|end|>"}


@dataclass(frozen=True, slots=True)
class Case:
    files: Mapping[str, Any]
    vocab_size: int
    architecture: str = "llama"
    config: Mapping[str, Any] = field(default_factory=dict)

    def model_config(self) -> dict[str, Any]:
        names = {"llama": "LlamaForCausalLM", "mistral": "MistralForCausalLM", "qwen2": "Qwen2ForCausalLM"}
        return {
            "model_type": self.architecture,
            "architectures": [names[self.architecture]],
            "num_hidden_layers": 1,
            "hidden_size": 64,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "vocab_size": self.vocab_size,
            **self.config,
        }


def recorded(name: str, kind: GGUFValueType, element: GGUFValueType | None, value: Any) -> list[Any]:
    """Name, types, and the value; of an array, its length and the SHA-256 of its elements as GGUF stores them."""
    if element is None:
        return [name, GGUFValueType(kind).name, None, value]
    return [name, GGUFValueType(kind).name, GGUFValueType(element).name, len(value), _digest(element, value)]


def _digest(element: GGUFValueType, values: Sequence[Any]) -> str:
    if element is GGUFValueType.STRING:
        texts = [value if isinstance(value, bytes) else value.encode("utf-8") for value in values]
        raw = b"".join(struct.pack("<Q", len(text)) + text for text in texts)
    else:
        raw = struct.pack(f"<{len(values)}{'f' if element is GGUFValueType.FLOAT32 else 'i'}", *values)
    return hashlib.sha256(raw).hexdigest()


def template(first: str | None, last: str | None, middle: Sequence[str] = (), **tokens: int) -> dict[str, Any]:
    """A TemplateProcessing: [first] A [last], and for two texts [first] A [middle] B [last]."""
    texts = [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}]
    start = [_special(first)] if first else []
    stop = [_special(last)] if last else []
    special = {name: {"id": name, "ids": [token_id], "tokens": [name]} for name, token_id in tokens.items()}
    return {
        "type": "TemplateProcessing",
        "single": [*start, texts[0], *stop],
        "pair": [*start, texts[0], *map(_special, middle), texts[1], *stop],
        "special_tokens": special,
    }


def _special(token: str) -> dict[str, Any]:
    return {"SpecialToken": {"id": token, "type_id": 0}}


def _ids(*names: str) -> dict[str, int]:
    return {name: BYTE_LEVEL_SIZE + index for index, name in enumerate(names)}


def _byte_level(settings: Mapping[str, Any] | None, post: Any = None, **more: Any) -> Case:
    """A byte-level BPE with SPECIALS, of which three ids are not in the tokenizer."""
    files = {"tokenizer.json": byte_level_json(SPECIALS, post_processor=post), **more}
    if settings is not None:
        files["tokenizer_config.json"] = settings
    return Case(files, BYTE_LEVEL_SIZE + 6)


NAMES = _ids("<|begin|>", "<|end|>", "<|turn|>")
BYTE_LEVEL_POST = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}
SPM = {"tokenizer.model": sentencepiece_bytes()}
SPM_SIZE = len(PIECES)
TOKEN = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}

CASES: dict[str, Case] = {
    "spm": Case(SPM, SPM_SIZE, config={"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}),
    "spm, padded, added_tokens.json with an id out of range": Case(
        {**SPM, "added_tokens.json": {"<tool>": SPM_SIZE, "▁spaced": SPM_SIZE + 1, "<far>": SPM_SIZE + 50}},
        SPM_SIZE + 5,
        config={"bos_token_id": 1, "eos_token_id": SPM_SIZE + 7},
    ),
    "spm, added_tokens_decoder, prefix": Case(
        {
            **SPM,
            "tokenizer_config.json": {
                "add_prefix_space": False,
                "add_bos_token": True,
                "add_eos_token": False,
                "bos_token": "<s>",
                "chat_template": "{{ bos_token }}{% for m in messages %}{{ m }}{% endfor %}",
                "added_tokens_decoder": {
                    "0": {"content": "<unk>", **TOKEN, "special": True},
                    "1": {"content": "<s>", **TOKEN, "special": True},
                    str(SPM_SIZE): {"content": "▁two words", **TOKEN, "special": False},
                    str(SPM_SIZE + 1): {"content": "<|looks|>", **TOKEN, "special": False},
                    str(SPM_SIZE + 90): {"content": "<far>", **TOKEN, "special": True},
                },
            },
        },
        SPM_SIZE + 4,
        "mistral",
        {"bos_token_id": 1, "eos_token_id": [2, 1]},
    ),
    "spm beside a tokenizer.json, whose added tokens have the ids": Case(
        {
            **SPM,
            "tokenizer.json": fallback_json([{"content": "<s>"}, {"content": "</s>"}]),
            "tokenizer_config.json": {"bos_token": {"__type": "AddedToken", "content": "<s>"}, "eos_token": "</s>"},
        },
        SPM_SIZE,
    ),
    "spm, infill tokens of Code Llama": Case(SPM, 32016, config={"bos_token_id": 1, "eos_token_id": 2}),
    "spm, no BOS at Granite's size": Case({**SPM, "tokenizer_config.json": {"add_bos_token": True}}, 49152),
    "spm in a Qwen2": Case({**SPM, "tokenizer_config.json": {"add_prefix_space": True}}, SPM_SIZE, "qwen2"),
    "llama 3": _byte_level(
        {**ENDS, "tokenizer_class": "PreTrainedTokenizerFast"}, template("<|begin|>", None, **NAMES)
    ),
    "qwen2.5": Case(
        {
            "tokenizer.json": byte_level_json(
                [{"content": "<|endoftext|>"}, {"content": "<|im_start|>"}, {"content": "<tool>", "special": False}],
                **QWEN_PARTS,
            ),
            "tokenizer_config.json": {
                "tokenizer_class": "Qwen2Tokenizer",
                "add_prefix_space": False,
                "bos_token": None,
                "eos_token": "<|im_start|>",
                "pad_token": "<|endoftext|>",
                "additional_special_tokens": ["<|im_start|>"],
                "added_tokens_decoder": {
                    "261": {"content": "<|endoftext|>", **TOKEN, "special": True},
                    "262": {"content": "<|im_start|>", **TOKEN, "special": True},
                    "263": {"content": "<tool>", **TOKEN, "special": False},
                },
                "chat_template": "{% for m in messages %}{{ m.content }}{% endfor %}",
            },
        },
        BYTE_LEVEL_SIZE + 20,
        "qwen2",
        {"bos_token_id": 261, "eos_token_id": 262},
    ),
    "added words: spaces, ▁, control by looks, named and so special": Case(
        {
            "tokenizer.json": byte_level_json(
                [
                    {"content": "two words", "special": False},
                    {"content": "▁under", "special": False},
                    {"content": "<|looks|>", "special": False},
                    {"content": "named", "special": False},
                    {"content": "  trimmed  ", "special": False, "lstrip": True, "rstrip": True},
                    {"content": "normal", "special": False, "normalized": True},
                ],
            ),
            "tokenizer_config.json": {"pad_token": "named"},
        },
        BYTE_LEVEL_SIZE + 6,
    ),
    "a named token the tokenizer lacks": _byte_level({**ENDS, "pad_token": "<new>", "image_token": "<image>"}),
    "special_tokens_map.json": _byte_level({"eos_token": "<|end|>"}, **{
        "special_tokens_map.json": {"bos_token": {"content": "<|begin|>", **TOKEN}, "pad_token": "<map pad>"},
        "added_tokens.json": {"<legacy>": 264},
    }),
    "special_tokens_map.json does not count beside added_tokens_decoder": _byte_level({"added_tokens_decoder": {}}, **{
        "special_tokens_map.json": {"pad_token": "<map pad>"},
    }),
    "the first flags win: post-processor before settings": _byte_level(
        {**ENDS, "add_bos_token": True, "add_eos_token": True}, BYTE_LEVEL_POST
    ),
    "BOS and EOS by template": _byte_level(ENDS, template("<|begin|>", "<|end|>", **NAMES)),
    "another end by template makes an end of turn": _byte_level(ENDS, template(None, "<|turn|>", **NAMES)),
    "a template names what the settings do not": _byte_level(
        {"unk_token": None}, template("<|begin|>", "<|end|>", **NAMES)
    ),
    "an unknown start by template": _byte_level({**ENDS, "cls_token": "<|turn|>"}, template("<|end|>", None, **NAMES)),
    "two texts, end between them": _byte_level(ENDS, template("<|begin|>", None, ["<|end|>"], **NAMES)),
    "two texts, separator twice": _byte_level(
        {**ENDS, "sep_token": "<|turn|>"}, template("<|begin|>", "<|end|>", ["<|end|>", "<|turn|>"], **NAMES)
    ),
    "settings with tokens as objects": _byte_level(
        {"bos_token": {"__type": "AddedToken", "content": "<|begin|>", **TOKEN}, "eos_token": "<|end|>"},
        template("<|begin|>", "<|turn|>", **NAMES),
    ),
    "cls and sep stand in": _byte_level({"cls_token": "<|begin|>", "sep_token": "<|end|>"}, BYTE_LEVEL_POST),
    "roberta": _byte_level({"mask_token": "<|turn|>"}, {
        "type": "RobertaProcessing", "sep": ["<|end|>", 262], "cls": ["<|begin|>", 261],
        "trim_offsets": True, "add_prefix_space": False,
    }),
    "a sequence of post-processors": _byte_level(
        ENDS, {"type": "Sequence", "processors": [BYTE_LEVEL_POST, template("<|begin|>", None, **NAMES)]}
    ),
    "no settings at all, so no template either": _byte_level(
        None, template("<|begin|>", "<|end|>", **NAMES), **{"chat_template.jinja": "lost"}
    ),
    "chat_template.jinja with CRLF": _byte_level(ENDS, **{"chat_template.jinja": b"{{ a }}\r\n\xed\x95\x9c"}),
    "settings before chat_template.jinja": _byte_level({**ENDS, "chat_template": "s"}, **{"chat_template.jinja": "f"}),
    "chat_template.json": _byte_level(ENDS, **{"chat_template.json": {"chat_template": "from json"}}),
    "a template more in its folder": _byte_level(
        ENDS, **{"chat_template.jinja": "d", "additional_chat_templates/rag use.jinja": "r"}
    ),
    "templates by name": _byte_level(
        {**ENDS, "chat_template": [{"name": "default", "template": "d"}, {"name": "tool-use", "template": "t"}]}
    ),
    "no default among the templates": _byte_level({**ENDS, "chat_template": [{"name": "tool", "template": "t"}]}),
    "normalizer": Case(
        {
            "tokenizer.json": byte_level_json(
                SPECIALS,
                normalizer={"type": "Sequence", "normalizers": [{"type": "StripAccents"}, {"type": "Lowercase"}]},
            ),
            "tokenizer_config.json": ENDS,
        },
        BYTE_LEVEL_SIZE + 3,
    ),
    "truncation and padding in the file": Case(
        {
            "tokenizer.json": byte_level_json(
                SPECIALS,
                truncation={"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0},
                padding={
                    "strategy": {"Fixed": 900}, "direction": "Right", "pad_to_multiple_of": None,
                    "pad_id": 0, "pad_type_id": 0, "pad_token": "!",
                },
            ),
            "tokenizer_config.json": ENDS,
        },
        BYTE_LEVEL_SIZE + 3,
    ),
    "llama-2-ko: BPE with byte fallback, no tokenizer.model": Case(
        {
            "tokenizer.json": fallback_json(
                [
                    {"content": "<unk>"},
                    {"content": "<s>"},
                    {"content": "</s>"},
                    {"content": "<extra>", "special": False},
                    {"content": "<|control|>"},
                ],
                post_processor=template("<s>", None, **{"<s>": 1}),
            ),
            "tokenizer_config.json": {"tokenizer_class": "LlamaTokenizerFast", "bos_token": "<s>", "eos_token": "</s>"},
        },
        SPM_SIZE,
        config={"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 900},
    ),
    "byte fallback without a class": Case(
        {"tokenizer.json": fallback_json(), "tokenizer_config.json": {"eos_token": "▁the", "pad_token": "<pad>"}},
        SPM_SIZE - 1,
        "mistral",
    ),
}  # fmt: skip
