"""The folder of a merged checkpoint: what stands in it, what it may replace, what is refused."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.convert.test_command import process
from tests.convert.tiny import llama_tensors, lora_tensors
from tests.convert.tiny import write_safetensors as write_file
from tests.golden.cases import CASES, Adapter
from tests.golden.checkpoints import build

from localfin.commands.models import models
from localfin_convert import SafetensorsReport, write_safetensors
from localfin_convert.adapter import Weighted
from localfin_convert.as_safetensors.json_text import REMOVED, edited
from localfin_convert.command import convert as command
from localfin_convert.prompt_format import SEED_TEMPLATE
from localfin_convert.read.safetensors_file import read_header
from localfin_models.errors import InputRefused, IntegrityFailed, NotEnough, NotFound
from localfin_models.files import hash_file
from localfin_models.manifest import read_manifest, verify_model

Make = Callable[..., Path]
HEAD = "lm_head.weight"


def test_config_keeps_its_text_but_for_what_changes(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    tensors = llama_tensors()
    del tensors["lm_head.weight"]
    base = checkpoint(tensors=tensors)
    text = (base / "config.json").read_text().replace('"tie_word_embeddings": false', '"tie_word_embeddings" :true')
    (base / "config.json").write_text(text.replace('"rope_theta": 10000.0', '"rope_theta":\n  1.0E4') + "\n\n")
    expected = (base / "config.json").read_text()
    first = write_safetensors(base, [adapter()], tmp_path / "first").out
    assert (first / "config.json").read_text() == expected
    generator = np.random.default_rng(2)
    head = {
        f"base_model.model.lm_head.lora_{side}.weight": ("F32", generator.standard_normal(shape).astype(np.float32))
        for side, shape in (("A", (8, 256)), ("B", (320, 8)))
    }
    untied = write_safetensors(base, [adapter("head", head, {"target_modules": ["lm_head"]})], tmp_path / "untied").out
    assert (untied / "config.json").read_text() == expected.replace('" :true', '" :false')
    assert "lm_head.weight" in read_header(untied / "model.safetensors")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.dictionaries(st.text(max_size=3), JSON, max_size=5)


@settings(max_examples=60)
@given(OBJECTS, st.dictionaries(st.text(max_size=3), JSON | st.just(REMOVED), max_size=3), st.sampled_from([None, 2]))
def test_edited_json_is_the_object_with_the_changes(
    value: dict[str, Any], changes: dict[str, Any], indent: int | None
) -> None:
    text = json.dumps(value, indent=indent)
    made = edited(text, changes)
    left = {key: item for key, item in (value | changes).items() if item is not REMOVED}
    assert list(json.loads(made).items()) == list(left.items())
    assert edited(text, {}) == text


def test_everything_but_code_and_pickles_is_carried(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    base, lora = checkpoint(), adapter()
    carried = {
        "generation_config.json": '{"temperature": 0.6}', "special_tokens_map.json": "{}", "LICENSE": "Apache License",
        "NOTICE.txt": "noted", "USE_POLICY.md": "be good", "chat_template.jinja": "{{ messages }}",
        "additional_chat_templates/tool.jinja": "{{ tools }}",
    }  # fmt: skip
    (base / "additional_chat_templates").mkdir()
    for name, text in carried.items():
        (base / name).write_text(text)
    for name in ("modeling_own.py", "pytorch_model.bin", "training_args.bin", "optimizer.pt", "README.md"):
        (base / name).write_text("left behind")
    (lora / "LICENSE").write_text("MIT")
    out = write_safetensors(base, [lora], tmp_path / "out").out
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    own = {"config.json", "tokenizer.model", "tokenizer_config.json", "model.safetensors"}
    assert found == own | carried.keys() | {"adapter.0-LICENSE", "README.md", "localfin-manifest.json"}
    assert all(
        (out / name).read_bytes() == (base / name).read_bytes() for name in (*carried, *own - {"model.safetensors"})
    )
    assert "left behind" not in (out / "README.md").read_text()
    inputs = {file.name: file.sha256 for file in read_manifest(out).inputs}
    assert inputs["base/NOTICE.txt"] == hash_file(base / "NOTICE.txt")
    assert inputs["adapter.0/LICENSE"] == hash_file(lora / "LICENSE")
    assert inputs["base/model.safetensors"] == hash_file(base / "model.safetensors")
    assert {"base/additional_chat_templates/tool.jinja", "adapter.0/adapter_model.safetensors"} <= inputs.keys()


@pytest.mark.parametrize(
    ("stored", "choice", "expected"),
    [
        ({}, "seed", (SEED_TEMPLATE, None)),
        ({"chat_template": "{{ old }}"}, "seed", (SEED_TEMPLATE, SEED_TEMPLATE)),
        ({"chat_template": "{{ old }}"}, "base", (None, "{{ old }}")),
        ({"chat_template": "{{ old }}"}, None, ("{{ messages[0].content }}", "{{ messages[0].content }}")),
        (
            {"chat_template": [{"name": "default", "template": "a"}, {"name": "tool", "template": "b"}]},
            "seed",
            (SEED_TEMPLATE, [{"name": "default", "template": SEED_TEMPLATE}, {"name": "tool", "template": "b"}]),
        ),
    ],
)
def test_the_chat_template_is_the_one_a_gguf_would_have(
    checkpoint: Make, adapter: Make, tmp_path: Path, stored: dict[str, Any], choice: str | None, expected: Any
) -> None:
    base, lora = checkpoint(), adapter()
    (base / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer"} | stored))
    (lora / "chat_template.jinja").write_text("{{ messages[0].content }}")
    out = write_safetensors(base, [lora], tmp_path / "out", prompt_format=choice).out
    jinja = out / "chat_template.jinja"
    settings = json.loads((out / "tokenizer_config.json").read_text())
    assert (jinja.read_text() if jinja.exists() else None, settings.get("chat_template")) == expected


def test_code_is_left_out_with_a_remark(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    base, heard = checkpoint(), list[str]()
    (base / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": ["a.B", null]}, "eos_token": "</s>"}')
    out = write_safetensors(base, [adapter()], tmp_path / "out", remark=heard.append).out
    assert (out / "tokenizer_config.json").read_text() == '{"eos_token": "</s>"}'
    assert [line for line in heard if "auto_map" in line and "base/tokenizer_config.json" in line]


def test_the_code_of_a_familys_own_release_is_left_out(tmp_path: Path) -> None:
    case = next(case for case in CASES if case.name == "phi3-longrope")
    small = {"vocab_size": 320, "hidden": 64, "layers": 2, "intermediate": 64, "added_tokens": (), "padding": 0}
    adapter = Adapter(("qkv_proj",), r=2, alpha=4)
    base, adapters = build(replace(case, config={}, adapters=(adapter,), **small), tmp_path)  # type: ignore[arg-type]
    config = json.loads((base / "config.json").read_text())
    auto_map = {"AutoModelForCausalLM": "modeling_phi3.Phi3ForCausalLM"}
    (base / "config.json").write_text(json.dumps({"auto_map": auto_map, **config}))
    (base / "modeling_phi3.py").write_text("raise SystemExit('run')")
    report = write_safetensors(base, adapters, tmp_path / "out")
    assert json.loads((report.out / "config.json").read_text()) == config
    assert not list(report.out.glob("*.py"))
    assert any("auto_map" in line for line in report.remarks)


def test_a_head_stored_beside_the_embedding_it_is_tied_to(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    tensors, last = llama_tensors(), "model-00002-of-00002.safetensors"
    base = checkpoint(config={"tie_word_embeddings": True})
    (base / "model.safetensors").unlink()
    shards = {"model-00001-of-00002.safetensors": [name for name in tensors if name != HEAD], last: [HEAD]}
    for file, names in shards.items():
        write_file(base / file, {name: tensors[name] for name in names})
    weight_map = {name: file for file, names in shards.items() for name in names}
    (base / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    out = made(base, adapter(), tmp_path / "out").out
    del weight_map[HEAD]
    assert json.loads((out / "model.safetensors.index.json").read_text())["weight_map"] == weight_map
    assert not (out / last).exists()


def test_shards_without_an_index_get_one(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    base = checkpoint(shards=2)
    (base / "model.safetensors.index.json").unlink()
    index = json.loads((made(base, adapter(), tmp_path / "out").out / "model.safetensors.index.json").read_text())
    assert index["weight_map"].keys() == llama_tensors().keys()
    assert set(index["weight_map"].values()) == {path.name for path in base.glob("*.safetensors")}


def test_what_would_not_be_aligned_is_ordered_by_width(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    """Such as behind a mask of three bytes; without it the base's order stays, whatever it is."""
    mask = {"model.layers.0.attention.masked_bias": ("U8", np.array([1, 2, 3], np.uint8))}
    empty = {"model.layers.1.attention.masked_bias": ("U8", np.zeros((0, 4), np.uint8))}
    orders = [{**mask, **llama_tensors()}, {**llama_tensors(), **mask, **empty}]
    for number, tensors in enumerate(orders):
        out = made(checkpoint(f"base{number}", tensors), adapter(f"adapter{number}"), tmp_path / f"out{number}").out
        found = read_header(out / "model.safetensors")
        order = [one.name for one in sorted(found.values(), key=lambda one: (one.offset, one.n_bytes))]
        assert [name for name in order if name not in mask | empty] == [
            name for name in tensors if name not in mask | empty
        ]
        assert order[-1] in mask | empty
        assert all(one.offset % (1 if one.dtype == "U8" else 2) == 0 for one in found.values())
        raw = (out / "model.safetensors").read_bytes()
        assert raw[found[next(iter(mask))].offset :][:3] == bytes([1, 2, 3])


