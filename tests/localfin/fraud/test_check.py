"""`localfin fraud check` as a process: lines, order, reasons, labels, rows kept out, refusals."""

import json
from pathlib import Path

import pytest
from tests.localfin.conftest import Run
from tests.localfin.fraud.desk import COLUMNS, history_and_new, transactions, write_csv

KEYS = ["id", "verdict", "score", "reasons", "explanation", "explained_by"]


def objects(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def desk(tmp_path: Path) -> tuple[Path, Path]:
    return history_and_new(tmp_path)


def test_one_object_a_line_in_the_inputs_order(run: Run, desk: tuple[Path, Path]) -> None:
    history, new = desk
    done = run("fraud", "check", new, "--history", history, "--json")
    assert done.returncode == 0, done.stderr
    found = objects(done.stdout)
    assert [row["id"] for row in found] == [row[0] for row in transactions(680)[600:]]
    assert all(list(row) == KEYS and row["explanation"] is None for row in found)
    assert {row["verdict"] for row in found} == {"normal", "suspicious"}
    hit = next(row for row in found if row["verdict"] == "suspicious")
    reasons = hit["reasons"]
    assert isinstance(reasons, list)
    assert 0 < len(reasons) <= 5
    assert all(list(reason) == ["signal", "contribution", "evidence", "text"] for reason in reasons)
    weights = [reason["contribution"] for reason in reasons]
    assert weights == sorted(weights, reverse=True)
    assert weights[-1] > 0
    risk = next(reason for reason in reasons if reason["signal"] == "counterparty_risk_30d")
    assert f"{risk['evidence']['frauds']} of {risk['evidence']['labels']}" in risk["text"]
    assert "customer=customer" in done.stderr
    assert "70 normal" in done.stderr or "normal, " in done.stderr


def test_rows_that_cannot_be_read_are_named_counted_and_kept_out(run: Run, tmp_path: Path) -> None:
    rows = [list(row) for row in transactions(30)]
    rows[3][4], rows[7][1] = "a lot", "some day"
    new = write_csv(tmp_path / "new.csv", rows)
    done = run("fraud", "check", new, "--json")
    assert done.returncode == 0
    assert len(objects(done.stdout)) == 28
    assert "line 5: " in done.stderr
    assert "line 9: " in done.stderr
    assert "2 rows were kept out" in done.stderr
    strict = run("fraud", "check", new, "--json", "--strict")
    assert (strict.returncode, strict.stdout) == (3, "")


def test_rows_without_an_id_are_named_by_their_line(run: Run, tmp_path: Path) -> None:
    new = write_csv(tmp_path / "new.csv", [row[1:] for row in transactions(3)], COLUMNS[1:])
    done = run("fraud", "check", new, "--history", write_csv(tmp_path / "h.csv", transactions(9)), "--json")
    assert [row["id"] for row in objects(done.stdout)] == ["2", "3", "4"]


def test_labels_of_the_new_rows_are_not_looked_at(run: Run, desk: tuple[Path, Path], tmp_path: Path) -> None:
    history, new = desk
    rows = transactions(680)[600:]
    turned = write_csv(tmp_path / "turned.csv", [(*row[:-1], str(1 - int(row[-1]))) for row in rows])
    first, second = (run("fraud", "check", each, "--history", history, "--json") for each in (new, turned))
    assert first.stdout == second.stdout != ""


def test_a_transaction_in_words(run: Run) -> None:
    done = run("fraud", "check", "--tx", "금액: 5000만원, 시간: 새벽 3시, 위치: 해외", "--json")
    assert done.returncode == 0, done.stderr
    [found] = objects(done.stdout)
    reasons = found["reasons"]
    assert isinstance(reasons, list)
    assert {"night", "foreign_use"} <= {reason["signal"] for reason in reasons}


@pytest.mark.parametrize("text", ["", "\n\n", "nothing here", "\0\1\2\3", "a,b\n1,2\n", "id,time,amount\n"])
def test_files_without_transactions_are_refused(run: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "new.csv").write_text(text)
    done = run("fraud", "check", tmp_path / "new.csv", "--json")
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("localfin: ")
    assert len(done.stderr.splitlines()) == 1
