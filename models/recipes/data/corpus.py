"""The three texts training needs, made from seeds: pre-training documents, instructions, and held-out questions.

Pre-training documents carry the same facts in other layouts than the seed's format, so that the base knows them and
the adapter has the format to learn.
"""

import random
from collections.abc import Callable, Iterator

from recipes.data.calculation import calculation
from recipes.data.fraud import TYPES, fraud
from recipes.data.knowledge import TERMS, chat, definition, definition_more, everyday, named_term, refusal
from recipes.data.reading import reading
from recipes.example import LANGUAGES, Example

Maker = Callable[[str, bool, random.Random], Example]
Makers = tuple[tuple[Maker, float], ...]
MAKERS: Makers = (
    (definition, 0.28),
    (named_term, 0.04),
    (everyday, 0.13),
    (refusal, 0.05),
    (calculation, 0.22),
    (fraud, 0.20),
    (reading, 0.08),
)
# Instructions add ways of asking that only the adapter learns.
INSTRUCTED = (*MAKERS, (chat, 0.08), (definition_more, 0.30))
KOREAN_SHARE = 0.55
LAYOUTS = {
    "ko": (
        "질문: {q}\n답변: {a}",
        "문: {q}\n답: {a}",
        "고객: {q}\n상담원: {a}",
        "Q. {q}\nA. {a}",
        "- {q}\n  {a}",
        "[질문]\n{q}\n[답변]\n{a}",
    ),
    "en": (
        "Question: {q}\nAnswer: {a}",
        "Q: {q}\nA: {a}",
        "Customer: {q}\nAdvisor: {a}",
        "Q. {q}\nA. {a}",
        "- {q}\n  {a}",
        "[question]\n{q}\n[answer]\n{a}",
    ),
}
HEADINGS = {
    "ko": (
        "### 용어:\n{n}\n\n### 설명:\n{d}",
        "{n}: {d}",
        "{n} — {d}",
        "용어집\n\n{n}\n{d}",
        "### 입력:\n{n}\n\n### 설명:\n{d}",
    ),
    "en": (
        "### Term:\n{n}\n\n### Meaning:\n{d}",
        "{n}: {d}",
        "{n} — {d}",
        "Glossary\n\n{n}\n{d}",
        "### Word:\n{n}\n\n### Meaning:\n{d}",
    ),
}
# The words of the seed's format must have been seen by the base, whose embeddings the adapter leaves as they are.
FORMAT_WORDS = (
    "### 지시사항:\n이 문서는 지시사항과 입력, 응답의 형식을 설명합니다.",
    "### 응답:\n응답은 지시사항을 따릅니다.",
    "### 입력:\n입력이 없으면 지시사항만 있습니다.",
)


def example(held: bool, rng: random.Random, makers: Makers = MAKERS) -> Example:
    maker = rng.choices([m for m, _ in makers], [w for _, w in makers])[0]
    return maker("ko" if rng.random() < KOREAN_SHARE else "en", held, rng)


def examples(count: int, seed: int, held: bool = False, makers: Makers = INSTRUCTED) -> Iterator[Example]:
    """`count` examples of one side of the split, the same for the same seed."""
    rng = random.Random(f"{seed}-{held}")
    for _ in range(count):
        yield example(held, rng, makers)


def held_out(count: int, seed: int, trained: set[str]) -> list[Example]:
    """`count` different held-out examples whose prompt is none of `trained`."""
    found: dict[str, Example] = {}
    rng = random.Random(f"{seed}-held-out")
    while len(found) < count:
        candidate = example(True, rng, INSTRUCTED)
        if candidate.prompt() not in trained:
            found.setdefault(candidate.prompt(), candidate)
    return list(found.values())


def glossary(rng: random.Random) -> str:
    language = rng.choice(LANGUAGES)
    term = rng.choice(TERMS[language])
    text = rng.choice(HEADINGS[language]).format(n=" / ".join(term.names), d=term.definition)
    return text if rng.random() < 0.5 else term.answer(rng.choice(term.names), language)


def case_list(rng: random.Random) -> str:
    """Fraud types in both languages side by side, which ties the two names together."""
    kinds = rng.sample(sorted(TYPES), rng.randint(2, 4))
    return "\n".join(f"{TYPES[kind][0]} = {TYPES[kind][1]}" for kind in kinds)


def plain(item: Example, rng: random.Random) -> str:
    """One example in a layout of its language, question and input in one."""
    joint = rng.choice(("\n", " "))
    question = f"{item.instruction}{joint}{item.input}" if item.input else item.instruction
    return rng.choice(LAYOUTS[item.language]).format(q=question, a=item.told())


def documents(seed: int) -> Iterator[str]:
    """Pre-training documents without end."""
    rng = random.Random(f"{seed}-documents")
    while True:
        roll = rng.random()
        if roll < 0.80:
            yield plain(example(False, rng), rng)
        elif roll < 0.96:
            yield glossary(rng)
        elif roll < 0.98:
            yield case_list(rng)
        else:
            yield rng.choice(FORMAT_WORDS)
