"""What `fraud check -o` leaves: each form whole, a killed run resumed to the same bytes, nothing after an interrupt."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from tests.localfin.conftest import Run
from tests.localfin.fraud.desk import COLUMNS, history_and_new, transactions, write_csv

from localfin.cli import cli
from localfin_models.errors import LocalfinError

linux = pytest.mark.skipif(sys.platform != "linux", reason="signals and pipes as Linux has them")


@pytest.fixture
def desk(tmp_path: Path) -> tuple[Path, Path]:
    return history_and_new(tmp_path)


def test_every_form_holds_the_same_verdicts(run: Run, desk: tuple[Path, Path], tmp_path: Path) -> None:
    import duckdb

    history, new = desk
    printed = run("fraud", "check", new, "--history", history, "--json").stdout
    for form in ("jsonl", "csv", "parquet", "html"):
        done = run("fraud", "check", new, "--history", history, "-o", tmp_path / f"out.{form}")
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8") == printed
    expected = [(row["id"], row["verdict"], row["score"]) for row in map(json.loads, printed.splitlines())]
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        found = list(csv.DictReader(file))
    assert [(row["id"], row["verdict"], float(row["score"])) for row in found] == expected
    assert [(row["customer"], row["counterparty"], f"{float(row['amount']):.2f}") for row in found] == [
        row[2:5] for row in transactions(680)[600:]
    ]
    parquet = duckdb.sql(f"SELECT id, verdict, score, len(reasons), time FROM '{tmp_path / 'out.parquet'}'").fetchall()
    assert [row[:3] for row in parquet] == expected
    assert [row[3] for row in parquet] == [len(json.loads(line)["reasons"]) for line in printed.splitlines()]
    assert [f"{row[4]:%Y-%m-%d %H:%M:%S}" for row in parquet] == [row[1] for row in transactions(680)[600:]]
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    flagged = [name for name, verdict, _score in expected if verdict != "normal"]
    assert page.count("<article>") == len(flagged) > 0
    assert all(f"<h3>{name}</h3>" in page for name in flagged)
    assert page.count("<svg") == 1
    left = {path.name for path in tmp_path.iterdir()}
    assert not [name for name in left if ".part" in name]


def test_korean_words(run: Run, desk: tuple[Path, Path], tmp_path: Path, environment: dict[str, str]) -> None:
    environment["LOCALFIN_LANG"] = "ko"
    history, new = desk
    done = run("fraud", "check", new, "--history", history, "-o", tmp_path / "out.html")
    assert done.returncode == 0
    assert '<html lang="ko">' in (page := (tmp_path / "out.html").read_text(encoding="utf-8"))
    assert "고객의 과거 거래" in page


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["new.csv", "-o", "history.csv", "--history", "history.csv", "--force"], 3, "is what is to be read"),
        (["new.csv", "-o", "there.jsonl"], 3, "exists"),
        (["new.csv", "-o", "folder.csv"], 3, "is no file"),
        (["new.csv", "-o", "no/out.csv"], 4, "no such folder"),
        (["new.csv", "-o", "out.xlsx"], 2, "says the form"),
        (["new.csv", "--resume"], 2, "--resume needs"),
        (["none.csv"], 4, "does not exist"),
        (["."], 3, "cannot be read"),
        (["new.csv", "--history", "none.csv"], 4, "does not exist"),
        (["new.csv", "--history", "other.csv"], 3, "other.csv: no column holds"),
        (["new.csv", "--scorer", "none.json"], 4, "does not exist"),
        (["new.csv", "--scorer", "new.csv"], 3, "is no scorer"),
        (["new.csv", "--scorer", "unknown.toml"], 3, "there is no such signal"),
        (["new.csv", "--columns", "amount=sum"], 3, "new.csv: there is no column 'sum'"),
        (["new.csv", "--columns", "price=amount"], 2, "is not ROLE=COLUMN"),
        (["new.csv", "--label-delay", "soon"], 2, "is no delay"),
        (["new.csv", "--tx", "amount: 5"], 2, "one transaction with --tx"),
        ([], 2, "name a file"),
    ],
)
def test_refusals(
    desk: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    words: str,
) -> None:
    (tmp_path / "there.jsonl").write_text("kept")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "other.csv").write_text("name,colour\nA,red\nB,blue\n")
    (tmp_path / "unknown.toml").write_text(
        'format = "localfin-scorecard"\nversion = 1\nbase = 0\npoints_to_double = 20\n'
        '[thresholds]\nreview = 0\nsuspicious = 1\n[[signal]]\nname = "mood"\nsteps = []\n'
    )
    before = sorted(tmp_path.iterdir())
    monkeypatch.chdir(tmp_path)
    with pytest.raises((click.ClickException, LocalfinError)) as refused:
        cli(["fraud", "check", *arguments], standalone_mode=False)
    assert refused.value.exit_code == code
    assert words in str(refused.value)
    assert capsys.readouterr().out == ""
    assert sorted(tmp_path.iterdir()) == before
    assert (tmp_path / "there.jsonl").read_text() == "kept"


def test_a_scorer_whose_label_the_history_lacks(run: Run, desk: tuple[Path, Path], tmp_path: Path) -> None:
    history, new = desk
    bare = write_csv(tmp_path / "bare.csv", [row[:-1] for row in transactions(600)], COLUMNS[:-1])
    fitted = tmp_path / "scorer.json"
    from datetime import timedelta

    from localfin.fraud.scorer import default_scorecard, write
    from localfin.fraud.scorer.model import Label

    scorer = default_scorecard()
    write(fitted, type(scorer)(**{**{name: getattr(scorer, name) for name in scorer.__slots__},
                                  "label": Label("fraud", timedelta(days=3))}))  # fmt: skip
    refused = run("fraud", "check", new, "--history", bare, "--scorer", fitted, "--json")
    assert (refused.returncode, refused.stdout) == (3, "")
    assert "there is no column 'fraud' for label" in refused.stderr
    assert run("fraud", "check", new, "--history", history, "--scorer", fitted, "--json").returncode == 0


def start(new: Path, out: Path, environment: dict[str, str], *more: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "localfin", "fraud", "check", str(new), "-o", str(out), *more]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def when_begun(part: Path, process: "subprocess.Popen[bytes]") -> None:
    while process.poll() is None and not (part.exists() and part.stat().st_size):
        time.sleep(0.002)
    assert process.poll() is None, "it was over before it could be stopped"


@linux
@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_killed_run_is_resumed_to_the_same_bytes(
    run: Run, environment: dict[str, str], tmp_path: Path, form: str
) -> None:
    new = write_csv(tmp_path / "new.csv", transactions(20_000))
    whole, out = tmp_path / f"whole.{form}", tmp_path / f"out.{form}"
    assert run("fraud", "check", new, "-o", whole).returncode == 0
    process = start(new, out, environment)
    part = tmp_path / f"out.{form}.part"
    when_begun(part, process)
    process.kill()
    process.wait()
    assert not out.exists()
    with part.open("ab") as file:
        file.write(b'{"id": "t1", "verd')  # a line that was cut
    done = part.read_bytes().count(b"\n")
    other = run("fraud", "check", new, "-o", out, "--resume", "--label-delay", "1d")
    assert other.returncode == 3
    assert "is of another run" in other.stderr
    resumed = run("fraud", "check", new, "-o", out, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    assert 0 < done < 20_000
    assert out.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == sorted(
        [new.name, whole.name, out.name]
    )


@linux
def test_an_interrupt_leaves_nothing(environment: dict[str, str], tmp_path: Path) -> None:
    new = write_csv(tmp_path / "new.csv", transactions(20_000))
    process = start(new, tmp_path / "out.jsonl", environment)
    when_begun(tmp_path / "out.jsonl.part", process)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["new.csv"]


@linux
def test_a_reader_that_leaves_is_no_crash(environment: dict[str, str], tmp_path: Path) -> None:
    new = write_csv(tmp_path / "new.csv", transactions(3_000))
    command = f"{sys.executable} -m localfin fraud check {new} --json | head -1; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


@linux
def test_a_pipe_is_read(environment: dict[str, str], desk: tuple[Path, Path]) -> None:
    history, new = desk
    command = [sys.executable, "-m", "localfin", "fraud", "check", "-", "--history", str(history), "--json"]
    with new.open("rb") as file:
        done = subprocess.run(command, env=environment, stdin=file, capture_output=True, check=False)
    assert (done.returncode, done.stdout.count(b"\n")) == (0, 80)


@linux
def test_a_full_disk_is_said(environment: dict[str, str], desk: tuple[Path, Path]) -> None:
    history, new = desk
    command = [sys.executable, "-m", "localfin", "fraud", "check", str(new), "--history", str(history), "--json"]
    descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        done = subprocess.run(command, env=environment, stdout=descriptor, stderr=subprocess.PIPE, check=False)
    finally:
        os.close(descriptor)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
