"""The history: what was acknowledged is there, whatever happens to the process or the file."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from localfin.engine.events import ModelInfo, Usage
from localfin.store import MIGRATIONS, TITLE_LENGTH, Store, title_of
from localfin_models.errors import InputRefused, LocalfinError, NotFound

USAGE = Usage(prompt_tokens=12, completion_tokens=34, prefill_s=0.5, decode_tokens_per_s=20.5, load_s=0.0)
MODEL = ModelInfo("starter", Path("starter.gguf"), "ab" * 32, "q4_k_m", 5_000_000, 8_000_000, 4096, 4096, 0)


class Clock:
    """A second later at every look."""

    def __init__(self) -> None:
        self.time = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.time += timedelta(seconds=1)
        return self.time


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "localfin.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with Store(path, Clock()) as opened:
        yield opened


def test_a_chat_is_read_back_as_it_was_written(store: Store, path: Path) -> None:
    question = store.ask("금리가 얼마인가요?")
    answer = store.begin_answer(question.conversation_id, MODEL)
    store.finish_answer(answer.id, "연 3%입니다.", "complete", USAGE, "stop")
    with Store(path) as again:
        first, second = again.messages(question.conversation_id)
        assert (first.role, first.content, first.state, first.usage) == (
            "user",
            "금리가 얼마인가요?",
            "complete",
            None,
        )
        assert (second.role, second.content, second.state) == ("assistant", "연 3%입니다.", "complete")
        assert (second.usage, second.finish_reason) == (USAGE, "stop")
        assert (second.model_name, second.model_sha256) == ("starter", "ab" * 32)
        assert first.created == "2026-03-02T09:00:01.000+00:00"
        assert [c.title for c in again.conversations()] == ["금리가 얼마인가요?"]


def test_an_answer_is_stopped_until_it_is_finished(store: Store) -> None:
    question = store.ask("q")
    answer = store.begin_answer(question.conversation_id, MODEL)
    assert answer.state == "stopped"
    store.keep_partial(answer.id, "the first wo")
    assert [(m.content, m.state) for m in store.messages(question.conversation_id)][1] == ("the first wo", "stopped")
    assert store.finish_answer(answer.id, "the first words", "failed").state == "failed"


def test_text_is_cleaned_and_composed(store: Store) -> None:
    question = store.ask(unicodedata.normalize("NFD", "한글") + "\x1b]52;c;aGk=\x07\x1b[31m!\u202e\u200b")
    assert question.content == "한글!"
    assert store.conversation(question.conversation_id).title == "한글!"
    assert [c.title for c in store.conversations(query=unicodedata.normalize("NFD", "한글"))] == ["한글!"]


def test_chats_come_newest_first_in_pages(store: Store) -> None:
    ids = [store.ask(f"question {n}").conversation_id for n in range(7)]
    store.ask("and more", ids[2])
    wanted = [ids[2], *(i for i in reversed(ids) if i != ids[2])]
    seen: list[int] = []
    page = store.conversations(limit=3)
    while page:
        seen += [c.id for c in page]
        page = store.conversations(limit=3, after=page[-1])
    assert seen == wanted


def test_messages_come_in_windows_from_the_end(store: Store) -> None:
    chat = store.ask("0").conversation_id
    for n in range(1, 9):
        store.ask(str(n), chat)
    last = store.messages(chat, limit=3)
    assert [m.content for m in last] == ["6", "7", "8"]
    assert [m.content for m in store.messages(chat, before=last[0].id, limit=4)] == ["2", "3", "4", "5"]
    assert [m.content for m in store.messages(chat)] == [str(n) for n in range(9)]


def test_search_looks_at_words_as_they_are(store: Store) -> None:
    percent = store.ask("a rate of 5% a year").conversation_id
    other = store.ask("a rate of 5 a year").conversation_id
    answer = store.begin_answer(other, MODEL)
    store.finish_answer(answer.id, "under_score and back\\slash", "complete")
    assert [c.id for c in store.conversations(query="5%")] == [percent]
    assert [c.id for c in store.conversations(query="r_s")] == [other]
    assert [c.id for c in store.conversations(query="k\\s")] == [other]
    assert store.conversations(query="rXs") == []
    assert len(store.conversations(query="RATE")) == 2


def test_rename_and_delete(store: Store, path: Path) -> None:
    kept, gone = store.ask("kept").conversation_id, store.ask("unmistakable").conversation_id
    assert store.rename(kept, "  a better\nname ").title == "a better name"
    assert store.rename(kept, " \n").title == "a better name"
    store.delete(gone)
    with pytest.raises(NotFound):
        store.conversation(gone)
    with pytest.raises(NotFound):
        store.ask("too late", gone)
    with pytest.raises(NotFound):
        store.begin_answer(gone, MODEL)
    assert store.messages(gone) == []
    store.close()
    assert b"unmistakable" not in path.read_bytes()


def test_finishing_an_answer_of_a_deleted_chat_is_not_found(store: Store) -> None:
    question = store.ask("q")
    answer = store.begin_answer(question.conversation_id, MODEL)
    store.delete(question.conversation_id)
    with pytest.raises(NotFound):
        store.finish_answer(answer.id, "words", "complete")


def test_a_title_is_one_line_cut_between_words() -> None:
    assert title_of("  two\n\n words ") == "two words"
    words = "compound " * 20
    title = title_of(words)
    assert title.endswith("compound...")
    assert len(title) <= TITLE_LENGTH + 3
    assert title_of("가" * 100) == "가" * TITLE_LENGTH + "..."


@pytest.mark.parametrize(
    "content",
    [
        b"this is a text, not a database, and it is long enough to have a header" * 20,
        b"SQLite format 3\0" + bytes(4096),
    ],
)
def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(InputRefused) as refusal:
        Store(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert path.read_bytes() == content


def test_another_programs_database_is_refused_and_left_alone(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE messages (id INTEGER)")
    other.commit()
    other.close()
    before = path.read_bytes()
    with pytest.raises(InputRefused, match="another program"):
        Store(path)
    assert path.read_bytes() == before


def test_a_newer_history_is_refused(path: Path) -> None:
    Store(path).close()
    newer = sqlite3.connect(path)
    newer.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    newer.close()
    with pytest.raises(InputRefused, match="newer localfin"):
        Store(path)


def test_damage_inside_is_one_clear_error(path: Path) -> None:
    with Store(path) as store:
        for n in range(200):
            store.ask(f"question {n} " + "word " * 100)
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(InputRefused, match="no readable history"), Store(path) as store:
        store.conversations()


def test_a_folder_or_a_missing_folder_is_an_error_of_ours(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing" / "localfin.db"):
        with pytest.raises(LocalfinError):
            Store(path)


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_the_file_is_its_owners_only(store: Store, path: Path) -> None:
    store.ask("a secret")
    for file in path.parent.glob("localfin.db*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file


def test_many_threads_write_and_nothing_is_lost(path: Path) -> None:
    with Store(path) as store:
        chat = store.ask("0").conversation_id
        threads = [
            threading.Thread(target=lambda n=n: [store.ask(f"{n}.{i}", chat) for i in range(10)]) for n in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({m.content for m in store.messages(chat)}) == 41


def test_two_processes_share_one_file(store: Store, path: Path) -> None:
    with Store(path) as other:
        chat = other.ask("from the other").conversation_id
        store.ask("from this one", chat)
        assert [m.content for m in other.messages(chat)] == ["from the other", "from this one"]


WRITER = """
import sys
from pathlib import Path
from localfin.engine.events import ModelInfo
from localfin.store import Store
store = Store(Path(sys.argv[1]))
model = ModelInfo("m", Path("m"), "0" * 64, "f16", 1, 1, 1, 1, 0)
chat = None
for n in range(100_000):
    asked = store.ask(f"question {n}", chat)
    chat = asked.conversation_id
    answer = store.begin_answer(chat, model)
    store.keep_partial(answer.id, f"half of answer {n}")
    print(asked.id, answer.id, flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_kill_loses_nothing_that_was_acknowledged(path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    ) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _n in range(25)]
        os.kill(writer.pid, signal.SIGKILL)
        lines += writer.stdout.read().splitlines()
    acknowledged = [tuple(map(int, line.split())) for line in lines if len(line.split()) == 2]
    with Store(path) as store:
        (chat,) = store.conversations()
        rows = {m.id: m for m in store.messages(chat.id)}
        for n, (asked, answer) in enumerate(acknowledged):
            assert rows[asked].content == f"question {n}"
            assert (rows[answer].content, rows[answer].state) == (f"half of answer {n}", "stopped")
        store.ask("and it can be written on", chat.id)
    assert len(acknowledged) >= 25
