"""Our decoding beside llama-bench's: tokens/s for the same file, threads and libraries, alternating, in one run.

    python benchmarks/decode.py [--model FILE.gguf] [--llama-bench PROGRAM] [--threads N] [--tokens 128] [--runs 5]

Without a model it takes the 1.1 B parameters that `convert.py` made in WORK, converting them first if need be; without
`--llama-bench` it builds that from the pinned source distribution (cmake, some minutes). llama-bench is run on the
installed llama-cpp-python's own libraries. Prints a table, writes `benchmarks/results/decode.json` and `.md`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from convert import RESULTS, build_checkpoint, fetch_llama_cpp, run_convert
from measure import machine

OURS, THEIRS = "localfin", "llama-bench"
QUESTION = "Explain in detail how compound interest works."
ANSWER = """
import json, sys
from pathlib import Path
from localfin import LoadOptions, Message, Sampling
from localfin.engine.client import LlamaEngine
engine = LlamaEngine()
engine.load(Path(sys.argv[1]), LoadOptions(n_ctx=2048, threads=int(sys.argv[2]), gpu_layers=0))
*_, end = engine.generate([Message("user", sys.argv[4])], Sampling(max_tokens=int(sys.argv[3])))
engine.close()
usage = end.usage
print(json.dumps({"tokens": usage.completion_tokens, "tokens_per_s": usage.decode_tokens_per_s}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="a GGUF; without, 1.1 B random parameters")
    parser.add_argument("--llama-bench", type=Path, help="the program; built in WORK without")
    parser.add_argument("--llama-cpp", type=Path, help="llama.cpp's source tree; fetched into WORK without")
    parser.add_argument("--work", type=Path, default=Path.home() / ".cache" / "localfin" / "bench")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--runs", type=int, default=5, help="of each, alternating; the table shows medians")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    program = options.llama_bench or build_llama_bench(options.llama_cpp or fetch_llama_cpp(options.work), options.work)
    model = options.model or convert_model(options.work)
    about = machine()
    rates: dict[str, list[float]] = {THEIRS: [], OURS: []}
    for number in range(options.runs):
        rates[THEIRS].append(theirs(program, model, options.threads, options.tokens))
        rates[OURS].append(our_rate(model, options.threads, options.tokens))
        print(f"run {number + 1}: {rates[THEIRS][-1]:.2f} {rates[OURS][-1]:.2f}", file=sys.stderr)
    text = table(rates)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    result = {"machine": about, "model_bytes": model.stat().st_size, "threads": options.threads,
              "tokens": options.tokens, "realtime": realtime(), "tokens_per_s": rates}  # fmt: skip
    (RESULTS / "decode.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    heading = (
        f"{model.stat().st_size / 1e6:,.0f} MB GGUF, {options.tokens} tokens, {options.threads} threads. "
        f"{about['processor']}, load before the start {about['load_before']:.2f}; "
        f"{options.runs} runs of each, alternating (medians){', at realtime priority' if realtime() else ''}."
    )
    (RESULTS / "decode.md").write_text(f"{heading}\n\n{text}\n", encoding="utf-8")


def build_llama_bench(source: Path, work: Path) -> Path:
    """Builds the program with the instruction sets that the wheel's default build has."""
    folder = work / "llama-bench"
    program = folder / "bin" / "llama-bench"
    if not program.exists():
        switches = {"CMAKE_BUILD_TYPE": "Release", "BUILD_SHARED_LIBS": "ON", "GGML_NATIVE": "OFF",
                    "LLAMA_BUILD_TESTS": "OFF", "LLAMA_BUILD_EXAMPLES": "OFF", "LLAMA_BUILD_SERVER": "OFF",
                    "LLAMA_BUILD_TOOLS": "ON"}  # fmt: skip
        given = [f"-D{name}={value}" for name, value in switches.items()]
        subprocess.run(["cmake", "-S", str(source), "-B", str(folder), *given], check=True, stdout=sys.stderr)
        subprocess.run(
            ["cmake", "--build", str(folder), "--target", "llama-bench", "-j"], check=True, stdout=sys.stderr
        )
    return program


def convert_model(work: Path) -> Path:
    """The base of 1.1 B parameters, whose weights are random."""
    model = work / "base-1.1B.gguf"
    if not model.exists():
        run_convert(work, build_checkpoint(work, "1.1B") / "base", "-o", str(model), "--no-verify")
    return model


def theirs(program: Path, model: Path, threads: int, tokens: int) -> float:
    """llama-bench's own average, of one repetition: generation from an empty context, nothing sampled."""
    command = [
        str(program),
        "-m",
        str(model),
        "-t",
        str(threads),
        "-p",
        "0",
        "-n",
        str(tokens),
        "-r",
        "1",
        "-o",
        "json",
    ]
    environment = os.environ | {"LD_LIBRARY_PATH": str(wheel_libraries())}
    said = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    return float(json.loads(said)[0]["avg_ts"])


def our_rate(model: Path, threads: int, tokens: int) -> float:
    """The engine's own figure in its sealed child: sampling, text and events are part of it.

    The first token comes from the prefill, so one computation less than there are tokens is timed.
    """
    paths = [str(Path(__file__).parents[1] / name) for name in ("localfin", "models")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", ANSWER, str(model), str(threads), str(tokens), QUESTION]
    said = json.loads(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)
    if said["tokens"] != tokens:
        raise SystemExit(f"the model ended after {said['tokens']} tokens: take one that goes on, or fewer --tokens")
    return float(said["tokens_per_s"]) * (tokens - 1) / tokens


def realtime() -> bool:
    """Whether this runs under `chrt -f 1`, as on a machine that others use meanwhile."""
    return os.sched_getscheduler(0) == os.SCHED_FIFO


def wheel_libraries() -> Path:
    import importlib.util

    spec = importlib.util.find_spec("llama_cpp")
    if spec is None or spec.origin is None:
        raise SystemExit("llama-cpp-python is not installed")
    return Path(spec.origin).parent / "lib"


def table(rates: dict[str, list[float]]) -> str:
    medians = {name: statistics.median(values) for name, values in rates.items()}
    lines = ["| | tokens/s | lowest | highest |", "| --- | --- | --- | --- |"]
    for name, values in rates.items():
        lines.append(f"| {name} | {medians[name]:.2f} | {min(values):.2f} | {max(values):.2f} |")
    pairs = [b / a for a, b in zip(rates[THEIRS], rates[OURS], strict=True)]
    share, paired = medians[OURS] / medians[THEIRS], statistics.median(pairs)
    return "\n".join([*lines, "", f"Ours is {share:.1%} of llama-bench's (median of pairs: {paired:.1%})."])


if __name__ == "__main__":
    main()
