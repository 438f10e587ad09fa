"""GGUF adapters beside llama.cpp's convert_lora_to_gguf.py, where it is right: plain LoRA. Cases, and their making.

    python -m tests.golden.lora LLAMA_CPP_DIR

writes `lora/`, as make.py does `goldens/`. test_lora.py compares.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from safetensors.numpy import load_file, save_file
from tests.golden.cases import ATTENTION, LINEAR, Adapter, Case
from tests.golden.checkpoints import build
from tests.golden.record import dump, record

GOLDENS = Path(__file__).parent / "lora"
TYPES = ("f32", "f16", "bf16", "q8_0")
_EXPERTS = {"num_local_experts": 3, "num_experts_per_tok": 2}

CASES = (
    # Rows of q and k are reordered, also where heads are grouped; a rank that q8_0's blocks divide.
    Case(
        "llama-linear", "llama", "llama-spm", 600, 64, 2, 4, 2, 96,
        adapters=(Adapter(LINEAR, r=32, alpha=48),), quantizations=TYPES,
    ),
    # Nothing is reordered; a bf16 adapter of a rank that no block divides.
    Case(
        "qwen2-attention", "qwen2", "llama-spm", 600, 64, 2, 4, 2, 96,
        adapters=(Adapter(ATTENTION, r=6, alpha=9, dtype="bf16"),), quantizations=TYPES,
    ),
    # Embedding and head, without the copies of the base's that peft saves beside them.
    Case(
        "llama-embedding", "llama", "llama-spm", 600, 64, 2, 4, 2, 96,
        adapters=(Adapter(("q_proj", "embed_tokens", "lm_head"), r=8, alpha=16),), quantizations=("f32", "q8_0"),
    ),
    # Every expert of every layer, and what chooses them.
    Case(
        "mixtral-experts", "mixtral", "llama-spm", 600, 64, 2, 4, 2, 96, experts=3, config=_EXPERTS,
        adapters=(Adapter(("q_proj", "gate", "w1", "w2", "w3"), r=4, alpha=8),), quantizations=("f32", "f16"),
    ),
    Case(
        "phi3-fused", "phi3", "llama-spm", 600, 64, 2, 4, 2, 96, config={"pad_token_id": 0},
        adapters=(Adapter(("qkv_proj", "o_proj", "gate_up_proj"), r=4, alpha=8),), quantizations=("f32",),
    ),
)  # fmt: skip


def build_lora(case: Case, folder: Path) -> tuple[Path, Path]:
    """The case's base and its adapter, which holds nothing but pairs."""
    base, (adapter,) = build(case, folder)
    if case.adapters[0].dtype == "f32":
        weights = adapter / "adapter_model.safetensors"
        save_file({name: array for name, array in load_file(weights).items() if "lora_" in name}, weights)
    return base, adapter


def main() -> None:
    script = Path(sys.argv[1]) / "convert_lora_to_gguf.py"
    shutil.rmtree(GOLDENS, ignore_errors=True)
    GOLDENS.mkdir()
    for case in CASES:
        with tempfile.TemporaryDirectory() as temporary:
            base, adapter = build_lora(case, Path(temporary))
            for kind in case.quantizations:
                out = Path(temporary) / f"{kind}.gguf"
                command = [sys.executable, str(script), str(adapter), "--base", str(base), "--outfile", str(out)]
                environment = os.environ | {"HF_HUB_OFFLINE": "1"}
                subprocess.run([*command, "--outtype", kind], check=True, env=environment, capture_output=True)
                golden: dict[str, Any] = {"made": {"script": script.name}} | record(out)
                (GOLDENS / f"{case.name}.{kind}.json").write_text(dump(golden), encoding="utf-8")


if __name__ == "__main__":
    main()
