"""Frozen things to take pictures of: the clock, the rates, the cursor, the middle of an answer."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from textual.pilot import Pilot

from localfin.engine.events import Event, Finished, Message, Sampling, Usage
from localfin.engine.fake import Answer, FakeEngine
from localfin.settings import Settings
from localfin.store import Store
from localfin_tui.app import LocalfinApp
from localfin_tui.chat.screen import ChatScreen

NOW = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


class SteadyEngine(FakeEngine):
    """The scripted engine, with the same figures at every run; it can stand still after so many events."""

    hold_after: int | None = None

    def generate(self, messages: Sequence[Message], sampling: Sampling = Sampling()) -> Iterator[Event]:
        for n, event in enumerate(super().generate(messages, sampling), 1):
            if isinstance(event, Finished):
                event = replace(event, usage=Usage(142, event.usage.completion_tokens, 0.12, 48.3, 0.0))
            yield event
            if n == self.hold_after:
                self._cancelled.wait(60)


@pytest.fixture(autouse=True)
def _frozen(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("LOCALFIN_LANG", "en")
    monkeypatch.setenv("TZ", "UTC")
    if hasattr(time, "tzset"):
        time.tzset()
    yield
    monkeypatch.undo()
    if hasattr(time, "tzset"):
        time.tzset()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    times = [NOW - timedelta(days=days) for days in (3, 1, 1, 0)]
    with Store(tmp_path / "localfin.db", lambda: times.pop(0) if times else NOW) as opened:
        for question in ("전세자금대출 한도는 얼마인가요?", "What is a standing order?", "DSR이 뭔가요?"):
            opened.ask(question)
        yield opened


@pytest.fixture
def app(tmp_path: Path, store: Store) -> Callable[..., LocalfinApp]:
    model = tmp_path / "starter.gguf"
    model.write_bytes(bytes(4_900_000))

    def make(*answers: Answer | str, theme: str = "dark", hold_after: int | None = None) -> LocalfinApp:
        engine = SteadyEngine(answers or ("Hello.",))
        engine.hold_after = hold_after
        made = LocalfinApp(engine, store, model, sealed=True, settings=Settings(theme=theme, evidence=False))
        made.animation_level = "none"
        return made

    return make


async def _ready(pilot: Pilot[None], phase: str = "ready") -> ChatScreen:
    for _n in range(500):
        chat = pilot.app.screen
        if isinstance(chat, ChatScreen) and chat.phase == phase:
            break
        await asyncio.sleep(0.01)
    assert isinstance(chat, ChatScreen)
    assert chat.phase == phase
    chat.composer.cursor_blink = False
    await pilot.pause()
    return chat


@pytest.fixture
def ready() -> Callable[..., object]:
    """Wait until the chat is in a phase, with the cursor standing still."""
    return _ready
