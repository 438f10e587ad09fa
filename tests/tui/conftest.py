"""The app on a scripted engine and a history in a temporary folder."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from localfin.engine.fake import Answer, FakeEngine
from localfin.settings import Settings
from localfin.store import Store
from localfin_tui.app import LocalfinApp
from localfin_tui.chat.screen import ChatScreen
from localfin_tui.statusline import StatusLine


@dataclass
class Desk:
    """An app and what it stands on."""

    app: LocalfinApp
    engine: FakeEngine
    store: Store

    def run(self, size: tuple[int, int] = (80, 24)) -> AbstractAsyncContextManager[Pilot[None]]:
        return self.app.run_test(size=size, notifications=True, tooltips=True)

    @property
    def chat(self) -> ChatScreen:
        screen = self.app.screen_stack[0]
        assert isinstance(screen, ChatScreen)
        return screen

    @property
    def words(self) -> str:
        """What the terminal shows, row by row."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips)

    @property
    def state(self) -> str:
        return str(self.chat.query_one(StatusLine).query_one("#state", Static).content)


Make = Callable[..., Desk]


@pytest.fixture(autouse=True)
def _english(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCALFIN_LANG", "en")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "localfin.db") as opened:
        yield opened


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "starter.gguf"
    path.write_bytes(bytes(4_900_000))
    return path


@pytest.fixture
def desk(store: Store, model: Path) -> Make:
    def make(
        answers: Sequence[Answer | str] = ("Hello.",),
        *,
        load_delay_s: float = 0.0,
        named: bool = True,
        evidence: bool = False,
    ) -> Desk:
        engine = FakeEngine(answers, load_delay_s=load_delay_s)
        return Desk(
            LocalfinApp(engine, store, model if named else None, sealed=True, settings=Settings(evidence=evidence)),
            engine,
            store,
        )

    return make


Until = Callable[[Pilot[None], Callable[[], object]], object]


async def _until(pilot: Pilot[None], holds: Callable[[], object]) -> None:
    """Wait until something holds, at most 5 seconds; then let the screen be drawn."""
    end = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < end, "it never came to hold"
        await asyncio.sleep(0.05)  # pilot.pause() would wait for a CPU that is never idle while an answer comes
    await pilot.pause()


@pytest.fixture
def until() -> Until:
    return _until
