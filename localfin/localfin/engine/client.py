"""The engine as its users see it: checks a model, starts the sealed child, and turns its frames into events."""

import hashlib
import threading
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from itertools import chain
from pathlib import Path
from typing import Any

from localfin.engine.adapters import Adapters
from localfin.engine.beginnings import Beginnings
from localfin.engine.errors import ContextFull, EngineDied
from localfin.engine.events import (
    Answered,
    Event,
    LoadOptions,
    Lora,
    Message,
    ModelInfo,
    Question,
    Sampling,
    Shared,
)
from localfin.engine.frames import answered_of, count, counts_of, event_of
from localfin.engine.kept import open_states, scope_of
from localfin.engine.memory import estimate
from localfin.engine.memory_file import MemoryFile
from localfin.text import clean_text
from localfin_models.cores import available_cores
from localfin_models.errors import InputRefused, LocalfinError
from localfin_models.files import file_sha256
from localfin_models.gguf_header import GgufHeader, check_gguf
from localfin_models.language import _
from localfin_models.seal import WorkerLimits
from localfin_models.worker import SealedWorker, WorkerDied

DEFAULT_CONTEXT = 8192
_RENDER_S = 10.0
"""A chat template that takes longer is ended together with its process."""
_CANCEL_S = 5.0
"""A generation that has not stopped so long after `cancel` is ended together with its process."""
_COUNTED = 16
"""Characters for each token of the context up to which a text is counted."""
_SERVICE = "localfin.engine.child:EngineService"


