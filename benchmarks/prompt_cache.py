"""Time to the first token of a second question over the same context: in one process, and after a restart.

    python benchmarks/prompt_cache.py [--model FILE.gguf] [--threads N] [--tokens 3000] [--runs 3]

Each run has a home of its own and starts three processes: one that keeps nothing; one that computes the context, keeps
it and asks again, also after a question about another, shorter context; and one that only asks. Measured from the call
to the end of an answer of one token, with the model loaded before; loading is stated apart. Without a model it takes
the 1.1 B parameters that `convert.py` made in WORK. Prints a table, writes `benchmarks/results/prompt_cache.json` and
`.md`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from convert import RESULTS
from decode import convert_model
from measure import machine

NONE, FIRST, SECOND, OTHER, BACK, RESTART = (
    "nothing kept",
    "first",
    "second",
    "other context",
    "back",
    "after a restart",
)
PROGRAM = """
import json, os, sys, time
from pathlib import Path
from localfin import LoadOptions, Message, Sampling
from localfin.engine.client import LlamaEngine
from localfin.engine.events import Finished, Prefill
asked = json.load(sys.stdin)
engine = LlamaEngine()
started = time.perf_counter()
kept_in = Path(asked["folder"]) if asked["folder"] else None
engine.load(Path(asked["model"]), LoadOptions(n_ctx=asked["n_ctx"], threads=asked["threads"], gpu_layers=0,
                                              kept_in=kept_in))
found = {"load_s": time.perf_counter() - started, "questions": []}
for context, question in asked["questions"]:
    started = time.perf_counter()
    events = list(engine.generate([Message("system", context), Message("user", question)], Sampling(max_tokens=1)))
    seconds = time.perf_counter() - started
    there = next(event.done for event in events if isinstance(event, Prefill))
    found["questions"].append({"seconds": seconds, "prompt": events[-1].usage.prompt_tokens, "there": there})
started = time.perf_counter()
engine.close()
found["close_s"] = time.perf_counter() - started
print(json.dumps(found))
"""
CRYPTOGRAPHY = """
import json, os, sys, time
from pathlib import Path
from localfin.engine import kept
from localfin.engine.memory_file import MemoryFile
size, folder = int(sys.argv[1]), Path(sys.argv[2])
memory, data = MemoryFile(), os.urandom(1 << 20)
for at in range(0, size, len(data)):
    memory.write(at, data[: size - at])
states = kept.KeptStates(folder / "encrypted", b"k" * 32)
started = time.perf_counter()
states.keep(b"s" * 32, range(3000), memory, size)
wrote = time.perf_counter()
[found] = states.find(b"s" * 32, range(3000), 3000, size)
assert states.load(found, b"s" * 32, memory)
read = time.perf_counter()
with (folder / "plain").open("wb") as file:
    for at in range(0, size, 4 << 20):
        file.write(memory.read(at, min(4 << 20, size - at)))
plain_wrote = time.perf_counter()
memory.resize(size)
with (folder / "plain").open("rb") as file:
    for at in range(0, size, 4 << 20):
        memory.write(at, file.read(4 << 20))
