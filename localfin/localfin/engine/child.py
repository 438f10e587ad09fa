"""The engine's service inside the sealed worker: frames in, llama.cpp, frames out. Never imported by the parent."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from localfin.engine.devices import choose_gpu_layers, gpu_limits
from localfin.engine.events import Message, Sampling
from localfin.engine.llama import Llama, Timing
from localfin.engine.many import Batch, Question
from localfin.engine.memory import Need, refuse_if_too_large
from localfin.engine.prompt import OpenPrompt, PromptTokens
from localfin.engine.shifting import common_beginning
from localfin.engine.states import SequenceState
from localfin_models.errors import LocalfinError
from localfin_models.llama_binding import Log, load_binding
from localfin_models.seal import WorkerLimits
from localfin_models.worker.child import CancelFlag, Emit

FLUSH_S = 1 / 30
"""Text events come at most this often: a pipe and a screen need no more."""


class EngineService:
    """One model, loaded once; to load another, the parent starts another process."""

    def __init__(self) -> None:
        self._llama: Llama | None = None
        self._batch: Batch | None = None
        self._chat: PromptTokens | None = None
        self._shared: OpenPrompt | None = None
        self._prompt: list[int] = []
        """The prompt that was read last, and how many of its tokens are its `_beginning`."""
        self._beginning = 0
        self._prefill_s = 0.0
        """Spent on the chat's beginning."""

    def prepare(self, options: dict[str, Any], limits: WorkerLimits, cancelled: CancelFlag) -> WorkerLimits:
        """`options`: the model's files, n_ctx, threads, sequences, gpu_layers, the `Need` the parent computed, and
        `state`, the descriptor of the memory for states."""
        self._cancelled = cancelled
        self._options = options
        self._binding = load_binding()
        self._log = Log(self._binding)
        need = Need(**options["need"])
        self._gpu_layers = choose_gpu_layers(self._binding, options["gpu_layers"], need)
        if self._gpu_layers:
            return gpu_limits(limits)
        refuse_if_too_large(need)
        return limits

    def handle(self, call: str, arguments: dict[str, Any], emit: Emit) -> dict[str, Any]:
        if call == "load":
            return self._load()
        if self._llama is not None:
            if call == "generate":
                return self._generate(self._llama, arguments, emit)
            if call == "count":
                return {"counts": [self._count(self._llama, text) for text in arguments["texts"]]}
            if call == "load_adapter":
                self._llama.load_adapter(arguments["id"], Path(arguments["path"]))
                return {}
            if call == "use_adapters":
                self._llama.use_adapters(arguments["scales"])
                return {}
            if call == "prompt":
                return self._read_prompt(self._llama, arguments, emit)
            if call == "restore":
                return self._restore(self._llama, arguments)
            if call == "beginning":
                return self._compute_beginning(self._llama, emit)
            if call == "keep":
                return {"bytes": self._state(self._llama).keep()}
            if call == "answer_many":
                return self._answer_many(self._llama, arguments, emit)
        raise LocalfinError(f"the engine knows no call {call!r} now")

    def _load(self) -> dict[str, Any]:
        options = self._options
        files = [Path(file) for file in options["files"]]
        self._llama = Llama(
            self._binding,
            self._log,
            files,
            options["n_ctx"],
            options["threads"],
            self._gpu_layers,
            self._cancelled.bytes,
            options["sequences"],
        )
        return {"n_ctx": self._llama.n_ctx, "gpu_layers": self._gpu_layers}

    def _count(self, llama: Llama, text: str) -> int:
        return len(llama.tokenize(text, add_bos=False, special=False))

    def _read_prompt(self, llama: Llama, arguments: dict[str, Any], emit: Emit) -> dict[str, Any]:
        """`open` messages are what many questions begin with; the first `stable` of others are a beginning that stays.

        Returns the tokens of the beginning and how many of them the context `held`.
        """
        messages = [Message(m["role"], m["content"]) for m in arguments["messages"]]
        if arguments["open"]:
            self._shared = OpenPrompt(llama, messages, emit)
            self._prompt, self._beginning = self._shared.head, len(self._shared.head)
        else:
            self._chat = PromptTokens(llama, messages, emit, arguments["stable"])
            llama.refuse_if_full(len(self._chat.tokens))
            self._prompt, self._beginning = self._chat.tokens, self._chat.beginning
            self._prefill_s = 0.0
        beginning = self._prompt[: self._beginning]
        return {"tokens": beginning, "held": common_beginning(llama.held, beginning)}

    def _restore(self, llama: Llama, arguments: dict[str, Any]) -> dict[str, Any]:
        started = time.perf_counter()
        beginning = self._prompt[: arguments["common"]]
        restored = self._state(llama).restore(arguments["bytes"], arguments["tokens"], beginning)
        self._prefill_s += time.perf_counter() - started
        return {"restored": restored}

    def _compute_beginning(self, llama: Llama, emit: Emit) -> dict[str, Any]:
        """Returns the bytes that its state takes, 0 where it was cancelled."""
        started = time.perf_counter()
        complete = llama.prefill(
            self._prompt, lambda done, total: emit({"prefill": [done, total]}), until=self._beginning
        )
        self._prefill_s += time.perf_counter() - started
        return {"bytes": self._state(llama).size if complete else 0}

    def _state(self, llama: Llama) -> SequenceState:
        return SequenceState(llama, self._options["state"])

    def _answer_many(self, llama: Llama, arguments: dict[str, Any], emit: Emit) -> dict[str, Any]:
        """`questions` are texts and grammars, which follow the open prompt that was read."""
        shared = self._shared
        if shared is None:
            raise LocalfinError("no beginning was read")
        if self._batch is None:
            self._batch = Batch(llama, self._options["sequences"])
        asked = [Question(shared.rest(text), grammar) for text, grammar in arguments["questions"]]
        for ended in self._batch.answers(shared.head, asked, arguments["max_tokens"], shared.stops):
            emit({"answered": [ended.question, ended.text, ended.reason, ended.tokens]})
        return {}

    def _generate(self, llama: Llama, arguments: dict[str, Any], emit: Emit) -> dict[str, Any]:
        """Answer the prompt that was read."""
        prompt = self._chat
        if prompt is None:
            raise LocalfinError("no prompt was read")
        timing, lost = Timing(prefill_s=self._prefill_s), 0

        def shifted(tokens: int) -> None:
            nonlocal lost
            lost += tokens
            emit({"shifted": tokens})

        pieces = llama.generate(
            prompt.tokens,
            Sampling(**arguments["sampling"]),
            lambda done, total: emit({"prefill": [done, total]}),
            timing,
            prompt.beginning,
            shifted,
        )
        with closing(pieces):  # which completes `timing`, also where a stop text ended it early
            stopped = stream_text(pieces, prompt.stops, emit)
        decode_s = max(timing.decode_s, 1e-9)
        return {
            "reason": "stop" if stopped else timing.reason,
            "prompt_tokens": timing.prompt_tokens,
            "completion_tokens": timing.completion_tokens,
            "prefill_s": timing.prefill_s,
            "decode_tokens_per_s": timing.completion_tokens / decode_s if timing.completion_tokens else 0.0,
            "shifted_tokens": lost,
        }


