"""Bases that bitsandbytes quantized, and 16-bit ones as a QLoRA training saw them: bitsandbytes' and peft's bits."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.convert.tiny import convert, write_safetensors
from tests.golden.cases import CASES, LINEAR, Adapter, Case
from tests.golden.checkpoints import build
from tests.golden.record import record

import localfin_convert
from localfin_convert.adapter import Weighted
from localfin_convert.bitsandbytes.arithmetic import (
    BLOCKSIZES,
    TABLES,
    block_absmax,
    double_quantized,
    dynamic_table,
    nf4_codes,
)
from localfin_convert.bitsandbytes.state import quantized_sources
from localfin_convert.bitsandbytes.trained import AsTrained, RecentScales
from localfin_convert.command import convert as command
from localfin_convert.plan import make_plan
from localfin_convert.read.checkpoint import open_checkpoint, read_json
from localfin_convert.read.positional import OpenFiles
from localfin_convert.read.safetensors_file import read_header
from localfin_convert.read.source import Source
from localfin_convert.request import Request
from localfin_convert.write.journal import plan_digest
from localfin_models.errors import InputRefused

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")
save_file = pytest.importorskip("safetensors.torch").save_file
functional = pytest.importorskip("bitsandbytes.functional")

pytestmark = pytest.mark.filterwarnings(  # what importing bitsandbytes, and peft's look at the model, set off
    "ignore:.torch.jit.script_method. is deprecated:DeprecationWarning",
    "ignore:.is_gradient_checkpointing. is deprecated:FutureWarning",
)
DOUBLE = {"bnb_4bit_use_double_quant": True, "bnb_4bit_compute_dtype": "bfloat16"}
KINDS: dict[str, dict[str, Any]] = {
    "nf4": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"},
    "nf4-double": {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", **DOUBLE},
    "fp4": {"load_in_4bit": True, "bnb_4bit_quant_type": "fp4"},
    "fp4-double": {"load_in_4bit": True, "bnb_4bit_quant_type": "fp4", **DOUBLE},
    "int8": {"load_in_8bit": True},
}
QLORA = KINDS["nf4-double"]
_SMALL = {
    "vocabulary": "llama-spm",
    "vocab_size": 1000,
    "hidden": 72,
    "layers": 2,
    "heads": 4,
    "kv_heads": 2,
    "intermediate": 151,
}
SHAPES = [(1, 1), (5, 1), (7, 9), (33, 77), (72, 72), (40, 150), (200, 320), (64, 4096)]
TYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}


@pytest.fixture(autouse=True)
def _one_thread_and_nothing_compiled() -> Iterator[None]:
    """What torch adds depends on its threads; compiling bitsandbytes' kernel for odd widths takes minutes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.compiler.set_stance("force_eager"):
        yield
    torch.set_num_threads(threads)


def case_of(architecture: str, dtype: str = "bf16") -> Case:
    """Odd widths: blocks of 64 run over the ends of rows, and down_proj has an odd number of columns."""
    first = next(case for case in CASES if case.architecture == architecture and not case.tied)
    adapter = Adapter(LINEAR, r=4, alpha=8)
    return replace(first, name=f"quantized-{architecture}", dtype=dtype, shards=1, adapters=(adapter,), **_SMALL)  # type: ignore[arg-type]


def load(folder: Path, **options: Any) -> Any:
    """Fresh: on a CPU an inference repacks the weights, which `dequantize` does not know."""
    if options:
        options = {"quantization_config": transformers.BitsAndBytesConfig(**options), "device_map": "cpu"}
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="auto", **options)


def save_quantized(base: Path, folder: Path, kind: str) -> Path:
    load(base, **KINDS[kind]).save_pretrained(folder)
    return with_files(base, folder, "token*", "generation_config.json")


def with_files(base: Path, folder: Path, *patterns: str) -> Path:
    for pattern in patterns:
        for file in base.glob(pattern):
            shutil.copy(file, folder)
    return folder


def save_merged(quantized: Any, dtype: Any, base: Path, adapter: Path, folder: Path) -> Path:
    """peft's merge onto the dequantized model, in a checkpoint like `base`."""
    folder.mkdir(parents=True)
    merged = peft.PeftModel.from_pretrained(quantized.dequantize(dtype), adapter).merge_and_unload()
    save_file(merged.state_dict(), folder / "model.safetensors")
    return with_files(base, folder, "token*", "*config.json")


def read(source: Source, step: int = 5) -> np.ndarray[Any, Any]:
    """All rows, a few at a time."""
    with OpenFiles() as files:
        parts = [source.rows(files, at, min(step, source.shape[0] - at)) for at in range(0, source.shape[0], step)]
    return np.concatenate(parts)


def same(ours: np.ndarray[Any, Any], theirs: Any) -> bool:
    """The same numbers. bitsandbytes' own kernels disagree about the sign of FP4's zeros."""
    return np.array_equal(ours, theirs.detach().float().numpy())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("architecture", "dtype"), [("llama", "f16"), ("qwen2", "bf16")])
