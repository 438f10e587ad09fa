"""`--precision f32`: the bytes of a model that peft loads and merges in float32, converted and quantized from there."""

import shutil
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("peft")

from tests.convert.beside_peft import pefts  # noqa: E402
from tests.convert.llama_quantize import llama_quantize  # noqa: E402
from tests.convert.random_models import case_of  # noqa: E402
from tests.convert.tiny import convert  # noqa: E402
from tests.golden.cases import ATTENTION, LINEAR, Adapter  # noqa: E402
from tests.golden.checkpoints import build, write_safetensors  # noqa: E402
from tests.golden.record import record  # noqa: E402
from transformers import AutoModelForCausalLM  # noqa: E402

from localfin_convert.adapter import Weighted  # noqa: E402
from localfin_convert.bitsandbytes.trained import onto  # noqa: E402
from localfin_convert.plan import make_plan  # noqa: E402
from localfin_convert.read.checkpoint import open_checkpoint  # noqa: E402
from localfin_convert.read.positional import OpenFiles  # noqa: E402
from localfin_convert.request import Request  # noqa: E402
from localfin_convert.write.journal import plan_digest  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")
Model = tuple[Path, list[Weighted], Path]
"""Base, adapters, and peft's merge of them in float32 as a checkpoint."""
_WIDE: dict[str, Any] = {"hidden": 256, "intermediate": 512, "layers": 2, "dtype": "bf16"}
CASES = {
    "lora": case_of("llama31-rope", {}, **_WIDE, adapters=(Adapter(LINEAR, r=4),)),
    "f16 base": case_of("llama31-rope", {}, **_WIDE | {"dtype": "f16"}, adapters=(Adapter(LINEAR, r=4),)),
    "two adapters": case_of(
        "qwen2-spm-biases", {}, **_WIDE, adapters=(Adapter(r=4, weight=0.7), Adapter(r=4, weight=-0.3, dtype="bf16"))
    ),
    "dora": case_of("llama31-rope", {}, **_WIDE, adapters=(Adapter(LINEAR, r=4, dora=True),)),
    "norms shifted": case_of("gemma2", {"head_dim": 64}, **_WIDE, adapters=(Adapter(ATTENTION, r=4),)),
    "whole tensors": case_of("llama31-rope", {}, **_WIDE, adapters=(Adapter(r=4, save=("lm_head",)),)),
    "through peft": case_of("llama31-rope", {}, **_WIDE, adapters=(Adapter(LINEAR, r=4, kind="LOHA"),)),
    "experts": case_of(
        "mixtral", {"num_local_experts": 8, "num_experts_per_tok": 2}, **_WIDE | {"intermediate": 256}, experts=8,
        adapters=(Adapter(ATTENTION, r=4, experts=True),),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Model]:
    made = dict[str, Model]()

    def make(name: str) -> Model:
        if name not in made:
            case, folder = CASES[name], tmp_path_factory.mktemp("case")
            base, paths = build(case, folder)
            adapters = [Weighted(path, own.weight) for path, own in zip(paths, case.adapters, strict=True)]
            whole = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
            pefts(whole, folder / "merged", *adapters)
            copy_settings(base, folder / "merged")
            made[name] = base, adapters, folder / "merged"
        return made[name]

    return make


def copy_settings(base: Path, folder: Path) -> None:
    for file in base.iterdir():
        if not file.name.startswith("model"):
            shutil.copy(file, folder)


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_rounded_up_to_the_file(name: str, model: Callable[[str], Model], tmp_path: Path) -> None:
    base, adapters, merged = model(name)
    ours = record(convert(base, adapters, tmp_path / "ours.gguf", "f32", precision="f32").out)
    theirs = record(convert(merged, [], tmp_path / "theirs.gguf", "f32").out)
    assert ours == theirs
    assert ours["tensors"] != record(convert(base, adapters, tmp_path / "16.gguf", "f32").out)["tensors"]


@pytest.mark.parametrize("quantization", ["f16", "bf16"])
def test_sixteen_bits_are_rounded_to_once(quantization: str, model: Callable[[str], Model], tmp_path: Path) -> None:
    base, adapters, merged = model("lora")
    ours = convert(base, adapters, tmp_path / "ours.gguf", quantization, precision="f32").out
    assert record(ours) == record(convert(merged, [], tmp_path / "theirs.gguf", quantization).out)


@pytest.mark.parametrize(
    ("name", "quantization"),
    [("lora", "q4_k_m"), ("f16 base", "q8_0"), ("norms shifted", "q6_k"), ("experts", "q3_k_m")],
)
def test_it_is_quantized_from_float32(
    name: str, quantization: str, model: Callable[[str], Model], tmp_path: Path
) -> None:
    base, adapters, merged = model(name)
    llama_quantize(convert(merged, [], tmp_path / "f32.gguf", "f32").out, tmp_path / "theirs.gguf", quantization)
    ours = convert(base, adapters, tmp_path / "ours.gguf", quantization, precision="f32").out
    assert record(ours) == record(tmp_path / "theirs.gguf")
    assert record(ours) != record(convert(base, adapters, tmp_path / "16.gguf", quantization).out)


def test_onto_what_the_training_saw_nothing_is_rounded_either(model: Callable[[str], Model], tmp_path: Path) -> None:
    """The dequantized weights have the 16 bits that bitsandbytes gave the training; what is added to them, has not."""
    base, adapters, _ = model("lora")
    seen = tmp_path / "seen"
    seen.mkdir()
    with OpenFiles() as files:
        tensors = {
            name: source.rows(files, 0, prod(source.shape[:-1])).reshape(source.shape)
            for name, source in onto(open_checkpoint(base), "dequantized")[0].tensors.items()
        }
    write_safetensors(seen / "model.safetensors", tensors, "f32")
    copy_settings(base, seen)
    ours = convert(base, adapters, tmp_path / "o.gguf", "f32", merge_onto="dequantized", precision="f32").out
    assert record(ours) == record(convert(seen, adapters, tmp_path / "theirs.gguf", "f32").out)


def test_precision_is_part_of_what_a_resumed_run_goes_on_with(model: Callable[[str], Model]) -> None:
    base, adapters, _ = model("lora")
    both = [make_plan(Request(base, tuple(adapters), "bf16", "o", precision=one)) for one in ("16bit", "f32")]
    assert plan_digest(both[0]) != plan_digest(both[1])
    assert both[0].provenance.options == {"quantization": "bf16"}
    assert both[1].provenance.options == {"quantization": "bf16", "precision": "f32"}
