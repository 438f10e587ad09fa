"""`--onto`: the bytes of a full conversion, copied where no adapter changes anything, and only from the same base."""

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from tests.convert.tiny import LAYERS, bf16, convert, llama_tensors

from localfin_convert import blocks
from localfin_convert import plan as planning
from localfin_convert.adapter import Weighted
from localfin_convert.command import convert as command
from localfin_convert.plan import make_plan
from localfin_convert.request import Request
from localfin_convert.reuse import open_donor
from localfin_convert.write.journal import plan_digest
from localfin_models.errors import InputRefused, NotFound

Make = Callable[..., Path]
TENSORS = 1 + 9 * LAYERS + 2
TOUCHED = 2 * LAYERS  # q_proj and v_proj of each layer


def without_provenance(path: Path) -> Path:
    """As any other program would have made it: our keys have another name of the same length."""
    other = path.with_name("other.gguf")
    other.write_bytes(path.read_bytes().replace(b"localfin.", b"someone__"))
    return other


@pytest.mark.parametrize("quantization", ["q4_k_m", "q6_k", "bf16"])
@pytest.mark.parametrize("provenance", [True, False])
def test_the_bytes_are_those_of_the_full_conversion(
    checkpoint: Make, adapter: Make, tmp_path: Path, quantization: str, provenance: bool
) -> None:
    base, lora = checkpoint(), adapter()
    donor = convert(base, [], tmp_path / "base.gguf", quantization).out
    donor = donor if provenance else without_provenance(donor)
    full = convert(base, [lora], tmp_path / "model.gguf", quantization)
    expected = full.out.read_bytes()
    onto = convert(base, [lora], tmp_path / "model.gguf", quantization, onto=donor, force=True)
    assert onto.out.read_bytes() == expected
    assert onto.changed == full.changed > 0
    assert full.copied_bytes == 0 < onto.copied_bytes < onto.n_bytes


def test_what_an_adapter_touches_is_computed_and_all_else_copied(
    checkpoint: Make, adapter: Make, tmp_path: Path
) -> None:
    base, lora = checkpoint(), adapter()
    donor = convert(base, [], tmp_path / "base.gguf").out
    plan = make_plan(Request(base, (Weighted(lora),), "q4_k_m", "model"))
    given = open_donor(donor).give_to(plan, 1)
    computed = [tensor for tensor in given.tensors if tensor.ready is None]
    assert len(given.tensors) == TENSORS
    assert len(computed) == TOUCHED
    assert all(tensor.changes for tensor in computed)


def test_a_donor_in_several_files_and_other_types(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    """q4_k_m shares its q6_k tensors and the norms with q6_k."""
    base, lora = checkpoint(shards=3), adapter()
    donor = convert(base, [], tmp_path / "base.gguf", "q6_k", split_max_bytes=300_000)
    assert len(donor.files) > 2
    full = convert(base, [lora], tmp_path / "full.gguf").out.read_bytes()
    report = convert(base, [lora], tmp_path / "full.gguf", onto=donor.out, force=True)
    assert report.out.read_bytes() == full
    assert report.copied_bytes > 0


def test_more_blocks_than_are_sampled(
    checkpoint: Make, adapter: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "BLOCK_ELEMENTS", 1 << 12)
    monkeypatch.setattr(planning, "COPIED_BYTES", 1 << 10)
    base, lora = checkpoint(), adapter()
    donor = without_provenance(convert(base, [], tmp_path / "base.gguf").out)
    full = convert(base, [lora], tmp_path / "full.gguf").out.read_bytes()
    assert convert(base, [lora], tmp_path / "full.gguf", onto=donor, force=True).out.read_bytes() == full


@pytest.mark.parametrize("provenance", [True, False])
def test_another_base_is_refused_by_its_blocks(
    checkpoint: Make, adapter: Make, tmp_path: Path, provenance: bool
) -> None:
    donor = convert(checkpoint("other", llama_tensors(seed=5)), [], tmp_path / "base.gguf").out
    donor = donor if provenance else without_provenance(donor)
    refused(checkpoint(), adapter(), donor, tmp_path, "blocks are not those")


def test_another_base_is_refused_by_its_hashes_where_the_samples_agree(
    checkpoint: Make, adapter: Make, tmp_path: Path
) -> None:
    """It differs in a tensor that the adapter changes, so that none of its blocks is copied."""
    name = "model.layers.0.self_attn.q_proj.weight"
    tensors = llama_tensors()
    other: Mapping[str, Any] = {**tensors, name: bf16(np.random.default_rng(9), *tensors[name][1].shape)}
    donor = convert(checkpoint("other", other), [], tmp_path / "base.gguf").out
    refused(checkpoint(), adapter(), donor, tmp_path, "names another base")


def test_a_changed_block_is_refused(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    base = checkpoint()
    donor = convert(base, [], tmp_path / "base.gguf").out
    data = bytearray(donor.read_bytes())
    data[-100] ^= 1
    donor.write_bytes(data)
    refused(base, adapter(), donor, tmp_path, "blocks are not those")


def test_donors_that_are_none(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    base, lora = checkpoint(), adapter()
    merged = convert(base, [lora], tmp_path / "merged.gguf").out
    refused(base, lora, merged, tmp_path, "adapters were merged into it")
    merges = convert(base, [], tmp_path / "nf4.gguf", merge_onto="dequantized").out
    refused(base, lora, merges, tmp_path, "another --merge-onto")
    shutil.copy(base / "model.safetensors", tmp_path / "no.gguf")
    refused(base, lora, tmp_path / "no.gguf", tmp_path, "does not begin with GGUF")
    with pytest.raises(NotFound):
        convert(base, [lora], tmp_path / "out.gguf", onto=tmp_path / "missing.gguf")
    assert not list(tmp_path.glob("out*"))


def test_the_file_that_is_copied_from_is_not_written_over(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    base = checkpoint()
    donor = convert(base, [], tmp_path / "base.gguf").out
    before = donor.read_bytes()
    with pytest.raises(InputRefused, match=r"base\.gguf"):
        convert(base, [adapter()], donor, onto=donor, force=True)
    assert donor.read_bytes() == before


def test_what_was_copied_is_not_gone_on_with_by_a_run_that_does_not_prove_it(
    checkpoint: Make, adapter: Make, tmp_path: Path
) -> None:
    base, lora = checkpoint(), adapter()
    plan = make_plan(Request(base, (Weighted(lora),), "q4_k_m", "model"))
    donors = [convert(base, [], tmp_path / f"{name}.gguf").out for name in ("one", "other")]
    given = [open_donor(donor).give_to(plan, 1) for donor in donors]
    assert len({plan_digest(one) for one in (plan, *given)}) == 3
    assert plan_digest(open_donor(donors[0]).give_to(plan, 1)) == plan_digest(given[0])


def test_the_command_says_what_is_copied(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    base, lora = checkpoint(), adapter()
    donor = convert(base, [], tmp_path / "base.gguf").out
    words = [str(base), "-a", str(lora), "-o", str(tmp_path / "out.gguf"), "--onto", str(donor), "--no-verify"]
    dry = CliRunner().invoke(command, [*words, "--dry-run", "--json"])
    made = CliRunner().invoke(command, [*words, "--json"])
    assert made.exit_code == 0, made.output
    assert json.loads(dry.stdout)["copied_bytes"] == json.loads(made.stdout)["copied_bytes"] > 0


def refused(base: Path, lora: Path, donor: Path, folder: Path, why: str) -> None:
    with pytest.raises(InputRefused, match=why):
        convert(base, [lora], folder / "out.gguf", onto=donor)
    assert not list(folder.glob("out*"))
