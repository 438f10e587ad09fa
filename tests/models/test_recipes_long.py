"""The whole recipe in miniature: real vocabulary, a few real training steps, an adapter that learns, a real GGUF."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from localfin_convert import convert

ROOT = Path(__file__).resolve().parents[2]
MINIATURE = """
from pathlib import Path
from recipes import evaluate, lora, pretrain, tokenizer
work = Path(__import__("sys").argv[1])
tokenizer.train(work)
pretrain.pretrain(work, (pretrain.Phase(40, 4, 128), pretrain.Phase(1, 1, 512)))
lora.train(work, 20)
evaluate.evaluate(work, 4)
"""


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_the_recipe_in_miniature(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "models"), "HF_HUB_OFFLINE": "1"}
    subprocess.run([sys.executable, "-c", MINIATURE, str(tmp_path)], env=environment, check=True, timeout=1000)
    records = {name: json.loads((tmp_path / f"{name}.json").read_text()) for name in ("pretrain", "lora", "evaluation")}
    losses = [entry[2] for entry in records["pretrain"]["history"]]
    assert losses[-1] < losses[0] - 0.5
    assert records["pretrain"]["tokens"] == 40 * 4 * 128 + 512
    assert records["lora"]["trainable"] > 0
    assert {row["adapter"] for row in records["evaluation"]["rows"]} == {True, False}
    report = convert(tmp_path / "base", [tmp_path / "adapter"], tmp_path / "out.gguf", prompt_format="seed")
    assert report.changed > 0
    assert report.n_bytes < 8_000_000
