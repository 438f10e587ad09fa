"""The keys of small tokenizers, against what llama.cpp's converter made of the same folders."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.convert.small_tokenizers import write_folder
from tests.convert.vocabulary_cases import CASES, recorded

from localfin_convert.vocabulary import vocabulary_keys

EXPECTED: dict[str, Any] = json.loads(Path(__file__).with_name("vocabulary_expected.json").read_text("utf-8"))


class Fingerprints(dict[str, str]):
    """Knows every pre-tokenizer by its fingerprint."""

    def get(self, key: str, default: Any = None) -> Any:
        return key


@pytest.mark.parametrize("name", CASES)
def test_same_keys_types_values_and_order(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    folder = write_folder(tmp_path, {**case.files, "config.json": case.model_config()})
    keys = vocabulary_keys(folder, case.model_config(), case.architecture, pretokenizers=Fingerprints())
    assert [recorded(key.name, key.type, key.element, key.value) for key in keys] == EXPECTED[name]


def test_every_record_has_its_case() -> None:
    assert list(EXPECTED) == list(CASES)