def test_a_merge_onto_it_equals_pefts_onto_the_dequantized_model(
    kind: str, architecture: str, dtype: str, tmp_path: Path
) -> None:
    base, (adapter,) = build(case_of(architecture, dtype), tmp_path)
    saved = save_quantized(base, tmp_path / "saved" / "base", kind)
    weight = "model.layers.1.mlp.down_proj.weight"
    dequantized = load(saved).dequantize(TYPES[dtype.upper()])
    assert same(read(open_checkpoint(saved).tensors[weight]), dequantized.state_dict()[weight])
    merged = save_merged(load(saved), TYPES[dtype.upper()], base, adapter, tmp_path / "merged" / "base")
    ours, theirs = tmp_path / "ours" / "out.gguf", tmp_path / "theirs" / "out.gguf"
    for out in (ours, theirs):
        out.parent.mkdir()
    report = convert(saved, [adapter], ours, dtype)
    convert(merged, [], theirs, dtype, verify=False)
    assert record(ours) == record(theirs)
    assert report.changed > 0


@pytest.mark.parametrize(("kind", "dtype"), [("nf4-double", "bf16"), ("fp4", "f16"), ("int8", "bf16")])
@pytest.mark.parametrize("adapted", [True, False])
def test_a_merged_checkpoint_holds_the_dequantized_weights(
    kind: str, dtype: str, adapted: bool, tmp_path: Path
) -> None:
    base, (adapter,) = build(case_of("llama", dtype), tmp_path)
    saved = save_quantized(base, tmp_path / "saved" / "base", kind)
    theirs = load(saved).dequantize(TYPES[dtype.upper()])
    if kind == "nf4-double":  # what says of its own what its weights are
        config = {name: value for name, value in read_json(saved / "config.json").items() if name != "dtype"}
        (saved / "config.json").write_text(json.dumps(config))
    if adapted:
        theirs = peft.PeftModel.from_pretrained(theirs, adapter).merge_and_unload()
    report = localfin_convert.write_safetensors(saved, [adapter] if adapted else [], tmp_path / "out")
    assert "quantization_config" not in read_json(report.out / "config.json")
    assert all(header.dtype == dtype.upper() for header in read_header(report.out / "model.safetensors").values())
    loaded = load(report.out)
    assert not hasattr(loaded, "hf_quantizer")
    mine, expected = loaded.state_dict(), theirs.state_dict()
    assert mine.keys() == expected.keys()
    assert [name for name in mine if not torch.equal(mine[name], expected[name])] == []


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("kind", ["nf4", "fp4"])
def test_blocks_of_every_size_over_rows_of_every_width(kind: str, dtype: str, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(1)
    for shape in SHAPES:
        for blocksize in BLOCKSIZES:
            double = blocksize % 128 != 0
            values = torch.randn(shape, generator=generator).to(TYPES[dtype])
            packed, state = functional.quantize_4bit(
                values, blocksize=blocksize, quant_type=kind, compress_statistics=double
            )
            tensors = {"x.weight": ("U8", packed.numpy())}
            for name, part in state.as_dict(packed=True).items():
                tensors[f"x.weight.{name}"] = ("F32" if part.dtype == torch.float32 else "U8", part.numpy())
            write_safetensors(tmp_path / "model.safetensors", tensors)
            source = quantized_sources(read_header(tmp_path / "model.safetensors"), {})["x.weight"]
            assert source.shape == shape
            assert same(read(source, 3), generic_dequantized(packed, state))


def generic_dequantized(packed: Any, state: Any) -> Any:
    """By bitsandbytes' generic kernel: its AVX-512 one takes wrong scales where a block goes over the end of a row."""
    from bitsandbytes.backends.default.ops import _dequantize_4bit_compute

    absmax = state.absmax
    if state.nested:
        absmax = functional.dequantize_blockwise(absmax, state.state2) + state.offset
    table = functional.get_4bit_type(state.quant_type, "cpu")
    arguments = packed.reshape(-1), absmax, table, state.blocksize, state.shape, state.dtype
    return _dequantize_4bit_compute(*arguments)


def test_the_tables_are_bitsandbytes_own() -> None:
    for kind, table in TABLES.items():
        assert np.array_equal(table, functional.get_4bit_type(kind, "cpu").numpy())
    assert np.array_equal(dynamic_table(), functional.create_dynamic_map().numpy())


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 70_000), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1e-40, 1e-4, 0.02, 30.0]))
@example(128, 0, 1e-40)
@example(64 * 257, 0, 1e-40)
def test_quantized_like_bitsandbytes(count: int, seed: int, scale: float) -> None:
    generator = np.random.default_rng(seed)
    values = (generator.standard_normal(count) * scale * generator.integers(0, 3, count)).astype(np.float32)
    packed, state = functional.quantize_4bit(
        torch.from_numpy(values), blocksize=64, quant_type="nf4", compress_statistics=True
    )
    pairs = packed.numpy().reshape(-1)
    assert np.array_equal(nf4_codes(values, 64), np.stack([pairs >> 4, pairs & 15], axis=1).reshape(-1)[:count])
    scales = functional.dequantize_blockwise(state.absmax, state.state2) + state.offset
    assert np.array_equal(double_quantized(block_absmax(values, 64)), scales.numpy())


