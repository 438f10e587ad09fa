"""Our conversion beside the usual three steps, in one run: base + LoRA adapter -> q4_k_m GGUF.

    python benchmarks/convert.py [--runs 3] [--sizes 1.1B] [--llama-cpp DIR] [--work DIR] [--cold]

Builds random checkpoints (bf16) with two adapters, one on attention and one on every linear layer, then runs peft's
merge, llama.cpp's converter and its quantizer, and `localfin convert` in three ways, each in its own process and all
in turn. Prints tables, writes `results/convert.json`, `convert.md` and the picture of the guide. Linux, `.[dev]`, up to
25 GB of disk for 3B, a quiet machine.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import picture
from measure import Cost, floor, machine, prepare, run

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PICTURE = ROOT / "docs" / "images" / "convert.svg"
LLAMA_CPP_PYTHON = "llama-cpp-python==0.3.36"
SIZES = {
    "0.1B": (768, 10, 12, 4, 2048),
    "0.3B": (1024, 22, 16, 4, 2816),
    "1.1B": (2048, 22, 32, 4, 5632),
    "3B": (3072, 28, 24, 8, 8192),
}
"""Width, layers, heads, key-value heads, feed-forward width; 32,000 tokens. 1.1B has TinyLlama's shape."""
MAIN = "1.1B"
ADAPTERS = {"attention": "r=16 on q/k/v/o", "linear": "r=16 on every linear layer"}
USUAL = ("peft merge, save", "convert_hf_to_gguf.py --outtype auto", "llama_model_quantize Q4_K_M")
ALL = "the three steps"
PLAIN, VERIFIED, ONTO = "localfin convert --no-verify", "localfin convert", "localfin convert --no-verify --onto"
Costs = dict[str, Cost]

BUILD = """
import sys
from pathlib import Path
from tests.golden.cases import LINEAR, Adapter, Case
from tests.golden.checkpoints import build
shape = [int(number) for number in sys.argv[2:]]
adapters = (Adapter(), Adapter(targets=LINEAR))
build(Case("bench", "llama", "llama-spm", 32_000, *shape, adapters=adapters), Path(sys.argv[1]))
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
usual, *ours = (record(Path(path)) for path in sys.argv[1:])
sys.exit(0 if all(one == usual for one in ours) else 1)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--llama-cpp", type=Path, help="llama.cpp's source tree; fetched into WORK without")
    parser.add_argument("--work", type=Path, default=Path.home() / ".cache" / "localfin" / "bench")
    parser.add_argument("--runs", type=int, default=1, help=f"of {MAIN}; the tables show medians; other sizes run once")
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=[MAIN])
    parser.add_argument("--cold", action="store_true", help="drop each step's input from the page cache first")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    llama_cpp = options.llama_cpp or fetch_llama_cpp(options.work)
    result: dict[str, Any] = {"machine": machine(), "cold": options.cold, "floor": floor(options.work), "sizes": {}}
    for size in options.sizes:
        runs = options.runs if size == MAIN else 1
        result["sizes"][size] = measured(size, runs, llama_cpp, options.work, cold=options.cold)
    text = report(result)
    print(text)
    name = "convert-cold" if options.cold else "convert"
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    (RESULTS / f"{name}.md").write_text(text + "\n", encoding="utf-8")
    if MAIN in options.sizes and not options.cold:
        steps = medians(result["sizes"][MAIN]["attention"]["runs"])
        PICTURE.write_text(picture.bars(steps, USUAL, (PLAIN, ONTO)), encoding="utf-8")
    if not all(one["equal"] for size in result["sizes"].values() for one in size.values()):
        raise SystemExit("the outputs differ")


def fetch_llama_cpp(work: Path) -> Path:
    """Unpacks llama.cpp from the pinned source distribution into `work`; downloads that with pip."""
    folder = work / LLAMA_CPP_PYTHON.replace("-", "_").replace("==", "-")
    if not folder.exists():
        pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-binary", "llama-cpp-python"]
        subprocess.run([*pip, "-d", str(work), LLAMA_CPP_PYTHON], check=True)
        shutil.unpack_archive(f"{folder}.tar.gz", work, filter="data")
    return folder / "vendor" / "llama.cpp"


def measured(size: str, runs: int, llama_cpp: Path, work: Path, *, cold: bool) -> dict[str, Any]:
    """By adapter: each run's costs by step, whether all outputs are equal, and what is read and written at least."""
    checkpoint = build_checkpoint(work, size)
    base, donor = checkpoint / "base", work / "base.gguf"
    run_convert(work, base, "-o", str(donor), "--no-verify")
    found: dict[str, Any] = {}
    for number, adapter in enumerate(ADAPTERS, 1):
        folder = checkpoint / f"adapter{number}"
        every = list[Costs]()
        for _ in range(runs):
            costs = usual_steps(base, folder, llama_cpp, work, cold=cold)
            for way, out in ((PLAIN, "plain"), (VERIFIED, "verified"), (ONTO, "onto")):
                _start(f"{size} {adapter}: {way}", base, cold)
                options = [*way.split()[2:], *([str(donor)] if way == ONTO else [])]
                costs[way] = run_convert(work, base, "-a", str(folder), "-o", str(work / f"{out}.gguf"), *options)
            every.append(costs)
        found[adapter] = {
            "runs": [{step: asdict(cost) for step, cost in costs.items()} for costs in every],
            "equal": outputs_equal(work),
            "base_mb": sum(file.stat().st_size for file in base.glob("*.safetensors")) / 1e6,
            "out_mb": (work / "plain.gguf").stat().st_size / 1e6,
        }
    return found


