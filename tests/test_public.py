"""The few public names of each package, and what importing them may cost."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

PUBLIC = {
    "localfin": [
        "AdapterInfo",
        "Answer",
        "Assistant",
        "LoadOptions",
        "Lora",
        "Message",
        "ModelInfo",
        "Sampling",
        "Usage",
    ],
    "localfin.calc": [
        "Instalment",
        "Missing",
        "asked",
        "bond_price",
        "bond_yield",
        "break_even",
        "change",
        "deposit",
        "dsr",
        "dti",
        "effective_rate",
        "exchange",
        "grammar",
        "growth",
        "interest",
        "irr",
        "loan",
        "loan_schedule",
        "ltv",
        "margin",
        "mean",
        "nominal_rate",
        "npv",
        "percent_of",
        "ratio",
        "run",
        "savings",
        "total",
        "xirr",
    ],
    "localfin.documents": [
        "Block",
        "Document",
        "Documents",
        "Hit",
        "Index",
        "Outcome",
        "Passage",
        "Piece",
    ],
    "localfin.fraud": [
        "Capacity",
        "Checked",
        "Comparison",
        "Costs",
        "Evaluation",
        "Figures",
        "ReadReport",
        "Reason",
        "Scorer",
        "Transaction",
        "check",
        "evaluate",
        "fit",
        "load_scorer",
        "read",
    ],
    "localfin_convert": [
        "ImatrixReport",
        "LoraReport",
        "Report",
        "SafetensorsReport",
        "Weighted",
        "convert",
        "make_imatrix",
        "write_lora",
        "write_safetensors",
    ],
    "localfin_tui": ["LocalfinApp"],
    "localfin_models": ["GgufHeader", "check_gguf", "find_model", "list_models"],
}  # fmt: skip
TOP = Path(__file__).parents[1]


@pytest.mark.parametrize(("package", "names"), PUBLIC.items())
def test_public_names(package: str, names: list[str]) -> None:
    module = import_module(package)
    assert sorted(module.__all__) == names
    assert all(getattr(module, name).__doc__ for name in names)


@pytest.mark.parametrize(
    ("module", "absent"),
    [
        ("localfin", {"numpy", "textual", "torch", "llama_cpp"}),
        ("localfin.calc", {"numpy", "duckdb", "textual", "torch", "llama_cpp"}),
        ("localfin.fraud", {"numpy", "duckdb", "sklearn", "interpret", "textual", "torch", "llama_cpp"}),
        ("localfin_models", {"numpy", "textual", "torch", "llama_cpp"}),
        ("localfin_tui", {"numpy", "textual", "torch", "llama_cpp"}),
        ("localfin_convert", {"textual", "torch", "transformers", "peft", "llama_cpp"}),
    ],
)
def test_imports_stay_light(module: str, absent: set[str]) -> None:
    path = ":".join(str(TOP / name) for name in ("localfin", "convert", "tui", "models"))
    code = f"import {module}, sys; {module}.__all__; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert not absent & set(run.stdout.split())
