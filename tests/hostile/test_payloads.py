"""No wording moves a verdict: every payload as memo, merchant and file name, in real processes.

The payloads stand in one file, a row each, so that the whole corpus costs a few processes.
"""

import csv
import json
import os
import re
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.hostile.payloads import FILE_NAMES, PAYLOADS
from tests.localfin.fraud.desk import COLUMNS, transactions, write_csv

from localfin.cli import cli
from localfin.fraud.judging import Checked, Explanation
from localfin.fraud.transactions.values import key

TOP = Path(__file__).parents[2]
HISTORY, NEW = 400, len(PAYLOADS)
ROWS = transactions(HISTORY + NEW, days=120)
MERCHANT, MEMO = COLUMNS.index("merchant"), COLUMNS.index("memo")
CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\u2028\u2029\ufeff]")
"""What no output may hold: it would drive a terminal, reorder a line or hide in it."""


def check(folder: Path, *arguments: str | Path) -> "subprocess.CompletedProcess[bytes]":
    packages = os.pathsep.join(str(TOP / name) for name in ("localfin", "convert", "tui", "models"))
    environment = {**os.environ, "PYTHONPATH": packages, "PYTHONUTF8": "1", "LOCALFIN_LANG": "en"}
    command = [sys.executable, "-m", "localfin", "fraud", "check", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=120, check=False)


def with_payloads(column: int) -> list[list[str]]:
    """The new rows, each with a payload of its own in a column."""
    new = [list(row) for row in ROWS[HISTORY:]]
    for row, payload in zip(new, PAYLOADS, strict=True):
        row[column] = payload
    return new


def verdicts(done: "subprocess.CompletedProcess[bytes]") -> list[tuple[str, str, float]]:
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.decode().split("\n")[:-1]]
    return [(row["id"], row["verdict"], row["score"]) for row in found]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("payloads")
    write_csv(made / "history.csv", ROWS[:HISTORY])
    write_csv(made / "new.csv", ROWS[HISTORY:])
    write_csv(made / "memos.csv", with_payloads(MEMO))
    (made / "memos.jsonl").write_text(
        "".join(json.dumps(dict(zip(COLUMNS, row, strict=True))) + "\n" for row in with_payloads(MEMO))
    )
    return made


@pytest.fixture(scope="module")
def plain(folder: Path) -> "subprocess.CompletedProcess[bytes]":
    return check(folder, "new.csv", "--history", "history.csv", "--json")


def test_the_corpus_is_as_large_as_promised() -> None:
    assert len(PAYLOADS) >= 300


@pytest.mark.parametrize("name", ["memos.csv", "memos.jsonl"])
def test_a_memo_changes_no_byte(folder: Path, plain: "subprocess.CompletedProcess[bytes]", name: str) -> None:
    done = check(folder, name, "--history", "history.csv", "--json")
    assert {verdict for _id, verdict, _score in verdicts(plain)} == {"normal", "suspicious"}
    assert done.stdout == plain.stdout
    assert not CONTROL.search(done.stderr.decode())


def test_a_merchants_name_is_a_key_and_no_more(folder: Path) -> None:
    """Payloads as merchants against numbers as merchants, one for each key."""
    numbered, numbers = list[list[str]](), dict[str, str]()
    for row in with_payloads(MERCHANT):
        name = key(row[MERCHANT]) or ""
        row[MERCHANT] = numbers.setdefault(name, f"m{len(numbers)}") if name else ""
        numbered.append(row)
    write_csv(folder / "merchants.csv", with_payloads(MERCHANT))
    write_csv(folder / "numbered.csv", numbered)
    first, second = (
        verdicts(check(folder, f"{name}.csv", "--history", "history.csv", "--json"))
        for name in ("merchants", "numbered")
    )
    assert len(first) == len(PAYLOADS)
    assert first == second


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_nothing_drives_the_terminal(folder: Path, arguments: tuple[str, ...]) -> None:
    """Ids are what a line shows, so payloads are ids here."""
    rows = with_payloads(0)
    write_csv(folder / "ids.csv", rows)
    done = check(folder, "ids.csv", *arguments)
    assert done.returncode == 0
    assert not CONTROL.search(done.stdout.decode() + done.stderr.decode())
    if arguments:
        assert len(done.stdout.splitlines()) == len(verdicts(done)) >= len(PAYLOADS) - 5


@pytest.mark.parametrize("name", FILE_NAMES)
def test_a_file_name_changes_nothing(folder: Path, plain: "subprocess.CompletedProcess[bytes]", name: str) -> None:
    inside = folder / "names"
    inside.mkdir(exist_ok=True)
    path = inside / name
    path.write_bytes((folder / "new.csv").read_bytes())
    done = check(folder, "--history", "history.csv", "--json", "--", path)
    assert done.stdout == plain.stdout
    assert not CONTROL.search(done.stderr.decode())
    if CONTROL.search(name):
        missing = check(folder, f"names/no {name}")
        assert missing.returncode == 4
        assert not CONTROL.search(missing.stderr.decode())


