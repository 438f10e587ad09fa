"""Asking, streaming, stopping, breaking: the chat screen driven by keys."""

import asyncio
from pathlib import Path

import pytest
from textual.widgets import Button

from localfin.documents import Documents
from localfin.engine.errors import EngineDied
from localfin.engine.events import Message
from localfin.engine.fake import Answer
from localfin.store import Store
from localfin_tui.chat.message import Answer as AnswerView
from localfin_tui.chat.transcript import MOST, WINDOW
from localfin_tui.notice import Notice

LONG = " ".join(f"word{n}" for n in range(400))


async def test_a_question_is_answered_shown_and_kept(desk, until) -> None:
    d = desk([Answer("The rate is **3%**.", prompt_tokens=21)])
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("W", "?", "enter")
        await until(pilot, lambda: "The rate is 3%." in d.words)
        await until(pilot, lambda: d.chat.phase == "ready")
        assert "W?" in d.words
        assert "tokens/s" in d.words
        assert "prompt 21  answer 5  context 26/4,096" in d.words
        assert "starter  4.9 MB  q4_k_m" in d.words
        assert "sealed: no network" in d.words
        assert d.chat.composer.text == ""
    question, answer = d.store.messages(d.store.conversations()[0].id)
    assert (question.role, question.content) == ("user", "W?")
    assert (answer.content, answer.state, answer.model_sha256) == ("The rate is **3%**.", "complete", "0" * 64)
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 21