def build_checkpoint(work: Path, size: str) -> Path:
    """The folder with `base`, `adapter1` and `adapter2`; built once."""
    folder = work / f"checkpoint-{size}"
    if not folder.exists():
        half = work / "checkpoint.part"
        shutil.rmtree(half, ignore_errors=True)
        print(f"building the checkpoint {size} ...", file=sys.stderr)
        _python(work, "-c", BUILD, str(half), *map(str, SIZES[size]))
        half.rename(folder)
    return folder


def usual_steps(base: Path, adapter: Path, llama_cpp: Path, work: Path, *, cold: bool) -> Costs:
    """peft, the converter and the quantizer, and their sum (of the memory: the largest)."""
    merged, sixteen = work / "merged", work / "sixteen" / "model.gguf"
    shutil.rmtree(merged, ignore_errors=True)
    sixteen.parent.mkdir(exist_ok=True)
    costs: Costs = {}
    _start(USUAL[0], base, cold)
    costs[USUAL[0]] = _python(work, "-c", MERGE, str(base), str(adapter), str(merged))
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


def outputs_equal(work: Path) -> bool:
    """Whether all files hold the same keys and tensors, names and descriptions of the model aside."""
    paths = [str(work / f"{name}.gguf") for name in ("usual", "plain", "verified", "onto")]
    command = [sys.executable, "-c", COMPARE, *paths]
    return subprocess.run(command, env=_environment(), check=False).returncode == 0


def medians(runs: Sequence[Mapping[str, Mapping[str, float]]]) -> Costs:
    return {
        step: Cost(**{name: statistics.median(costs[step][name] for costs in runs) for name in cost})
        for step, cost in runs[0].items()
    }


def report(result: Mapping[str, Any]) -> str:
    """The whole in Markdown: each adapter of the main size, then how all sizes compare."""
    about, rates = result["machine"], result["floor"]
    lines = [
        f"bf16 to q4_k_m. {about['processor']}, {about['cores']} cores, {about['memory_gb']} GB; load before the start "
        f"{about['load_before']:.2f}; {'cold' if result['cold'] else 'warm'} page cache."
    ]
    for size, adapters in result["sizes"].items():
        for adapter, one in adapters.items() if size == MAIN else ():
            width, layers = SIZES[size][:2]
            lines += [
                "",
                f"## {size}: {width} x {layers} layers, {ADAPTERS[adapter]}; runs: {len(one['runs'])} (medians)",
                "",
                *table(medians(one["runs"])),
                "",
                noise(one["runs"]),
                f"Outputs equal, every key and tensor: {'yes' if one['equal'] else 'NO'}.",
            ]
    lines += ["", "## By size", "", *scaling(result), "", "The floor: the base read once and the output written and "
              f"read back, at {rates['memory_mb_s']:,.0f} MB/s (memory), {rates['write_mb_s']:,.0f} MB/s (writing to "
              f"the disk) and {rates['read_mb_s']:,.0f} MB/s (reading from it), as measured beside."]  # fmt: skip
    return "\n".join(lines)


