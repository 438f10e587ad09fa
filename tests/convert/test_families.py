"""What the families refuse, and what they let pass; that their output is right, the goldens say."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.convert.tiny import convert
from tests.golden.cases import CASES, Adapter, Case
from tests.golden.checkpoints import build

from localfin_convert.adapter import weighted
from localfin_convert.command import convert as convert_command
from localfin_convert.plan import make_plan
from localfin_convert.request import Request
from localfin_models.errors import InputRefused

SMALL = {"vocabulary": "llama-spm", "vocab_size": 320, "hidden": 64, "layers": 2, "intermediate": 64, "shards": 1}
PLAIN = {"padding": 0, "added_tokens": (), "adapters": ()}


def small(name: str, **changes: Any) -> Case:
    """The golden case `name`, made small."""
    case = next(case for case in CASES if case.name == name)
    return replace(case, **(SMALL | PLAIN | changes))


def edited(base: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    config = json.loads((base / "config.json").read_text())
    change(config)
    (base / "config.json").write_text(json.dumps(config))
    return base


def planned(base: Path, adapters: list[Path] | None = None) -> Any:
    return make_plan(Request(base, weighted(adapters or []), "q4_k_m", "out"))


REFUSED = [
    ("mixtral", {"num_local_experts": 9}, "lacks the tensor 'model.layers.0.block_sparse_moe.experts.8.w1"),
    ("mixtral", {"num_local_experts": 7}, "not all of its experts"),
    ("mixtral", {"num_local_experts": 10**9}, "up to 1024"),
    ("mixtral", {"num_hidden_layers": 10**9}, "up to 512"),
    ("phi3-longrope", {"rope_scaling": {"type": "longrope", "long_factor": [1.0], "short_factor": [1.0]}}, "8 numbers"),
    ("phi3-longrope", {"rope_scaling": {"type": "longrope"}}, "long_factor is not a list"),
    ("qwen3-spm", {"rope_scaling": {"rope_type": "llama3", "factor": 8.0}}, "'llama3' is not supported"),
    ("gemma3", {"rope_parameters": {"full_attention": {"rope_type": "yarn"}}}, "'yarn' is not supported"),
    ("gemma2", {"auto_map": {"AutoModelForCausalLM": "modeling_gemma2.Other"}}, "its own code"),
    ("phi3-longrope", {"auto_map": {"AutoModelForCausalLM": "modeling_other.Phi3ForCausalLM"}}, "its own code"),
]


@pytest.mark.parametrize(("name", "config", "words"), REFUSED)
def test_refused_before_a_tensor_is_read(name: str, config: dict[str, Any], words: str, tmp_path: Path) -> None:
    base, _ = build(small(name), tmp_path)
    with pytest.raises(InputRefused, match=words):
        planned(edited(base, lambda found: found.update(config)))


def test_releases_that_carry_their_familys_code_pass(tmp_path: Path) -> None:
    base, _ = build(small("phi3-longrope", config={}), tmp_path)
    auto_map = {"AutoConfig": "configuration_phi3.Phi3Config", "AutoModelForCausalLM": "modeling_phi3.Phi3ForCausalLM"}
    (base / "modeling_phi3.py").write_text("raise SystemExit('run')")
    planned(edited(base, lambda config: config.update(auto_map=auto_map)))


def test_gemma_needs_its_sentencepiece_model(tmp_path: Path) -> None:
    base, _ = build(small("gemma2"), tmp_path)
    (base / "tokenizer.model").unlink()
    (base / "tokenizer.json").write_text("{}")
    with pytest.raises(InputRefused, match=r"no tokenizer\.model"):
        planned(base)


def test_an_adapter_on_the_head_that_gemma_shares_is_refused(tmp_path: Path) -> None:
    case = small("gemma2", tied=False, adapters=(Adapter(("lm_head",), r=2),))
    with pytest.raises(InputRefused, match="lm_head"):
        planned(*build(case, tmp_path))


def test_each_experts_slice_takes_its_own_delta(tmp_path: Path) -> None:
    """The experts of one layer are adapted: the file differs from the plain one in their slices alone."""
    targets = tuple(f"layers.1.block_sparse_moe.experts.{number}.w2" for number in range(8))
    base, adapters = build(small("mixtral", adapters=(Adapter(targets, r=2, alpha=64),)), tmp_path)
    outs = [tmp_path / "plain.gguf", tmp_path / "merged.gguf"]
    convert(base, [], outs[0], "f32")
    convert(base, adapters, outs[1], "f32")
    plain, merged = (out.read_bytes() for out in outs)
    plan = make_plan(Request(base, weighted(adapters), "f32", "merged"))
    shift = len(plain) - len(merged)  # the name stands in the header
    for tensor in plan.tensors:
        first = tensor.offset + len(merged) - plan.total_bytes
        mine, theirs = merged[first : first + tensor.n_bytes], plain[first + shift : first + shift + tensor.n_bytes]
        assert bool(tensor.changes) == (tensor.name == "blk.1.ffn_down_exps.weight") == (mine != theirs)
    changes = [step.change.identity() for tensor in plan.tensors for step in tensor.changes]
    assert len(set(changes)) == len(changes) == 8


def test_the_dry_run_shows_stacked_experts_as_one(tmp_path: Path) -> None:
    base, _ = build(small("mixtral"), tmp_path)
    result = CliRunner().invoke(convert_command, [str(base), "-o", str(tmp_path / "out.gguf"), "--dry-run", "--json"])
    shapes = {tensor["name"]: tensor["shape"] for tensor in json.loads(result.stdout)["tensors"]}
    assert shapes["blk.1.ffn_up_exps.weight"] == [8, 64, 64]
    assert len(shapes) == len(json.loads(result.stdout)["tensors"])
