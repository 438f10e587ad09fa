"""Tiny models made once a session, a home of its own for every test, and the command line as a real process."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.localfin.tiny_gguf import BYTES, END, Tiny, byte, chain_of, write_tiny

ROOT = Path(__file__).parents[2]

Make = Callable[..., Path]


@pytest.fixture(scope="session")
def make_gguf(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """`make_gguf(**Tiny's fields)`: the path of such a model, each made once."""
    folder = tmp_path_factory.mktemp("models")
    made: dict[str, Path] = {}

    def make(**fields: object) -> Path:
        key = repr(sorted(fields.items(), key=lambda item: item[0]))
        if key not in made:
            made[key] = write_tiny(folder / f"tiny{len(made)}.gguf", Tiny(**fields))  # type: ignore[arg-type]
        return made[key]

    return make


@pytest.fixture(scope="session")
def speaker(make_gguf: Make) -> Path:
    """Answers every prompt that ends in a line break with 가나 and a word, then ends."""
    return make_gguf(name="speaker", chain=chain_of(*byte("\n가나"), BYTES + 256 + 1, END))


@pytest.fixture(scope="session")
def endless(make_gguf: Make) -> Path:
    """Says ababab… until it is stopped."""
    a, b = byte("ab")
    return make_gguf(name="endless", n_ctx=65536, layers=1, width=272, chain={**chain_of(*byte("\n"), a, b), b: a})


@pytest.fixture(autouse=True)
def localfin_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    monkeypatch.setenv("LOCALFIN_HOME", str(home))
    monkeypatch.setenv("LOCALFIN_LANG", "en")
    return home


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(environment: dict[str, str]) -> Run:
    """`run("ask", "hi", stdin="…")`: the command line in a process of its own, to its end."""

    def call(*arguments: str | Path, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "localfin", *map(str, arguments)]
        return subprocess.run(
            command, input=stdin, capture_output=True, text=True, encoding="utf-8", env=environment, check=False,
            timeout=120,
        )  # fmt: skip

    return call
