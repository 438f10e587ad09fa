"""The Korean catalogue: whole, faithful to its placeholders, compiled, and seen where a user looks."""

import gettext
import os
import re
import subprocess
import sys
import unicodedata
from collections import Counter
from io import BytesIO
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

import catalogues
from localfin_models.language import LOCALE_DIR, _, ui_language
from localfin_tui.keys import KEYS

VARIABLES = ("LOCALFIN_LANG", "LC_ALL", "LC_MESSAGES", "LANG")


@pytest.fixture(scope="module")
def po() -> Catalog:
    with catalogues.PO.open("rb") as file:
        return read_po(file, locale="ko")


@pytest.fixture(scope="module")
def korean(po: Catalog) -> dict[str, str]:
    """Every English text with its Korean one."""
    return {str(message.id): str(message.string) for message in po if message.id}


def test_every_text_is_translated_and_no_other_is_kept(korean: dict[str, str]) -> None:
    used = {str(message.id) for message in catalogues.collected() if message.id}
    assert len(used) > 200
    assert used - korean.keys() == set(), "run `make catalogues`, then translate them"
    assert korean.keys() - used == set(), "run `make catalogues`: it drops them"
    assert [text for text, translated in korean.items() if not translated.strip()] == []


def test_no_text_stays_english_but_those_that_are_names(korean: dict[str, str]) -> None:
    assert [text for text, translated in korean.items() if not re.search("[가-힣]", translated)] == []


def test_placeholders_and_their_formats_are_those_of_the_english_text(korean: dict[str, str]) -> None:
    assert {text: t for text, t in korean.items() if _placeholders(text) != _placeholders(t)} == {}
    assert sum(bool(_placeholders(text)) for text in korean) > 100


def test_names_a_user_types_stay_as_they_are(korean: dict[str, str]) -> None:
    changed = {text: _typed(text) - _typed(t) for text, t in korean.items() if _typed(text) - _typed(t)}
    assert changed == {}


def test_no_particle_after_a_placeholder_needs_to_know_its_last_letter(korean: dict[str, str]) -> None:
    """은/는, 이/가, 을/를, 과/와 and 으로/로 depend on the word before, which is not known here."""
    particle = re.compile(r"\}(?:은|는|이|가|을|를|과|와|으로|로|이라|라)(?=[\s.,;:)]|$)")
    assert [t for t in korean.values() if particle.search(t)] == []


def test_one_thing_has_one_name(korean: dict[str, str]) -> None:
    """The words beside those the texts use: chat 대화, refuse 거절, load 불러오기, merge 병합, history 기록."""
    other = re.compile("채팅|거부|로딩|로드|머지|히스토리|문맥|퀀타이즈|텐써")
    assert [t for t in korean.values() if other.search(t)] == []


def test_columns_and_line_breaks_are_kept(korean: dict[str, str]) -> None:
    for text, translated in korean.items():
        assert text.count("\n") == translated.count("\n"), text
        label = re.match(r"\S+\s{2,}", text)
        if label and not text.startswith("{"):
            own = re.match(r"\S+\s{2,}", translated)
            assert own, text
            assert _cells(own[0]) == _cells(label[0]), text


def test_the_compiled_catalogue_is_that_of_the_texts(po: Catalog, korean: dict[str, str]) -> None:
    compiled = BytesIO()
    write_mo(compiled, po)
    path = catalogues.PO.with_suffix(".mo")
    with path.open("rb") as file:
        there = gettext.GNUTranslations(file)
    with_header = gettext.GNUTranslations(BytesIO(compiled.getvalue()))
    for text, translated in korean.items():
        assert there.gettext(text) == with_header.gettext(text) == translated
    assert there.gettext("a text that is in no catalogue") == "a text that is in no catalogue"
    assert there.info()["content-type"] == "text/plain; charset=utf-8"