async def test_korean_is_typed_and_answered(desk, until) -> None:
    d = desk(["연 3%입니다."])
    async with d.run(size=(100, 30)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press(*"금리는", "space", *"얼마?", "enter")
        await until(pilot, lambda: "연 3%입니다." in d.words)
    assert d.engine.asked[0][0] == (Message("user", "금리는 얼마?"),)


async def test_the_answer_grows_while_it_comes(desk, until) -> None:
    d = desk([Answer(LONG, piece=12, delay_s=0.1)])
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("q", "enter")
        await until(pilot, lambda: "word3" in d.words)
        assert d.chat.phase == "answering"
        assert "word399" not in d.words
        assert "Stop" in d.words
        await pilot.press("escape")
        await until(pilot, lambda: d.chat.phase == "ready")


async def test_escape_stops_and_keeps_what_came(desk, until) -> None:
    d = desk([Answer(LONG, piece=12, delay_s=0.1), "The whole answer."])
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("q", "enter")
        await until(pilot, lambda: "word3" in d.words)
        await pilot.press("escape")
        await until(pilot, lambda: d.chat.phase == "ready")
        assert "Stopped: this answer is not whole." in d.words
        assert d.state == "Stopped"
        assert "^R Again" in d.words
        (chat,) = d.store.conversations()
        stopped = d.store.messages(chat.id)[1]
        assert (stopped.state, stopped.finish_reason) == ("stopped", "cancelled")
        assert stopped.content.startswith("word0 word1 word2")
        assert len(stopped.content) < len(LONG)

        await pilot.press("ctrl+r")
        await until(pilot, lambda: "The whole answer." in d.words)
        await until(pilot, lambda: d.chat.phase == "ready")
        assert "not whole" not in d.words
    assert [(m.role, m.state) for m in d.store.messages(chat.id)] == [("user", "complete"), ("assistant", "complete")]
    assert d.engine.asked[1][0] == (Message("user", "q"),)


async def test_escape_stops_a_long_prefill(desk, until) -> None:
    d = desk([Answer("x", prompt_tokens=4000, prefill_steps=100, prefill_delay_s=0.1)])
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("q", "enter")
        await until(pilot, lambda: "/4,000" in d.state)
        assert "Reading the prompt" in d.state
        await pilot.press("escape")
        await until(pilot, lambda: d.chat.phase == "ready")
        assert "Not answered" in d.words


async def test_the_question_is_saved_before_it_is_answered(desk, until) -> None:
    d = desk([Answer("x", prefill_steps=50, prefill_delay_s=0.1)])
    async with d.run() as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("q", "enter")
        await until(pilot, lambda: d.chat.phase == "reading")
        saved = d.store.messages(d.store.conversations()[0].id)
        assert [(m.role, m.content, m.state) for m in saved] == [
            ("user", "q", "complete"),
            ("assistant", "", "stopped"),
        ]
        await pilot.press("ctrl+q")
        await until(pilot, lambda: not d.app.is_running)
    assert [m.state for m in d.store.messages(d.store.conversations()[0].id)] == ["complete", "stopped"]


async def test_the_whole_chat_is_the_context_but_for_what_was_not_answered(desk, until) -> None:
    d = desk(["one", Answer("", die_after=0), "three"])
    async with d.run() as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("a", "enter")
        await until(pilot, lambda: len(d.engine.asked) == 1 and d.chat.phase == "ready")
        await pilot.press("b", "enter")
        await until(pilot, lambda: d.chat.phase == "ended")
        await pilot.press("r")
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("c", "enter")
        await until(pilot, lambda: len(d.engine.asked) == 3)
        await until(pilot, lambda: d.chat.phase == "ready")
    assert d.engine.asked[2][0] == (Message("user", "a"), Message("assistant", "one"), Message("user", "c"))


async def test_shift_enter_and_ctrl_j_break_the_line(desk, until) -> None:
    d = desk()
    async with d.run() as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("a", "shift+enter", "b", "ctrl+j", "c", "enter")
        await until(pilot, lambda: d.engine.asked)
        await until(pilot, lambda: d.chat.phase == "ready")
    assert d.engine.asked[0][0][0].content == "a\nb\nc"


async def test_nothing_is_sent_while_there_is_nothing_to_answer_it(desk, until) -> None:
    d = desk(load_delay_s=3.0)
    async with d.run() as pilot:
        d.chat.composer.text = "q"
        d.chat.composer.action_send()
        await until(pilot, lambda: "still loading" in d.words and "Loading the model" in d.state)
        assert d.chat.composer.text == "q"
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("enter")
        await until(pilot, lambda: "Hello." in d.words)


async def test_the_engine_dies_in_an_answer_and_is_loaded_again(desk, until) -> None:
    d = desk([Answer(LONG, die_after=40), "I am back."])
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("q", "enter")
        await until(pilot, lambda: d.chat.phase == "ended")
        assert "The model process ended" in d.words
        assert "killed by SIGKILL" in d.words
        assert "Press r or Ctrl+L to load it again." in d.words
        assert "Broken off: this answer is not whole." in d.words
        broken = d.store.messages(d.store.conversations()[0].id)[1]
        assert (broken.state, broken.content) == ("failed", LONG[:160].strip())
        await pilot.press("r")
        await until(pilot, lambda: d.chat.phase == "ready")
        assert not d.chat.query(Notice)
        assert len(d.engine.loads) == 2
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "I am back." in d.words)


async def test_the_engine_dies_while_idle(desk, until) -> None:
    d = desk()
    async with d.run() as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        d.engine.close()
        await pilot.press("q", "enter")
        await until(pilot, lambda: d.chat.phase == "ended")
        assert [m.content for m in d.store.messages(d.store.conversations()[0].id)] == ["q"]
        await pilot.press("ctrl+l")
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("ctrl+r")
        await until(pilot, lambda: "Hello." in d.words)


async def test_a_full_context_says_so_and_drops_nothing(desk, until) -> None:
    d = desk([Answer("", context_full=True)])
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("q", "enter")
        await until(pilot, lambda: "The context is full" in d.words)
        assert "4097 tokens" in d.words
        assert d.chat.phase == "ready"
        assert d.engine.model is not None


async def test_an_answer_cut_at_its_limit_says_so(desk, until) -> None:
    d = desk()
    chat = d.store.ask("q").conversation_id
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        assert d.engine.model is not None
        answer = d.store.begin_answer(chat, d.engine.model)
        d.store.finish_answer(answer.id, "it goes on", "complete", None, "length")
        d.chat.query_one("#chats").focus()
        await pilot.press("down", "enter")
        await until(pilot, lambda: "Cut: the answer reached its limit" in d.words)


