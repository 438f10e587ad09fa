"""What the engine says while it works: one frozen record per step, and the words to ask it with.

The real engine, the scripted fake and every reader of them share these; nothing here imports llama_cpp.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

Role = Literal["system", "user", "assistant"]
FinishReason = Literal["stop", "length", "cancelled"]


@dataclass(frozen=True, slots=True)
class Message:
    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Lora:
    """A GGUF adapter to be used with the model."""

    path: Path
    scale: float = 1.0
    """How strongly; 1 is as it was trained."""


@dataclass(frozen=True, slots=True)
class LoadOptions:
    n_ctx: int | None = None
    """Context in tokens; None takes what the model was trained with, at most 8192."""
    threads: int | None = None
    """Decoding threads; None takes the cores this process may run on."""
    gpu_layers: int | Literal["auto"] = "auto"
    """Layers to offload; auto takes what fits the free device memory where the build has a GPU backend."""
    adapters: tuple[Lora, ...] = ()
    """Used from the start."""
    sequences: int = 0
    """Answers that `answer_many` makes at once, at most 64, which share the context; 0 where it is not called."""
    kept_in: Path | None = None
    """A folder in which computed beginnings of prompts are kept, encrypted, for other conversations and the next start;
    None keeps none. Linux only."""


@dataclass(frozen=True, slots=True)
class Sampling:
    temperature: float = 0.0
    """0 is greedy."""
    top_p: float = 0.95
    min_p: float = 0.05
    repeat_penalty: float = 1.0
    max_tokens: int | None = None
    """None: until the model stops or the context is full."""
    seed: int | None = None
    grammar: str = ""
    """GBNF with the root `root`, which the answer keeps to; empty for none."""


@dataclass(frozen=True, slots=True)
class Shared:
    """The beginning that many questions have in common."""

    messages: tuple[Message, ...]
    """The last one is the user's; each question's own text is put behind it."""
    max_tokens: int
    """Of each answer."""


@dataclass(frozen=True, slots=True)
class Question:
    """One of many."""

    text: str
    """Never read as control tokens."""
    grammar: str = ""
    """GBNF with the root `root`, which the answer keeps to; empty for none."""


@dataclass(frozen=True, slots=True)
class AdapterInfo:
    """An adapter in use."""

    name: str
    path: Path
    sha256: str
    scale: float
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ModelInfo:
    name: str
    path: Path
    sha256: str
    quantization: str
    """As `general.file_type` names it, in lower case: q4_k_m."""
    size_bytes: int
    parameters: int
    n_ctx_train: int
    n_ctx: int
    gpu_layers: int
    adapters: tuple[AdapterInfo, ...] = ()
    """Those that answer with it."""


@dataclass(frozen=True, slots=True)
class Usage:
    prompt_tokens: int
    completion_tokens: int
    prefill_s: float
    decode_tokens_per_s: float
    load_s: float
    """Seconds the model took to load; 0 where it was loaded before this answer."""
    shifted_tokens: int = 0
    """Tokens that fell out of the full context while the answer was made."""


@dataclass(frozen=True, slots=True)
class Prefill:
    """The prompt is being read: `done` of `total` tokens."""

    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Shifted:
    """The context was full: its oldest tokens after the stable beginning fell out, and the answer goes on."""

    tokens: int


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of the answer, whole characters only."""

    text: str


@dataclass(frozen=True, slots=True)
class Finished:
    reason: FinishReason
    usage: Usage


Event = Prefill | Shifted | Text | Finished


@dataclass(frozen=True, slots=True)
class Answered:
    """One of many answers, whole; they come as they end."""

    question: int
    """Its place among the questions, from 0."""
    text: str
    reason: FinishReason
    tokens: int
    """Made for it."""


class Engine(Protocol):
    """One model in one place. Calls block; `cancel` may come from any thread."""

    def load(self, path: Path, options: LoadOptions = LoadOptions()) -> ModelInfo:
        """Raises NotFound, InputRefused (no GGUF we can run), NotEnough, or EngineDied."""
        ...

    @property
    def model(self) -> ModelInfo | None:
        """The model in use; None before `load` and after a death."""
        ...

    def use_adapters(self, adapters: Sequence[Lora]) -> ModelInfo:
        """Answer with exactly these adapters from now on; with none, the model alone. The model is not loaded again.

        Raises NotFound, InputRefused (no LoRA for this model) or NotEnough, and leaves things as they were; EngineDied
        without a model.
        """
        ...

    def generate(
        self, messages: Sequence[Message], sampling: Sampling = Sampling(), *, stable: int | None = None
    ) -> Iterator[Event]:
        """Prefill, Text and Shifted events, then exactly one Finished.

        The first `stable` messages (None: the system messages at the beginning) stay in a full context, and are kept in
        `LoadOptions.kept_in`. What falls out is the oldest after them. Raises ContextFull where the prompt alone does
        not fit, InputRefused for a grammar that is none, EngineDied.
        """
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text is, without a template; of a very long text an estimate. Raises EngineDied."""
        ...

    def answer_many(self, shared: Shared, questions: Sequence[Question]) -> Iterator[Answered]:
        """The likeliest answers, several at once, as many as `LoadOptions.sequences` says; the beginning is read once.

        Each question is answered once, in no particular order; after `cancel` the rest is missing. Raises ContextFull
        where a question does not fit, InputRefused where the chat template has no place for it, EngineDied.
        """
        ...

    def cancel(self) -> None:
        """Stop the running generation, in a long prefill too; it then ends with reason `cancelled`."""
        ...

    def close(self) -> None: ...
