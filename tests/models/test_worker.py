"""The sealed worker with real processes: frames, errors, deaths, cancellation, limits."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from localfin_models.errors import InputRefused, NotEnough, NotFound
from localfin_models.seal import WorkerLimits
from localfin_models.worker import SealedWorker, WorkerDied

SERVICE = "worker_services:Odd"


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Iterator[SealedWorker]:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    made = SealedWorker(SERVICE)
    yield made
    made.stop()


@pytest.fixture
def started(worker: SealedWorker) -> SealedWorker:
    worker.start(WorkerLimits())
    return worker


def test_a_call_returns_what_the_service_did_and_prints_disturb_nothing(started):
    assert started.call("echo", {"text": "한글\n"}) == {"text": "한글\n"}
    assert started.call("echo", {"text": "2"}) == {"text": "2"}


def test_events_come_in_order_before_the_result(started):
    frames = list(started.stream("count", {"to": 100}))
    assert frames == [*({"number": n} for n in range(100)), {"done": {"counted": 100}}]


def test_errors_keep_their_class_and_words(worker):
    with pytest.raises(NotFound, match="not here"):
        worker.start(WorkerLimits(), {"refuse": True})
    worker.start(WorkerLimits())
    with pytest.raises(InputRefused, match="안 됩니다"):
        worker.call("refuse")
    assert worker.call("echo", {"still": "there"}) == {"still": "there"}


@pytest.mark.parametrize(
    ("call", "arguments", "words"),
    [
        ("die", {"kill": True}, "SIGKILL.*the last"),
        ("die", {}, "SIGABRT"),
        ("leave", {}, "exit code 3"),
        ("fail", {}, "ZeroDivisionError: a bug"),
    ],
)
def test_a_death_says_how_and_the_worker_can_be_started_again(started, call, arguments, words):
    with pytest.raises(WorkerDied, match=words) as death:
        started.call(call, arguments)
    assert "\x1b" not in str(death.value)
    assert not started.alive
    with pytest.raises(WorkerDied):
        started.call("echo")
    started.start(WorkerLimits())
    assert started.call("echo", {"again": 1}) == {"again": 1}


def test_cancel_reaches_a_running_call(started):
    events = started.stream("wait")
    assert next(events) == {"waiting": True}
    begun = time.monotonic()
    started.cancel()
    assert list(events) == [{"done": {"cancelled": True}}]
    assert time.monotonic() - begun < 1


def test_cancel_without_a_call_is_not_remembered(started):
    started.cancel()
    events = started.stream("wait")
    next(events)
    started.cancel()
    assert list(events) == [{"done": {"cancelled": True}}]


def test_a_call_left_early_is_cancelled_and_the_next_one_gets_its_own_answers(started):
    left = started.stream("wait")
    next(left)
    left.close()
    assert started.call("echo", {"mine": True}) == {"mine": True}
    forgotten = started.stream("wait")
    next(forgotten)
    assert started.call("echo", {"mine": 2}) == {"mine": 2}
    with pytest.raises(Exception, match="took this one's place"):
        next(forgotten)


def test_a_kill_from_elsewhere_ends_the_call(started):
    events = started.stream("wait")
    next(events)
    assert started.pid is not None
    os.kill(started.pid, signal.SIGKILL)
    with pytest.raises(WorkerDied, match="SIGKILL"):
        next(events)


@pytest.mark.parametrize(
    "text", ["no json\n", "[1, 2]\n", '{"id": 1}\n', "x" * 70000 + "\n", '{"id":1,"event":3}\n{}\n']
)
def test_what_is_no_frame_ends_the_worker_or_is_passed_over(started, text):
    events = started.stream("scribble", {"text": text})
    with pytest.raises(WorkerDied, match="no answer"):
        list(events)
    assert not started.alive


def test_memory_over_the_limit_is_an_answer_not_a_death(worker):
    worker.start(WorkerLimits(memory_bytes=128 << 20))
    with pytest.raises(NotEnough):
        worker.call("fill", {"bytes": 1 << 30})
    assert worker.call("fill", {"bytes": 1 << 20}) == {"length": 1 << 20}


def test_variables_that_lead_outside_do_not_go_along(worker, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("SECRET_TOKEN", "x")
    worker.start(WorkerLimits())
    variables = worker.call("variables")
    assert "HTTPS_PROXY" not in variables
    assert "SECRET_TOKEN" not in variables
    assert variables["GGML_NO_BACKTRACE"] == "1"


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at /proc")
def test_the_worker_ends_with_its_parent_even_in_the_midst_of_work(environment):
    code = """
        import sys, time
        from localfin_models.seal import WorkerLimits
        from localfin_models.worker import SealedWorker
        worker = SealedWorker("worker_services:Odd")
        worker.start(WorkerLimits())
        events = worker.stream("wait"); next(events)
        print(worker.pid, flush=True)
        time.sleep(60)
    """
    environment["PYTHONPATH"] += os.pathsep + str(Path(__file__).parent)
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, env=environment
    ) as parent:
        assert parent.stdout is not None
        child = Path("/proc") / parent.stdout.readline().decode().strip()
        assert child.exists()
        parent.kill()
        parent.wait()
        deadline = time.monotonic() + 5
        while child.exists() and "zombie" not in (child / "status").read_text() and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not child.exists() or "zombie" in (child / "status").read_text()
