"""Going from place to place, the palette, the settings screen, and keys that were given to other keys."""

import os
from pathlib import Path

import pytest
from textual.command import CommandPalette
from textual.widgets import Input, Select

from localfin import settings
from localfin.documents import Documents
from localfin.engine.fake import Answer, FakeEngine
from localfin.settings import Settings
from localfin.store import Store
from localfin_models import catalog
from localfin_models.catalog import STARTER
from localfin_models.errors import InputRefused, LocalfinError
from localfin_tui.app import LocalfinApp
from localfin_tui.keys import KEYS, PLACES
from localfin_tui.settings import SettingsScreen

TOP = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCALFIN_HOME", str(tmp_path / "home"))


async def test_to_the_status_and_back_with_the_draft_in_place(desk, until) -> None:
    d = desk()
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("h", "i", "f9")
        await until(pilot, lambda: "refused by the kernel" in d.words)
        assert "0" * 64 in d.words
        await pilot.press("f5")
        await until(pilot, lambda: d.app.screen is d.chat)
        assert d.chat.composer.text == "hi"


async def test_a_place_is_one_click_away(desk, until) -> None:
    d = desk()
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.click(d.chat.query(".tab").last())
        await until(pilot, lambda: "refused by the kernel" in d.words)


async def test_the_palette_finds_a_command_by_its_name_and_runs_it(desk, until) -> None:
    d = desk()
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("ctrl+p")
        await until(pilot, lambda: "start a new chat" in d.words)
        await pilot.press(*"seal, the model")
        await until(pilot, lambda: "start a new chat" not in d.words)
        await pilot.press("down", "enter")
        await until(pilot, lambda: not isinstance(d.app.screen, CommandPalette))
        await until(pilot, lambda: "refused by the kernel" in d.words)


async def test_the_language_changes_while_it_runs_and_is_kept(desk, until) -> None:
    d = desk()
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("d", "r", "ctrl+o")
        await until(pilot, lambda: isinstance(d.app.screen, SettingsScreen))
        d.app.screen.query_one("#lang", Select).value = "ko"
        await pilot.press("escape")
        await until(pilot, lambda: "준비" in d.words)
        assert d.chat.composer.text == "dr"
        assert "대화" in d.words
    assert settings.load().lang == "ko"
    assert os.environ["LOCALFIN_LANG"] == "ko"


async def test_a_wrong_setting_says_what_was_expected_and_is_not_kept(desk, until) -> None:
    d = desk()
    async with d.run(size=(120, 50)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(d.app.screen, SettingsScreen))
        field = d.app.screen.query_one("#threads", Input)
        field.value = "many"
        field.focus()
        await pilot.press("enter")
        await until(pilot, lambda: "a whole number from 0 to 512" in d.words)
        field.value = "2"
        await pilot.press("enter")
        await until(pilot, lambda: d.app.house.settings.threads == 2)
    assert settings.load().threads == 2


async def test_a_key_can_be_given_to_another_key(store: Store, model: Path, until) -> None:
    app = LocalfinApp(FakeEngine(["Hello."]), store, model, settings=Settings(keys={"go.status": "f3"}))
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.press("f9")
        await pilot.pause()
        assert app.current_mode == "chat"
        await pilot.press("f3")
        await until(pilot, lambda: app.current_mode == "status")


def test_every_key_is_in_the_docs() -> None:
    for page in ("docs/app.md", "docs/ko/app.md"):
        text = (TOP / page).read_text("utf-8")
        missing = [name for name in KEYS if not name.startswith("dialog.") and f"`{name}`" not in text]
        assert missing == [], page


def test_every_key_of_the_registry_is_bound() -> None:
    bound = {binding.id for place in (LocalfinApp, *map(_class, PLACES)) for binding in _bindings(place)}
    named = {
        name
        for name in KEYS
        if not name.startswith(("dialog.", "history.", "chat.send", "chat.newline", "models.load"))
    }
    assert named - bound == set()


def _class(place: str) -> type:
    from localfin_tui.app import PLACES as CLASSES

    return CLASSES[place]


def _bindings(owner: type) -> list:
    return [binding for each in owner.__mro__ for binding in vars(each).get("BINDINGS", ()) if hasattr(binding, "id")]


