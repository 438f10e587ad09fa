"""The tokenizer's files of a case: its vocabulary, or the first tokens of it, and the settings beside it."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.golden import vocabularies
from tests.golden.cases import Case

_SPM_TEMPLATE = "{{ bos_token }}{% for m in messages %}[INST] {{ m['content'] }} [/INST]{% endfor %}"
_LLAMA3_TEMPLATE = (
    "{% for m in messages %}<|start_header_id|>{{ m['role'] }}<|end_header_id|>\n\n{{ m['content'] }}<|eot_id|>"
    "{% endfor %}"
)
_QWEN2_TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
_SPM_CONFIG = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
_LLAMA3_CONFIG = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "bos_token": "<|begin_of_text|>",
    "eos_token": "<|eot_id|>",
    "chat_template": _LLAMA3_TEMPLATE,
}
_DEEPSEEK_END = "<｜end▁of▁sentence｜>"
_BYTE_LEVEL_CONFIGS: dict[str, dict[str, Any]] = {
    "llama-bpe": _LLAMA3_CONFIG,
    "llama-bpe-ko": _LLAMA3_CONFIG,
    "tekken": {"tokenizer_class": "PreTrainedTokenizerFast", "add_bos_token": True, "chat_template": _SPM_TEMPLATE}
    | _SPM_CONFIG,
    "gpt-2": {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": False, "chat_template": _QWEN2_TEMPLATE}
    | dict.fromkeys(("bos_token", "eos_token", "unk_token"), "<|endoftext|>"),
    "deepseek-llm": {
        "tokenizer_class": "LlamaTokenizerFast",
        "add_bos_token": True,
        "add_eos_token": False,
        "bos_token": "<｜begin▁of▁sentence｜>",
        "eos_token": _DEEPSEEK_END,
        "pad_token": _DEEPSEEK_END,
        "chat_template": _SPM_TEMPLATE,
    },
    "qwen2": {
        "tokenizer_class": "Qwen2Tokenizer",
        "add_prefix_space": False,
        "bos_token": None,
        "eos_token": "<|im_end|>",
        "pad_token": "<|endoftext|>",
        "chat_template": _QWEN2_TEMPLATE,
    },
}


def ends(case: Case) -> tuple[int, int]:
    """Ids that begin and end a text."""
    size = vocabulary_size(case)
    special = size - vocabularies.SPECIAL.get(case.vocabulary, 0)
    return {
        "llama-bpe": (special, special + 9),
        "llama-bpe-ko": (special, special + 9),
        "qwen2": (special, special + 2),
        "gpt-2": (special, special),
        "deepseek-llm": (special, special + 1),
    }.get(case.vocabulary, (1, 2))


def vocabulary_size(case: Case) -> int:
    """Tokens of the case's vocabulary, without added ones."""
    size = case.vocab_size - case.padding - len(case.added_tokens)
    return min(size, vocabularies.SIZES.get(case.vocabulary, size))


def write_vocabulary(case: Case, folder: Path, adapters: tuple[str, ...] = ()) -> None:
    """The case's tokenizer, and what an adapter's tokenizer adds to it."""
    size, added = vocabulary_size(case), case.added_tokens + adapters
    if case.vocabulary == "llama-spm":
        config = _write_sentencepiece(case, folder, size, added)
    elif case.vocabulary in _BYTE_LEVEL_CONFIGS:
        text = vocabularies.byte_level(case.vocabulary, size, added)
        (folder / "tokenizer.json").write_text(text, encoding="utf-8")
        config = _BYTE_LEVEL_CONFIGS[case.vocabulary]
    else:
        text = vocabularies.sentencepiece_json(size, added, korean=case.vocabulary == "llama-spm-json-ko")
        (folder / "tokenizer.json").write_text(text, encoding="utf-8")
        (folder / "chat_template.jinja").write_text(_SPM_TEMPLATE, encoding="utf-8")
        config = {"tokenizer_class": "LlamaTokenizer"} | _SPM_CONFIG
    write_json(folder / "tokenizer_config.json", config)


def _write_sentencepiece(case: Case, folder: Path, size: int, added: tuple[str, ...]) -> dict[str, Any]:
    """Returns tokenizer_config.json, which names the added tokens; Phi-3 has them in a tokenizer.json, too."""
    (folder / "tokenizer.model").write_bytes(vocabularies.sentencepiece(size))
    decoder = {
        str(size + index): {"content": token, "special": token.startswith("<|"), "normalized": False}
        for index, token in enumerate(added)
    }
    if case.architecture == "phi3":
        entries = [{"id": int(index)} | entry for index, entry in decoder.items()]
        write_json(folder / "tokenizer.json", {"version": "1.0", "added_tokens": entries})
    config = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False}
    config |= _SPM_CONFIG | {"chat_template": _SPM_TEMPLATE}
    return config | ({"added_tokens_decoder": decoder} if decoder else {})


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
