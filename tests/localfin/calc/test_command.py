"""`localfin calc` as a process."""

import csv
import io
import json
from pathlib import Path

import pytest
from tests.localfin.conftest import Run


def test_a_loan_and_its_schedule(run: Run) -> None:
    done = run("calc", "loan", "1억", "4.5%", "30년", "--json", "--schedule")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(done.stdout)
    assert found["values"]["monthly_payment"] == "506685"
    assert len(found["schedule"]) == 360
    assert found["schedule"][-1]["balance"] == "0"


def test_a_schedule_as_csv(run: Run) -> None:
    done = run("calc", "loan", "$1,000", "5", "3", "--csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["number"] for row in rows] == ["1", "2", "3"]
    assert sum(float(row["principal"]) for row in rows) == pytest.approx(1000)


def test_a_question_in_korean(run: Run) -> None:
    done = run("calc", "ask", "연소득 6천만원, 연간 원리금 2,400만원이면 DSR은?")
    assert done.returncode == 0
    assert "40%" in done.stdout
    assert "금융위원회" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["loan", "abc", "4.5", "30년"], 2, "principal"),
        (["loan", "1억", "4.5"], 2, "TERM"),
        (["loan", "1억", "4.5", "30년", "--method", "free"], 2, "--method"),
        (["irr", "1", "2"], 2, "negative"),
        (["xirr", "2025-01-01"], 2, "2026-01-02=-1000000"),
        (["ask", "1억 대출받으면 월 상환액이 얼마야?"], 2, "연이율"),
        (["ask", "DSR이 뭐야?"], 2, "no calculation"),
        (["exchange", "100", "USD", "KRW"], 4, "currencies.csv"),
        (["exchange", "100", "USD", "gold"], 2, "currency"),
        (["dti", "1", "--zone", "moon", "1"], 2, "--zone"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(run: Run, arguments: list[str], code: int, said: str) -> None:
    done = run("calc", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_own_rates_and_rules_of_the_home(run: Run, localfin_home: Path) -> None:
    localfin_home.mkdir()
    table = localfin_home / "currencies.csv"
    table.write_text("currency,units,won,date\nUSD,1,1385.50,2026-11-20\nJPY,100,905.31,2026-11-20\n", encoding="utf-8")
    done = run("calc", "exchange", "100", "USD", "KRW", "--json")
    assert json.loads(done.stdout)["values"]["converted"] == "138550"
    done = run("calc", "exchange", "1000", "JPY", "USD", "--json")
    assert json.loads(done.stdout)["values"]["converted"] == "6.53"  # 9,053.1 won
    done = run("calc", "ask", "How much is 100 USD in won?", "--json")
    assert json.loads(done.stdout)["values"]["converted"] == "138550"
    table.write_text("currency,units,won\nUSD,1,free\n", encoding="utf-8")
    done = run("calc", "exchange", "100", "USD", "KRW")
    assert (done.returncode, done.stdout) == (3, "")
    assert "line 2" in done.stderr
    (localfin_home / "rules.toml").write_text("[[rule]]\nkind = 1\n", encoding="utf-8")
    done = run("calc", "dsr", "6천만", "--repayment", "100만")
    assert (done.returncode, done.stdout) == (3, "")
    assert "rules.toml" in done.stderr
