"""The engine's service inside the sealed worker: frames in, llama.cpp, frames out. Never imported by the parent."""

import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from localfin.engine.devices import choose_gpu_layers, gpu_limits
from localfin.engine.events import Message, Sampling
from localfin.engine.llama import Llama, Timing
from localfin.engine.many import Batch
from localfin.engine.memory import Need, refuse_if_too_large
from localfin.engine.prompt import OpenPrompt, PromptTokens
from localfin.engine.shared import SharedBeginning
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
        self._shared: SharedBeginning | None = None

    def prepare(self, options: dict[str, Any], limits: WorkerLimits, cancelled: CancelFlag) -> WorkerLimits:
        """`options`: the model's files, n_ctx, threads, sequences, gpu_layers, the `Need` the parent computed, and
        `state`, the descriptor of the memory for kept states."""
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
            if call == "load_adapter":
                self._llama.load_adapter(arguments["id"], Path(arguments["path"]))
                return {}
            if call == "use_adapters":
                self._llama.use_adapters(arguments["scales"])
                return {}
            if call == "share":
                return self._share(self._llama, arguments, emit)
            if self._shared is not None:
                return self._about_shared(self._shared, call, arguments, emit)
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

    def _share(self, llama: Llama, arguments: dict[str, Any], emit: Emit) -> dict[str, Any]:
        """What many questions begin with; restored from the memory for states where that holds so many `bytes`."""
        messages = [Message(m["role"], m["content"]) for m in arguments["messages"]]
        if self._batch is None:
            self._batch = Batch(llama, self._options["sequences"])
        shared = SharedBeginning(llama, self._batch, OpenPrompt(llama, messages, emit), self._options["state"])
        restored = shared.restore(arguments["bytes"])
        state_bytes = 0 if restored else shared.compute()
        self._shared = shared
        return {"restored": restored, "bytes": state_bytes}

    def _about_shared(
        self, shared: SharedBeginning, call: str, arguments: dict[str, Any], emit: Emit
    ) -> dict[str, Any]:
        if call == "keep":
            return {"bytes": shared.keep()}
        if call == "answer_many":
            for ended in shared.answers(arguments["questions"], arguments["max_tokens"]):
                emit({"answered": [ended.question, ended.text, ended.reason, ended.tokens]})
            return {}
        raise LocalfinError(f"the engine knows no call {call!r}")

    def _generate(self, llama: Llama, arguments: dict[str, Any], emit: Emit) -> dict[str, Any]:
        messages = [Message(m["role"], m["content"]) for m in arguments["messages"]]
        prompt = PromptTokens(llama, messages, emit)
        timing = Timing()
        pieces = llama.generate(
            prompt.tokens,
            Sampling(**arguments["sampling"]),
            lambda done, total: emit({"prefill": [done, total]}),
            timing,
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
