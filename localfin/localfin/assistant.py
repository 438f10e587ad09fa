"""The assistant as a library: one model, questions and answers. What the command line and the app are built on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

from localfin.engine.events import (
    Engine,
    Event,
    Finished,
    FinishReason,
    LoadOptions,
    Lora,
    Message,
    ModelInfo,
    Sampling,
    Text,
    Usage,
)
from localfin_models.catalog import find_model
from localfin_models.errors import LocalfinError
from localfin_models.language import _

AnswerLanguage = Literal["ko", "en"]
_ENGLISH_WORDS = frozenset({
    "a", "an", "and", "are", "can", "do", "does", "explain", "for", "how", "i", "if", "in", "is", "it", "me", "my",
    "of", "please", "should", "tell", "the", "to", "what", "when", "which", "who", "why",
})  # fmt: skip
_ASK_FOR = {"ko": "한국어로 답해 주세요.", "en": "Please answer in English."}


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer."""

    text: str
    model: ModelInfo
    usage: Usage
    finish_reason: FinishReason


class Assistant:
    """A model that answers, in a sealed process of its own. Use it in a `with` statement, or `close` it.

        with Assistant() as assistant:
            print(assistant.ask("What is a standing order?").text)

    The process that uses it is not sealed by it: call `localfin_models.seal.seal_program` for that, as the command
    line does.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        options: LoadOptions = LoadOptions(),
        *,
        engine: Engine | None = None,
    ) -> None:
        """`model` is a name or path, None the default. Raises NotFound, InputRefused, NotEnough or EngineDied.

        `engine` replaces the real one (a scripted engine in tests).
        """
        if engine is None:
            from localfin.engine.client import LlamaEngine

            engine = LlamaEngine()
        self._engine = engine
        self._path = find_model(model)
        self._options = options
        self._engine.load(self._path, options)

    @property
    def model(self) -> ModelInfo:
        """The model in use. Raises LocalfinError after its process died; `reload` brings it back."""
        info = self._engine.model
        if info is None:
            raise LocalfinError(_("the model is not loaded"))
        return info

    def reload(self) -> ModelInfo:
        """Load the same model with the same adapters again, after an EngineDied."""
        return self._engine.load(self._path, self._options)

    def use_adapters(self, adapters: Sequence[Lora]) -> ModelInfo:
        """Answer with exactly these adapters from now on; with none, the model alone. It is not loaded again.

        Raises NotFound, InputRefused or NotEnough, and leaves things as they were; EngineDied.
        """
        info = self._engine.use_adapters(adapters)
        self._options = replace(self._options, adapters=tuple(adapters))
        return info

    def stream(
        self,
        question: str,
        *,
        system: str | None = None,
        history: Sequence[Message] = (),
        language: AnswerLanguage | None = None,
        sampling: Sampling = Sampling(),
    ) -> Iterator[Event]:
        """The answer as it is made: Prefill and Text events, then one Finished. Raises ContextFull, EngineDied."""
        return self._engine.generate(conversation(question, system, history, language), sampling)

    def ask(
        self,
        question: str,
        *,
        system: str | None = None,
        history: Sequence[Message] = (),
        language: AnswerLanguage | None = None,
        sampling: Sampling = Sampling(),
    ) -> Answer:
        """The whole answer. `history` are the turns before, oldest first; `language` None leaves it to the question."""
        parts: list[str] = []
        for event in self.stream(question, system=system, history=history, language=language, sampling=sampling):
            if isinstance(event, Text):
                parts.append(event.text)
            elif isinstance(event, Finished):
                return Answer("".join(parts), self.model, event.usage, event.reason)
        raise LocalfinError(_("the answer ended without an end"))

    def cancel(self) -> None:
        """Stop the answer that is being made, from any thread; it ends with reason `cancelled`."""
        self._engine.cancel()

    def close(self) -> None:
        self._engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()


def conversation(
    question: str, system: str | None, history: Sequence[Message] = (), language: AnswerLanguage | None = None
) -> list[Message]:
    """The messages for one question. A language is asked for only where the question is not written in it."""
    asked = f"{question}\n\n{_ASK_FOR[language]}" if language and language != language_of(question) else question
    first = [Message("system", system)] if system else []
    return [*first, *history, Message("user", asked)]


def language_of(text: str) -> AnswerLanguage:
    """`ko` for a Korean question, which may be full of English names; `en` for any without Hangul.

    Where both scripts stand, a small English word (what, the, is) makes it English, if most letters are Latin.
    """
    hangul = sum("가" <= c <= "힣" or "ㄱ" <= c <= "ㅣ" for c in text)
    latin = sum(c.isascii() and c.isalpha() for c in text)
    english = latin > hangul and not _ENGLISH_WORDS.isdisjoint(text.lower().split())
    return "ko" if hangul and not english else "en"
