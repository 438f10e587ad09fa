"""Services that worker processes of the tests run; imported by them, not by pytest."""

import json
import os
import signal
import sys
import time
from typing import Any

from localfin_models.errors import InputRefused, NotFound
from localfin_models.seal import WorkerLimits
from localfin_models.worker.child import CancelFlag, Emit


class Odd:
    def prepare(self, options: dict[str, Any], limits: WorkerLimits, cancelled: CancelFlag) -> WorkerLimits:
        if options.get("refuse"):
            raise NotFound("not here")
        print("printed while it starts")
        self._cancelled = cancelled
        return limits

    def handle(self, call: str, arguments: dict[str, Any], emit: Emit) -> dict[str, Any]:
        return dict(getattr(self, call)(arguments, emit) or {})

    def echo(self, arguments: dict[str, Any], emit: Emit) -> dict[str, Any]:
        print("printed while it works", flush=True)
        os.write(1, b'{"id": 1, "done": {"forged": true}}\n')
        return arguments

    def count(self, arguments: dict[str, Any], emit: Emit) -> dict[str, Any]:
        for number in range(arguments["to"]):
            emit({"number": number})
        return {"counted": arguments["to"]}

    def wait(self, arguments: dict[str, Any], emit: Emit) -> dict[str, Any]:
        emit({"waiting": True})
        while not self._cancelled:
            time.sleep(0.005)
        return {"cancelled": True}

    def refuse(self, arguments: dict[str, Any], emit: Emit) -> None:
        raise InputRefused("안 됩니다")

    def die(self, arguments: dict[str, Any], emit: Emit) -> None:
        print("the last\x1b[31m words", file=sys.stderr, flush=True)
        signal.raise_signal(signal.SIGKILL) if arguments.get("kill") else os.abort()

    def leave(self, arguments: dict[str, Any], emit: Emit) -> None:
        os._exit(3)

    def fail(self, arguments: dict[str, Any], emit: Emit) -> None:
        raise ZeroDivisionError("a bug")

    def fill(self, arguments: dict[str, Any], emit: Emit) -> dict[str, Any]:
        return {"length": len(bytearray(arguments["bytes"]))}

    def variables(self, arguments: dict[str, Any], emit: Emit) -> dict[str, Any]:
        return dict(os.environ)

    def scribble(self, arguments: dict[str, Any], emit: Emit) -> None:
        """Write what is no frame into the answers' pipe, as a taken-over worker would."""
        for descriptor in range(3, 16):
            try:
                os.write(descriptor, arguments["text"].encode())
            except OSError:
                continue
        time.sleep(60)


class Forger:
    """A taken-over engine: what it is asked, it says."""

    def prepare(self, options: dict[str, Any], limits: WorkerLimits, cancelled: CancelFlag) -> WorkerLimits:
        return limits

    def handle(self, call: str, arguments: dict[str, Any], emit: Emit) -> dict[str, Any]:
        if call == "load":
            return {"n_ctx": 16, "gpu_layers": 0}
        if call == "prompt":
            self._said = json.loads(arguments["messages"][0]["content"])
            return {"tokens": [], "held": 0}
        said = self._said
        if "done" in said:
            return dict(said["done"])
        emit(said)
        return {
            "reason": "stop",
            "prompt_tokens": 1,
            "completion_tokens": 1,
            "prefill_s": 0,
            "decode_tokens_per_s": 1,
            "shifted_tokens": 0,
        }
