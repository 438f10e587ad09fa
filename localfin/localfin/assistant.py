"""The assistant as a library: one model, questions and answers. What the command line and the app are built on."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

from localfin.answers.answering import Asked, answered
from localfin.answers.events import (
    Basis,
    Checked,
    Citation,
    Event,
    Evidence,
    MakeUp,
    Marked,
    Removed,
    Source,
)
from localfin.answers.library import Library
from localfin.computed import Computed
from localfin.documents import Documents
from localfin.engine.events import (
    Engine,
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
from localfin.store import Database
from localfin_models.catalog import find_model
from localfin_models.errors import LocalfinError
from localfin_models.home import home
from localfin_models.language import _

DATABASE = "localfin.db"
"""In the home: chats and documents."""
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
    """All zero where no model was asked."""
    finish_reason: FinishReason
    basis: Basis = "model"
    """What it rests on."""
    citations: tuple[Citation, ...] = ()
    """Each with a quote that was found in its source."""
    sources: tuple[Source, ...] = ()
    """The passages that it could cite."""
    computed: tuple[Computed, ...] = ()
    marked: tuple[Marked, ...] = ()
    """Its figures that stand in no source and no calculation."""
    removed: tuple[Removed, ...] = ()
    """What the model wrote and could not be shown."""
    notes: tuple[str, ...] = ()
    """Lines to be shown below it."""
    make_up: MakeUp | None = None
    """What the prompt was made of and what did not fit; None where no model was asked, or asked alone."""


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
        self._documents: Documents | None = None
        self._held: Library | None = None
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
        documents: Sequence[str | Path] = (),
        evidence: bool = True,
    ) -> Iterator[Event]:
        """The answer as it is made: one Evidence, Prefill and Text events, one Checked, then one Finished.

        `documents` are files or folders that alone may answer; without any, all indexed documents and the handbook
        do. Without `evidence` the model is asked alone, and its words come unchecked: no Evidence and no Checked.
        Raises ContextFull, EngineDied; NotFound and InputRefused for a document.
        """
        if not evidence:
            return self._engine.generate(conversation(question, system, history, language), sampling)
        answers_in = language or language_of(question)
        wish = _ASK_FOR[answers_in] if answers_in != language_of(question) else ""
        asked = Asked(question, answers_in, wish, system, tuple(history), sampling)
        return self._answered(asked, documents)

    def ask(
        self,
        question: str,
        *,
        system: str | None = None,
        history: Sequence[Message] = (),
        language: AnswerLanguage | None = None,
        sampling: Sampling = Sampling(),
        documents: Sequence[str | Path] = (),
        evidence: bool = True,
    ) -> Answer:
        """The whole answer. `history` are the turns before, oldest first; `language` None leaves it to the question."""
        return self.whole(
            self.stream(
                question, system=system, history=history, language=language, sampling=sampling, documents=documents,
                evidence=evidence,
            )
        )  # fmt: skip

    @property
    def documents(self) -> Documents:
        """The documents that answers may come from: add, list, search, remove.

        Raises LocalfinError where the home cannot be used, InputRefused where its database is none.
        """
        if self._documents is None:
            self._documents = Documents(Database(home() / DATABASE))
        return self._documents

    def _answered(self, asked: Asked, named: Sequence[str | Path]) -> Iterator[Event]:
        library = self._library(tuple(Path(path).expanduser().absolute() for path in named))
        yield from answered(self._engine, self.model, asked, library)

    def _library(self, named: tuple[Path, ...]) -> Library:
        """The one before where the same documents are named; read again where they are others."""
        if self._held is None or self._held.named != named:
            if self._held is not None:
                self._held.close()
            self._held = None  # stays so where a document is refused
            self._held = Library(self._documents_if_any(), named)
        return self._held

    def _documents_if_any(self) -> Documents | None:
        """Asking makes no database, and needs no home."""
        if self._documents is None:
            try:
                path = home() / DATABASE
                if not path.is_file():
                    return None
            except LocalfinError:
                return None
        return self.documents

    def whole(self, events: Iterable[Event]) -> Answer:
        """The answer that a stream of events makes."""
        parts: list[str] = []
        evidence, checked = Evidence((), (), None), Checked("model")
        for event in events:
            match event:
                case Text(text):
                    parts.append(text)
                case Evidence():
                    evidence = event
                case Checked():
                    checked = event
                case Finished(reason, usage):
                    return Answer(
                        "".join(parts), self.model, usage, reason, checked.basis, checked.citations, evidence.sources,
                        evidence.computed, checked.marked, checked.removed, checked.notes, evidence.make_up,
                    )  # fmt: skip
                case _prefill:
                    pass
        raise LocalfinError(_("the answer ended without an end"))

    def cancel(self) -> None:
        """Stop the answer that is being made, from any thread; it ends with reason `cancelled`."""
        self._engine.cancel()

    def close(self) -> None:
        self._engine.close()
        if self._held is not None:
            self._held.close()
        if self._documents is not None:
            self._documents.database.close()
            self._documents = None

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