def stream_text(pieces: Iterator[str], stops: tuple[str, ...], emit: Emit) -> bool:
    """Emit Text events, the first at once and then at most one every FLUSH_S; True where one of `stops` ended it."""
    waiting, last = "", 0.0
    longest = max((len(s) for s in stops), default=0)
    for piece in pieces:
        waiting += piece
        found = min((at for at in map(waiting.find, stops) if at >= 0), default=-1)
        if found >= 0:
            waiting = waiting[:found].rstrip()
            break
        now = time.monotonic()
        if now - last >= FLUSH_S:
            ready = len(waiting) - _beginning_of(stops, waiting, longest)
            if ready:
                emit({"text": waiting[:ready]})
                waiting, last = waiting[ready:], now
    else:
        found = -1
    if waiting:
        emit({"text": waiting})
    return found >= 0


def _beginning_of(stops: tuple[str, ...], text: str, longest: int) -> int:
    """How many characters at the end of `text` may be the beginning of a stop text (line breaks before it included)."""
    for count in range(min(longest - 1, len(text)), 0, -1):
        if any(stop.startswith(text[-count:]) for stop in stops):
            return count + len(text[:-count]) - len(text[:-count].rstrip("\n"))
    return len(text) - len(text.rstrip("\n")) if stops else 0
