"""Text from outside is shown as it was written: no markup, no terminal control, no link, no crash."""

import pytest
from textual.content import Content
from textual.events import Paste

from localfin.engine.errors import EngineDied
from localfin.engine.fake import Answer
from localfin_tui.markdown import AnswerMarkdown
from localfin_tui.table import aligned

MARKUP = "REF[/12345] [red]X[/red] [@click=app.quit]quit[/] [link=http://a.example]y[/]"
CONTROL = "\x1b]52;c;aGVsbG8=\x07\x1b[2J\x1b[31mA\x9b31mB\u202eC\u200bD\x07\x00E\u2028F"
ANSWER = f"""\
{MARKUP}

| {MARKUP} | n |
|---|---|
| REF[/12345] | 1 |

```[/oops]
{MARKUP}
```

- item {MARKUP}

> quoted {MARKUP}

# head {MARKUP}

[click me](http://evil.example) ![look](http://evil.example/x.png) <b>bold</b> <http://evil.example>

<div onclick="x">block</div>

[hidden]: http://evil.example

{CONTROL}
&#x202e;entity
"""


async def test_a_hostile_answer(desk, until) -> None:
    d = desk([Answer(ANSWER, piece=7, delay_s=0.002)])
    async with d.run(size=(150, 60)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("q", "enter")
        await until(pilot, lambda: d.chat.phase == "ready" and "entity" in d.words)
        words = d.words
        assert words.count("REF[/12345] [red]X[/red] [@click=app.quit]quit[/]") >= 5
        for written in (
            "[click me](http://evil.example)",
            "![look](http://evil.example/x.png)",
            "<b>bold</b> <http://evil.example>",
            '<div onclick="x">block</div>',
            "[hidden]: http://evil.example",
            "&#x202e;entity",
        ):
            assert written in words
        assert not any(c in words for c in "\x1b\x07\x9b\x00\u202e\u200b\u2028")
        assert "ABCDE" in words
        for y in range(60):
            assert "@click" not in d.app.screen.get_style_at(40, y).meta
    stored = d.store.messages(d.store.conversations()[0].id)[1].content
    assert "\x1b" not in stored


async def test_resting_the_mouse_on_a_table_shows_no_markup(desk, until) -> None:
    d = desk(["| a | b |\n|---|---|\n| REF[/12345] | [red]X |\n"])
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("q", "enter")
        await until(pilot, lambda: "REF[/12345]" in d.words and d.chat.phase == "ready")
        row = next(y for y, line in enumerate(d.words.splitlines()) if "REF[/12345]" in line)
        await pilot.hover(offset=(38, row))
        await pilot.pause(0.5)
        assert "REF[/12345]" in d.words


async def test_a_hostile_question_title_and_paste(desk, until) -> None:
    d = desk()
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        d.app.post_message(Paste(MARKUP + CONTROL))
        await until(pilot, lambda: "REF" in d.chat.composer.text)
        assert "\x1b" not in d.chat.composer.text
        assert d.chat.composer.text.count("REF[/12345]") == 1
        await pilot.press("enter")
        await until(pilot, lambda: d.engine.asked and d.chat.phase == "ready")
        assert MARKUP in d.words
        assert "> REF[/12345]" in d.words
        assert not any(c in d.words for c in "\x1b\x07\x9b\u202e")


@pytest.mark.parametrize("kind", [EngineDied, RuntimeError])
async def test_an_engine_error_with_markup(desk, until, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]) -> None:
    d = desk()
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")

        def die(*_args: object) -> None:
            raise kind("[/nothing] [red]died")

        monkeypatch.setattr(d.engine, "generate", die)
        await pilot.press("q", "enter")
        await until(pilot, lambda: "[/nothing] [red]died" in d.words)
        assert "The answer broke off" in d.words
        assert d.chat.phase == "ready"


SOURCES = [
    "# one\n\nwords\n\n```python\nx = 1\n```\n\nmore\n\n"
    "| a | 금액 |\n|---|---:|\n| 1 | 10,000원 |\n| 2 | 5원 |\n\n- x\n- y",
    "1. 첫째\n2. 둘째\n   - 안쪽\n\n> 인용\n\n---\n\n~~지움~~ *기울임* **굵게** `code`",
    "첫 줄\n둘째 줄\n\n```\nunclosed fence\n| a | b |",
]


@pytest.mark.parametrize("piece", [1, 5])
async def test_a_stream_ends_as_the_whole_would_look(desk, until, piece: int) -> None:
    d = desk([Answer(source, piece=piece, delay_s=0.001) for source in SOURCES])
    async with d.run(size=(100, 60)) as pilot:
        for n, source in enumerate(SOURCES, 1):
            await until(pilot, lambda: d.chat.phase == "ready")
            d.chat.composer.text = "q"
            d.chat.composer.action_send()
            await until(pilot, lambda n=n: len(d.engine.asked) == n and d.chat.phase == "ready")
            shown = d.chat.transcript.last_answer.query_one(AnswerMarkdown)
            streamed = d.words
            assert shown.source == source
            await shown.update(source)
            await pilot.pause()
            assert d.words == streamed


def test_figures_stand_to_the_right() -> None:
    cells = [["1월", "10,000원", "a"], ["12월", "5원", "-3%"]]
    table = aligned([Content(c) for c in ("달", "금액", "x")], [[Content(c) for c in row] for row in cells])
    head, rule, *rows = table.plain.splitlines()
    assert rows == ["1월    10,000원   a  ", "12월        5원   -3%"]
    assert set(rule) == {"-"}
    assert {Content(line).cell_length for line in (head, rule, *rows)} == {21}
