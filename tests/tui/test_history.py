"""The list of chats: opened, searched, renamed, deleted, and out of the way on a narrow terminal."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from localfin.engine.fake import Answer, FakeEngine
from localfin.settings import Settings
from localfin.store import Store
from localfin_tui.app import LocalfinApp
from localfin_tui.chat.history import PAGE, ChatList, HistoryPanel


async def test_chats_are_listed_and_opened(desk, until) -> None:
    d = desk(["the second answer"])
    for title in ("the first question", "an older one"):
        d.store.ask(title)
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        assert d.words.index("an older one") < d.words.index("the first question")
        await pilot.press("q", "enter")
        await until(pilot, lambda: "the second answer" in d.words)
        await until(pilot, lambda: "> q" in d.words)
        chats = d.chat.query_one(ChatList)
        chats.focus()
        chats.highlighted = chats.option_count - 1
        await pilot.press("enter")
        await until(pilot, lambda: "> the first question" in d.words)
        assert "the second answer" not in d.words
        assert [v.stored.content for v in d.chat.transcript.views] == ["the first question"]
        assert d.chat.composer.has_focus
        await pilot.press("ctrl+n")
        await until(pilot, lambda: "What would you like to know?" in d.words)
        assert d.chat.chat_id is None


async def test_an_older_chat_goes_on_where_it_was(desk, until) -> None:
    d = desk()
    chat = d.store.ask("old").conversation_id
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        d.chat.query_one(ChatList).focus()
        await pilot.press("down", "enter")
        await until(pilot, lambda: d.chat.chat_id == chat)
        await pilot.press("n", "e", "w", "enter")
        await until(pilot, lambda: d.engine.asked and d.chat.phase == "ready")
    assert [m.content for m in d.store.messages(chat)] == ["old", "new", "Hello."]


async def test_a_running_answer_is_not_left_by_accident(desk, until) -> None:
    d = desk([Answer("word " * 400, piece=10, delay_s=0.1)])
    d.store.ask("another")
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("q", "enter")
        await until(pilot, lambda: "word word" in d.words)
        here = d.chat.chat_id
        await pilot.press("ctrl+n")
        await until(pilot, lambda: "Press Esc to stop it first" in d.words)
        assert d.chat.chat_id == here
        await pilot.press("escape")
        await until(pilot, lambda: d.chat.phase == "ready")


async def test_search_finds_what_was_said(desk, until) -> None:
    d = desk()
    d.store.ask("about deposits")
    chat = d.store.ask("about loans").conversation_id
    d.store.ask("and 적금 too", chat)
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("ctrl+f", *"적금")
        await until(pilot, lambda: "about deposits" not in d.words)
        assert "about loans" in d.words
        await pilot.press("x")
        await until(pilot, lambda: "Nothing found." in d.words)
        await pilot.press("backspace", "enter", "down", "enter")
        await until(pilot, lambda: d.chat.chat_id == chat)
        await until(pilot, lambda: "about deposits" in d.words)  # a search ends when a chat is opened
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "about deposits" not in d.words)


async def test_more_chats_come_on_request(desk, until) -> None:
    d = desk()
    for n in range(PAGE + 5):
        d.store.ask(f"question {n}")
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        chats = d.chat.query_one(ChatList)
        assert chats.option_count == PAGE + 2
        chats.focus()
        chats.highlighted = chats.option_count - 1
        await pilot.press("enter")
        await until(pilot, lambda: chats.option_count == PAGE + 6)


async def test_rename_and_delete(desk, until) -> None:
    d = desk()
    kept, gone = d.store.ask("kept").conversation_id, d.store.ask("gone").conversation_id
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        chats = d.chat.query_one(ChatList)
        chats.focus()
        chats.highlighted = chats.get_option_index(str(kept))
        await pilot.press("f2")
        await until(pilot, lambda: "Rename this chat" in d.words)
        await pilot.press("end", "!", "enter")
        await until(pilot, lambda: "kept!" in d.words)

        chats.highlighted = chats.get_option_index(str(gone))
        await pilot.press("delete")
        await until(pilot, lambda: 'Delete "gone" for good?' in d.words)
        await pilot.press("enter")  # no is under the cursor
        await until(pilot, lambda: len(d.app.screen_stack) == 1)
        assert len(d.store.conversations()) == 2
        await pilot.press("delete")
        await until(pilot, lambda: 'Delete "gone" for good?' in d.words)
        await pilot.press("tab", "enter")
        await until(pilot, lambda: len(d.store.conversations()) == 1)
    assert d.store.conversations()[0].title == "kept!"


async def test_deleting_the_chat_on_the_screen_clears_it(desk, until) -> None:
    d = desk()
    d.store.ask("gone")
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        chats = d.chat.query_one(ChatList)
        chats.focus()
        await pilot.press("down", "enter")
        await until(pilot, lambda: d.chat.chat_id is not None)
        chats.focus()
        await pilot.press("delete")
        await until(pilot, lambda: "for good?" in d.words)
        await pilot.press("tab", "enter")
        await until(pilot, lambda: d.chat.chat_id is None)
        await until(pilot, lambda: "What would you like to know?" in d.words)


async def test_a_narrow_terminal_hides_the_list_until_asked(desk, until) -> None:
    d = desk()
    d.store.ask("listed")
    async with d.run(size=(80, 24)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        panel = d.chat.query_one(HistoryPanel)
        assert not panel.display
        await pilot.press("ctrl+b")
        await until(pilot, lambda: "listed" in d.words)
        assert d.chat.transcript.region.x == 0  # it lies over the chat, which keeps its width
        await pilot.press("escape")
        await until(pilot, lambda: "listed" not in d.words)
        assert d.chat.composer.has_focus
        await pilot.press("ctrl+b", "down", "enter")
        await until(pilot, lambda: d.chat.chat_id is not None)
        assert not panel.display
        await pilot.resize_terminal(120, 36)
        await until(pilot, lambda: panel.display)
        await pilot.press("ctrl+b")
        await until(pilot, lambda: not panel.display)
        await pilot.press("ctrl+b")
        await until(pilot, lambda: panel.display)


async def test_days_are_named_as_one_says_them(
    tmp_path: Path, model: Path, until, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC).astimezone().replace(hour=12)
    store = Store(tmp_path / "days.db", lambda: now)
    for days in (40, 1, 0):
        now = datetime.now(UTC).astimezone().replace(hour=12) - timedelta(days=days)
        store.ask(f"{days} days ago")
    app = LocalfinApp(FakeEngine(), store, model, settings=Settings(evidence=False))
    async with app.run_test(size=(120, 36)) as pilot:
        chats = app.screen.query_one(ChatList)
        await until(pilot, lambda: chats.option_count)
        prompts = [str(chats.get_option_at_index(n).prompt) for n in range(chats.option_count)]
    day = (now - timedelta(days=40)).date().isoformat()
    assert prompts == ["Today", "  0 days ago", "Yesterday", "  1 days ago", day, "  40 days ago"]
    store.close()


async def test_a_history_taken_away_is_said_and_not_a_crash(desk, until) -> None:
    d = desk()
    d.store.ask("listed")
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        d.store.close()
        await pilot.press("ctrl+f", "x")
        await until(pilot, lambda: "the history cannot" in d.words)
        d.chat.composer.text = "q"
        d.chat.composer.action_send()
        await pilot.pause()
        assert d.chat.composer.text == "q"
        assert d.engine.asked == []
