"""`fraud fit` and `fraud evaluate` as commands: what they write, what they refuse, and with which exit code."""

import json
import re
from pathlib import Path

import click
import duckdb
import pytest
from tests.localfin.conftest import Run
from tests.localfin.fraud.window_signals import make_transactions

from localfin.commands.fraud import fraud
from localfin_models.errors import InputRefused, LocalfinError, NotFound

AS_OF = "2024-03-27"


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("desk") / "labelled.csv", seed=1)


@pytest.fixture(scope="module")
def scorer(labelled: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fitted") / "scorer.json"
    patch = pytest.MonkeyPatch()
    patch.setattr("localfin.fraud.scorer.learning.MACHINES", 2)
    call("fit", labelled, "--label", "fraud", "--as-of", AS_OF, "--capacity", "5", "-o", out)
    patch.undo()
    return out


def made(path: Path, *, seed: int, until: str = "2025-01-01") -> Path:
    """Sixty customers of forty days, most of whom were never robbed when the test begins."""
    with duckdb.connect() as con:
        make_transactions(con, seed=seed)
        con.execute(
            "copy (select id, time, customer, counterparty as merchant, amount, 'memo ' || id as memo, "
            "label::int as fraud "
            f"from transactions where time < '{until}' order by row) to '{path}' (header)"
        )
    return path


def call(*arguments: object) -> None:
    fraud.main([str(each) for each in arguments], standalone_mode=False)


def test_a_scorer_is_plain_json_that_says_what_it_learned_from(scorer: Path) -> None:
    stored = json.loads(scorer.read_text("utf-8"))
    assert (stored["format"], stored["kind"]) == ("localfin-scorer", "additive")
    assert stored["label"] == {"column": "fraud", "delay_seconds": 7 * 86_400}
    training = stored["training"]
    assert training["as_of"] == "2024-03-26T15:00:00+00:00"  # midnight in Seoul
    assert training["last"] < "2024-03-19T15:00:00"
    assert re.fullmatch("[0-9a-f]{64}", training["sha256"])
    assert {"auc_roc", "average_precision", "frauds"} <= set(stored["metrics"])
    assert [path.name for path in scorer.parent.iterdir()] == ["scorer.json"]


def test_evaluate_as_a_process(labelled: Path, scorer: Path, run: Run, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = run("fraud", "evaluate", labelled, "--scorer", scorer, "--baselines", "--html", page)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines[:4]] == ["week", "2024-03-27", "2024-04-03", "mean"]
    assert [line[:19].strip() for line in lines[-4:]] == [
        "this scorer", "logistic regression", "random forest", "gradient boosting",
    ]  # fmt: skip
    assert "other rows" not in done.stderr  # they learned from the same ones
    html = page.read_text("utf-8")
    assert html.count("<svg") == 3
    assert "<script" not in html
    assert set(re.findall(r"https?://[\w.]+", html)) <= {"http://www.w3.org"}


def test_evaluate_as_json(labelled: Path, scorer: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    call("evaluate", labelled, "--scorer", scorer, "--json", "--cards", "3", "--from", "2024-03-29")
    found = json.loads(capsys.readouterr().out)
    assert found["from"].startswith("2024-03-29")
    assert list(found["models"]) == ["scorer"]
    model = found["models"]["scorer"]
    assert model["mean"]["auc_roc"] > 0.7
    assert sum(week["rows"] for week in model["weeks"]) == sum(seen["rows"] for seen in model["reliability"])
    card = made(tmp_path / "other.csv", seed=2)
    call("evaluate", card, "--scorer", scorer, "--baselines", "--json")
    output = capsys.readouterr()
    assert json.loads(output.out)["baselines_learned_from_the_same_rows"] is False
    assert "other rows" in output.err


REFUSED: dict[str, tuple[list[str], type[Exception], str]] = {
    "no such column": (["--label", "none"], InputRefused, "none"),
    "a column without labels": (["--label", "memo"], InputRefused, "too few|memo"),
    "a day before any label was known": (["--label", "fraud", "--as-of", "2024-03-05"], InputRefused, "outside"),
    "a day long after": (["--label", "fraud", "--as-of", "2025-04-01"], InputRefused, "outside"),
    "too short a time": (["--label", "fraud", "--as-of", AS_OF, "--train-days", "1"], InputRefused, "too few"),
    "both policies": (["--label", "fraud", "--capacity", "5", "--cost", "5"], click.UsageError, "both"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_fit_refuses(case: str, labelled: Path, tmp_path: Path) -> None:
    options, kind, words = REFUSED[case]
    with pytest.raises(kind, match=words) as caught:
        call("fit", labelled, *options, "-o", tmp_path / "s.json")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_fit_replaces_nothing_and_makes_no_folder(labelled: Path, tmp_path: Path) -> None:
    there = tmp_path / "there.json"
    there.write_text("mine")
    with pytest.raises(InputRefused, match="exists"):
        call("fit", labelled, "--label", "fraud", "-o", there)
    assert there.read_text() == "mine"
    with pytest.raises(NotFound):
        call("fit", labelled, "--label", "fraud", "-o", tmp_path / "no" / "s.json")
    with pytest.raises(NotFound):
        call("fit", tmp_path / "none.csv", "--label", "fraud", "-o", tmp_path / "s.json")


def test_it_is_told_how_far_the_signals_are_where_they_are_many(
    labelled: Path, scorer: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    call("evaluate", labelled, "--scorer", scorer)
    assert "signals" not in capsys.readouterr().err
    monkeypatch.setattr("localfin.commands.fraud.shared._MANY", 100)
    call("evaluate", labelled, "--scorer", scorer)
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("signals")]
    assert len(told) > 5
    assert [line.split()[1] for line in told[-1:]] == ["100"]
    assert re.search(r" (\d+)/\1 steps ", told[-1])


def test_evaluate_never_tests_on_what_was_learned(labelled: Path, scorer: Path, tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="may have learned"):
        call("evaluate", labelled, "--scorer", scorer, "--from", "2024-03-20")
    with pytest.raises(NotFound, match="no does not exist"):
        call("evaluate", labelled, "--scorer", scorer, "--html", tmp_path / "no" / "page.html")
    with pytest.raises(InputRefused, match="exists"):
        call("evaluate", labelled, "--scorer", scorer, "--html", scorer)
    early = made(tmp_path / "early.csv", seed=1, until="2024-03-20")
    with pytest.raises(LocalfinError, match="no transaction from"):
        call("evaluate", early, "--scorer", scorer)
