"""`localfin docs` as processes: exit codes, what stands where, JSON lines, Korean, nothing that moves a terminal."""

import json
from pathlib import Path

import pytest

from localfin.lines import width


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "예금.md").write_text("# 예금 상품\n\n정기예금의 금리는 연 3.5%이다.\n", "utf-8")
    (folder / "sales.txt").write_text("Total sales were $1,496.5 million in FY2019.\n", "utf-8")
    return folder


def test_a_day_with_documents(run, folder):
    ran = run("docs", "add", folder)
    assert (ran.returncode, ran.stdout) == (0, "")
    assert ran.stderr.splitlines()[-1] == "added 2, changed 0, unchanged 0, gone 0, refused 0"
    again = run("docs", "add", folder, "--json")
    assert [json.loads(line)["state"] for line in again.stdout.splitlines()] == ["unchanged"] * 2
    found = [json.loads(line) for line in run("docs", "search", "정기예금 금리는?", "--json").stdout.splitlines()]
    assert list(found[0])[:4] == ["document", "page", "score", "quote"]
    assert (found[0]["document"], found[0]["page"]) == (str(folder / "예금.md"), None)
    assert found[0]["quote"] == "정기예금의 금리는 연 3.5%이다."
    listed = [json.loads(line) for line in run("docs", "list", "--json").stdout.splitlines()]
    assert [(row["document"], row["title"], row["passages"]) for row in listed] == [
        (str(folder / "sales.txt"), "sales", 1), (str(folder / "예금.md"), "예금 상품", 1),
    ]  # fmt: skip
    removed = run("docs", "remove", folder / "sales.txt")
    assert (removed.returncode, removed.stdout, removed.stderr) == (0, "", "removed 1\n")
    nothing = run("docs", "search", "sales")
    assert (nothing.returncode, nothing.stdout, nothing.stderr) == (0, "", "nothing found\n")


def test_refused_files_are_named_the_others_are_in_and_the_code_is_three(run, folder):
    (folder / "bad.txt").write_bytes(b"\x00\x81\xff" * 50)
    ran = run("docs", "add", folder)
    assert ran.returncode == 3
    assert "bad.txt" in ran.stderr
    assert ran.stderr.splitlines()[-1] == "added 2, changed 0, unchanged 0, gone 0, refused 1"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("add", "missing"), 4),
        (("remove", "missing"), 4),
        (("search", "x", "-d", "missing"), 4),
        (("add",), 2),
        (("search",), 2),
        (("search", "x", "-n", "0"), 2),
        (("search", "x", "--handbook", "-d", "x"), 2),
    ],
)
def test_errors_are_one_line_and_a_code(run, arguments, code):
    ran = run("docs", *arguments)
    assert (ran.returncode, ran.stdout) == (code, "")
    assert ran.stderr.count("\n") == 1


def test_the_handbook_is_searched_without_documents(run):
    first = json.loads(run("docs", "search", "DSR이 뭐야?", "--handbook", "--json").stdout.splitlines()[0])
    assert (first["document"], first["page"]) == (None, None)
    assert "DSR" in first["title"]
    assert run("docs", "search", "DSR", "--handbook").stdout.startswith("1. ")


def test_hits_fit_eighty_cells_and_carry_no_control(run, folder):
    name = folder / "긴 이름의 보고서 \x1b[31m.txt"
    name.write_text("정기예금\x1b]0;title\x07 " + "가나다라마바사 " * 60 + "가" * 300, "utf-8")
    run("docs", "add", folder)
    for arguments in (("search", "정기예금"), ("search", "정기예금", "--json"), ("list",), ("list", "--json")):
        ran = run("docs", *arguments)
        assert ran.stdout
        assert not set(map(chr, range(32))) & set(ran.stdout.replace("\n", ""))
    lines = run("docs", "search", "정기예금").stdout.splitlines()
    assert max(map(width, lines)) <= 80


def test_everything_is_said_in_korean(run, folder, monkeypatch, environment):
    environment["LOCALFIN_LANG"] = "ko"
    assert "추가 2" in run("docs", "add", folder).stderr
    assert "금리" in run("docs", "search", "금리").stdout
    assert "구절 1개" in run("docs", "list").stdout
