"""The adapter: peft LoRA on the instruction set in the seed's format, loss on the answers only.

Run as `python -m recipes.lora WORK` after `recipes.pretrain`; writes `WORK/adapter` and `WORK/lora.json`.
"""

import itertools
import json
import random
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from sentencepiece import SentencePieceProcessor
from transformers import LlamaForCausalLM

from recipes.data.corpus import examples
from recipes.example import Example
from recipes.pretrain import device_and_precision, machine
from recipes.tokenizer import BOS, EOS, load

SEED = 11
STEPS, ROWS, LENGTH = 320, 8, 256
PEAK_RATE, WARM_STEPS = 2e-3, 20
LOG_EVERY = 20
IGNORED = -100  # what the loss leaves out
BASE_NAME = "localfin-starter-base"
TEMPLATE = Path(__file__).with_name("chat_template.jinja")
SYSTEMS = (
    "당신은 금융 도우미입니다.",
    "정확하고 간결하게 답하세요.",
    "한국어로 답하세요.",
    "You are a financial assistant.",
    "Answer briefly and truthfully.",
)
RANK, ALPHA, DROPOUT = 16, 32, 0.05


def lora_configuration() -> LoraConfig:
    return LoraConfig(
        task_type="CAUSAL_LM",
        r=RANK,
        lora_alpha=ALPHA,
        lora_dropout=DROPOUT,
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj"],
    )


def conversation(turns: list[Example], system: str, vocabulary: SentencePieceProcessor) -> tuple[list[int], list[int]]:
    """(tokens, labels) of a conversation as the chat template renders it; labels are `IGNORED` outside the answers."""
    tokens, labels = [BOS], [IGNORED]
    before = system
    for turn in turns:
        prompt = vocabulary.encode(before + turn.prompt())
        # The answer starts a line, so it is cut off the joint encoding: encoded alone it would start with a space.
        joint = vocabulary.encode(before + turn.prompt() + turn.output)
        answer = [*joint[len(prompt) :], EOS]
        tokens += prompt + answer
        labels += [IGNORED] * len(prompt) + answer
        before = "\n\n"
    return tokens, labels


def batches(vocabulary: SentencePieceProcessor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """(tokens, labels) [ROWS, LENGTH] int64: conversations of one to three turns, cut at the end of a row."""
    rng = random.Random(f"{SEED}-conversations")
    stream = examples(10**9, SEED)
    rows: list[tuple[list[int], list[int]]] = []
    while True:
        tokens: list[int] = []
        labels: list[int] = []
        while len(tokens) < LENGTH:
            turns = list(itertools.islice(stream, rng.choice((1, 1, 1, 2, 3))))
            system = rng.choice(SYSTEMS) + "\n\n" if rng.random() < 0.1 else ""
            more, more_labels = conversation(turns, system, vocabulary)
            tokens += more
            labels += more_labels
        rows.append((tokens[:LENGTH], labels[:LENGTH]))
        if len(rows) == ROWS:
            yield torch.tensor([row[0] for row in rows]), torch.tensor([row[1] for row in rows])
            rows = []


def fit(model: torch.nn.Module, vocabulary: SentencePieceProcessor, steps: int) -> list[tuple[int, float]]:
    """Train the adapter in place. Returns (step, mean loss since the last entry)."""
    device, precision = device_and_precision()
    model.to(device).train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=PEAK_RATE, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / WARM_STEPS, max(0.05, 1 - step / steps))
    )
    history: list[tuple[int, float]] = []
    summed = 0.0
    for step, (tokens, labels) in enumerate(itertools.islice(batches(vocabulary), steps), 1):
        with torch.autocast(device, precision, enabled=precision is not torch.float32):
            loss = model(input_ids=tokens.to(device), labels=labels.to(device)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        summed += loss.item()
        if step % LOG_EVERY == 0:
            history.append((step, summed / LOG_EVERY))
            print(f"lora step {step}/{steps} loss {summed / LOG_EVERY:.4f}", flush=True)
            summed = 0.0
    return history


def train(work: Path, steps: int = STEPS) -> dict[str, object]:
    """Train the adapter of `work`/base into `work`/adapter; the returned record is also `work`/lora.json."""
    torch.manual_seed(SEED)
    base = LlamaForCausalLM.from_pretrained(work / "base", dtype=torch.float32, local_files_only=True)
    model = get_peft_model(base, lora_configuration())
    started = time.perf_counter()
    history = fit(model, load(work), steps)
    record: dict[str, object] = {
        "seed": SEED,
        "steps": steps,
        "tokens": steps * ROWS * LENGTH,
        "seconds": time.perf_counter() - started,
        "machine": machine(),
        "trainable": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "history": history,
    }
    adapter = work / "adapter"
    model.peft_config["default"].base_model_name_or_path = BASE_NAME
    model.save_pretrained(adapter, save_embedding_layers=False)  # "auto" would look for the base online
    (adapter / "README.md").unlink(missing_ok=True)  # peft's form to fill in; the card stands one folder up
    shutil.copyfile(TEMPLATE, adapter / TEMPLATE.name)
    (work / "lora.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return record


if __name__ == "__main__":
    train(Path(sys.argv[1]))
