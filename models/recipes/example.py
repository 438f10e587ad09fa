"""One training example, the seed's instruction format, and how examples are divided into training and held-out."""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

LANGUAGES = ("ko", "en")
HELD_SHARE = 8  # one in eight parameter sets is held out


@dataclass(frozen=True, slots=True)
class Example:
    kind: str  # definition, term, question, refusal, calculation, fraud or reading
    language: str  # ko or en
    instruction: str
    input: str  # empty where there is none
    output: str
    label: str  # what must be named: the fraud type, the formula, the term, the topic
    worked: str = ""  # the answer in pre-training documents where it is another one: with its result worked out

    def told(self) -> str:
        """The answer as pre-training documents give it."""
        return self.worked or self.output

    def prompt(self) -> str:
        """The seed's format up to where the answer starts."""
        body = f"### 입력:\n{self.input}\n\n" if self.input else ""
        return f"### 지시사항:\n{self.instruction}\n\n{body}### 응답:\n"


def divide(phrasings: Sequence[str], held: bool) -> list[str]:
    """The phrasings one side may use: every fourth is held out, and at least the last one."""
    held_out = {i for i in range(len(phrasings)) if i % 4 == 3} or {len(phrasings) - 1}
    return [p for i, p in enumerate(phrasings) if (i in held_out) == held]


def is_held(*parameters: object) -> bool:
    """Whether these parameters belong to the held-out side: by their hash, so that no list has to be kept."""
    digest = hashlib.sha256(repr(parameters).encode()).digest()
    return digest[0] % HELD_SHARE == 0


def loosen(text: str, language: str, rng: random.Random) -> str:
    """`text` as a person might type it: a greeting or request around it, the last mark dropped, small letters."""
    roll = rng.random()
    if language == "ko":
        if roll < 0.12:
            text = rng.choice(("혹시 ", "궁금한데 ", "질문이요. ", "저기요, ", "그런데 ")) + text
    elif roll < 0.12:
        text = rng.choice(("Please tell me: ", "Question: ", "I wonder, ", "So, ", "Well, ")) + text
    elif roll < 0.24:
        text = text.lower()
    if rng.random() < 0.2:
        text = text.rstrip("?.")
    return text