def test_the_catalogue_lies_where_the_program_looks() -> None:
    assert gettext.find("localfin", LOCALE_DIR, ["ko"]) == str(LOCALE_DIR / "ko" / "LC_MESSAGES" / "localfin.mo")
    assert gettext.find("localfin", LOCALE_DIR, ["en"]) is None  # English texts are the keys


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({}, "en"),
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "KO"}, "ko"),
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "ko_KR.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "ko_KR.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "ko_KR.UTF-8", "LC_ALL": "ko_KR.UTF-8", "LOCALFIN_LANG": "en"}, "en"),
        ({"LC_ALL": "en_US.UTF-8", "LOCALFIN_LANG": "ko"}, "ko"),
        ({"LC_ALL": "ko_KR.UTF-8", "LOCALFIN_LANG": ""}, "ko"),
        ({"LANG": "fr_FR.UTF-8"}, "en"),
        ({"LANG": "ko_KR.UTF-8", "LOCALFIN_LANG": "tlh"}, "en"),
    ],
)
def test_the_language_follows_its_variables(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], language: str
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert ui_language() == language
    assert _("Cancel") == {"ko": "취소", "en": "Cancel"}[language]


def test_the_keys_of_the_app_are_short_in_korean(monkeypatch: pytest.MonkeyPatch) -> None:
    """The footer has 80 columns for up to eight of them, the help about 50 for a line."""
    monkeypatch.setenv("LOCALFIN_LANG", "ko")
    assert {
        word: _cells(word) for word in (_(key.short) for key in KEYS.values() if key.short) if _cells(word) > 8
    } == {}
    assert {line: _cells(line) for line in (_(key.long) for key in KEYS.values()) if _cells(line) > 48} == {}


def test_the_command_line_speaks_korean(top: Path, korean: dict[str, str], tmp_path: Path) -> None:
    english, shown = _localfin(top, "en", "--help"), _localfin(top, "ko", "--help")
    assert (english.returncode, shown.returncode) == (0, 0)
    commands = re.findall(r"^  ([a-z]+) +(.+)$", english.stdout.partition("Commands:")[2], re.MULTILINE)
    assert {"convert", "ask", "models", "doctor"} <= {name for name, _words in commands}
    expected = [(name, korean[words]) for name, words in commands]
    assert (
        re.findall(r"^  ([a-z]+) +(.+)$", shown.stdout.partition(f"{korean['Commands']}:")[2], re.MULTILINE) == expected
    )
    refused = _localfin(top, "ko", "convert", str(tmp_path / "nowhere"), "-o", str(tmp_path / "out.gguf"))
    assert refused.returncode == 4
    assert refused.stderr == f"localfin: {korean['no such folder: {folder}'].format(folder=tmp_path / 'nowhere')}\n"


def test_the_command_line_speaks_english_where_the_language_is_unknown(top: Path) -> None:
    shown = _localfin(top, "tlh", "--help")
    assert shown.returncode == 0
    assert "Answer one question." in shown.stdout
    assert not re.search("[가-힣]", shown.stdout)


def _localfin(top: Path, language: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    folders = os.pathsep.join(str(top / name) for name in ("localfin", "convert", "tui", "models"))
    environment = {**os.environ, "LOCALFIN_LANG": language, "PYTHONPATH": folders, "PYTHONUTF8": "1", "COLUMNS": "120"}
    return subprocess.run(
        [sys.executable, "-m", "localfin", *arguments],
        env=environment, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=60, check=False,
    )  # fmt: skip


def _placeholders(text: str) -> Counter[tuple[str, str | None, str | None]]:
    """Name, format and conversion of each, and how often."""
    return Counter(
        (name, spec, conversion) for _literal, name, spec, conversion in Formatter().parse(text) if name is not None
    )


def _typed(text: str) -> set[str]:
    """Options, keys, file names and code in backticks."""
    found = re.findall(
        r"(?<!\w)--?[a-z][a-z-]*|Ctrl\+\w+|\b(?:Esc|Enter|Tab|F\d)\b|\b[A-Z_]{5,}\b|[\w*]+\.(?:json|model|gguf)\b"
        r"|`[^`]+`|pip install [a-z-]+|localfin (?:models use|doctor|ask|convert)\b",
        text,
        re.ASCII,  # a Korean particle ends such a name
    )
    return set(found)


def _cells(text: str) -> int:
    """Terminal columns."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
