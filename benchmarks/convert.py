"""Our conversion beside the usual three steps, in one run: base + LoRA adapter -> q4_k_m GGUF.

    python benchmarks/convert.py [--llama-cpp DIR] [--work DIR] [--layers 22] [--runs 1] [--cold]

Builds a random checkpoint of TinyLlama's shape (1.1 B parameters, bf16) and a LoRA adapter once, then runs peft's
merge, llama.cpp's converter and its quantizer, and `localfin convert`, each in its own process. Prints a table, writes
`benchmarks/results/convert.json` and `.md`. Linux, `.[dev]`, about 10 GB of disk, a quiet machine.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

from measure import Cost, machine, prepare, run

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
LLAMA_CPP_PYTHON = "llama-cpp-python==0.3.36"
USUAL = ("peft merge, save", "convert_hf_to_gguf.py --outtype auto", "llama_model_quantize Q4_K_M")
ALL, OURS = "the three steps", "localfin convert"

BUILD = """
import sys
from pathlib import Path
from tests.golden.cases import Adapter, Case
from tests.golden.checkpoints import build
layers = int(sys.argv[2])
build(Case("bench", "llama", "llama-spm", 32_000, 2048, layers, 32, 4, 5632, adapters=(Adapter(),)), Path(sys.argv[1]))
"""
MERGE = """
import sys
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM
base, adapter, merged = sys.argv[1:]
model = AutoModelForCausalLM.from_pretrained(base, dtype=torch.bfloat16)
PeftModel.from_pretrained(model, adapter).merge_and_unload().save_pretrained(merged)
"""
QUANTIZE = """
import ctypes, sys
import llama_cpp
params = llama_cpp.llama_model_quantize_default_params()
params.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q4_K_M
sys.exit(llama_cpp.llama_model_quantize(sys.argv[1].encode(), sys.argv[2].encode(), ctypes.byref(params)))
"""
COMPARE = """
import sys
from pathlib import Path
from tests.golden.record import record
ours, usual = (record(Path(path)) for path in sys.argv[1:])
sys.exit(0 if ours == usual else 1)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--llama-cpp", type=Path, help="llama.cpp's source tree; fetched into WORK without")
    parser.add_argument("--work", type=Path, default=Path.home() / ".cache" / "localfin" / "bench")
    parser.add_argument("--layers", type=int, default=22, help="22 make 1.1 B parameters")
    parser.add_argument("--runs", type=int, default=1, help="the table shows the median")
    parser.add_argument("--cold", action="store_true", help="drop each step's input from the page cache first")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    llama_cpp = options.llama_cpp or fetch_llama_cpp(options.work)
    checkpoint = build_checkpoint(options.work, options.layers)
    about = machine()
    runs: list[dict[str, Cost]] = []
    for _ in range(options.runs):
        runs.append(usual_steps(checkpoint, llama_cpp, options.work, cold=options.cold))
        runs[-1][OURS] = ours(checkpoint, options.work, cold=options.cold)
    equal = outputs_equal(options.work)
    costs = {step: median([costs[step] for costs in runs]) for step in runs[0]}
    text = table(costs, equal)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    name = "convert-cold" if options.cold else "convert"
    kept = {step: [asdict(costs[step]) for costs in runs] for step in runs[0]}
    result = {"machine": about, "layers": options.layers, "outputs_equal": equal, "runs": kept}
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    (RESULTS / f"{name}.md").write_text(f"{heading(about, options)}\n\n{text}\n", encoding="utf-8")
    if not equal:
        raise SystemExit("the two outputs differ")


def fetch_llama_cpp(work: Path) -> Path:
    """Unpacks llama.cpp from the pinned source distribution into `work`; downloads that with pip."""
    folder = work / LLAMA_CPP_PYTHON.replace("-", "_").replace("==", "-")
    if not folder.exists():
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", "llama-cpp-python"]
        subprocess.run([*pip, "-d", str(work), LLAMA_CPP_PYTHON], check=True)
        shutil.unpack_archive(f"{folder}.tar.gz", work, filter="data")
    return folder / "vendor" / "llama.cpp"


def build_checkpoint(work: Path, layers: int) -> Path:
    """The folder with `base` and `adapter1`; built once."""
    folder = work / f"checkpoint-{layers}"
    if not folder.exists():
        half = work / "checkpoint.part"
        shutil.rmtree(half, ignore_errors=True)
        print("building the checkpoint ...", file=sys.stderr)
        _python(work, "-c", BUILD, str(half), str(layers))
        half.rename(folder)
    return folder


