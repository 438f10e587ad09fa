"""Names and paths to models, the default, and the hash that is computed once."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from localfin_models import catalog
from localfin_models.errors import InputRefused, NotFound
from localfin_models.files import file_sha256


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "home"
    monkeypatch.setenv("LOCALFIN_HOME", str(folder))
    monkeypatch.setenv("LOCALFIN_LANG", "en")
    return folder


@pytest.fixture
def starter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "package" / "starter.gguf"
    path.parent.mkdir()
    path.write_bytes(b"starter")
    monkeypatch.setattr(catalog, "STARTER", path)
    return path


@pytest.fixture
def kept(home: Path) -> Path:
    path = home / "models" / "한국어.gguf"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"kept")
    return path


def test_the_starter_is_the_default_until_another_is_chosen(starter, kept):
    assert catalog.find_model() == starter
    catalog.use_model("한국어")
    assert catalog.find_model() == kept
    assert [(e.name, e.origin, e.default) for e in catalog.list_models()] == [
        ("starter", "starter", False),
        ("한국어", "home", True),
    ]
    catalog.use_model("starter")
    assert catalog.find_model() == starter


def test_a_model_is_found_by_name_by_file_name_and_by_path(starter, kept, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere.gguf"
    elsewhere.write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    assert catalog.find_model("한국어") == catalog.find_model("한국어.gguf") == kept
    assert catalog.find_model("starter") == starter
    assert catalog.find_model(elsewhere) == elsewhere
    assert catalog.find_model("elsewhere.gguf").resolve() == elsewhere


def test_a_folder_with_a_models_name_does_not_hide_it(starter, kept, tmp_path, monkeypatch):
    (tmp_path / "starter").mkdir()
    monkeypatch.chdir(tmp_path)
    assert catalog.find_model("starter") == starter


def test_what_is_not_there_is_named_beside_what_is(starter, kept):
    with pytest.raises(NotFound, match="no model 8b; these are here: starter, 한국어"):
        catalog.find_model("8b")


def test_a_chosen_model_elsewhere_is_listed_and_its_loss_is_said(starter, tmp_path):
    path = tmp_path / "other.gguf"
    path.write_bytes(b"x")
    catalog.use_model(path)
    assert [(e.name, e.origin) for e in catalog.list_models()] == [("starter", "starter"), ("other", "path")]
    path.unlink()
    with pytest.raises(NotFound, match="models use"):
        catalog.find_model()
    assert catalog.find_model("starter") == starter


def test_without_any_model_it_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(catalog, "STARTER", tmp_path / "none.gguf")
    with pytest.raises(NotFound, match="-m PATH"):
        catalog.find_model()
    assert catalog.list_models() == []


def test_a_damaged_choice_is_said_and_repaired_by_choosing(home, starter, kept):
    catalog.use_model("한국어")
    (home / "models.json").write_text("{")
    with pytest.raises(InputRefused, match="damaged"):
        catalog.find_model()
    catalog.use_model("starter")
    assert catalog.find_model() == starter


def test_the_hash_is_right_kept_and_renewed(home, kept):
    """Of a file that is large enough for it."""
    os.truncate(kept, 16 << 20)

    def true_hash() -> str:
        return hashlib.sha256(kept.read_bytes()).hexdigest()

    assert file_sha256(kept) == true_hash()
    cache = home / "cache" / "sha256.json"
    stored = json.loads(cache.read_text())
    stored[str(kept.resolve())]["sha256"] = "f" * 64
    cache.write_text(json.dumps(stored))
    assert file_sha256(kept) == "f" * 64  # not computed again
    kept.write_bytes(b"KEPT" * (4 << 20))
    os.utime(kept, ns=(1, 1))
    assert file_sha256(kept) == true_hash()
    cache.write_text("damaged")
    assert file_sha256(kept) == true_hash()
