"""What every test stands on: English texts, and a home folder of its own."""

import os
from pathlib import Path

import pytest

PACKAGES = ("localfin", "convert", "tui", "models")


@pytest.fixture(autouse=True)
def _english_and_at_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("LOCALFIN_LANG", "en")
    monkeypatch.setenv("LOCALFIN_HOME", str(tmp_path_factory.mktemp("home", numbered=True)))


@pytest.fixture(scope="session")
def top() -> Path:
    """The repository."""
    return Path(__file__).parents[1]


@pytest.fixture
def environment(top: Path) -> dict[str, str]:
    """Variables for a process that imports the packages of this tree."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(str(top / name) for name in PACKAGES), "PYTHONUTF8": "1"}
