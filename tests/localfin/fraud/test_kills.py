"""`fraud fit` and `fraud check`, killed at many moments: no half bears the output's name, and work goes on."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.localfin.conftest import Run
from tests.localfin.fraud.desk import transactions, write_csv

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(sys.platform == "win32", reason="kills as Linux has them"),
]
MOMENTS = (0.05, 0.2, 0.4, 0.6, 0.75, 0.85, 0.9, 0.95, 0.98, 1.0)
"""Of the time that a whole run takes."""


def timed(command: list[str], environment: dict[str, str]) -> float:
    started = time.monotonic()
    subprocess.run(command, env=environment, capture_output=True, check=True)
    return time.monotonic() - started


def killed(command: list[str], environment: dict[str, str], after: float) -> bool:
    """Whether it was still running then."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(after)
    alive = process.poll() is None
    process.kill()
    process.wait()
    return alive


def test_fit_writes_a_whole_scorer_or_none(environment: dict[str, str], tmp_path: Path) -> None:
    history = write_csv(tmp_path / "history.csv", transactions(12_000))
    line = [sys.executable, "-m", "localfin", "fraud", "fit", str(history), "--label", "fraud", "--label-delay", "2d"]
    takes = timed([*line, "-o", str(tmp_path / "whole.json")], environment)
    whole = (tmp_path / "whole.json").read_bytes()
    stopped = 0
    for number, moment in enumerate(MOMENTS):
        out = tmp_path / f"scorer{number}.json"
        stopped += killed([*line, "-o", str(out)], environment, takes * moment)
        if out.exists():
            assert out.read_bytes() == whole
        else:
            left = [path.name for path in tmp_path.glob(f"{out.name}*")]
            assert left in ([], [f"{out.name}.part"])
    assert stopped >= 5
    timed([*line, "-o", str(tmp_path / "scorer0.json")], environment)
    assert (tmp_path / "scorer0.json").read_bytes() == whole


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet", "html"])
def test_check_goes_on_to_the_same_bytes_wherever_it_was_killed(
    run: Run, environment: dict[str, str], tmp_path: Path, form: str
) -> None:
    new = write_csv(tmp_path / "new.csv", transactions(20_000))
    line = [sys.executable, "-m", "localfin", "fraud", "check", str(new), "-o"]
    takes = timed([*line, str(tmp_path / f"whole.{form}")], environment)
    whole = (tmp_path / f"whole.{form}").read_bytes()
    stopped, begun = 0, 0
    for moment in MOMENTS:
        out = tmp_path / f"out.{form}"
        stopped += killed([*line, str(out)], environment, takes * moment)
        if out.exists():
            assert out.read_bytes() == whole
            out.unlink()
            continue
        begun += out.with_name(out.name + ".part").exists()
        done = run("fraud", "check", new, "-o", out, "--resume")
        assert done.returncode == 0, done.stderr
        assert out.read_bytes() == whole
        out.unlink()
        left = sorted(path.name for path in tmp_path.iterdir() if path.is_file())
        assert left == sorted(["new.csv", f"whole.{form}"])
    assert stopped >= 5
    assert begun >= 2
