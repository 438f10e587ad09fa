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
MOMENTS = (0.05, 0.3, 0.6, 0.8, 0.9, 0.95, 1.0)
"""Of the time that a whole run takes."""


def timed(command: list[str], environment: dict[str, str]) -> float:
    started = time.monotonic()
    subprocess.run(command, env=environment, capture_output=True, check=True)
    return time.monotonic() - started


def killed(command: list[str], environment: dict[str, str], after: float, begun: Path | None = None) -> bool:
    """Whether it was still running so many seconds after its start, or after `begun` was there with something in it."""
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while begun is not None and process.poll() is None and not (begun.exists() and begun.stat().st_size):
        time.sleep(0.001)
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
    assert stopped >= 4
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
    out = tmp_path / f"out.{form}"
    part, made = (tmp_path / f"{out.name}.part{end}" for end in ("", ".form"))
    moments: list[tuple[float, Path | None]] = [(takes * 0.1, None), (takes * 0.5, None)]
    moments += [(after, part) for after in (0.0, 0.1, 0.3, 0.6)]
    if form in ("csv", "html"):
        moments += [(after, made) for after in (0.0, 0.02)]
    stopped, with_lines = 0, 0
    for after, begun in moments:
        stopped += killed([*line, str(out)], environment, after, begun)
        if out.exists():  # it was over
            assert out.read_bytes() == whole
            out.unlink()
            continue
        with_lines += part.exists()
        done = run("fraud", "check", new, "-o", out, "--resume")
        assert done.returncode == 0, done.stderr
        assert out.read_bytes() == whole
        out.unlink()
        left = sorted(path.name for path in tmp_path.iterdir() if path.is_file())
        assert left == sorted(["new.csv", f"whole.{form}"])
    assert stopped >= 3
    assert with_lines >= 1
