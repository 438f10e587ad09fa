"""Settings: what a file and the environment may say, which of them wins, and that what is written is read back."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from tests.localfin.settings_table import TOP, page

from localfin import settings
from localfin.settings import Settings, WrongValue, changed, load, save
from localfin_models.errors import InputRefused

WRONG = {
    'theme = "purple"': "one of dark, light, ansi",
    "theme = 3": "one of dark, light, ansi",
    "kitty_keys = 1": "true or false",
    "threads = -1": "a whole number from 0 to 512",
    "threads = true": "a whole number from 0 to 512",
    "threads = 1.5": "a whole number from 0 to 512",
    'gpu_layers = "all"': ", or auto",
    "temperature = 6": "a number from 0 to 5",
    "temperature = nan": "a number from 0 to 5",
    "system = 1": "a text",
    "keys = 1": "a table of texts",
    "[keys]\na = 1": "a table of texts",
    "colour = 1": "there is no setting colour",
    "theme =": "is no TOML file",
}


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in settings.NAMES:
        monkeypatch.delenv(settings.variable(name), raising=False)


@pytest.mark.parametrize("said", WRONG)
def test_a_wrong_file_is_refused_with_the_file_and_what_was_expected(tmp_path: Path, said: str) -> None:
    path = tmp_path / "settings.toml"
    path.write_text(said, "utf-8")
    with pytest.raises(InputRefused) as refused:
        load(path)
    assert WRONG[said] in str(refused.value)
    assert str(path) in str(refused.value)


def test_without_a_file_everything_is_as_usual(tmp_path: Path) -> None:
    assert load(tmp_path / "none.toml") == Settings()


def test_the_environment_is_stronger_than_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "settings.toml"
    path.write_text('theme = "light"\nthreads = 3\n', "utf-8")
    monkeypatch.setenv("LOCALFIN_THREADS", "5")
    monkeypatch.setenv("LOCALFIN_GPU_LAYERS", "auto")
    monkeypatch.setenv("LOCALFIN_KITTY_KEYS", "0")
    monkeypatch.setenv("LOCALFIN_THEME", "")
    assert load(path) == replace(Settings(), theme="light", threads=5, kitty_keys=False)
    monkeypatch.setenv("LOCALFIN_THREADS", "many")
    with pytest.raises(InputRefused, match="LOCALFIN_THREADS: a whole number"):
        load(path)


texts = st.text(st.characters(exclude_categories=["Cs"]))
tables = st.dictionaries(texts, texts, max_size=4)


@examples(deadline=None)  # it writes a file
@given(
    st.builds(
        Settings,
        lang=st.sampled_from(["auto", "ko", "en"]),
        kitty_keys=st.booleans(),
        threads=st.integers(0, 512),
        gpu_layers=st.one_of(st.just("auto"), st.integers(0, 1 << 16)),
        temperature=st.floats(0, 5),
        system=texts,
        keys=tables,
    )
)
def test_what_is_saved_is_loaded(tmp_path_factory: pytest.TempPathFactory, chosen: Settings) -> None:
    path = tmp_path_factory.mktemp("settings") / "settings.toml"
    save(chosen, path)
    assert load(path) == chosen


def test_the_defaults_are_not_written(tmp_path: Path) -> None:
    assert save(Settings(), tmp_path / "settings.toml").read_text("utf-8") == ""


def test_what_is_typed_is_checked() -> None:
    assert changed(Settings(), "temperature", "1").temperature == 1.0
    assert changed(Settings(), "kitty_keys", "False").kitty_keys is False
    for name, said in (("threads", "x"), ("theme", ""), ("kitty_keys", "maybe"), ("n_ctx", "-1")):
        with pytest.raises(WrongValue):
            changed(Settings(), name, said)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_docs_are_written_from_the_table(language: str) -> None:
    assert (TOP / "docs" / language / "settings.md").read_text("utf-8") == page(language), "run `make table`"


def test_the_whole_program_speaks_the_language_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('lang = "ko"\n', "utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("LOCALFIN_", "LC_"))}
    environment |= {"LOCALFIN_HOME": str(tmp_path), "LANG": "en_US.UTF-8", "PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run([sys.executable, "-m", "localfin", "--help"], env=environment, capture_output=True, text=True)
    assert "질문" in said.stdout