def usual_steps(checkpoint: Path, llama_cpp: Path, work: Path, *, cold: bool) -> dict[str, Cost]:
    """peft, the converter and the quantizer, and their sum (of the memory: the largest)."""
    base, merged, sixteen = checkpoint / "base", work / "merged", work / "sixteen" / "model.gguf"
    shutil.rmtree(merged, ignore_errors=True)
    sixteen.parent.mkdir(exist_ok=True)
    costs: dict[str, Cost] = {}
    _start(USUAL[0], checkpoint, cold)
    costs[USUAL[0]] = _python(work, "-c", MERGE, str(base), str(checkpoint / "adapter1"), str(merged))
    for file in base.iterdir():
        if not file.name.startswith("model"):
            shutil.copy(file, merged)
    _start(USUAL[1], merged, cold)
    script = str(llama_cpp / "convert_hf_to_gguf.py")
    costs[USUAL[1]] = _python(work, script, str(merged), "--outfile", str(sixteen), "--outtype", "auto")
    shutil.rmtree(merged)
    _start(USUAL[2], sixteen.parent, cold)
    costs[USUAL[2]] = _python(work, "-c", QUANTIZE, str(sixteen), str(work / "usual.gguf"))
    sixteen.unlink()
    every = list(costs.values())
    costs[ALL] = Cost(
        wall_s=sum(cost.wall_s for cost in every),
        cpu_s=sum(cost.cpu_s for cost in every),
        peak_rss_mb=max(cost.peak_rss_mb for cost in every),
        read_mb=sum(cost.read_mb for cost in every),
        written_mb=sum(cost.written_mb for cost in every),
    )
    return costs


def ours(checkpoint: Path, work: Path, *, cold: bool) -> Cost:
    _start(OURS, checkpoint, cold)
    base, adapter = str(checkpoint / "base"), str(checkpoint / "adapter1")
    return _python(work, "-m", "localfin", "convert", base, "-a", adapter, "-o", str(work / "ours.gguf"), "--force")


def outputs_equal(work: Path) -> bool:
    """Whether both files hold the same keys and tensors, names and descriptions of the model aside."""
    command = [sys.executable, "-c", COMPARE, str(work / "ours.gguf"), str(work / "usual.gguf")]
    return subprocess.run(command, env=_environment(), check=False).returncode == 0


def median(costs: list[Cost]) -> Cost:
    return Cost(**{name: statistics.median(asdict(cost)[name] for cost in costs) for name in asdict(costs[0])})


def table(costs: dict[str, Cost], equal: bool) -> str:
    """The costs as Markdown, and how many times as much the three steps cost."""
    lines = [
        "| step | wall | CPU | peak RSS | read from disk | written |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for step, c in costs.items():
        bold = "**" if step == OURS else ""
        cells = (
            f"{c.wall_s:.1f} s",
            f"{c.cpu_s:.1f} s",
            f"{c.peak_rss_mb:,.0f} MB",
            f"{c.read_mb:,.0f} MB",
            f"{c.written_mb:,.0f} MB",
        )
        lines.append(f"| {bold}{step}{bold} | " + " | ".join(f"{bold}{cell}{bold}" for cell in cells) + " |")
    a, b = costs[ALL], costs[OURS]
    pairs = ((a.wall_s, b.wall_s), (a.cpu_s, b.cpu_s), (a.peak_rss_mb, b.peak_rss_mb), (a.read_mb, b.read_mb),
             (a.written_mb, b.written_mb))  # fmt: skip
    lines.append("| three steps / ours | " + " | ".join(f"{x / y:.1f}x" if y else "" for x, y in pairs) + " |")
    return "\n".join([*lines, "", f"Outputs equal, every key and tensor: {'yes' if equal else 'NO'}."])


def heading(about: dict[str, str | int | float], options: argparse.Namespace) -> str:
    return (
        f"2048 x {options.layers} layers, bf16, LoRA r=16 on q/k/v/o, to q4_k_m. {about['processor']}, "
        f"{about['cores']} cores, {about['memory_gb']} GB; load before the start {about['load_before']:.2f}; "
        f"{'cold' if options.cold else 'warm'} page cache; runs: {options.runs} (median)."
    )


def _start(step: str, inputs: Path, cold: bool) -> None:
    print(f"{step} ...", file=sys.stderr)
    prepare(inputs, cold=cold)


def _python(work: Path, *arguments: str) -> Cost:
    return run([sys.executable, *arguments], _environment(), work / "log.txt")


def _environment() -> dict[str, str]:
    paths = [str(ROOT / name) for name in (".", "localfin", "convert", "tui", "models")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "HF_HUB_OFFLINE": "1"}


if __name__ == "__main__":
    main()
