"""`--tensor-type`, `--imatrix`, `--precision`: whole conversions beside peft and `llama_model_quantize`, byte for byte.

What llama.cpp quantizes is our own unquantized output, whose bytes the goldens hold against its converter.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from gguf import GGMLQuantizationType as Type
from gguf import GGUFReader
from numpy.typing import NDArray
from tests.convert.llama_quantize import llama_quantize, tensors_of
from tests.convert.random_models import case_of
from tests.convert.test_verify import MODELS, base_of
from tests.convert.tiny import convert, llama_tensors
from tests.golden.cases import ATTENTION, LINEAR, Adapter
from tests.golden.checkpoints import build
from tests.golden.record import record

import localfin_convert
from localfin_convert.command import convert as command
from localfin_convert.imatrix import read_imatrix
from localfin_convert.imatrix.file import Sums, write_imatrix
from localfin_convert.plan import make_plan
from localfin_convert.quantize.mixtures import MIXTURES
from localfin_convert.quantize.overrides import read_override
from localfin_convert.request import Request
from localfin_convert.write.journal import plan_digest
from localfin_models.errors import InputRefused

Make = Callable[..., Path]
Importance = Mapping[str, NDArray[np.float32]]
_WIDE: dict[str, Any] = {"hidden": 256, "intermediate": 256, "dtype": "bf16", "layers": 8}
DENSE = case_of("llama31-rope", {}, **_WIDE, adapters=(Adapter(LINEAR, r=4),))
MIXTURE = case_of(
    "mixtral", {"num_local_experts": 8, "num_experts_per_tok": 2}, **_WIDE | {"layers": 2},
    experts=8, adapters=(Adapter(ATTENTION, r=4, experts=True),),
)  # fmt: skip
PATTERNS = ("ffn_down", r"blk\.\d*[02468]\.attn_v", "attn_(q|k)", "token_embd|^output", r"^BLK\.[0-3]\.", "gate", ".")
FREE = ("q8_0", "Q6_K", "f16", "bf16", "f32", "iq3_s", "q5_1", "q2_k", "tq2_0", "mxfp4", "q4_1", "iq4_xs")
NEEDING = ("iq3_xxs", "iq2_s", "iq2_xs", "iq2_xxs", "iq1_m", "iq1_s")
QUICK = ("iq3_xxs", "iq2_xxs")  # ggml works tens of seconds on the grids of the others


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, list[Path], Path]]:
    """Base, adapters, and what llama.cpp's converter makes of their merge."""
    made = dict[str, tuple[Path, list[Path], Path]]()
    for name, case in (("dense", DENSE), ("mixture", MIXTURE)):
        folder = tmp_path_factory.mktemp(name)
        base, adapters = build(case, folder)
        made[name] = base, adapters, convert(base, adapters, folder / "model.gguf", "bf16").out
    return made


def random_overrides(random: np.random.Generator, kinds: Sequence[str], count: int) -> tuple[str, ...]:
    return tuple(f"{random.choice(PATTERNS)}={random.choice(kinds)}" for _number in range(count))


def write_random_imatrix(path: Path, source: Path, random: np.random.Generator, share: float = 0.9) -> Path:
    """Of a share of the matrices of a model, as llama-imatrix leaves them: one expert was never chosen."""
    sums = dict[str, Sums]()
    for name, (shape, kind) in shapes_of(source).items():
        if kind is Type.BF16 and name != "token_embd.weight" and random.random() < share:
            experts = shape[0] if len(shape) == 3 else 1
            counts = random.integers(1, 4000, experts)
            counts[1:2] = 0
            squares = random.standard_normal((experts, shape[-1])).astype(np.float32) ** 2 * 1000
            sums[name] = Sums(np.where(counts[:, None] > 0, squares, np.float32(0)), counts)
    write_imatrix(path, sums, ["texts/기사.txt", "more.txt"], 7, 512)
    return path


def shapes_of(path: Path) -> dict[str, tuple[tuple[int, ...], Type]]:
    return {name: (tuple(reversed(shape)), Type[kind]) for name, kind, shape, _ in record(path)["tensors"]}


def imatrix_keys(path: Path) -> dict[str, int | str]:
    """What llama-quantize hands on; it would name the file as it was given."""
    read = read_imatrix(path)
    return {
        "quantize.imatrix.file": path.name, "quantize.imatrix.dataset": read.datasets[0],
        "quantize.imatrix.entries_count": len(read.importance), "quantize.imatrix.chunks_count": read.chunks,
    }  # fmt: skip