done = time.perf_counter()
print(json.dumps({"write_s": wrote - started, "read_s": read - wrote, "plain_write_s": plain_wrote - read,
                  "plain_read_s": done - plain_wrote}))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="a GGUF; without, 1.1 B random parameters")
    parser.add_argument("--work", type=Path, default=Path.home() / ".cache" / "localfin" / "bench")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--tokens", type=int, default=3000, help="of the context, about")
    parser.add_argument("--runs", type=int, default=3, help="the table shows medians")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    model = options.model or convert_model(options.work)
    about = machine()
    runs: list[dict[str, Any]] = []
    for number in range(options.runs):
        with tempfile.TemporaryDirectory(dir=options.work) as folder:
            runs.append(one_run(Path(folder), model, options.threads, options.tokens, number))
        print(json.dumps(runs[-1]), file=sys.stderr)
    text = table(runs)
    heading = (
        f"{model.stat().st_size / 1e6:,.0f} MB GGUF, {options.threads} threads, a context of "
        f"{runs[0]['context_tokens']:,} tokens. {about['processor']}, load before the start "
        f"{about['load_before']:.2f}; {options.runs} runs, medians."
    )
    print(f"{heading}\n\n{text}")
    RESULTS.mkdir(exist_ok=True)
    result = {"machine": about, "model_bytes": model.stat().st_size, "threads": options.threads, "runs": runs}
    (RESULTS / "prompt_cache.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    (RESULTS / "prompt_cache.md").write_text(f"{heading}\n\n{text}\n", encoding="utf-8")


def one_run(folder: Path, model: Path, threads: int, tokens: int, number: int) -> dict[str, Any]:
    words, states = tokens // 3, folder / "states"
    context, other = (" ".join(f"{name}{at}" for at in range(words)) for name in ("a", "b"))
    context, other = fitted(model, context, tokens), fitted(model, other, tokens // 10)
    asked = {"model": str(model), "n_ctx": tokens + 512, "threads": threads, "folder": ""}
    bare = engine_says(asked | {"questions": [(context, "What is said?")]}, folder)
    kept = {"folder": str(states)}
    questions = [(context, "What is said?"), (context, "And who says it?"), (other, "Who?"), (context, "Why?")]
    first = engine_says(asked | kept | {"questions": questions}, folder)
    size = max(path.stat().st_size for path in states.iterdir())
    again = engine_says(asked | kept | {"questions": [(context, "When did they say it?")]}, folder)
    named = zip((NONE, FIRST, SECOND, OTHER, BACK, RESTART),
                [*bare["questions"], *first["questions"], *again["questions"]], strict=True)  # fmt: skip
    return {
        "context_tokens": first["questions"][1]["there"],
        "file_bytes": size,
        "questions": dict(named),
        "load_s": {NONE: bare["load_s"], FIRST: first["load_s"], RESTART: again["load_s"]},
        "cryptography": python(CRYPTOGRAPHY, folder, "", str(size), str(folder)),
        "load_average": os.getloadavg()[0],
        "number": number,
    }


def fitted(model: Path, text: str, tokens: int) -> str:
    """The beginning of `text` that has about so many tokens in the model's vocabulary."""
    import llama_cpp

    read = llama_cpp.Llama(str(model), vocab_only=True, verbose=False)
    found = read.tokenize(text.encode(), add_bos=False)
    return read.detokenize(found[:tokens]).decode("utf-8", "ignore")


def engine_says(asked: dict[str, Any], home: Path) -> dict[str, Any]:
    return python(PROGRAM, home, json.dumps(asked))


def python(code: str, home: Path, given: str, *arguments: str) -> dict[str, Any]:
    paths = [str(Path(__file__).parents[1] / name) for name in ("localfin", "models")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "LOCALFIN_HOME": str(home)}
    ran = subprocess.run([sys.executable, "-c", code, *arguments], input=given, env=environment, check=True,
                         capture_output=True, text=True)  # fmt: skip
    time.sleep(0.5)  # the worker's memory is given back
    said: dict[str, Any] = json.loads(ran.stdout)
    return said


def table(runs: list[dict[str, Any]]) -> str:
    lines = ["| question | tokens computed | seconds to the first token | lowest | highest | of the first |",
             "| --- | --- | --- | --- | --- | --- |"]  # fmt: skip
    for name in (NONE, FIRST, SECOND, OTHER, BACK, RESTART):
        asked = [run["questions"][name] for run in runs]
        seconds = [each["seconds"] for each in asked]
        shares = [run["questions"][name]["seconds"] / run["questions"][FIRST]["seconds"] for run in runs]
        computed = asked[0]["prompt"] - asked[0]["there"]
        lines.append(f"| {name} | {computed:,} | {statistics.median(seconds):.2f} | {min(seconds):.2f} | "
                     f"{max(seconds):.2f} | {statistics.median(shares):.1%} |")  # fmt: skip

    def middle(name: str) -> float:
        return statistics.median(run["cryptography"][name] for run in runs)

    size = runs[0]["file_bytes"] / 1e6
    loads = ", ".join(f"{statistics.median(run['load_s'][name] for run in runs):.2f} s ({name})"
                      for name in (NONE, FIRST, RESTART))  # fmt: skip
    averages = ", ".join(f"{run['load_average']:.1f}" for run in runs)
    return "\n".join([
        *lines,
        "",
        f"The model loads apart from this: {loads}.",
        f"A file of {size:,.1f} MB: encrypted and written, beside the answer, in {middle('write_s'):.2f} s (in plain "
        f"{middle('plain_write_s'):.2f}), read and decrypted in {middle('read_s'):.2f} s (in plain "
        f"{middle('plain_read_s'):.2f}).",
        f"Noise: load average at the end of each run {averages}; the machine was shared.",
    ])  # fmt: skip


if __name__ == "__main__":
    main()
