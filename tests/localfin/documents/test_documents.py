"""Documents: whole or not at all, read again only where they changed, found by words, gone when they are removed."""

import os
import signal
import stat
import subprocess
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from localfin.documents import Documents
from localfin.store import Database, Store
from localfin_models.errors import NotFound


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "localfin.db"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "문서"
    (folder / "deep" / "er").mkdir(parents=True)
    (folder / "deposits.md").write_text(
        "# 예금 상품\n\n정기예금의 금리는 연 3.5%이다. 중도해지하면 줄어든다.\n", "utf-8"
    )
    (folder / "deep" / "report.txt").write_text("Total sales were $1,496.5 million in FY2019.\n", "utf-8")
    (folder / "deep" / "er" / "loans.md").write_text("# 대출\n\n신용대출 금리는 연 6%이다.\n", "utf-8")
    return folder


@pytest.fixture
def documents(path: Path) -> Iterator[Documents]:
    with Database(path) as database:
        yield Documents(database)


def states(documents: Documents, *paths: Path) -> dict[str, str]:
    return {outcome.path.name: outcome.state for outcome in documents.add(paths)}


def best(documents: Documents, query: str) -> str:
    """The name of the document found first."""
    found = documents.search(query)
    return found[0].passage.document.name if found and found[0].passage.document else ""


def test_a_folder_is_indexed_with_all_below_it_and_found_by_words(documents: Documents, folder: Path) -> None:
    assert set(states(documents, folder).values()) == {"added"}
    assert best(documents, "정기예금 금리가 얼마야?") == "deposits.md"
    assert best(documents, "신용대출의 금리는?") == "loans.md"
    assert best(documents, "What were sales in 2019?") == "report.txt"
    (hit, *_rest) = documents.search("중도해지")
    assert hit.quote == "중도해지하면 줄어든다."
    assert hit.quote in hit.passage.text
    assert (hit.passage.title, hit.passage.heading) == ("예금 상품", "예금 상품")
    assert [document.path.name for document in documents.list()] == ["loans.md", "report.txt", "deposits.md"]


def test_only_what_changed_is_read_again(documents: Documents, folder: Path) -> None:
    documents.add([folder])
    assert set(states(documents, folder).values()) == {"unchanged"}
    (folder / "deposits.md").write_text("# 예금 상품\n\n적금의 금리는 연 4%이다.\n", "utf-8")
    os.utime(folder / "deep" / "report.txt")
    assert states(documents, folder) == {"deposits.md": "changed", "report.txt": "unchanged", "loans.md": "unchanged"}
    assert [hit.passage.text for hit in documents.search("중도해지")] == []
    assert best(documents, "적금") == "deposits.md"
    assert len(documents.list()) == 3


def test_a_file_that_left_its_folder_leaves_the_index(documents: Documents, folder: Path) -> None:
    documents.add([folder])
    (folder / "deep" / "er" / "loans.md").unlink()
    assert states(documents, folder)["loans.md"] == "gone"
    assert documents.search("신용대출") == []


def test_a_bad_file_is_named_and_kept_out_and_the_others_are_in(documents: Documents, folder: Path) -> None:
    documents.add([folder])
    (folder / "deposits.md").write_bytes(b"%PDF-1.7\n" * 100)
    (folder / "empty.txt").write_text(" \n\n")
    outcomes = {outcome.path.name: outcome for outcome in documents.add([folder])}
    assert outcomes["deposits.md"].state == outcomes["empty.txt"].state == "refused"
    assert str(folder / "deposits.md") in outcomes["deposits.md"].reason
    assert documents.search("정기예금") == []
    assert len(documents.list()) == 2


def test_a_path_that_is_none_is_not_found_before_anything_is_read(documents: Documents, folder: Path) -> None:
    with pytest.raises(NotFound):
        documents.add([folder, folder / "missing"])
    assert documents.list() == ()


def test_a_name_in_pieces_is_found_by_the_name_that_looks_the_same(documents: Documents, tmp_path: Path) -> None:
    folder = tmp_path / unicodedata.normalize("NFD", "약관 모음")
    folder.mkdir()
    (folder / unicodedata.normalize("NFD", "예금.txt")).write_text("정기예금 약관", "utf-8")
    documents.add([folder])
    typed = tmp_path / unicodedata.normalize("NFC", "약관 모음")
    assert len(documents.search("정기예금", documents=[typed])) == 1
    with pytest.raises(NotFound):
        documents.remove(typed / "적금.txt")
    assert documents.remove(typed / unicodedata.normalize("NFC", "예금.txt")) == list(folder.iterdir())
    assert documents.list() == ()


