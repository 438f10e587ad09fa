"""A worker process behind pipes: started, asked, cancelled, killed and started again. The parent's side.

Frames are JSON objects, one a line. The parent writes one opening line, then `{"id", "call", "arguments"}` and
`{"id", "cancel": true}`; the child answers `{"ready"}` once, then `{"id", "event"}` any number of times and one of
`{"id", "done"}` or `{"id", "error", "message"}`. What the child writes is not trusted: it is bounded and checked.
"""

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from localfin_models.errors import InputRefused, IntegrityFailed, LocalfinError, NotEnough, NotFound
from localfin_models.language import _
from localfin_models.seal import WorkerLimits

LONGEST_FRAME = 16 << 20
_STDERR_TAIL = 8192
_KEPT_VARIABLES = (
    "HOME", "LANG", "LC_ALL", "LC_CTYPE", "LC_MESSAGES", "LOCALFIN_LANG", "PYTHONPATH", "PYTHONHOME", "SYSTEMROOT",
    "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LLAMA_CPP_LIB_PATH", "CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES", "GGML_VK_VISIBLE_DEVICES",
)  # fmt: skip


class WorkerDied(LocalfinError):  # noqa: N818 - reads as what happened
    """The process ended while it was needed; `start` makes a new one."""


@dataclass(slots=True)
class _Process:
    popen: "subprocess.Popen[bytes]"
    requests: IO[bytes]
    answers: IO[bytes]
    stderr: "_Tail"


