"""Where a model comes from: in its keys, beside it, said aloud; and whether it still is the one that was made."""

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from gguf import GGUFReader, Metadata
from hypothesis import given
from hypothesis import strategies as st
from tests.convert.tiny import llama_tensors

from localfin.commands.models import models
from localfin_convert import convert
from localfin_convert.adapter import Weighted
from localfin_convert.command import convert as command
from localfin_convert.plan import make_plan
from localfin_convert.provenance import Provenance, inputs
from localfin_convert.provenance.card import read_card
from localfin_convert.request import Request
from localfin_models.errors import InputRefused, IntegrityFailed
from localfin_models.files import hash_file
from localfin_models.licences import Licence, Limit
from localfin_models.manifest import HashedFile, Manifest, read_manifest, verify_model

Make = Callable[..., Path]
CARD = """---
license: other
license_name: qwen-research
license_link: https://example.org/LICENSE
base_model:
- acme/parent
model-index:
- name: deep
  results: [{task: {type: text-generation}}]
---
# acme/base
"""


def fields(path: Path) -> dict[str, Any]:
    return {name: field.contents() for name, field in GGUFReader(path).fields.items()}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def planned(base: Path, *adapters: Path) -> Provenance:
    return make_plan(Request(base, tuple(Weighted(folder) for folder in adapters), "bf16", "out")).provenance