def test_what_is_removed_is_no_longer_found_nor_in_the_file(documents: Documents, folder: Path, path: Path) -> None:
    secret = folder / "secret.txt"
    secret.write_text("unmistakable 비밀번호 " * 300)
    documents.add([folder])
    assert documents.remove(folder / "deep") == [
        folder / "deep" / "er" / "loans.md", folder / "deep" / "report.txt",
    ]  # fmt: skip
    documents.remove(secret)
    assert documents.search("unmistakable") == []
    assert best(documents, "금리") == "deposits.md"
    with pytest.raises(NotFound):
        documents.remove(secret)
    documents.database.close()
    content = path.read_bytes()
    assert b"unmistakable" not in content
    assert "비밀번호".encode() not in content


def test_a_search_keeps_to_the_documents_named(documents: Documents, folder: Path) -> None:
    documents.add([folder])
    found = documents.search("금리", documents=[folder / "deep"])
    assert [hit.passage.document for hit in found] == [folder / "deep" / "er" / "loans.md"]
    with pytest.raises(NotFound):
        documents.search("금리", documents=[folder / "missing"])


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_the_index_is_its_owners_only(documents: Documents, folder: Path, path: Path) -> None:
    documents.add([folder])
    files = list(path.parent.glob("localfin.db*"))
    assert len(files) > 2
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_conversations_and_documents_share_a_file(documents: Documents, folder: Path, path: Path) -> None:
    with Store(path) as store:
        store.ask("금리가 얼마인가요?")
        documents.add([folder])
        assert len(store.conversations()) == 1
        assert len(Documents(store.database).list()) == 3


WRITING = """
SELECT 1 FROM passages JOIN documents ON documents.id = document_id
WHERE state = 'coming' AND EXISTS (SELECT 1 FROM documents WHERE state = 'ready')
"""
ADDER = """
import sys
import unicodedata
from pathlib import Path
from localfin.documents import Documents
from localfin.store import Database
documents = Documents(Database(Path(sys.argv[1])))
documents.add(map(Path, sys.argv[2:]), lambda done, total: print(done, flush=True))
"""


def adding(path: Path, *paths: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", ADDER, str(path), *map(str, paths)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_kill_leaves_whole_documents_only(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    text = "\n\n".join(f"문단 {n}: 예금과 대출의 금리를 설명한다. " + "가나다라 마바사 " * 40 for n in range(900))
    for name in ("a.txt", "b.txt", "c.txt"):
        (folder / name).write_text(text, "utf-8")
    with adding(path, folder) as adder:
        assert adder.stdout is not None
        adder.stdout.readline()
        with Database(path) as database:
            while not database.rows(WRITING):
                pass
            os.kill(adder.pid, signal.SIGKILL)
    with Database(path) as database, Database(None) as other:
        documents, unbroken = Documents(database), Documents(other)
        before = [document.path for document in documents.list()]
        assert before[0] == folder / "a.txt"
        assert len(before) < 3
        assert {hit.passage.document for hit in documents.search("금리", 100)} <= set(before)
        assert set(states(documents, folder).values()) == {"unchanged", "added"}
        unbroken.add([folder])
        for table in (
            "count(*) FROM passages",
            "* FROM word_counts WHERE passages > 0",
            "* FROM passage_totals",
        ):
            assert database.rows(f"SELECT {table}") == other.rows(f"SELECT {table}")
        assert [(d.path, d.passages) for d in documents.list()] == [(d.path, d.passages) for d in unbroken.list()]


def test_two_processes_add_and_neither_is_lost(path: Path, folder: Path) -> None:
    Database(path).close()
    with adding(path, folder / "deep") as one, adding(path, folder) as other:
        assert (one.wait(60), other.wait(60)) == (0, 0)
        assert one.stdout is not None
        one.stdout.read()
    with Database(path) as database:
        assert len(Documents(database).list()) == 3
        assert database.rows("SELECT passages FROM passage_totals") == [(3,)]
