"""A scripted engine: the same events and errors as the real one, without a model or a child process."""

import itertools
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from localfin.engine.errors import ContextFull, EngineDied
from localfin.engine.events import (
    AdapterInfo,
    Answered,
    Event,
    Finished,
    FinishReason,
    LoadOptions,
    Lora,
    Message,
    ModelInfo,
    Prefill,
    Question,
    Sampling,
    Shared,
    Shifted,
    Text,
    Usage,
)
from localfin_models.errors import NotFound


@dataclass(frozen=True, slots=True)
class Answer:
    """One scripted answer. It is streamed in pieces of `piece` characters, one piece counting as one token."""

    text: str
    piece: int = 4
    prompt_tokens: int = 16
    prefill_steps: int = 1
    """How many Prefill events come before the first Text."""
    prefill_delay_s: float = 0.0
    """Seconds before each Prefill event."""
    delay_s: float = 0.0
    """Seconds before each Text event."""
    die_after: int | None = None
    """Raise EngineDied after so many pieces (0: before the first); the model is gone then."""
    shifts: Mapping[int, int] = field(default_factory=dict[int, int])
    """Before which piece (0: the first) how many tokens fall out of the context."""
    context_full: bool = False
    """Raise ContextFull instead of answering; the model stays."""


class FakeEngine:
    """An Engine that plays `answers` in order and then again from the first.

    `asked` keeps what every `generate` was given, `asked_many` what every `answer_many` was, for tests to look at.
    The answers to many come last question first, as the real one's come in any order. A path that does not exist is
    NotFound, as with the real engine; any existing file loads.
    """

    def __init__(self, answers: Sequence[Answer | str] = ("Hello.",), *, load_delay_s: float = 0.0) -> None:
        self.asked: list[tuple[tuple[Message, ...], Sampling]] = []
        self.asked_many: list[tuple[Shared, tuple[Question, ...]]] = []
        self.loads: list[tuple[Path, LoadOptions]] = []
        self._answers = itertools.cycle([a if isinstance(a, Answer) else Answer(a) for a in answers])
        self._load_delay_s = load_delay_s
        self._load_s = 0.0
        self._model: ModelInfo | None = None
        self._cancelled = threading.Event()

    @property
    def model(self) -> ModelInfo | None:
        return self._model

    def load(self, path: Path, options: LoadOptions = LoadOptions()) -> ModelInfo:
        self._model = None
        self.loads.append((path, options))
        time.sleep(self._load_delay_s)
        if not path.is_file():
            raise NotFound(f"{path}: no such file")
        self._load_s = self._load_delay_s
        self._model = ModelInfo(
            name=path.stem,
            path=path,
            sha256="0" * 64,
            quantization="q4_k_m",
            size_bytes=path.stat().st_size,
            parameters=8_000_000_000,
            n_ctx_train=4096,
            n_ctx=options.n_ctx or 4096,
            gpu_layers=0,
        )
        return self.use_adapters(options.adapters)

    def use_adapters(self, adapters: Sequence[Lora]) -> ModelInfo:
        if self._model is None:
            raise EngineDied("the engine has no model: load one first")
        missing = next((lora.path for lora in adapters if not lora.path.is_file()), None)
        if missing is not None:
            raise NotFound(f"{missing}: no such file")
        infos = [AdapterInfo(a.path.stem, a.path, "1" * 64, a.scale, a.path.stat().st_size) for a in adapters]
        self._model = replace(self._model, adapters=tuple(infos))
        return self._model

    def generate(
        self, messages: Sequence[Message], sampling: Sampling = Sampling(), *, stable: int | None = None
    ) -> Iterator[Event]:
        if self._model is None:
            raise EngineDied("the engine has no model: load one first")
        self.asked.append((tuple(messages), sampling))
        self._cancelled.clear()
        return self._play(next(self._answers), sampling)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Four characters are one token."""
        if self._model is None:
            raise EngineDied("the engine has no model: load one first")
        return [-(-len(text) // 4) for text in texts]

    def answer_many(self, shared: Shared, questions: Sequence[Question]) -> Iterator[Answered]:
        if self._model is None:
            raise EngineDied("the engine has no model: load one first")
        self.asked_many.append((shared, tuple(questions)))
        self._cancelled.clear()
        return self._play_many(shared, len(questions))

    def cancel(self) -> None:
        self._cancelled.set()

    def close(self) -> None:
        self._cancelled.set()
        self._model = None

    def _play(self, answer: Answer, sampling: Sampling) -> Iterator[Event]:
        if answer.context_full:
            n_ctx = self._model.n_ctx if self._model else 0
            raise ContextFull(f"the prompt has {n_ctx + 1} tokens, the context holds {n_ctx}")
        started, load_s = time.monotonic(), self._load_s
        self._load_s = 0.0
        steps = answer.prefill_steps
        for step in range(1, steps + 1):
            if self._cancelled.wait(answer.prefill_delay_s):
                break
            yield Prefill(answer.prompt_tokens * step // steps, answer.prompt_tokens)
        prefill_s = time.monotonic() - started
        started = time.monotonic()
        pieces = shifted = 0
        reason: FinishReason = "stop"
        for start in range(0, len(answer.text), answer.piece):
            if pieces == answer.die_after:
                break
            if self._cancelled.wait(answer.delay_s):
                reason = "cancelled"
                break
            if pieces == sampling.max_tokens:
                reason = "length"
                break
            if pieces in answer.shifts:
                yield Shifted(answer.shifts[pieces])
                shifted += answer.shifts[pieces]
            yield Text(answer.text[start : start + answer.piece])
            pieces += 1
        if answer.die_after is not None and pieces >= answer.die_after:
            self._model = None
            raise EngineDied("the engine stopped: killed by SIGKILL")
        if self._cancelled.is_set():
            reason = "cancelled"
        spent = max(time.monotonic() - started, 1e-9)
        yield Finished(reason, Usage(answer.prompt_tokens, pieces, prefill_s, pieces / spent, load_s, shifted))

    def _play_many(self, shared: Shared, count: int) -> Iterator[Answered]:
        answers = [next(self._answers) for _number in range(count)]
        for number, answer in reversed(list(enumerate(answers))):
            text, tokens, reason = "", 0, "stop"
            for event in self._play(answer, Sampling(max_tokens=shared.max_tokens)):
                if isinstance(event, Text):
                    text, tokens = text + event.text, tokens + 1
                elif isinstance(event, Finished):
                    reason = event.reason
            if reason == "cancelled":
                return
            yield Answered(number, text, "length" if reason == "length" else "stop", tokens)