def test_keys_name_every_input_by_its_hash(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    base, lora, out = checkpoint(shards=3), adapter(), tmp_path / "out.gguf"
    (base / "README.md").write_text(CARD)
    (lora / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    convert(base, [lora], out, "q8_0")
    keys = fields(out)
    paths = {"base": base, "adapter.0": lora}
    named = dict(zip(keys["localfin.inputs"], keys["localfin.inputs.sha256"], strict=True))
    assert named == {
        name: sha256(paths[name.partition("/")[0]] / name.partition("/")[2]) for name in keys["localfin.inputs"]
    }
    stored = {file.name for file in base.iterdir()} | {file.name for file in lora.iterdir()}
    assert {name.partition("/")[2] for name in named} == stored
    assert (keys["general.license"], keys["general.license.name"]) == ("other AND apache-2.0", "qwen-research")
    assert (keys["general.base_model.count"], keys["general.base_model.0.name"]) == (1, "base")
    assert (keys["localfin.adapter.0.name"], keys["localfin.adapter.0.weight"]) == ("adapter", 1.0)
    assert json.loads(keys["localfin.options"]) == {"quantization": "q8_0"}
    assert {tool.split()[0] for tool in keys["localfin.tools"]} == {"llama-cpp-python", "gguf", "numpy"}
    assert str(tmp_path) not in repr({name: value for name, value in keys.items() if "token" not in name})


def test_licence_keys_are_those_of_the_usual_converter(checkpoint: Make, tmp_path: Path) -> None:
    base, out = checkpoint(), tmp_path / "out.gguf"
    (base / "README.md").write_text(CARD)
    convert(base, [], out)
    theirs, ours = Metadata.load(None, base), fields(out)
    assert ours["general.license"] == theirs.license
    assert ours["general.license.name"] == theirs.license_name
    assert ours["general.license.link"] == theirs.license_link
    names = list(ours)
    assert names.index("general.size_label") + 1 == names.index("general.license")


def test_the_manifest_says_what_was_made_of_what(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    base, lora, out = checkpoint(), adapter(), tmp_path / "out.gguf"
    report = convert(base, [lora], out, prompt_format="seed")
    manifest = read_manifest(out)
    assert [(file.name, file.n_bytes, file.sha256) for file in manifest.files] == [
        ("out.gguf", out.stat().st_size, sha256(out))
    ]
    keys = fields(out)
    assert [file.name for file in manifest.inputs] == keys["localfin.inputs"]
    assert [file.sha256 for file in manifest.inputs] == keys["localfin.inputs.sha256"]
    assert manifest.facts["results"]["changed"] == report.changed
    assert manifest.facts["options"] == {"quantization": "q4_k_m", "prompt_format": "seed"}
    assert manifest.facts["adapters"][0]["r"] == 8


def test_repeats_give_the_same_bytes_whatever_hashed_first(
    checkpoint: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, digests = checkpoint(), []
    hashed: list[str] = []

    def slowly(path: Path, step: Callable[[int], None]) -> str:
        time.sleep(0.05)
        hashed.append(path.name)
        return hash_file(path, step)

    digests.append(convert(base, [], tmp_path / "out.gguf").sha256)
    monkeypatch.setattr(inputs, "file_sha256", slowly)
    digests.append(convert(base, [], tmp_path / "out.gguf", force=True).sha256)
    assert digests[0] == digests[1]
    assert "model.safetensors" in hashed


def test_a_failed_conversion_does_not_wait_for_the_hashes(
    checkpoint: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading for ever is what a base of a terabyte looks like."""

    def endless(path: Path, step: Callable[[int], None]) -> str:
        while True:
            hash_file(path, step)

    tensors = llama_tensors()
    tensors["lm_head.weight"][1].flat[0] = 0x7FC0
    monkeypatch.setattr(inputs, "file_sha256", endless)
    started = time.monotonic()
    with pytest.raises(InputRefused, match="holds NaN"):
        convert(checkpoint(tensors=tensors), [], tmp_path / "out.gguf")
    assert time.monotonic() - started < 20
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


def test_an_input_that_changes_meanwhile_is_refused(
    checkpoint: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = checkpoint()

    def touching(path: Path, step: Callable[[int], None] | None = None) -> str:
        digest = hash_file(path, step)
        if path.name == "model.safetensors":
            path.touch()
        return digest

    monkeypatch.setattr("localfin_models.files.hash_file", touching)
    with pytest.raises(InputRefused, match="changed while it was read"):
        convert(base, [], tmp_path / "out.gguf")
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


@pytest.mark.parametrize(
    ("folder", "config", "card", "trained_on", "expected"),
    [
        ("models--acme--bank-7b/snapshots/0123", {}, "", "acme/bank-7b", ("acme", "bank-7b")),
        ("bank-7b", {"_name_or_path": "acme/bank-7b"}, "# acme/bank-7b", "other", ("acme", "bank-7b")),
        ("bank-7b", {}, 'from_pretrained("acme/bank-7b")', "acme/bank-7b", ("acme", "bank-7b")),
        ("bank-7b", {}, "no such name", "models/bank-7b", ("", "bank-7b")),
        ("bank-7b", {}, "# models/bank-7bx", "models/bank-7b", ("", "bank-7b")),
    ],
)
def test_names_of_the_base_are_only_what_is_shown(
    checkpoint: Make, adapter: Make, tmp_path: Path, folder: str, config: dict[str, str], card: str, trained_on: str,
    expected: tuple[str, str],
) -> None:  # fmt: skip
    base = tmp_path / folder
    base.parent.mkdir(parents=True, exist_ok=True)
    checkpoint(config=config).rename(base)
    (base / "README.md").write_text(card)
    lora = adapter(config={"base_model_name_or_path": trained_on})
    keys = {key.name: key.value for key in planned(base, lora).general_keys()}
    organization, name = expected
    assert keys.get("general.base_model.0.organization", "") == organization
    assert keys["general.base_model.0.name"] == name
    url = f"https://huggingface.co/{organization}/{name}" if organization else None
    assert keys.get("general.base_model.0.repo_url") == url


@pytest.mark.parametrize(
    ("trained_on", "said"),
    [
        ("/home/me/models/base/", False), ("acme/Base", False), ("unsloth/base-bnb-4bit", False),
        ("~/.cache/hub/models--acme--base/snapshots/77", False), ("acme/base-instruct", True), (None, False),
    ],
)  # fmt: skip
def test_an_adapter_of_another_base_is_said_not_refused(
    checkpoint: Make, adapter: Make, trained_on: str | None, said: bool
) -> None:
    lora = adapter(config={"base_model_name_or_path": trained_on})
    assert any("trained on" in line for line in planned(checkpoint(), lora).remarks) is said


OTHER = "---\nlicense: other\nlicense_name: {}\nlicense_link: LICENSE\n---"
NON_COMMERCIAL, CONDITIONS, UNKNOWN = ((limit,) for limit in (Limit.NON_COMMERCIAL, Limit.CONDITIONS, Limit.UNKNOWN))
LICENCES = [
    ("README.md", "---\nlicense: cc-by-nc-4.0\n---", "cc-by-nc-4.0", NON_COMMERCIAL),
    ("README.md", "---\nlicense: cc-by-nc-nd-4.0\n---", "cc-by-nc-nd-4.0", (*NON_COMMERCIAL, Limit.NO_DERIVATIVES)),
    ("README.md", "\ufeff---\r\nlicense: 'llama3.1'\r\n---\r\n", "llama3.1", CONDITIONS),
    ("README.md", "---\nlicense: [gemma]\n---", "gemma", CONDITIONS),
    ("README.md", OTHER.format("exaone"), "exaone", NON_COMMERCIAL),
    ("README.md", OTHER.format("mrl"), "mrl", NON_COMMERCIAL),
    ("README.md", OTHER.format("our-own"), "our-own", UNKNOWN),
    ("README.md", "---\nlicense: apache-2.0\n---", "apache-2.0", ()),
    ("README.md", "---\nlicense: no\n---", "no", UNKNOWN),
    ("README.md", "---\nlicense: creativeml-openrail-m\n---", "creativeml-openrail-m", CONDITIONS),
    ("LICENSE", "EXAONE AI Model License Agreement 1.1 - NC", "exaone", NON_COMMERCIAL),
    ("LICENSE", "LLAMA 2 COMMUNITY LICENSE AGREEMENT\nLlama 2 Version", "llama2", CONDITIONS),
    ("LICENSE.txt", "Apache License\n  Version 2.0", "apache-2.0", ()),
    ("LICENSE", "DEEPSEEK LICENSE AGREEMENT", "deepseek", CONDITIONS),
    ("LICENSE", "All rights reserved.", "other", UNKNOWN),
    ("config.json", '{"license": "MIT"}', "mit", ()),
]


@pytest.mark.parametrize(("file", "text", "key", "limits"), LICENCES, ids=[f"{row[0]}-{row[2]}" for row in LICENCES])
def test_licences_are_found(file: str, text: str, key: str, limits: tuple[Limit, ...], tmp_path: Path) -> None:
    (tmp_path / file).write_text(text, encoding="utf-8", newline="")
    (licence,) = read_card(tmp_path).licences
    assert (licence.key, licence.limits, licence.source) == (key, limits, file)


def test_a_card_that_names_no_licence_of_its_own_leaves_it_to_the_text(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: other\n---\n")
    (tmp_path / "LICENSE").write_text("EXAONE AI Model License Agreement 1.1 - NC")
    assert [licence.key for licence in read_card(tmp_path).licences] == ["exaone"]


@pytest.mark.parametrize("text", ["", "# no front matter", "---\nlicense: mit\n", "---\n[mit]\n---", "---\na: [\n---"])
def test_no_licence_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(text)
    assert read_card(tmp_path).licences == ()


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_front_matter_is_read_or_left(tmp_path_factory: pytest.TempPathFactory, text: str | bytes) -> None:
    folder = tmp_path_factory.mktemp("card")
    raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    (folder / "README.md").write_bytes(b"---\nlicense: mit\n" + raw + b"\n---\n")
    for licence in read_card(folder).licences:
        assert licence.identifier.isprintable()


@pytest.mark.timeout(5)
@pytest.mark.parametrize("bomb", ["[" * 200_000, "a: " + '{"a":' * 40_000, "a: &a [" + "*a, " * 60_000])
def test_bombs_in_a_card_do_not_go_off(bomb: str, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(f"---\n{bomb}\n---\n")
    assert read_card(tmp_path).licences == ()


def test_restrictions_are_said_first_and_everywhere(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    base, lora, out = checkpoint(), adapter(config={"base_model_name_or_path": "base"}), tmp_path / "out.gguf"
    (base / "README.md").write_text(CARD)
    (lora / "README.md").write_text("---\nlicense: llama3.1\n---\n")
    arguments = [str(base), "-a", str(lora), "-o", str(out)]
    plan = CliRunner().invoke(command, [*arguments, "--dry-run"])
    made = CliRunner().invoke(command, [*arguments, "--json"])
    for run in (plan, made):
        first, second, *_rest = run.stderr.splitlines()
        assert first == "base base: licence qwen-research forbids commercial use (https://example.org/LICENSE)"
        assert second.startswith("adapter adapter: licence llama3.1 allows use only under conditions")
        assert "https://www.llama.com/llama3_1/license/" in second
    assert "licences  qwen-research, llama3.1" in plan.stdout
    assert json.loads(made.stdout)["licenses"] == ["qwen-research", "llama3.1"]
    assert len(json.loads(made.stdout)["remarks"]) == 2
    shown = json.loads(CliRunner().invoke(models, ["show", str(out), "--json"]).stdout)
    assert shown["license"] == "other AND llama3.1 (qwen-research)"
    assert "forbids commercial use" in shown["limits"]
    assert (shown["base"], shown["adapters"]) == ("base", "adapter")


def test_verify_tells_the_model_from_any_other(checkpoint: Make, tmp_path: Path) -> None:
    out, moved = tmp_path / "out.gguf", tmp_path / "renamed.gguf"
    convert(checkpoint(), [], out)
    assert CliRunner().invoke(models, ["verify", str(out)]).exit_code == 0
    assert json.loads(CliRunner().invoke(models, ["verify", str(out), "--json"]).stdout)["sha256"] == {
        "out.gguf": sha256(out)
    }
    out.rename(moved)
    (tmp_path / "out.gguf.json").rename(tmp_path / "renamed.gguf.json")
    assert CliRunner().invoke(models, ["verify", str(moved)]).exit_code == 0
    raw = bytearray(moved.read_bytes())
    raw[-1000] ^= 1
    moved.write_bytes(raw)
    assert "SHA-256 differs" in str(CliRunner().invoke(models, ["verify", str(moved)]).exception)
    moved.write_bytes(raw[:-32])
    assert "bytes" in str(CliRunner().invoke(models, ["verify", str(moved)]).exception)


def test_the_manifest_of_a_split_model_has_every_part(checkpoint: Make, tmp_path: Path) -> None:
    report = convert(checkpoint(), [], tmp_path / "out.gguf", "f16", split_max_bytes=2_000_000)
    assert report.manifest == tmp_path / f"{report.out.name}.json"
    assert [file.name for file in read_manifest(report.out).files] == [file.path.name for file in report.files]
    assert len(report.files) > 2
    verify_model(report.out)
    raw = bytearray(report.files[1].path.read_bytes())
    raw[-1] ^= 1
    report.files[1].path.write_bytes(raw)
    with pytest.raises(IntegrityFailed, match="00002-of"):
        verify_model(report.out)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2}, {"format": "x"}, {"files": []}, {"files": [{"name": "../x", "bytes": 1, "sha256": ""}]},
        {"files": [{"name": "/x", "bytes": 1, "sha256": ""}]}, {"inputs": None}, {"files": [[1]]},
    ],
)  # fmt: skip
def test_damaged_manifests_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    file, path = HashedFile("out.gguf", 4, "ab"), tmp_path / "out.gguf.json"
    whole = Manifest("2026-01-01T00:00:00+00:00", (file,), (file,), {"base": {"name": "은행"}})
    path.write_text(whole.json(), encoding="utf-8")
    assert read_manifest(tmp_path / "out.gguf") == whole
    path.write_text(json.dumps({**json.loads(whole.json()), **change}))
    with pytest.raises(InputRefused, match="no manifest"):
        read_manifest(tmp_path / "out.gguf")


def test_force_leaves_no_manifest_of_an_older_model(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    base, out, manifest = checkpoint(), tmp_path / "out.gguf", tmp_path / "out.gguf.json"
    convert(base, [], out)
    first = manifest.read_bytes()
    out.unlink()
    convert(base, [adapter()], out)  # a manifest alone is replaced
    assert manifest.read_bytes() != first
    assert read_manifest(out).files[0].sha256 == sha256(out)
    out.unlink()
    manifest.write_text('{"mine": 1}')
    with pytest.raises(InputRefused, match="no manifest of a model"):
        convert(base, [], out)
    convert(base, [], out, force=True)
    assert read_manifest(out).files[0].sha256 == sha256(out)


def test_a_failure_after_force_keeps_the_older_model_and_its_manifest(checkpoint: Make, tmp_path: Path) -> None:
    good, out = checkpoint(), tmp_path / "out.gguf"
    convert(good, [], out)
    kept = {path.name: sha256(path) for path in tmp_path.iterdir() if path.is_file()}
    tensors = llama_tensors()
    tensors["lm_head.weight"][1].flat[0] = 0x7FC0
    with pytest.raises(InputRefused, match="holds NaN"):
        convert(checkpoint("bad", tensors=tensors), [], out, force=True)
    assert {path.name: sha256(path) for path in tmp_path.iterdir() if path.is_file()} == kept


def test_a_licence_with_a_text_of_its_own_points_there() -> None:
    assert Licence("gemma").text == "https://ai.google.dev/gemma/terms"
    assert Licence("other", "gemma", "https://example.org").text == "https://example.org"
    assert Licence("other", "gemma", "LICENSE").text == "https://ai.google.dev/gemma/terms"
    assert Licence("mit").text == ""