class LlamaEngine:
    """An Engine whose model runs in a sealed child process, a new one for every `load`."""

    def __init__(self) -> None:
        self._worker = SealedWorker(_SERVICE, errors=(ContextFull,))
        self._model: ModelInfo | None = None
        self._adapters: Adapters | None = None
        self._state: MemoryFile | None = None
        self._beginnings: Beginnings | None = None
        self._sequences = 0
        self._shared: Shared | None = None
        """What the child is ready to answer many questions about."""
        self._load_s = 0.0
        self._watch: threading.Timer | None = None
        self._killed = ""
        """Why we ended the process ourselves, if we did."""
        self._cancelled = False
        """The answer that is being made was cancelled, maybe between two calls of the child."""

    @property
    def model(self) -> ModelInfo | None:
        return self._model if self._worker.alive else None

    @property
    def pid(self) -> int | None:
        """The child's process id."""
        return self._worker.pid

    def load(self, path: Path, options: LoadOptions = LoadOptions()) -> ModelInfo:
        """See Engine.load. The model before is gone, whether this one loads or not."""
        started = time.monotonic()
        self.close()
        path = path.absolute()
        header = check_gguf(path)
        states = open_states(options.kept_in)
        n_ctx, threads = _context_length(header, options), options.threads or available_cores()
        need = estimate(header, n_ctx, sum(_size_of(lora.path) for lora in options.adapters))
        files = tuple(part.resolve() for part in (path, *header.others))
        limits = WorkerLimits(read=files, memory_bytes=need.address_space(threads))
        hashed = _Hash(files)
        adapters = self._adapters = Adapters(self._worker, header)
        state = self._state = MemoryFile()
        # A state is what the context holds of the beginning, and a few bytes for each of its cells.
        self._beginnings = Beginnings(states, state, largest=2 * need.kv_bytes + (1 << 20))
        try:
            adapters.check(options.adapters)
            self._worker.start(limits, {"files": list(map(str, files)), "n_ctx": n_ctx, "threads": threads,
                                        "gpu_layers": options.gpu_layers, "need": asdict(need),
                                        "sequences": options.sequences, "state": next(iter(state.inherited), None)},
                               inherited=(*adapters.inherited, *state.inherited))  # fmt: skip
            loaded = self._worker.call("load")
            n_ctx, gpu_layers = count(loaded, "n_ctx"), count(loaded, "gpu_layers")
            if options.adapters:
                adapters.use(options.adapters)
        except WorkerDied as death:
            self.close()
            raise EngineDied(_("the engine stopped while loading {path}: {how}").format(path=path, how=death)) from None
        except BaseException:
            self.close()
            raise
        self._model = ModelInfo(
            name=clean_text(header.name),
            path=path,
            sha256=hashed.result(),
            quantization=header.quantization,
            size_bytes=header.file_bytes,
            parameters=header.parameters,
            n_ctx_train=header.n_ctx_train,
            n_ctx=n_ctx,
            gpu_layers=gpu_layers,
            adapters=adapters.active,
        )
        self._sequences = options.sequences
        self._load_s = time.monotonic() - started
        return self._model

    def use_adapters(self, adapters: Sequence[Lora]) -> ModelInfo:
        """See Engine.use_adapters. An answer that is being made ends."""
        if self.model is None or self._adapters is None:
            raise _no_model()
        try:
            active = self._adapters.use(adapters)
        except WorkerDied as death:
            self.close()
            raise EngineDied(_("the engine stopped: {how}. Load the model again.").format(how=death)) from None
        self._shared = None  # its state went with the adapters before
        self._model = replace(self.model, adapters=active)
        return self._model

    def generate(
        self, messages: Sequence[Message], sampling: Sampling = Sampling(), *, stable: int | None = None
    ) -> Iterator[Event]:
        """See Engine.generate. Texts from outside are cleaned on their way in, the model's on its way out."""
        if self.model is None:
            raise _no_model()
        self._cancelled = False
        given = [{"role": m.role, "content": clean_text(m.content)} for m in messages]
        if stable is None:
            stable = next((at for at, m in enumerate(messages) if m.role != "system"), 0)
        return self._events(self.model, {"messages": given, "stable": stable, "open": False}, sampling)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """See Engine.count_tokens. What is far beyond the context is not split into tokens, which may take minutes."""
        model = self.model
        if model is None:
            raise _no_model()
        longest = model.n_ctx * _COUNTED
        counted = [clean_text(text) for text in texts if len(text) <= longest]
        with self._death_told():
            counts = iter(counts_of(self._worker.call("count", {"texts": counted}), len(counted)))
        return [next(counts) if len(text) <= longest else len(text) // 2 for text in texts]

    def answer_many(self, shared: Shared, questions: Sequence[Question]) -> Iterator[Answered]:
        """See Engine.answer_many. Texts from outside are cleaned on their way in, the model's on its way out."""
        if self.model is None:
            raise _no_model()
        if not self._sequences:
            raise LocalfinError("the model was loaded without sequences for many answers")
        self._cancelled = False
        return self._answers(self.model, shared, tuple(questions))

    def cancel(self) -> None:
        self._cancelled = True
        self._worker.cancel()
        running = self._worker.running
        if running is not None:
            self._kill_after(_CANCEL_S, running, _("it did not stop when asked"))

    def close(self) -> None:
        self._unwatch()
        self._worker.stop()
        self._model = self._shared = None
        if self._beginnings is not None:
            self._beginnings.close()
            self._beginnings = None
        if self._state is not None:
            self._state.close()
            self._state = None
        if self._adapters is not None:
            self._adapters.close()
            self._adapters = None

    def _events(self, model: ModelInfo, prompt: Mapping[str, Any], sampling: Sampling) -> Iterator[Event]:
        load_s, self._load_s = self._load_s, 0.0
        with self._death_told():
            said = chain(self._prepared(model, prompt), self._frames("generate", {"sampling": asdict(sampling)}))
            for frame in said:
                event = event_of(frame, load_s)
                if event is not None:
                    yield event

    def _answers(self, model: ModelInfo, shared: Shared, questions: tuple[Question, ...]) -> Iterator[Answered]:
        with self._death_told():
            if self._shared != shared:
                self._shared = None
                messages = [{"role": m.role, "content": clean_text(m.content)} for m in shared.messages]
                for _frame in self._prepared(model, {"messages": messages, "open": True}):
                    pass  # nobody waits for the progress of few tokens
                self._shared = shared
            asked = [[clean_text(question.text), question.grammar] for question in questions]
            for frame in self._frames("answer_many", {"questions": asked, "max_tokens": shared.max_tokens}):
                if "done" not in frame:
                    yield answered_of(frame, len(questions))

    def _prepared(self, model: ModelInfo, prompt: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        if self._beginnings is not None:
            yield from self._beginnings.prepare(self._frames, prompt, scope_of(model), model.n_ctx)

    def _frames(self, call: str, request: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """What the child says in one call; a template that does not end is ended with its process."""
        told = False
        for frame in self._worker.stream(call, request):
            if self._cancelled and not told:
                told = True
                self.cancel()  # it may have come between this call and the one before
            if "rendering" in frame:
                late = _("the model's chat template did not end")
                self._kill_after(_RENDER_S, self._worker.running or 0, late)
            elif "rendered" in frame:
                self._unwatch()
            else:
                yield frame

    @contextmanager
    def _death_told(self) -> Generator[None]:
        try:
            yield
        except WorkerDied as death:
            self._worker.kill()
            self._model = self._shared = None
            how, self._killed = self._killed or str(death), ""
            raise EngineDied(_("the engine stopped: {how}. Load the model again.").format(how=how)) from None
        finally:
            self._unwatch()

    def _kill_after(self, seconds: float, call: int, why: str) -> None:
        self._unwatch()
        self._watch = threading.Timer(seconds, self._kill, (call, why))
        self._watch.daemon = True
        self._watch.start()

    def _kill(self, call: int, why: str) -> None:
        if self._worker.running == call:
            self._killed = why
            self._worker.kill_call(call)

    def _unwatch(self) -> None:
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()


def _no_model() -> EngineDied:
    return EngineDied(_("the engine has no model: load one first"))


def _size_of(path: Path) -> int:
    """Bytes; 0 for what is not there, which is refused later."""
    return path.stat().st_size if path.is_file() else 0


class _Hash:
    """The SHA-256 of the file, or of its files' digests: computed beside the loading, which waits for the same disk."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._value = ""
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._compute, args=(files,), name="sha256", daemon=True)
        self._thread.start()

    def result(self) -> str:
        self._thread.join()
        if self._error is not None:
            raise InputRefused(str(self._error))
        return self._value

    def _compute(self, files: Sequence[Path]) -> None:
        try:
            digests = [file_sha256(path) for path in files]
            one = len(digests) == 1
            self._value = digests[0] if one else hashlib.sha256("".join(digests).encode()).hexdigest()
        except OSError as error:
            self._error = error


def _context_length(header: GgufHeader, options: LoadOptions) -> int:
    trained = header.n_ctx_train or DEFAULT_CONTEXT
    if options.n_ctx is None:
        return min(trained, DEFAULT_CONTEXT)
    if not 1 <= options.n_ctx <= trained:
        raise InputRefused(
            _("a context of {n_ctx} tokens is not possible: {name} was trained with {trained}").format(
                n_ctx=options.n_ctx, name=header.name, trained=trained
            )
        )
    return options.n_ctx