async def test_a_model_is_looked_at_loaded_and_left(desk, until, tmp_path: Path) -> None:
    folder = tmp_path / "home" / "models"
    folder.mkdir(parents=True)
    (folder / "mine.gguf").write_bytes(STARTER.read_bytes())
    d = desk()
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("f8")
        await until(pilot, lambda: "Enter loads the model chosen." in d.words)
        await pilot.press("end")
        await until(pilot, lambda: "home/models/mine" in d.words)
        assert "fits  yes" in d.words
        await pilot.press("enter")
        await until(pilot, lambda: d.engine.model is not None and d.engine.model.path == folder / "mine.gguf")
        await pilot.press("d")
        await until(pilot, lambda: ">* mine" in d.words)
        assert catalog.default_model() == folder / "mine.gguf"
        await pilot.press("u")
        await until(pilot, lambda: "No model is loaded" in d.words)
        assert d.engine.model is None
        await pilot.press("f5")
        await until(pilot, lambda: d.chat.phase == "no-model")


async def test_a_model_is_imported_whole_or_refused(desk, until, tmp_path: Path) -> None:
    from localfin_tui.models import _imported

    (tmp_path / "wrong.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(InputRefused):
        _imported(tmp_path / "wrong.gguf")
    (tmp_path / "right.gguf").write_bytes(STARTER.read_bytes())
    assert _imported(tmp_path / "right.gguf").read_bytes() == STARTER.read_bytes()
    assert sorted(path.name for path in catalog.models_folder().iterdir()) == ["right.gguf"]
    with pytest.raises(LocalfinError, match="exists already"):
        _imported(tmp_path / "right.gguf")


async def test_the_model_stays_while_an_answer_is_under_way(desk, until) -> None:
    d = desk([Answer("word " * 400, piece=5, delay_s=0.05)])
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("q", "enter")
        await until(pilot, lambda: d.chat.phase == "answering")
        await pilot.press("f8")
        await until(pilot, lambda: d.app.current_mode == "models")
        await pilot.press("u")
        await until(pilot, lambda: "An answer is under way" in d.words)
        assert d.engine.model is not None
        await pilot.press("f5", "escape")
        await until(pilot, lambda: d.chat.phase == "ready")


async def test_documents_are_added_searched_opened_at_the_words_and_removed(desk, until, tmp_path: Path) -> None:
    terms = tmp_path / "terms.md"
    terms.write_text("# Loan terms\n\n## Early repayment\n\nEarly repayment costs 1.2% within three years.\n", "utf-8")
    (tmp_path / "no.pdf").write_bytes(b"%PDF-1.7 but no more")
    d = desk()
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("f7")
        await until(pilot, lambda: "No documents yet" in d.words)
        await add(pilot, until, d, terms)
        await until(pilot, lambda: "added 1, changed 0" in d.words)
        assert "terms.md" in d.words
        await pilot.press("slash", *"early repayment", "enter")
        await until(pilot, lambda: "costs 1.2% within three years" in d.words)
        d.app.screen.query_one("#document-list").focus()
        await add(pilot, until, d, tmp_path / "no.pdf")
        await until(pilot, lambda: "refused 1" in d.words)
        await pilot.press("delete")
        await until(pilot, lambda: "out of the index?" in d.words)
        await pilot.press("tab", "enter")
        await until(pilot, lambda: "No documents yet" in d.words)
    assert terms.is_file()


async def add(pilot, until, d, path: Path) -> None:
    await pilot.press("a")
    await until(pilot, lambda: "Add a file, or a folder" in d.words)
    d.app.screen.query_one("#line", Input).value = f"'{path}'"
    await pilot.press("enter")


async def test_reading_documents_is_stopped_and_what_was_read_stays(desk, until, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    folder.mkdir()
    for n in range(200):
        (folder / f"{n:03}.md").write_text(f"# Paper {n}\n\n" + f"word{n} interest rate. " * 200, "utf-8")
    d = desk()
    async with d.run(size=(120, 36)) as pilot:
        await until(pilot, lambda: d.chat.phase == "ready")
        await pilot.press("f7")
        await until(pilot, lambda: "No documents yet" in d.words)
        await add(pilot, until, d, folder)
        await until(pilot, lambda: "Esc stops" in d.words)
        await pilot.press("escape")
        await until(pilot, lambda: "Stopped. What was read whole is in the index." in d.words)
    kept = Documents(d.store.database).list()
    assert 0 < len(kept) < 200
    assert all(document.passages for document in kept)