def table(costs: Costs) -> list[str]:
    """How many times as much the three steps cost stands in brackets."""
    a = costs[ALL]
    lines = [
        "| step | wall | CPU | peak RSS | read from disk | written |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for step, c in costs.items():
        ours = step not in (*USUAL, ALL)

        def cell(value: float, theirs: float, text: str, ours: bool = ours) -> str:
            return f"{text} ({theirs / value:.1f}x)" if ours and value else text

        cells = (
            cell(c.wall_s, a.wall_s, f"{c.wall_s:.1f} s"),
            cell(c.cpu_s, a.cpu_s, f"{c.cpu_s:.1f} s"),
            cell(c.peak_rss_mb, a.peak_rss_mb, f"{c.peak_rss_mb:,.0f} MB"),
            f"{c.read_mb:,.0f} MB",
            cell(c.written_mb, a.written_mb, f"{c.written_mb:,.0f} MB"),
        )
        name = f"**{step}**" if ours or step == ALL else step
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def noise(runs: Sequence[Mapping[str, Mapping[str, float]]]) -> str:
    """From the fastest to the slowest run."""
    spans = (
        f"{step} {min(walls):.1f}-{max(walls):.1f} s"
        for step in (ALL, PLAIN, VERIFIED, ONTO)
        if (walls := [costs[step]["wall_s"] for costs in runs])
    )
    return "Wall from the fastest to the slowest run: " + "; ".join(spans) + "."


def scaling(result: Mapping[str, Any]) -> list[str]:
    lines = [
        "| size | adapter | three steps | --no-verify | verified | --onto | floor | peak RSS: theirs, ours |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for size, adapters in result["sizes"].items():
        for adapter, one in adapters.items():
            c = medians(one["runs"])
            least = floor_seconds(one, result["floor"])
            ways = (f"{c[way].wall_s:.1f} s ({c[ALL].wall_s / c[way].wall_s:.1f}x)" for way in (PLAIN, VERIFIED, ONTO))
            cells = (size, adapter, f"{c[ALL].wall_s:.1f} s", *ways, f"{least:.1f} s",
                     f"{c[ALL].peak_rss_mb:,.0f}, {c[PLAIN].peak_rss_mb:,.0f} MB")  # fmt: skip
            lines.append("| " + " | ".join(cells) + " |")
    return lines


def floor_seconds(one: Mapping[str, Any], rates: Mapping[str, float]) -> float:
    moved = one["base_mb"] / rates["memory_mb_s"]
    return float(moved + one["out_mb"] / rates["write_mb_s"] + one["out_mb"] / rates["read_mb_s"])


def _start(step: str, inputs: Path, cold: bool) -> None:
    print(f"{step} ...", file=sys.stderr)
    prepare(inputs, cold=cold)


def run_convert(work: Path, base: Path, *arguments: str) -> Cost:
    return _python(work, "-m", "localfin", "convert", str(base), "--force", *arguments)


def _python(work: Path, *arguments: str) -> Cost:
    """With a home of its own: SHA-256 that an earlier run has computed would be taken from there."""
    with TemporaryDirectory(dir=work) as home:
        return run([sys.executable, *arguments], _environment() | {"LOCALFIN_HOME": home}, work / "log.txt")


def _environment() -> dict[str, str]:
    paths = [str(ROOT / name) for name in (".", "localfin", "convert", "tui", "models")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "HF_HUB_OFFLINE": "1"}


if __name__ == "__main__":
    main()
