"""The one model of the app, whoever uses it: loading, leaving, ending. Screens are told by a signal.

A thread loads; everything else happens on the app's own.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from textual.app import App
from textual.message import Message
from textual.signal import Signal

from localfin.engine.events import Engine, LoadOptions, ModelInfo
from localfin_models.errors import LocalfinError

Phase = Literal["none", "loading", "ready", "ended"]


@dataclass
class Loaded(Message):
    model: ModelInfo


@dataclass
class LoadFailed(Message):
    error: LocalfinError


class ModelHost:
    def __init__(self, app: App[None], engine: Engine, path: Path | None, options: LoadOptions) -> None:
        self.engine = engine
        self.path = path
        self.options = options
        self.phase: Phase = "none" if path is None else "loading"
        """From the start on: a place may be seen before `load` is called."""
        self.error: LocalfinError | None = None
        """Why the model is not there, in phase `ended`."""
        self.was_there = False
        """In phase `ended`: it had been loaded before it went."""
        self.changed: Signal[Phase] = Signal(app, "model")
        self.busy = False
        """An answer is under way: the model may not be changed."""
        self._app = app
        self._running = False

    @property
    def model(self) -> ModelInfo | None:
        return self.engine.model

    def load(self) -> None:
        """Load `path`, or do nothing where none is named or one is there or coming."""
        if self.path is None or self._running or self.phase == "ready":
            return
        self._running = True
        self._enter("loading")
        path, options = self.path, self.options

        def load() -> None:
            try:
                self._app.post_message(Loaded(self.engine.load(path, options)))
            except Exception as error:  # noqa: BLE001 - on a thread nobody else would hear of it
                self._app.post_message(LoadFailed(ours(error)))

        self._app.run_worker(load, name="load", group="engine", thread=True, exclusive=True, exit_on_error=False)

    def use(self, path: Path) -> None:
        """Answer with this model from now on; the one before leaves its memory."""
        self.path = path
        self._running, self.phase = False, "none"
        self.load()

    def unload(self) -> None:
        """Free the model's memory; `load` brings it back."""
        self.engine.close()
        self._enter("none")

    def loaded(self) -> None:
        self._enter("ready")

    def gone(self, error: LocalfinError) -> None:
        """The model could not be loaded, or its process has ended."""
        self.was_there = self.phase == "ready"
        self._enter("ended", error)

    def leave(self) -> None:
        """However the app ends, the thread that loads must come to its end, too."""
        if self.phase == "loading":
            self.engine.close()

    def _enter(self, phase: Phase, error: LocalfinError | None = None) -> None:
        self._running = self._running and phase == "loading"
        self.phase, self.error = phase, error
        self.changed.publish(phase)


def ours(error: Exception) -> LocalfinError:
    return error if isinstance(error, LocalfinError) else LocalfinError(f"{type(error).__name__}: {error}")