def front_matter(out: Path) -> dict[str, Any]:
    _before, front, body = (out / "README.md").read_text().split("---\n", 2)
    return {"body": body, **yaml.safe_load(front)}


def test_the_card_names_base_adapters_and_licences(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    base = checkpoint("models--acme--tiny-7b")
    cached = base / "snapshots" / "0a1b"
    cached.mkdir(parents=True)
    for file in [path for path in base.iterdir() if path.is_file()]:
        file.rename(cached / file.name)
    (cached / "README.md").write_text('---\nlicense: other\nlicense_name: "own: strange"\n---\n')
    first, second = adapter("one"), adapter("two|", lora_tensors(seed=4))
    (first / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    out = write_safetensors(cached, [Weighted(first), Weighted(second, -0.25)], tmp_path / "my model").out
    card = front_matter(out)
    assert card["base_model"] == "acme/tiny-7b"
    assert card["base_model_relation"] == "merge"
    assert card["library_name"] == "transformers"
    assert card["license"] == ["other", "apache-2.0"]
    assert card["license_name"] == "own: strange"
    assert {"merge", "lora"} <= set(card["tags"])
    for words in ("# my model", "https://huggingface.co/acme/tiny-7b", "| one | 1 | LORA | apache-2.0 |",
                  "| two\\| | -0.25 | LORA | not named |", "localfin-manifest.json", "SHA-256"):  # fmt: skip
        assert words in card["body"]
    alone = write_safetensors(cached, [second], tmp_path / "alone").out
    assert front_matter(alone)["base_model_relation"] == "finetune"


def test_models_verify_checks_the_folder(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    report = write_safetensors(checkpoint(shards=2), [adapter()], tmp_path / "out")
    listed = {file.name: (file.n_bytes, file.sha256) for file in read_manifest(report.out).files}
    assert listed == {
        path.name: (path.stat().st_size, hash_file(path))
        for path in report.out.iterdir()
        if path.name != "localfin-manifest.json"
    }
    assert listed == {file.path.name: (file.n_bytes, file.sha256) for file in report.files}
    assert CliRunner().invoke(models, ["verify", str(report.out)]).exit_code == 0
    for name in ("model-00002-of-00002.safetensors", "config.json"):
        raw = bytearray((report.out / name).read_bytes())
        raw[-2] ^= 1
        (report.out / name).write_bytes(raw)
        failure = CliRunner().invoke(models, ["verify", str(report.out)]).exception
        assert isinstance(failure, IntegrityFailed)
        assert failure.exit_code == 5
        raw[-2] ^= 1
        (report.out / name).write_bytes(raw)


def made(base: Path, lora: Path, out: Path, **options: Any) -> SafetensorsReport:
    return write_safetensors(base, [lora], out, **options)


def test_force_replaces_only_what_convert_made(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    base, lora, out = checkpoint(), adapter(), tmp_path / "out"
    first = made(base, lora, out)
    with pytest.raises(InputRefused, match="--force"):
        made(base, lora, out)
    second = write_safetensors(base, [Weighted(lora, 2)], out, force=True)
    assert first.files[0].sha256 != second.files[0].sha256 == hash_file(out / "model.safetensors")
    verify_model(out)
    (out / "notes").mkdir()
    (out / "notes" / "mine.txt").write_text("mine")
    with pytest.raises(InputRefused, match=r"mine\.txt is not of the model"):
        made(base, lora, out, force=True)
    assert (out / "notes" / "mine.txt").read_text() == "mine"
    verify_model(out)


@pytest.mark.parametrize("kind", ["folder", "empty", "file", "link", "base", "part", "model part", "replaced"])
def test_what_is_the_users_own_is_never_replaced(checkpoint: Make, adapter: Make, tmp_path: Path, kind: str) -> None:
    base, lora, out = checkpoint(), adapter(), tmp_path / "out"
    if kind in ("folder", "part"):
        own = out if kind == "folder" else tmp_path / "out.part"
        own.mkdir()
        (own / "thesis.tex").write_text("years")
    if kind in ("model part", "replaced"):
        made(base, lora, tmp_path / ("out.part" if kind == "model part" else "out.replaced"))
        made(base, lora, tmp_path / "other").out.rename(out)
    if kind == "empty":
        out.mkdir()
    if kind == "file":
        out.write_text("mine")
    if kind == "link":
        made(base, lora, tmp_path / "real")
        out.symlink_to(tmp_path / "real")
    if kind == "base":
        made(base, lora, out)
        base = out
    before = sorted(path.name for path in tmp_path.rglob("*"))
    with pytest.raises(InputRefused):
        made(base, lora, out, force=True)
    assert sorted(path.name for path in tmp_path.rglob("*")) == before


def test_what_merges_nothing_is_refused(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    base, out = checkpoint(), tmp_path / "out"
    with pytest.raises(InputRefused, match="nothing to merge"):
        write_safetensors(base, [], out)
    zeros = {name: (dtype, array * 0) for name, (dtype, array) in lora_tensors().items()}
    with pytest.raises(InputRefused, match="changes no weight"):
        write_safetensors(base, [adapter(tensors=zeros)], out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "base"]


def test_as_trained_without_an_adapter(checkpoint: Make, tmp_path: Path) -> None:
    base = checkpoint()
    out = write_safetensors(base, [], tmp_path / "out", merge_onto="dequantized").out
    config = json.loads((out / "config.json").read_text())
    assert "dequantized." in (out / "README.md").read_text()
    assert config == json.loads((base / "config.json").read_text())
    assert (out / "model.safetensors").read_bytes()[-512:] == (base / "model.safetensors").read_bytes()[-512:]
    assert hash_file(out / "model.safetensors") != hash_file(base / "model.safetensors")


def test_nan_in_a_tensor_that_is_only_copied(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    tensors = llama_tensors()
    tensors["model.norm.weight"][1][3] = 0xFF80
    with pytest.raises(InputRefused, match=r"model\.norm\.weight holds NaN or Inf"):
        made(checkpoint(tensors=tensors), adapter(), tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "base"]


def test_a_tokenizer_larger_than_the_model(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    base, lora = checkpoint(), adapter()
    (base / "added_tokens.json").write_text('{"<image>": 320}')  # as Gemma 3 is published
    made(base, lora, tmp_path / "out")
    shutil.copy(base / "tokenizer.model", lora)
    (lora / "added_tokens.json").write_text('{"<image>": 320, "<|new|>": 321}')
    with pytest.raises(InputRefused, match="adapter knows 322 tokens, the model 320"):
        made(base, lora, tmp_path / "other")


def test_a_small_disk(checkpoint: Make, adapter: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        f_bavail, f_frsize = 10, 4096

    monkeypatch.setattr("localfin_convert.write.output.os.statvfs", lambda folder: Full)
    with pytest.raises(NotEnough, match="are needed"):
        made(checkpoint(), adapter(), tmp_path / "out")
    assert not (tmp_path / "out.part").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["-q", "q8_0"], 2, "--to goes without --quantization"),
        (["--as-lora"], 2, "--to goes without --as-lora"),
        (["--split-max-size", "1G", "--no-verify"], 2, "--to goes without --split-max-size, --no-verify"),
        (["--compare", "x"], 2, "--to goes without --compare"),
        (["--prompt-format", "nonsense"], 4, "nonsense"),
        (["--merge-onto", "16bit", "-a", "{base}"], 3, "adapter_config.json"),
        (["-o", "{base}/none/out"], 4, "no such folder for the output"),
        (["-o", "{base}"], 3, "no conversion made"),
        (["-o", "{base}/config.json"], 3, "no folder"),
        (["-o", "{base}/" + "x" * 300], 3, "cannot be written"),
    ],
)
def test_refusals_have_their_exit_code(
    checkpoint: Make, adapter: Make, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    base, lora = checkpoint(), adapter()
    given_out = "-o" in arguments
    line = [str(base), "--to", "safetensors", "-a", str(lora), *([] if given_out else ["-o", str(tmp_path / "out")])]
    result = CliRunner().invoke(command, [*line, *(argument.format(base=base) for argument in arguments)])
    if code == 2:
        assert result.exit_code == 2
        assert words in " ".join(result.stderr.split())
    else:
        assert isinstance(result.exception, InputRefused | NotFound)
        assert result.exception.exit_code == code
        assert words in str(result.exception)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "base"]


def test_the_command_says_what_it_made(checkpoint: Make, adapter: Make, tmp_path: Path, top: Path) -> None:
    base, lora, out = checkpoint(shards=2), adapter(), tmp_path / "out"
    line = [str(base), "-a", str(lora), "-o", str(out), "--to", "safetensors"]
    plan = json.loads(CliRunner().invoke(command, [*line, "--dry-run", "--json"]).stdout)
    text = CliRunner().invoke(command, [*line, "--dry-run"]).stdout
    assert "+ adapter" in text
    assert "model-00002-of-00002.safetensors" in text
    assert not out.exists()
    done = process([*line, "--json"], top)
    assert done.returncode == 0, done.stderr
    assert "no licence" in done.stderr
    report = json.loads(done.stdout)
    files = {Path(file["path"]).name: file["bytes"] for file in report["files"]}
    assert list(files) == plan["files"]
    assert sum(files.values()) == report["bytes"] == plan["write_bytes"]
    assert files == {path.name: path.stat().st_size for path in out.iterdir() if path.name != "localfin-manifest.json"}
    names = [name for path in sorted(out.glob("*.safetensors")) for name in read_header(path)]
    assert sorted(tensor["name"] for tensor in plan["tensors"]) == sorted(names)
    assert sum(tensor["adapted"] for tensor in plan["tensors"]) == 8
    assert report["changed"] > 0
    assert report["manifest"] == str(out / "localfin-manifest.json")
    shutil.rmtree(out)
    human = CliRunner().invoke(command, line)
    assert human.exit_code == 0
    assert "the adapter changed" in human.stderr
    assert (
        CliRunner().invoke(command, [*line, "--to", "gguf", "-q", "q8_0", "--dry-run", "-o", f"{out}.gguf"]).exit_code
        == 0
    )