class SealedWorker:
    """One child process running the service `module:attribute`, sealed before it serves.

    One call runs at a time, from any thread; a new one takes the place of one that was left unfinished. `cancel` and
    `kill` may come from another thread meanwhile.
    """

    def __init__(self, service: str, errors: Sequence[type[LocalfinError]] = ()) -> None:
        known: tuple[type[LocalfinError], ...] = (
            LocalfinError,
            InputRefused,
            NotFound,
            IntegrityFailed,
            NotEnough,
            *errors,
        )
        self._service = service
        self._errors: dict[str, type[LocalfinError]] = {error.__name__: error for error in known}
        self._process: _Process | None = None
        self._writing = threading.Lock()
        self._id = 0
        self._running: int | None = None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.popen.poll() is None

    @property
    def pid(self) -> int | None:
        return self._process.popen.pid if self._process else None

    def start(
        self, limits: WorkerLimits, options: Mapping[str, Any] | None = None, *, inherited: Sequence[int] = ()
    ) -> dict[str, Any]:
        """Start the process, ending the one before; returns what its service reported when it was sealed.

        `options` go to the service's `prepare`. The file descriptors `inherited` have the same numbers there, and no
        seal takes away what they allow (POSIX only). Raises what the service raised, or WorkerDied.
        """
        self.stop()
        self._process = _spawn(self._service, inherited)
        self._write({"limits": _limits_frame(limits), "options": dict(options or {})}, escaped=True)
        self._id = 0
        frame = self._read()
        if "error" in frame:
            self.stop()
            raise self._error(frame)
        if "ready" not in frame:
            raise self._broken()
        ready: dict[str, Any] = frame["ready"]
        return ready

    def stream(self, call: str, arguments: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
        """The events of one call, then what it returned as `{"done": …}`. Leaving early cancels it."""
        if self._running is not None:
            self.cancel()
        self._id += 1
        mine = self._running = self._id
        try:
            self._write({"id": mine, "call": call, "arguments": dict(arguments or {})})
            while self._running == mine:
                frame = self._read()
                if frame.get("id") != mine:
                    continue  # the rest of a call that was left early
                if "event" in frame:
                    yield frame["event"]
                    continue
                self._running = None
                if "error" in frame:
                    raise self._error(frame)
                yield {"done": frame["done"]}
                return
            raise LocalfinError(_("another request took this one's place"))
        finally:
            if self._running == mine:
                self.cancel()
                self._running = None

    def call(self, call: str, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One call's result, its events left out."""
        result: dict[str, Any] = {}
        for frame in self.stream(call, arguments):
            result = frame.get("done", result)
        return result

    @property
    def running(self) -> int | None:
        """The number of the call that runs; None where none does."""
        return self._running

    def kill_call(self, number: int) -> None:
        """End the process if that call still runs."""
        if self._running == number:
            self.kill()

    def cancel(self) -> None:
        """Ask the running call to end early; nothing happens where none runs."""
        running = self._running
        if running is not None and self.alive:
            try:
                self._write({"id": running, "cancel": True})
            except WorkerDied:
                return  # the reader of the call says so

    def kill(self) -> None:
        """End the process at once. A call that runs raises WorkerDied."""
        process = self._process
        if process is not None:
            process.popen.kill()
            process.popen.wait()

    def stop(self) -> None:
        """End the process, letting it leave by itself first: it does when its requests end."""
        process, self._process = self._process, None
        if process is None:
            return
        with contextlib.suppress(OSError):
            process.requests.close()
        try:
            process.popen.wait(timeout=1)
        except subprocess.TimeoutExpired:
            process.popen.kill()
            process.popen.wait()
        process.answers.close()
        process.stderr.close()

    def _write(self, frame: Mapping[str, Any], *, escaped: bool = False) -> None:
        """`escaped` keeps what is no Unicode, as in a path's bytes; without it that becomes `?`, as texts want."""
        process = self._process
        if process is None:
            raise WorkerDied(_("the worker process is not running"))
        line = json.dumps(frame, ensure_ascii=escaped).encode("utf-8", "replace") + b"\n"
        try:
            with self._writing:
                process.requests.write(line)
                process.requests.flush()
        except (OSError, ValueError):
            raise self._death(process) from None

    def _read(self) -> dict[str, Any]:
        process = self._process
        if process is None:
            raise WorkerDied(_("the worker process is not running"))
        try:
            line = process.answers.readline(LONGEST_FRAME)
        except (OSError, ValueError):
            line = b""
        if not line.endswith(b"\n"):
            if line and process.popen.poll() is None:
                raise self._broken()
            raise self._death(process)
        try:
            frame = json.loads(line)
        except (ValueError, RecursionError):
            raise self._broken() from None
        if not _is_frame(frame, self._id):
            raise self._broken()
        checked: dict[str, Any] = frame
        return checked

    def _error(self, frame: Mapping[str, Any]) -> LocalfinError:
        return self._errors.get(str(frame["error"]), LocalfinError)(str(frame.get("message", "")))

    def _broken(self) -> WorkerDied:
        self.kill()
        return WorkerDied(_("the worker process sent what is no answer, and was ended"))

    def _death(self, process: _Process) -> WorkerDied:
        try:
            code = process.popen.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.popen.kill()
            code = process.popen.wait()
        words = process.stderr.last_line()
        how = _how_it_ended(code)
        return WorkerDied(f"{how}: {words}" if words else how)


class _Tail:
    """The last bytes a process wrote to its stderr; a thread keeps reading, so that the process never waits."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._bytes = b""
        self._thread = threading.Thread(target=self._drain, name="worker stderr", daemon=True)
        self._thread.start()

    def last_line(self) -> str:
        """The last line that says something, control characters removed, at most 300 characters."""
        self._thread.join(timeout=1)
        lines = [line.strip() for line in self._bytes.decode("utf-8", "replace").splitlines()]
        last = next((line for line in reversed(lines) if line), "")
        return "".join(c for c in last if c.isprintable())[:300]

    def close(self) -> None:
        self._thread.join(timeout=1)
        if not self._thread.is_alive():
            self._stream.close()

    def _drain(self) -> None:
        descriptor = self._stream.fileno()
        while chunk := os.read(descriptor, 4096):
            self._bytes = (self._bytes + chunk)[-_STDERR_TAIL:]


def _spawn(service: str, inherited: Sequence[int]) -> _Process:
    # -P keeps the current folder off the child's path. A session of its own keeps Ctrl-C from reaching the child:
    # the parent decides what an interrupt means.
    popen = subprocess.Popen(
        [sys.executable, "-P", "-m", "localfin_models.worker.main", service],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=bare_environment(service.partition(".")[0]),
        start_new_session=True,
        pass_fds=inherited,
    )
    if popen.stdin is None or popen.stdout is None or popen.stderr is None:
        raise WorkerDied(_("the worker process has no pipes"))
    return _Process(popen, popen.stdin, popen.stdout, _Tail(popen.stderr))


def bare_environment(package: str) -> dict[str, str]:
    """Few variables of ours, where `package` and this one lie; no proxy, no token, no switch of a library."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    found = (importlib.util.find_spec(name) for name in (package, __name__.partition(".")[0]))
    packages = [str(Path(spec.origin).parent.parent) for spec in found if spec is not None and spec.origin]
    paths = [*dict.fromkeys(packages), kept.get("PYTHONPATH", "")]
    return kept | {
        "PYTHONPATH": os.pathsep.join(p for p in paths if p),
        "PYTHONUTF8": "1",
        # What it prints last is told as its last words: in the order it was said.
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        # Aborting, ggml would otherwise look for gdb on PATH and run it.
        "GGML_NO_BACKTRACE": "1",
        # Every arena reserves address space, which is what the memory limit counts.
        "MALLOC_ARENA_MAX": "2",
        # BLAS would start its threads when numpy is imported: before the seal, which binds only later ones.
        "OPENBLAS_NUM_THREADS": "1",
        # OpenMP threads wait for each other in a busy loop. Where other programs want the cores too, its default length
        # made decoding several times slower (1.1 B parameters, two busy cores: 0.5-0.8 tokens/s against 5); on free
        # cores this length costs nothing (28.5 against 27).
        "GOMP_SPINCOUNT": "2000",
    }


def _limits_frame(limits: WorkerLimits) -> dict[str, Any]:
    return {
        "read": [str(p) for p in limits.read],
        "write": [str(p) for p in limits.write],
        "memory_bytes": limits.memory_bytes,
        "file_bytes": limits.file_bytes,
    }


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return _("the worker process ended with exit code {code}").format(code=code)
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = str(-code)
    return _("the worker process was ended by {signal}").format(signal=name)


def _is_frame(frame: object, newest: int) -> bool:
    """Whether a child may say this: it is not trusted to keep to the form."""
    if not isinstance(frame, dict):
        return False
    if "error" in frame:
        return newest == 0 or frame.get("id") in range(1, newest + 1)
    if "ready" in frame:
        return isinstance(frame["ready"], dict)
    said = frame.get("event", frame.get("done"))
    return frame.get("id") in range(1, newest + 1) and isinstance(said, dict)