def test_spreadsheets_compute_nothing(folder: Path) -> None:
    write_csv(folder / "merchants.csv", with_payloads(MERCHANT))
    assert check(folder, "merchants.csv", "-o", "out.csv", "--force").returncode == 0
    text = (folder / "out.csv").read_text(encoding="utf-8-sig")
    assert not CONTROL.search(text)
    for row in list(csv.reader(text.splitlines()))[1:]:
        for cell in (row[0], row[4], row[5], row[8]):
            assert not re.search(r"(^|[;\t])\s*[=+\-@＝＋－＠]", cell), cell


class Possessed:
    """Words of a model that says what the payloads say, if nothing had looked at its texts."""

    made_from: dict[str, str | None] = {}  # noqa: RUF012

    def __call__(self, rows: Sequence[Checked]) -> Iterator[Explanation]:
        return (Explanation(PAYLOADS[row.row % len(PAYLOADS)], "model") for row in rows)


@contextmanager
def possessed(*_options: object) -> Generator[Possessed]:
    yield Possessed()


@pytest.mark.parametrize("form", ["lines", "json", "csv", "html"])
def test_an_explanation_drives_no_terminal_and_computes_nothing(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    monkeypatch.setattr(import_module("localfin.commands.fraud.check"), "explainer", possessed)
    out = tmp_path / f"out.{form}"
    options = {"lines": [], "json": ["--json"]}.get(form, ["-o", str(out)])
    cli(["fraud", "check", str(folder / "new.csv"), "--explain", "all", *options], standalone_mode=False)
    printed = capsys.readouterr()
    text = out.read_text(encoding="utf-8-sig") if out.exists() else printed.out
    assert not CONTROL.search(text + printed.err)
    if form == "json":
        said = [json.loads(line)["explanation"] for line in text.split("\n")[:-1]]
        assert len(said) == len(PAYLOADS)
        assert sum(map(bool, said)) > 300
    if form == "csv":
        cells = [row[9] for row in csv.reader(text.splitlines(keepends=True))][1:]
        assert len(cells) == len(PAYLOADS)
        assert sum(map(bool, cells)) > 300
        assert not [cell for cell in cells if re.search(r"(^|[;\t])\s*[=+\-@＝＋－＠]", cell)]
    if form == "html":
        page = _Tags()
        page.feed(text)
        assert 'class="words"' in text
        assert not page.tags & {"script", "img", "iframe", "a", "form", "base", "link"}
        assert not {name for name in page.attributes if name.startswith("on")}


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags, self.attributes = set[str](), set[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _value in attrs}


def test_a_page_shows_payloads_and_runs_none(folder: Path) -> None:
    """Payloads as merchants and ids of rows that are all flagged, against the tags of a page without any."""
    found = list[_Tags]()
    for name, columns in (("quiet", ()), ("loud", (0, MERCHANT))):
        rows = [[*row[:4], "99999", *row[5:]] for row in ROWS[HISTORY:]]
        for column in columns:
            for row, payload in zip(rows, PAYLOADS, strict=True):
                row[column] = payload
        write_csv(folder / f"{name}.csv", rows)
        done = check(folder, f"{name}.csv", "--history", "history.csv", "-o", f"{name}.html", "--force")
        assert done.returncode == 0, done.stderr
        page = (folder / f"{name}.html").read_text(encoding="utf-8")
        assert not CONTROL.search(page)
        found.append(_Tags())
        found[-1].feed(page)
    quiet, loud = found
    assert "article" in quiet.tags
    assert (loud.tags, loud.attributes) == (quiet.tags, quiet.attributes)
    assert not loud.tags & {"script", "img", "iframe", "a", "form", "base", "link"}
    assert not {name for name in loud.attributes if name.startswith("on")}


NAMES = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=40)


@given(st.lists(NAMES.map(key).filter(bool), min_size=7, max_size=7, unique=True))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_renaming_merchants_in_history_and_new_changes_nothing(names: list[str]) -> None:
    from datetime import timedelta

    import duckdb

    from localfin.fraud.judging import judge, judged
    from localfin.fraud.scorer import default_scorecard
    from localfin.fraud.transactions import read_into

    merchants = sorted({row[MERCHANT] for row in ROWS[:200]})
    renamed = dict(zip(merchants, names, strict=True))
    found = list[list[tuple[object, ...]]]()
    for rename in ({}, renamed):
        rows = [[*row[:MERCHANT], rename.get(row[MERCHANT], row[MERCHANT]), *row[MERCHANT + 1 :]] for row in ROWS[:200]]
        with TemporaryDirectory() as folder, duckdb.connect() as con:
            read_into(con, write_csv(Path(folder) / "h.csv", rows[:150]), is_new=False)
            read_into(con, write_csv(Path(folder) / "n.csv", rows[150:]), is_new=True)
            scorer = default_scorecard()
            judge(con, scorer, timedelta(days=7))
            found.append([(row.id, row.verdict, row.score, row.reasons) for row in judged(con, scorer)])
    assert found[0] == found[1]
