"""A worker process's side: prepare the service, seal, serve. `worker_main` starts it with the pipes put away."""

import ctypes
import importlib
import json
import os
import queue
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Protocol

from localfin_models.errors import LocalfinError
from localfin_models.language import _
from localfin_models.seal import WorkerLimits, seal_worker

Emit = Callable[[dict[str, Any]], None]


class CancelFlag:
    """A byte that native code can look at too: a C string, empty until the call is cancelled."""

    def __init__(self) -> None:
        self.bytes = ctypes.create_string_buffer(2)

    def set(self) -> None:
        self.bytes[0] = b"\x01"

    def clear(self) -> None:
        self.bytes[0] = b"\x00"

    def __bool__(self) -> bool:
        return self.bytes[0] != b"\x00"


class Service(Protocol):
    """What a worker does."""

    def prepare(self, options: dict[str, Any], limits: WorkerLimits, cancelled: CancelFlag) -> WorkerLimits:
        """Import and start what needs an open machine, before any untrusted byte; returns the limits to be sealed in.

        It starts no thread: Landlock binds only this one and those it starts later.
        """
        ...

    def handle(self, call: str, arguments: dict[str, Any], emit: Emit) -> dict[str, Any]:
        """Do one call, sealed. LocalfinErrors reach the caller; anything else ends the process."""
        ...


def main(service_name: str, request_fd: int, answer_fd: int) -> None:
    """Serve until the requests end, which they do when the parent does."""
    # No PR_SET_PDEATHSIG: it fires when the parent's *thread* that started us ends, and apps load models in threads.
    requests, answers = os.fdopen(request_fd, "rb"), os.fdopen(answer_fd, "wb")
    module, _colon, attribute = service_name.partition(":")
    service: Service = getattr(importlib.import_module(module), attribute)()
    cancelled = CancelFlag()
    opening = json.loads(requests.readline() or b"null")
    if opening is None:
        return
    try:
        limits = service.prepare(opening["options"], _limits(opening["limits"]), cancelled)
        status = seal_worker(limits)
    except LocalfinError as error:
        _send(answers, {"error": type(error).__name__, "message": str(error)})
        return
    _send(answers, {"ready": asdict(status)})
    inbox = _Inbox(cancelled)
    threading.Thread(target=inbox.read, args=(requests,), daemon=True).start()
    while True:
        _serve(service, inbox.take(), answers)


def _serve(service: Service, request: dict[str, Any], answers: IO[bytes]) -> None:
    number = request["id"]

    def emit(event: dict[str, Any]) -> None:
        _send(answers, {"id": number, "event": event})

    try:
        done = service.handle(request["call"], request["arguments"], emit)
        _send(answers, {"id": number, "done": done})
    except LocalfinError as error:
        _send(answers, {"id": number, "error": type(error).__name__, "message": str(error)})
    except MemoryError:
        _send(answers, {"id": number, "error": "NotEnough", "message": _("out of memory")})


class _Inbox:
    """Requests in order, and cancellations, each of which finds its own request: running, waiting or over."""

    def __init__(self, flag: CancelFlag) -> None:
        self._flag = flag
        self._waiting: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._current = 0
        self._cancelled: set[int] = set()

    def read(self, requests: IO[bytes]) -> None:
        """Runs beside the work, so that a cancellation arrives during it and the parent's end ends it."""
        for line in requests:
            frame = json.loads(line)
            if "cancel" not in frame:
                self._waiting.put(frame)
                continue
            with self._lock:
                self._cancelled.add(frame["id"])
                if frame["id"] == self._current:
                    self._flag.set()
        os._exit(0)

    def take(self) -> dict[str, Any]:
        request = self._waiting.get()
        with self._lock:
            self._current = request["id"]
            self._flag.clear()
            if self._current in self._cancelled:
                self._flag.set()
            self._cancelled = {number for number in self._cancelled if number > self._current}
        return request


def _send(answers: IO[bytes], frame: dict[str, Any]) -> None:
    try:
        answers.write(json.dumps(frame, ensure_ascii=False).encode("utf-8", "replace") + b"\n")
        answers.flush()
    except BrokenPipeError:
        os._exit(0)  # nobody is left to answer


def _limits(frame: dict[str, Any]) -> WorkerLimits:
    paths = {name: tuple(Path(p) for p in frame[name]) for name in ("read", "write")}
    return WorkerLimits(paths["read"], paths["write"], frame["memory_bytes"], frame["file_bytes"])