async def test_an_answer_during_which_the_context_shifted_says_so(desk, until) -> None:
    d = desk([Answer("abcdefgh", shifts={1: 1200, 2: 34})])
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("q", "enter")
        await until(pilot, lambda: "its oldest 1,200 tokens fell out meanwhile" in d.words)
        assert "abcdefgh" in d.words


async def test_a_model_that_cannot_be_loaded(desk, until, model: Path) -> None:
    d = desk()
    data = model.read_bytes()
    model.unlink()
    async with d.run() as pilot:
        await until(pilot, lambda: d.chat.phase == "ended")
        assert "The model could not be loaded" in d.words
        assert "no such file" in d.words
        model.write_bytes(data)
        await pilot.press("r")
        await until(pilot, lambda: d.chat.phase == "ready")


async def test_no_model_at_all(desk, until) -> None:
    d = desk(named=False)
    async with d.run() as pilot:
        await until(pilot, lambda: "No model" in d.words)
        assert "localfin convert" in d.words
        await pilot.press("q", "enter")
        await pilot.pause()
        assert d.chat.composer.text == "q"
        assert d.store.conversations() == []


async def test_an_example_is_taken_over_for_editing(desk, until) -> None:
    d = desk()
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("tab", "down", "enter")
        await until(pilot, lambda: d.chat.composer.text)
        assert d.chat.composer.text in d.words
        assert d.chat.composer.has_focus
        assert d.engine.asked == []


async def test_the_last_answer_is_copied(desk, until) -> None:
    d = desk(["to be *copied*"])
    async with d.run() as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("q", "enter")
        await until(pilot, lambda: "to be copied" in d.words)
        await pilot.press("ctrl+y")
        assert d.app.clipboard == "to be *copied*"