@pytest.mark.parametrize("dtype", TYPES)
def test_a_16_bit_weight_as_the_training_saw_it(dtype: str, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(2)
    for shape in [*SHAPES, (300, 4100)]:
        values = (torch.randn(shape, generator=generator) * 0.02).to(TYPES[dtype])
        stored = values if dtype != "BF16" else values.view(torch.uint16)
        write_safetensors(tmp_path / "model.safetensors", {"x.weight": (dtype, stored.numpy())})
        source = AsTrained(read_header(tmp_path / "model.safetensors")["x.weight"], RecentScales())
        packed, state = functional.quantize_4bit(values, blocksize=64, quant_type="nf4", compress_statistics=True)
        assert same(read(source, 7), generic_dequantized(packed, state))


def test_a_16_bit_base_merged_as_the_training_saw_it(tmp_path: Path) -> None:
    base, (adapter,) = build(case_of("llama"), tmp_path)
    merged = save_merged(load(base, **QLORA), torch.bfloat16, base, adapter, tmp_path / "merged" / "base")
    ours, theirs, plain = (tmp_path / name / "out.gguf" for name in ("ours", "theirs", "plain"))
    for out in (ours, theirs, plain):
        out.parent.mkdir()
    convert(base, [adapter], ours, "bf16", merge_onto="dequantized", threads=3)
    convert(merged, [], theirs, "bf16", verify=False)
    convert(base, [adapter], plain, "bf16", merge_onto="16bit", verify=False)
    folder = localfin_convert.write_safetensors(base, [adapter], tmp_path / "folder", merge_onto="dequantized").out
    mine, expected = load(folder).state_dict(), load(merged).state_dict()
    assert [name for name in expected if not torch.equal(mine[name], expected[name])] == []
    assert record(ours) == record(theirs) != record(plain)


def test_only_the_rows_asked_for_are_read(tmp_path: Path) -> None:
    base, _ = build(case_of("llama"), tmp_path)
    saved = save_quantized(base, tmp_path / "saved", "nf4-double")
    source = open_checkpoint(saved).tensors["model.layers.0.mlp.up_proj.weight"]

    class Counting(OpenFiles):
        total = 0

        def read(self, path: Path, size: int, offset: int) -> bytes:
            self.total += size
            return super().read(path, size, offset)

    with Counting() as files:
        source.rows(files, 100, 2)
    assert files.total <= (2 * 72 + 2 * 64) // 2 + 4 + 4
    assert source.n_bytes == 151 * 72 // 2 + -(-151 * 72 // 64) + 4


def test_which_base_is_part_of_what_a_resumed_run_goes_on_with(tmp_path: Path) -> None:
    base, (adapter,) = build(case_of("llama"), tmp_path)
    plans = {
        merge: make_plan(Request(base, (Weighted(adapter),), "bf16", "out", None, merge))
        for merge in (None, "16bit", "dequantized")
    }
    assert [plan.merge_onto for plan in plans.values()] == ["16bit", "16bit", "dequantized"]
    digests = [plan_digest(plan) for plan in plans.values()]
    assert digests[2] not in digests[:2]


def test_a_quantized_base_has_no_16_bits(tmp_path: Path) -> None:
    base, _ = build(case_of("llama"), tmp_path)
    saved = save_quantized(base, tmp_path / "saved", "int8")
    run = CliRunner().invoke(command, [str(saved), "-o", str(tmp_path / "o.gguf"), "--merge-onto", "16bit"])
    assert isinstance(run.exception, InputRefused)
    assert "give the 16-bit base" in str(run.exception)
    run = CliRunner().invoke(command, [str(saved), "-o", str(tmp_path / "o.gguf"), "--dry-run"])
    assert "onto the dequantized base" in run.output
    assert not (tmp_path / "o.gguf").exists()


def test_a_quantized_base_has_nothing_to_compare_with(tmp_path: Path) -> None:
    base, (adapter,) = build(case_of("llama"), tmp_path)
    saved = save_quantized(base, tmp_path / "saved", "nf4")
    (tmp_path / "text.txt").write_text("text")
    arguments = [
        str(saved),
        "-a",
        str(adapter),
        "-o",
        str(tmp_path / "m.gguf"),
        "--compare",
        str(tmp_path / "text.txt"),
    ]
    run = CliRunner().invoke(command, arguments)
    assert "both merges are made" in str(run.exception)
