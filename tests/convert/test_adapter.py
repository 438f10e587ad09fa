"""Several adapters on one base, their weights, and the norms of DoRA. What each kind merges to is for the goldens."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from tests.convert.tiny import HIDDEN, VOCAB, bf16, convert, lora_tensors

from localfin_convert.adapter import Weighted
from localfin_convert.adapter.norms import row_norms
from localfin_convert.command import convert as command
from localfin_models.errors import InputRefused

Make = Callable[..., Path]
PREFIX = "base_model.model."
TOKENS = f"{PREFIX}model.embed_tokens.token_adapter.trainable_tokens_delta"
DORA = {
    f"{PREFIX}model.layers.0.self_attn.q_proj.lora_{part}": ("F32", np.full(shape, 0.5, np.float32))
    for part, shape in (("A.weight", (8, HIDDEN)), ("B.weight", (HIDDEN, 8)), ("magnitude_vector", (HIDDEN,)))
}
SAVED = {"tensors": {f"{PREFIX}lm_head.weight": bf16(np.random.default_rng(2), VOCAB, HIDDEN)},
         "config": {"modules_to_save": ["lm_head"]}}  # fmt: skip
HEAD_LORA = {"tensors": {
    f"{PREFIX}lm_head.lora_{side}.weight": ("F32", np.full(shape, 0.1, np.float32))
    for side, shape in (("A", (8, HIDDEN)), ("B", (VOCAB, 8)))
}, "config": {"target_modules": ["lm_head"]}}  # fmt: skip

UNTRAINED = {name: (dtype, array * ("lora_A" in name)) for name, (dtype, array) in lora_tensors().items()}


def token_rows(*ids: int) -> dict:
    values = ("F32", np.full((len(ids), HIDDEN), 0.25, np.float32))
    return {"tensors": {TOKENS: values}, "config": {"trainable_token_indices": list(ids)}}


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ({}, {"tensors": DORA, "config": {"use_dora": True}}, "q_proj.weight, and second belongs to the unmerged base"),
        (SAVED, HEAD_LORA, "2 adapters change lm_head.weight, and first replaces it whole"),
        (SAVED, SAVED, "replaces it whole"),
        (token_rows(3, 4), token_rows(4, 5), "second replaces rows that another one replaces"),
        ({}, {"tensors": {k: (d, a * 0) for k, (d, a) in lora_tensors().items()}}, "second changes no weight"),
    ],
)
def test_adapters_that_exclude_each_other(
    first: dict, second: dict, words: str, checkpoint: Make, adapter: Make, tmp_path: Path
) -> None:
    base, folders = checkpoint(), [adapter("first", **first), adapter("second", **second)]
    with pytest.raises(InputRefused, match=words):
        convert(base, folders, tmp_path / "out.gguf")
    assert not list(tmp_path.glob("out.gguf*"))


def renamed(old: str, new: str) -> dict:
    return {"tensors": {name.replace(old, new): stored for name, stored in lora_tensors().items()}}


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (renamed(".weight", ".default.weight"), "16 adapter tensors match nothing"),  # a state_dict saved by hand
        (renamed(PREFIX, ""), "match nothing in the base: model.layers"),
        (renamed(PREFIX, PREFIX * 2), "match nothing"),
        (renamed("model.layers", "language_model.model.layers"), "match nothing"),
        (renamed("lora_A", "lora_C"), "8 adapter tensors match nothing"),
        (renamed("layers.3", "layers.4"), "4 adapter tensors match nothing"),
        (
            {"tensors": {k: v for k, v in DORA.items() if "magnitude" in k}, "config": {"use_dora": True}},
            "only one half",
        ),
        ({"tensors": DORA}, "1 adapter tensors match nothing .*lora_magnitude_vector"),
        ({"tensors": UNTRAINED}, "changes no weight after rounding"),
        ({"config": {"lora_alpha": 0}}, "changes no weight after rounding"),
        ({"config": {"lora_alpha": 1e-9}}, "changes no weight after rounding"),
        ({"config": {"lora_alpha": float("nan")}}, "no usable r and lora_alpha"),
        ({"config": {"exclude_modules": ["v_proj"]}}, "does not target model.layers.0.self_attn.v_proj"),
        ({"config": {"layers_to_transform": [1, 2]}}, "does not target model.layers.0"),
        ({"config": {"target_modules": None}}, "does not target"),
    ],
)
def test_an_adapter_without_effect_or_place_is_refused(
    broken: dict, words: str, checkpoint: Make, adapter: Make, tmp_path: Path
) -> None:
    with pytest.raises(InputRefused, match=words):
        convert(checkpoint(), [adapter(**broken)], tmp_path / "out.gguf")
    assert not list(tmp_path.glob("out.gguf*"))


@pytest.mark.parametrize("replaced", [SAVED, token_rows(3)])
def test_what_replaces_has_no_weight(replaced: dict, checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="a weight means nothing"):
        convert(checkpoint(), [Weighted(adapter(**replaced), 0.5)], tmp_path / "out.gguf")


def test_disjoint_token_rows_of_two_adapters_merge(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    folders = [adapter("first", **token_rows(7, 2)), adapter("second", **token_rows(3))]
    assert convert(checkpoint(), folders, tmp_path / "out.gguf").changed == 3 * HIDDEN


def test_weights_on_the_command_line(checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    """`FOLDER=WEIGHT` is the weight of the library; a folder whose name holds `=` is a folder."""
    base, plain, odd = checkpoint(), adapter("plain"), adapter("r=8")
    wanted = convert(base, [Weighted(plain, -0.5), odd], tmp_path / "a.gguf")
    out = tmp_path / "b.gguf"
    arguments = [str(base), "-a", f"{plain}=-0.5", "-a", str(odd), "-o", str(out), "--json"]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 0, result.output
    whole, other = out.read_bytes(), (tmp_path / "a.gguf").read_bytes()
    assert len(whole) == len(other) == wanted.n_bytes
    assert whole.replace(b"\x01\x00\x00\x00\x00\x00\x00\x00b", b"\x01\x00\x00\x00\x00\x00\x00\x00a", 1) == other


@pytest.mark.parametrize("weight", ["0", "nan", "inf", "half", ""])
def test_bad_weights_are_wrong_usage(weight: str, checkpoint: Make, adapter: Make, tmp_path: Path) -> None:
    arguments = [str(checkpoint()), "-a", f"{adapter()}={weight}", "-o", str(tmp_path / "out.gguf")]
    result = CliRunner().invoke(command, arguments)
    assert result.exit_code == 2
    assert "is no weight" in result.output


@pytest.mark.parametrize("columns", [8, 64, 100, 255, 1000])
def test_row_norms_equal_torchs(columns: int) -> None:
    torch = pytest.importorskip("torch")
    rows = (np.random.default_rng(columns).standard_normal((97, columns)) * 0.02).astype(np.float32)
    assert np.array_equal(row_norms(rows), torch.linalg.norm(torch.from_numpy(rows), dim=1).numpy())


def test_lora_imports_no_torch() -> None:
    program = "import sys, localfin_convert.command; sys.exit('torch' in sys.modules or 'peft' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, env={"PYTHONPATH": ":".join(sys.path)})
