"""What every test stands on: English texts, and a home folder of its own."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _english_and_at_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    monkeypatch.setenv("LOCALFIN_LANG", "en")
    monkeypatch.setenv("LOCALFIN_HOME", str(tmp_path_factory.mktemp("home", numbered=True)))


@pytest.fixture(scope="session")
def top() -> Path:
    """The repository."""
    return Path(__file__).parents[1]