def assert_equal(ours: Path, theirs: Path) -> None:
    mine, other = record(ours), record(theirs)
    assert mine["tensors"] == other["tensors"]
    assert mine["keys"] == other["keys"]


def compare_overridden(
    model: tuple[Path, list[Path], Path], folder: Path, quantization: str, random: np.random.Generator
) -> None:
    base, adapters, source = model
    given = random_overrides(random, FREE, int(random.integers(1, 4)))
    ours = convert(base, adapters, folder / "ours.gguf", quantization, tensor_types=given, force=True).out
    llama_quantize(source, folder / "theirs.gguf", quantization, [read_override(text) for text in given])
    assert_equal(ours, folder / "theirs.gguf")


def compare_weighed(
    model: tuple[Path, list[Path], Path],
    folder: Path,
    quantization: str,
    random: np.random.Generator,
    needing: str | None = None,
) -> None:
    """`needing`: a type that cannot do without importance, for a few small matrices."""
    base, adapters, source = model
    imatrix = write_random_imatrix(folder / "imatrix.gguf", source, random)
    importance = read_imatrix(imatrix).importance
    given = random_overrides(random, FREE, int(random.integers(2)))
    if needing is not None:
        named = "|".join(name.replace(".", r"\.") for name in importance if "attn_k" in name)
        given = (f"^({named})$={needing}", *given)
    ours = convert(base, adapters, folder / "o.gguf", quantization, tensor_types=given, imatrix=imatrix, force=True)
    llama_quantize(
        source, folder / "theirs.gguf", quantization, [read_override(text) for text in given], importance,
        imatrix_keys(imatrix),
    )  # fmt: skip
    assert_equal(ours.out, folder / "theirs.gguf")
    imatrix.unlink()


@pytest.mark.parametrize("quantization", MIXTURES)
def test_overridden_types_are_those_of_llama_model_quantize(
    quantization: str, models: dict[str, tuple[Path, list[Path], Path]], tmp_path: Path
) -> None:
    compare_overridden(models["dense"], tmp_path, quantization, np.random.default_rng([*quantization.encode()]))


@pytest.mark.parametrize("quantization", MIXTURES)
def test_weighed_bytes_are_those_of_llama_model_quantize(
    quantization: str, models: dict[str, tuple[Path, list[Path], Path]], tmp_path: Path
) -> None:
    name = "mixture" if quantization in ("q4_k_m", "q3_k_s", "iq4_xs", "q6_k") else "dense"
    compare_weighed(models[name], tmp_path, quantization, np.random.default_rng([*quantization.encode(), 1]))


@pytest.mark.parametrize("kind", [pytest.param(k, marks=() if k in QUICK else pytest.mark.long) for k in NEEDING])
def test_the_smallest_types_are_made_with_importance(
    kind: str, models: dict[str, tuple[Path, list[Path], Path]], tmp_path: Path
) -> None:
    compare_weighed(models["mixture"], tmp_path, "q8_0", np.random.default_rng([*kind.encode()]), kind)


