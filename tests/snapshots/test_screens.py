"""Pictures of the app in each of its states, small and large. Look at the report, then `pytest --snapshot-update`."""

import asyncio

import pytest
from tests.localfin.fraud.desk import history_and_new
from textual.pilot import Pilot
from textual.widgets import Input, Static

from localfin.engine.fake import Answer
from localfin_tui.chat.message import REDRAWS_PER_S

SMALL, LARGE = (80, 24), (120, 36)

ANSWER = """\
월복리 이자는 **매월 붙은 이자에 다시 이자가 붙는** 방식입니다.

| 기간 | 원금 | 이자 |
|---|---:|---:|
| 12개월 | 10,000,000원 | 304,160원 |
| 24개월 | 10,000,000원 | 617,570원 |

1. 연이율을 12로 나눕니다.
2. 개월 수만큼 거듭제곱합니다.

```python
total = principal * (1 + rate / 12) ** months
```
"""


@pytest.fixture(params=[SMALL, LARGE], ids=["small", "large"])
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    return request.param


def test_empty(snap_compare, app, ready, size) -> None:
    assert snap_compare(app(), terminal_size=size, run_before=ready)


def asking(ready, question: str, phase: str = "ready"):
    async def ask(pilot: Pilot[None]) -> None:
        chat = await ready(pilot)
        chat.composer.text = question
        chat.composer.action_send()
        await pilot.pause(0.05)
        await ready(pilot, phase)
        await pilot.pause(3 / REDRAWS_PER_S)

    return ask


def test_answered(snap_compare, app, ready, size) -> None:
    question = "1천만 원을 연 3% 월복리로 맡기면 이자는 얼마인가요?"
    assert snap_compare(app(ANSWER), terminal_size=size, run_before=asking(ready, question))


def test_answered_on_paper(snap_compare, app, ready) -> None:
    question = "How much interest do 10,000,000 won at 3% bear, compounded monthly?"
    assert snap_compare(app(ANSWER, theme="light"), terminal_size=LARGE, run_before=asking(ready, question))


def test_empty_in_the_terminals_own_colours(snap_compare, app, ready) -> None:
    assert snap_compare(app(theme="ansi"), terminal_size=SMALL, run_before=ready)


def test_streaming(snap_compare, app, ready) -> None:
    running = app(Answer("Compound interest is interest **on interest**, and it", piece=30), hold_after=2)
    assert snap_compare(running, terminal_size=SMALL, run_before=asking(ready, "What is it?", "answering"))


def test_reading_the_prompt(snap_compare, app, ready) -> None:
    running = app(Answer("never", prompt_tokens=1800, prefill_steps=3), hold_after=2)
    assert snap_compare(running, terminal_size=SMALL, run_before=asking(ready, "A long one", "reading"))


def test_the_engine_ended(snap_compare, app, ready, size) -> None:
    running = app(Answer(ANSWER, piece=50, die_after=1))
    assert snap_compare(running, terminal_size=size, run_before=asking(ready, "월복리 이자란?", "ended"))


def test_the_context_is_full(snap_compare, app, ready) -> None:
    assert snap_compare(
        app(Answer("", context_full=True)), terminal_size=SMALL, run_before=asking(ready, "One question too many")
    )


def test_the_history_over_a_narrow_chat(snap_compare, app, ready) -> None:
    async def show(pilot: Pilot[None]) -> None:
        chat = await ready(pilot)
        chat.action_toggle_history()
        await pilot.pause(0.1)

    assert snap_compare(app(), terminal_size=SMALL, run_before=show)


def test_help(snap_compare, app, ready) -> None:
    async def show(pilot: Pilot[None]) -> None:
        chat = await ready(pilot)
        chat.action_help()
        await pilot.pause(0.1)

    assert snap_compare(app(), terminal_size=LARGE, run_before=show)


@pytest.mark.parametrize("what", ["empty", "answered", "ended"])
def test_korean(snap_compare, app, ready, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setenv("LOCALFIN_LANG", "ko")
    answer = Answer(ANSWER, piece=50, die_after=1) if what == "ended" else ANSWER
    before = {
        "empty": ready,
        "answered": asking(ready, "1천만 원을 연 3% 월복리로 맡기면 이자는 얼마인가요?"),
        "ended": asking(ready, "월복리 이자란?", "ended"),
    }[what]
    assert snap_compare(app(answer), terminal_size=LARGE, run_before=before)


def test_fraud(snap_compare, app, ready, size, tmp_path) -> None:
    history, new = history_and_new(tmp_path)

    async def check(pilot: Pilot[None]) -> None:
        await ready(pilot)
        await pilot.press("f6", "o")
        await pilot.pause(0.2)
        pilot.app.screen.query_one("#new", Input).value = str(new)
        pilot.app.screen.query_one("#history-file", Input).value = str(history)
        await pilot.press("enter")
        for _n in range(500):
            states = pilot.app.screen.query("#fraud-state")
            if states and "checked" in str(states.first(Static).content):
                break
            await asyncio.sleep(0.02)
        await pilot.press("s", "down")
        await pilot.pause()

    assert snap_compare(app(), terminal_size=size, run_before=check)
