"""Chat templates from outside, rendered in a sealed child of their own, within bounds on time, memory and length."""

import signal
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from localfin_models.chat_template import Conversation, render_chat
from localfin_models.errors import InputRefused, NotEnough
from localfin_models.language import _
from localfin_models.seal import WorkerLimits
from localfin_models.worker import SealedWorker, WorkerDied
from localfin_models.worker.child import CancelFlag, Emit

CPU_S = 0.3
"""Processor time of one rendering; the slowest template seen takes a hundredth."""
_WALL_S = 20.0  # where the system keeps no such time, or the machine is very busy
_MEMORY = 128 << 20
_LONGEST_PROMPT = 1 << 20


class TemplateExhausts(InputRefused):
    """A template takes more time, memory or text than any prompt needs: it is damaged or malicious."""


@dataclass(frozen=True, slots=True)
class Rendering:
    """One conversation for one template."""

    template: str
    messages: Conversation
    bos: str
    eos: str
    add_generation_prompt: bool = True


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the template said instead of a prompt: many refuse a system message, or roles that do not alternate."""

    why: str


class Renderer:
    """The child, which renders until a template exhausts it."""

    def __init__(self, worker: SealedWorker) -> None:
        self._worker = worker

    def render(self, asked: Rendering) -> str | Refusal:
        """Raises TemplateExhausts; the child is over then."""
        late = threading.Timer(_WALL_S, self._worker.kill)
        late.daemon = True
        late.start()
        try:
            done = self._worker.call("render", asdict(asked))
        except (WorkerDied, NotEnough):
            raise TemplateExhausts(
                _("the chat template takes more than {seconds} s or {memory} MB for a short conversation").format(
                    seconds=CPU_S, memory=_MEMORY >> 20
                )
            ) from None
        finally:
            late.cancel()
        return str(done["prompt"]) if "prompt" in done else Refusal(str(done["refused"]))

    def render_all(self, asked: Sequence[Rendering]) -> list[str | Refusal]:
        return [self.render(one) for one in asked]


@contextmanager
def open_renderer() -> Generator[Renderer]:
    worker = SealedWorker("localfin_models.sealed_template:TemplateService")
    try:
        worker.start(WorkerLimits(memory_bytes=_MEMORY))
        yield Renderer(worker)
    finally:
        worker.stop()


class TemplateService:
    """The child's side."""

    def prepare(self, options: dict[str, Any], limits: WorkerLimits, cancelled: CancelFlag) -> WorkerLimits:
        return limits

    def handle(self, call: str, arguments: dict[str, Any], emit: Emit) -> dict[str, Any]:
        if hasattr(signal, "setitimer"):  # the kernel ends the process, wherever it is: no handler is set
            signal.setitimer(signal.ITIMER_VIRTUAL, CPU_S)
        try:
            template, messages = arguments.pop("template"), arguments.pop("messages")
            prompt = render_chat(template, messages, **arguments)
        except InputRefused as refusal:
            return {"refused": str(refusal)[:1000]}
        finally:
            if hasattr(signal, "setitimer"):
                signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        if len(prompt) > _LONGEST_PROMPT:
            raise NotEnough
        return {"prompt": prompt}
