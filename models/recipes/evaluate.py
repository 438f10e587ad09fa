"""Held-out questions, answered by greedy decoding with the adapter off and on.

Run as `python -m recipes.evaluate WORK` after `recipes.lora`; writes `WORK/evaluation.json`.
"""

import json
import re
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from sentencepiece import SentencePieceProcessor
from transformers import LlamaForCausalLM

from recipes import lora, pretrain
from recipes.data.corpus import examples, held_out
from recipes.example import Example
from recipes.tokenizer import BOS, EOS, load

SEED = 13
QUESTIONS = 350
MOST_TOKENS = 160
BATCH = 16
# As many training prompts as LoRA can have drawn: what a held-out question must differ from.
TRAINED_EXAMPLES = 60_000


@dataclass(frozen=True, slots=True)
class Row:
    """Shares in percent of one kind of question in one language; `named` where an answer has something to name."""

    kind: str
    language: str
    adapter: bool
    count: int
    exact: float  # the whole answer equals the expected one
    named: float  # the fraud type, formula, definition, term or value asked for is in the answer
    kept: float  # the answer is in the question's language
    ended: float  # the answer ends by itself


def language_of(text: str) -> str:
    """`ko` where an answer has Hangul, else `en`: figures and abbreviations alone belong to either."""
    return "ko" if re.search("[가-힣]", text) else "en"


def named(example: Example, answer: str) -> bool:
    """Whether the answer names what the question was about."""
    if example.kind == "fraud":
        key = "유형" if example.language == "ko" else "Type"
        return f"{key}: {example.label}." in answer
    if example.kind == "calculation":
        return example.output.split("=")[0] in answer
    if example.kind in ("definition", "term"):
        return example.label in answer
    return answer == example.output


@torch.no_grad()
def greedy(model: Any, vocabulary: SentencePieceProcessor, prompts: list[str]) -> list[tuple[str, bool]]:
    """(answer, whether it ended by itself) for each prompt; batches are padded on the left."""
    encoded = [[BOS, *vocabulary.encode(prompt)] for prompt in prompts]
    order = sorted(range(len(prompts)), key=lambda i: len(encoded[i]))
    answers: dict[int, tuple[str, bool]] = {}
    for start in range(0, len(order), BATCH):
        batch = order[start : start + BATCH]
        width = max(len(encoded[i]) for i in batch)
        tokens = torch.tensor([[EOS] * (width - len(encoded[i])) + encoded[i] for i in batch])
        mask = torch.tensor([[0] * (width - len(encoded[i])) + [1] * len(encoded[i]) for i in batch])
        made = model.generate(
            input_ids=tokens.to(model.device),
            attention_mask=mask.to(model.device),
            max_new_tokens=MOST_TOKENS,
            do_sample=False,
            eos_token_id=EOS,
            pad_token_id=EOS,
        )
        for i, row in zip(batch, made[:, width:].tolist(), strict=True):
            ended = EOS in row
            answers[i] = (vocabulary.decode(row[: row.index(EOS)] if ended else row).strip(), ended)
    return [answers[i] for i in range(len(prompts))]


def rows(questions: list[Example], answers: list[tuple[str, bool]], adapter: bool) -> list[Row]:
    """The table, by kind and language."""
    groups: dict[tuple[str, str], list[tuple[Example, str, bool]]] = defaultdict(list)
    for example, (answer, ended) in zip(questions, answers, strict=True):
        groups[example.kind, example.language].append((example, answer, ended))
    return [_row(kind, language, adapter, group) for (kind, language), group in sorted(groups.items())]


def _row(kind: str, language: str, adapter: bool, group: list[tuple[Example, str, bool]]) -> Row:
    def share(right: Callable[[Example, str, bool], bool]) -> float:
        return round(100 * sum(right(*item) for item in group) / len(group), 1)

    return Row(
        kind,
        language,
        adapter,
        len(group),
        exact=share(lambda example, answer, _: answer == example.output),
        named=share(lambda example, answer, _: named(example, answer)),
        kept=share(lambda example, answer, _: language_of(answer) == example.language),
        ended=share(lambda _, __, ended: ended),
    )


def evaluate(work: Path, count: int = QUESTIONS) -> dict[str, object]:
    """Answer `count` held-out questions with and without the adapter; also written to `work`/evaluation.json."""
    vocabulary = load(work)
    trained = {example.prompt() for example in examples(TRAINED_EXAMPLES, lora.SEED)}
    questions = held_out(count, SEED, trained)
    base = LlamaForCausalLM.from_pretrained(work / "base", dtype=torch.float32, local_files_only=True)
    model = PeftModel.from_pretrained(base, work / "adapter").eval().to(pretrain.device_and_precision()[0])
    prompts = [question.prompt() for question in questions]
    on = greedy(model, vocabulary, prompts)
    with model.disable_adapter():
        off = greedy(model, vocabulary, prompts)
    result: dict[str, object] = {
        "seed": SEED,
        "questions": count,
        "rows": [asdict(row) for row in rows(questions, on, True) + rows(questions, off, False)],
        "samples": [
            {"prompt": question.prompt(), "expected": question.output, "with_adapter": a, "without_adapter": b}
            for question, (a, _), (b, _) in zip(questions, on, off, strict=True)
        ],
    }
    text = json.dumps(result, ensure_ascii=False, indent=1) + "\n"
    (work / "evaluation.json").write_text(text, encoding="utf-8")
    return result


if __name__ == "__main__":
    evaluate(Path(sys.argv[1]))