async def test_a_chat_is_saved_to_a_new_file_only(desk, until, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    d = desk(["to be kept"])
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press(*"금리?", "enter")
        await until(pilot, lambda: "to be kept" in d.words)
        (tmp_path / "there.md").write_text("mine")
        for name in ("there.md", "new.md"):
            await pilot.press("ctrl+s")
            await until(pilot, lambda: "Save this chat as" in d.words)
            d.app.screen.query_one("#line").value = str(tmp_path / name)
            await pilot.press("enter")
            if name == "there.md":
                await until(pilot, lambda: "exists already" in d.words)
                await pilot.press("escape")
                await until(pilot, lambda: len(d.app.screen_stack) == 1)
        await until(pilot, lambda: (tmp_path / "new.md").exists())
        await until(pilot, lambda: "Saved" in d.words)
    assert (tmp_path / "there.md").read_text() == "mine"
    text = (tmp_path / "new.md").read_text("utf-8")
    assert text.startswith("# 금리?\n")
    assert "to be kept" in text
    assert f"sha256 {'0' * 64}" in text


async def test_leaving_stops_and_keeps_a_running_answer(desk, until) -> None:
    d = desk([Answer(LONG, piece=12, delay_s=0.1)])
    async with d.run() as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("q", "enter")
        await until(pilot, lambda: "word3" in d.words)
        await pilot.press("ctrl+q")
        await until(pilot, lambda: not d.app.is_running)
    answer = d.store.messages(d.store.conversations()[0].id)[1]
    assert answer.state == "stopped"
    assert "word3" in answer.content


async def test_a_history_that_cannot_be_written_is_said(desk, until, store: Store) -> None:
    d = desk([Answer(LONG, piece=12, delay_s=0.1)])
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("q", "enter")
        await until(pilot, lambda: "word3" in d.words)
        store.delete(store.conversations()[0].id)
        await pilot.press("escape")
        await until(pilot, lambda: "The answer could not be saved" in d.words)
        assert d.chat.phase == "ready"


async def test_reading_back_holds_the_stream_and_the_end_takes_it_up(desk, until) -> None:
    d = desk([Answer("".join(f"line {n}\n\n" for n in range(100, 600)), piece=10, delay_s=0.04)])
    async with d.run(size=(100, 24)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("q", "enter")
        await until(pilot, lambda: d.chat.transcript.max_scroll_y > 30)
        view = d.chat.query_one(AnswerView)
        d.chat.action_scroll("page_up")
        await until(pilot, lambda: view.waiting and not d.chat.transcript.at_end)
        place, words = d.chat.transcript.scroll_y, d.words
        await asyncio.sleep(0.3)
        assert d.chat.phase == "answering"
        assert (d.chat.transcript.scroll_y, d.words) == (place, words)
        d.chat.action_scroll("end")
        await until(pilot, lambda: d.words != words and d.chat.transcript.at_end)
        await pilot.press("escape")
        await until(pilot, lambda: d.chat.phase == "ready")


async def test_a_long_chat_shows_a_window_and_more_on_request(desk, until) -> None:
    d = desk()
    chat = d.store.ask("message 0").conversation_id
    for n in range(1, 75):
        d.store.ask(f"message {n}", chat)
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        d.chat.query_one("#chats").focus()
        await pilot.press("down", "enter")
        await until(pilot, lambda: "message 74" in d.words)
        assert len(d.chat.transcript.views) == WINDOW
        d.chat.query_one(".older", Button).press()
        await until(pilot, lambda: len(d.chat.transcript.views) == 2 * WINDOW)
        d.chat.query_one(".older", Button).press()
        await until(pilot, lambda: len(d.chat.transcript.views) == 75)
        assert not d.chat.query(".older")
        assert [v.stored.content for v in d.chat.transcript.views] == [f"message {n}" for n in range(75)]
        await pilot.press(*"go on", "enter")
        await until(pilot, lambda: d.chat.phase == "ready" and len(d.engine.asked) == 1)
        assert len(d.chat.transcript.views) <= MOST
        assert d.chat.query(".older")


async def test_the_help_lists_every_key_of_the_chat(desk, until) -> None:
    d = desk()
    async with d.run(size=(100, 40)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("f1")
        await until(pilot, lambda: "start a new chat" in d.words)
        for words in ("Ctrl+N", "Shift+Enter, Ctrl+J", "quit; a running answer is stopped and kept"):
            assert words in d.words
        await pilot.press("escape")
        await until(pilot, lambda: len(d.app.screen_stack) == 1)


async def test_an_engine_that_never_started_is_an_error_not_a_crash(desk, until) -> None:
    d = desk()
    with pytest.raises(EngineDied):
        d.engine.generate([Message("user", "q")])
    async with d.run() as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")


async def test_a_calculation_is_computed_and_not_generated(desk, until) -> None:
    d = desk(["The model's own words."], evidence=True)
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        d.chat.composer.text = "1억을 연 4.5%로 30년 원리금균등 상환하면 월 얼마?"
        await pilot.press("enter")
        await until(pilot, lambda: "506,685" in d.words)
        await until(pilot, lambda: d.chat.phase == "ready")
    assert d.engine.asked == []


async def test_an_answer_names_its_sources_and_keeps_them(desk, until, tmp_path: Path) -> None:
    d = desk(["Early repayment costs 1.2% [1]. It costs 9.9% in the moonlight."], evidence=True)
    terms = tmp_path / "terms.md"
    terms.write_text("# Loan terms\n\nEarly repayment of the loan costs 1.2% within three years.\n", "utf-8")
    Documents(d.store.database).add([terms])
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        d.chat.composer.text = "What does early repayment of the loan cost?"
        await pilot.press("enter")
        await until(pilot, lambda: "[1] terms.md" in d.words)
        assert "9.9%[?]" in d.words
    question, answer = d.store.messages(d.store.conversations()[0].id)
    assert "[1] terms.md" in answer.content
    assert question.content == "What does early repayment of the loan cost?"