@pytest.mark.long
@pytest.mark.parametrize("quantization", MIXTURES)
@pytest.mark.parametrize("name", ["dense", "mixture"])
def test_many_overrides_and_matrices(
    quantization: str, name: str, models: dict[str, tuple[Path, list[Path], Path]], tmp_path: Path
) -> None:
    random = np.random.default_rng([*quantization.encode(), *name.encode()])
    for _number in range(5):
        compare_overridden(models[name], tmp_path, quantization, random)
        compare_weighed(models[name], tmp_path, quantization, random, str(random.choice(NEEDING)))


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(command, [*map(str, arguments), "--no-verify"])


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--tensor-type", "ffn_down"], 2, "PATTERN=TYPE was expected"),
        (["--tensor-type", "ffn_down=q9_k"], 2, "PATTERN=TYPE was expected"),
        (["--tensor-type", "(?i)ffn=q8_0"], 2, "read alike"),
        (["--tensor-type", "attn_\N{KELVIN SIGN}=q8_0"], 2, "read alike"),
        (["--tensor-type", "ffn_down=q8_0", "--as-lora", "-a", "{adapter}"], 2, "--as-lora goes without --tensor-type"),
        (["--imatrix", "{imatrix}", "--as-lora", "-a", "{adapter}"], 2, "--as-lora goes without --imatrix"),
        (["--precision", "f32", "--as-lora", "-a", "{adapter}"], 2, "--as-lora goes without --precision"),
        (["--precision", "f64"], 2, "16bit"),
        (["--tensor-type", "ffn_down=q8_0", "-q", "bf16"], 2, "--tensor-type means nothing with -q bf16"),
        (["--imatrix", "{imatrix}", "-q", "f16"], 2, "--imatrix means nothing with -q f16"),
        (["--tensor-type", "attn_norm=q8_0"], 3, "attn_norm=q8_0: no tensor that is quantized"),
        (["--tensor-type", "ffn_down=q8_0", "--tensor-type", "ffn_dwon=q8_0"], 3, "ffn_dwon=q8_0: no tensor"),
        (["--tensor-type", "attn_k=iq2_s"], 3, "IQ2_S for blk.0.attn_k.weight needs an importance matrix"),
        (["--tensor-type", "token_embd=iq2_xxs"], 3, "IQ2_XXS for token_embd.weight needs an importance matrix"),
        (
            ["--tensor-type", "output.w=iq1_s", "--imatrix", "{imatrix}"],
            3,
            "and some.gguf has none",
        ),
        (["--imatrix", "{imatrix}.none"], 4, "no such file"),
        (["--imatrix", "{adapter}"], 3, "is not a file"),
        (["--imatrix", "{base}/config.json"], 3, "no usable importance matrix"),
        (["--imatrix", "{narrow}"], 3, "of another model"),
        (["--imatrix", "{strange}"], 3, "weighs no tensor of this model"),
        (["--imatrix", "{huge}"], 3, "no mean squares"),
    ],
)
def test_what_means_nothing_is_refused(
    checkpoint: Make, adapter: Make, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    names = {"base": checkpoint(), "adapter": adapter()}
    for name, tensor, columns, value in (
        ("some", "blk.0.attn_q.weight", 256, 1.0),
        ("narrow", "blk.0.attn_q.weight", 128, 1.0),
        ("strange", "blk.9.attn_q.weight", 256, 1.0),
        ("huge", "blk.0.attn_q.weight", 256, 1e25),
    ):
        names[name] = tmp_path / f"{name}.gguf"
        sums = Sums(np.full((1, columns), value, np.float32), np.array([1]))
        write_imatrix(names[name], {tensor: sums}, ["text"], 1, 512)
    names["imatrix"] = names["some"]
    before = sorted(tmp_path.iterdir())
    done = run(names["base"], "-o", tmp_path / "out.gguf", *(text.format(**names) for text in arguments))
    found = done.exit_code if isinstance(done.exception, SystemExit) else getattr(done.exception, "exit_code", None)
    said = done.output if isinstance(done.exception, SystemExit) else str(done.exception)
    assert (found, words in said) == (code, True), (done.exception, said)
    assert "\n" not in said or code == 2
    assert sorted(tmp_path.iterdir()) == before


def test_weights_that_ggml_cannot_search_end_no_process(checkpoint: Make, tmp_path: Path) -> None:
    tensors = llama_tensors()
    dtype, values = tensors["model.layers.0.self_attn.k_proj.weight"]
    tensors["model.layers.0.self_attn.k_proj.weight"] = dtype, values + np.uint16(60 << 7)  # times 2^60
    base = checkpoint(tensors=tensors)
    done = run(base, "-o", tmp_path / "out.gguf", "--tensor-type", "attn_k=iq3_s")
    assert isinstance(done.exception, InputRefused)
    assert "blk.0.attn_k.weight holds values that IQ3_S cannot" in str(done.exception)
    done = run(base, "-o", tmp_path / "out.gguf", "--tensor-type", "attn_k=q4_0")
    assert "blk.0.attn_k.weight holds values that Q4_0 cannot" in str(done.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


def test_a_dry_run_shows_the_types_and_costs_without_ending_the_process(
    checkpoint: Make, models: dict[str, tuple[Path, list[Path], Path]], tmp_path: Path
) -> None:
    base, adapters, source = models["dense"]
    imatrix = write_random_imatrix(tmp_path / "imatrix.gguf", source, np.random.default_rng(5))
    weighed = next(name for name in read_imatrix(imatrix).importance if "ffn_up" in name)
    arguments = [base, "-a", adapters[0], "-o", tmp_path / "out.gguf", "--dry-run", "--imatrix", imatrix]
    done = run(*arguments, "--tensor-type", f"^{weighed}$=iq2_xxs", "--tensor-type", "ffn_gate=f16")
    assert done.exit_code == 0, done.exception
    lines = done.stdout.splitlines()
    assert any(line.split()[0] == weighed and "IQ2_XXS" in line for line in lines if line)
    assert sum("ffn_gate.weight" in line and "F16" in line for line in lines) == DENSE.layers
    assert "the imatrix has nothing on" in done.stderr


def test_importance_is_part_of_what_a_resumed_run_goes_on_with(checkpoint: Make, tmp_path: Path) -> None:
    base, imatrix = checkpoint(), tmp_path / "imatrix.gguf"

    def digest(value: float) -> str:
        sums = {"blk.0.attn_q.weight": Sums(np.full((1, 256), value, np.float32), np.array([1]))}
        write_imatrix(imatrix, sums, ["text"], 1, 512, force=True)
        return plan_digest(make_plan(Request(base, (), "q4_k_m", "out", imatrix=imatrix)))

    assert digest(1.0) == digest(1.0) != digest(2.0)


def test_the_file_says_by_what_it_was_quantized(
    models: dict[str, tuple[Path, list[Path], Path]], tmp_path: Path
) -> None:
    base, _, source = models["mixture"]
    imatrix = write_random_imatrix(tmp_path / "imatrix.gguf", source, np.random.default_rng(6))
    given = ("ffn_down=q6_k", "attn_q=Q8_0")
    out = convert(base, [], tmp_path / "o.gguf", tensor_types=given, imatrix=imatrix, precision="f32").out
    keys = {name: field.contents() for name, field in GGUFReader(out).fields.items()}
    assert json.loads(keys["localfin.options"]) == {
        "quantization": "q4_k_m", "tensor_types": list(given), "imatrix": "imatrix.gguf", "precision": "f32",
    }  # fmt: skip
    hashes = dict(zip(keys["localfin.inputs"], keys["localfin.inputs.sha256"], strict=True))
    assert hashes["option/imatrix.gguf"] == hashlib.sha256(imatrix.read_bytes()).hexdigest()
    assert str(tmp_path).encode() not in out.read_bytes()


def test_names_that_are_long_or_no_text_are_cut_and_replaced(checkpoint: Make, tmp_path: Path) -> None:
    imatrix = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.gguf"))
    sums = {"blk.0.attn_q.weight": Sums(np.ones((1, 256), np.float32), np.array([1]))}
    write_imatrix(imatrix, sums, ["a" + "금" * 80], 1, 512)
    out = convert(checkpoint(), [], tmp_path / "out.gguf", imatrix=imatrix).out
    keys = {name: field.contents() for name, field in GGUFReader(out).fields.items()}
    assert keys["quantize.imatrix.file"] == "?.gguf"
    assert keys["quantize.imatrix.dataset"] == "a" + "금" * 42  # 127 bytes


def test_an_embedding_of_another_width_stays_unweighed_as_in_llama_cpp(
    models: dict[str, tuple[Path, list[Path], Path]], tmp_path: Path
) -> None:
    base, adapters, source = models["dense"]
    ones = {"token_embd.weight": Sums(np.full((1, 320), 2, np.float32), np.array([1])),
            "blk.0.attn_q.weight": Sums(np.linspace(0, 9, 256, dtype=np.float32)[None], np.array([1]))}  # fmt: skip
    write_imatrix(tmp_path / "i.gguf", ones, ["text"], 0, 512)
    importance = read_imatrix(tmp_path / "i.gguf").importance
    ours = convert(base, adapters, tmp_path / "o.gguf", "q3_k_m", imatrix=tmp_path / "i.gguf").out
    keys: dict[str, int | str] = {
        "quantize.imatrix.file": "i.gguf", "quantize.imatrix.dataset": "text", "quantize.imatrix.entries_count": 2,
    }  # fmt: skip
    llama_quantize(source, tmp_path / "theirs.gguf", "q3_k_m", (), importance, keys)
    assert_equal(ours, tmp_path / "theirs.gguf")
    plain = convert(base, adapters, tmp_path / "plain.gguf", "q3_k_m").out
    mine, other = tensors_of(ours), tensors_of(plain)
    assert {name for name in mine if mine[name] != other[name]} == {"blk.0.attn_q.weight"}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("llama", {"tensor_types": ("ffn=tq2_0", "attn_q=iq3_s", "attn_k=mxfp4", "attn_v=f16")}),
        ("mixtral", {"imatrix": True, "tensor_types": ("attn_k=iq2_xxs",)}),
        ("gemma2", {"precision": "f32"}),
    ],
)
def test_what_is_made_so_is_verified(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    case = replace(MODELS[name], hidden=256, intermediate=256)
    base = base_of(case, tmp_path)
    if "imatrix" in options:
        source = convert(base, [], tmp_path / "source.gguf", "bf16").out
        options["imatrix"] = write_random_imatrix(tmp_path / "i.gguf", source, np.random.default_rng(7), share=1.0)
    found = localfin_convert.convert(base, [], tmp_path / "out.gguf", "q4_k_m", **options).verification
    assert found is not None
    assert 0 < found.logits.noise < found.logits.noise_limit
