"""What the database leaves on the disk: nothing, and nothing of a run that was killed once another begins."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from localfin.fraud.database import database

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills and locks as Unix has them")
HOLDS = """
import time
from pathlib import Path
from localfin.fraud.database import database
with database() as con:
    [(folder,)] = con.execute("select current_setting('temp_directory')").fetchall()
    Path(folder, "spilled").write_text("transactions")
    print(folder, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def held(environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A run in the middle of its work, and its folder, which looks old."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS], env={**environment, "TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    os.utime(folder, (0, 0))
    yield process, folder
    process.kill()
    process.communicate()


def test_a_killed_runs_folder_goes_with_the_next_run(held, tmp_path: Path) -> None:
    process, folder = held
    assert folder.parent == tmp_path
    with database():
        assert (folder / "spilled").exists()  # it is at work
    process.send_signal(signal.SIGKILL)
    process.wait()
    (tmp_path / "localfin-database-mine").symlink_to(tmp_path)  # nobody follows a link
    with database() as con:
        [(own,)] = con.execute("select current_setting('temp_directory')").fetchall()
        assert not folder.exists()
        assert Path(own).exists()
    assert [path.name for path in tmp_path.iterdir()] == ["localfin-database-mine"]
