"""Our explanations beside loops over llama-cpp-python: same model, prompts, lengths and grammar, in turn.

    python benchmarks/explain.py [--model FILE.gguf] [--runs 3] [--count 24] [--sequences 16] [--threads N]

Three ways, each in a process of its own: a plain loop that resets between calls, a loop that keeps the common beginning
(llama-cpp-python does so by itself without a reset), and the engine's `answer_many` in its sealed child. All three are
timed from the loaded model on and read the beginning within that time. Without a model it takes the 1.1 B random
parameters that `convert.py` makes. Prints a table, writes `results/explain.json` and `.md`.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
from pathlib import Path

from convert import RESULTS
from decode import convert_model, realtime
from measure import machine

BEGINNING, OWN, ANSWER = 256, 48, 16
"""Tokens: shared by all prompts, of each prompt's own, and generated."""
RESET, REUSE, OURS = "loop, reset", "loop, prefix reused", "localfin"

_LOOP = """
import json, sys, time
import llama_cpp
asked = json.load(sys.stdin)
model = llama_cpp.Llama(asked["model"], n_ctx=asked["n_ctx"], n_threads=asked["threads"],
                        n_threads_batch=asked["threads"], verbose=False)
beginning = model.tokenize(asked["beginning"].encode(), add_bos=True, special=True)
own = [model.tokenize(text.encode(), add_bos=False, special=False) for text, _grammar in asked["questions"]]
grammars = [llama_cpp.LlamaGrammar.from_string(grammar, verbose=False) for _text, grammar in asked["questions"]]
started, made = time.perf_counter(), 0
for tokens, grammar in zip(own, grammars):
    if asked["reset"]:
        model.reset()
    done = model.create_completion(beginning + tokens, max_tokens=asked["answer"], temperature=0.0, grammar=grammar)
    made += done["usage"]["completion_tokens"]
print(json.dumps({"seconds": time.perf_counter() - started, "made": made, "beginning": len(beginning),
                  "own": sum(map(len, own)) / len(own)}))
"""
_OURS = """
import json, sys, time
from pathlib import Path
from localfin import LoadOptions, Message
from localfin.engine.client import LlamaEngine
from localfin.engine.events import Question, Shared
asked = json.load(sys.stdin)
engine = LlamaEngine()
engine.load(Path(asked["model"]), LoadOptions(n_ctx=asked["n_ctx"], threads=asked["threads"], gpu_layers=0,
                                              sequences=asked["sequences"]))
questions = [Question(*each) for each in asked["questions"]]
shared = Shared((Message("user", asked["beginning"]),), asked["answer"])
started = time.perf_counter()
made = sum(answered.tokens for answered in engine.answer_many(shared, questions))
print(json.dumps({"seconds": time.perf_counter() - started, "made": made}))
engine.close()
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="a GGUF; without, 1.1 B random parameters")
    parser.add_argument("--work", type=Path, default=Path.home() / ".cache" / "localfin" / "bench")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--sequences", type=int, default=16, help="of ours at once")
    parser.add_argument("--count", type=int, default=24, help="explanations in a run")
    parser.add_argument("--runs", type=int, default=3, help="of each, in turn; the table shows medians")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    model = options.model or convert_model(options.work)
    about = machine()
    asked = {"model": str(model), "threads": options.threads, "sequences": options.sequences, "n_ctx": 2048,
             "answer": ANSWER, **prompts(model, options.count)}  # fmt: skip
    rates: dict[str, list[float]] = {RESET: [], REUSE: [], OURS: []}
    for number in range(options.runs):
        for name, program in ((RESET, _LOOP), (REUSE, _LOOP), (OURS, _OURS)):
            said = measured(program, asked | {"reset": name == RESET})
            if said["made"] != options.count * ANSWER:
                raise SystemExit(f"{name}: {said['made']} tokens where {options.count * ANSWER} were asked for")
            rates[name].append(60 * options.count / said["seconds"])
        print(f"run {number + 1}: " + ", ".join(f"{name} {values[-1]:.1f}" for name, values in rates.items()))
    text = table(rates)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    result = {"machine": about, "model_bytes": model.stat().st_size, "threads": options.threads,
              "sequences": options.sequences, "count": options.count, "realtime": realtime(),
              "tokens": [BEGINNING, OWN, ANSWER], "explanations_per_minute": rates}  # fmt: skip
    (RESULTS / "explain.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    heading = (
        f"{model.stat().st_size / 1e6:,.0f} MB GGUF, {BEGINNING} + {OWN} + {ANSWER} tokens, {options.count} texts "
        f"a run, {options.sequences} at once in ours, {options.threads} threads. {about['processor']}, load before the "
        f"start {about['load_before']:.2f}; {options.runs} runs of each, in turn (medians)"
        f"{', at realtime priority' if realtime() else ''}."
    )
    (RESULTS / "explain.md").write_text(f"{heading}\n\n{text}\n", encoding="utf-8")


def prompts(model: Path, count: int) -> dict[str, object]:
    """The explanations' own beginning, statements and grammars, cut or filled to the lengths."""
    import llama_cpp

    from localfin.fraud.explain.prompt import beginning, question
    from localfin.fraud.explain.wording import wording_of
    from localfin.fraud.judging import Reason

    vocabulary = llama_cpp.Llama(str(model), vocab_only=True, verbose=False)
    draw = random.Random(7)
    questions: list[tuple[str, str]] = []
    for _number in range(count):
        mean, times = draw.randrange(10_000, 90_000), draw.randrange(11, 999)
        evidence = {
            "amount": mean * times / 10,
            "ratio": times / 10,
            "mean": float(mean),
            "count": draw.randrange(9, 99),
        }
        reason = Reason("amount_to_mean", 1.0, evidence, "")
        wording = wording_of([reason], "en")
        assert wording is not None
        [line] = [f"{evidence['amount']:,.0f} is {times / 10} times the customer's mean of {mean:,}"]
        asked = question([(reason.signal, line)], wording)
        questions.append((fitted(vocabulary, asked.text, OWN, bos=False), asked.grammar))
    told = "\n\n".join(message.content for message in beginning("en").messages)
    return {"beginning": fitted(vocabulary, told, BEGINNING, bos=True), "questions": questions}


def fitted(vocabulary: object, text: str, count: int, *, bos: bool) -> str:
    """`text` without its last characters, or with dots behind it, so that it has `count` tokens."""

    def length(said: str) -> int:
        return len(vocabulary.tokenize(said.encode(), add_bos=bos, special=False))  # type: ignore[attr-defined]

    while length(text) > count:
        text = text[:-1]
    while length(text) < count:
        text += " ." if length(text + " .") <= count else "."
    return text


def measured(program: str, asked: dict[str, object]) -> dict[str, float]:
    paths = [str(Path(__file__).parents[1] / name) for name in ("localfin", "models")]
    # The worker's setting for OpenMP, which on busy cores makes the loops several times quicker.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "GOMP_SPINCOUNT": "2000"}
    said = subprocess.run([sys.executable, "-c", program], input=json.dumps(asked), env=environment, check=True,
                          stdout=subprocess.PIPE, text=True).stdout  # fmt: skip
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    return found


def table(rates: dict[str, list[float]]) -> str:
    medians = {name: statistics.median(values) for name, values in rates.items()}
    lines = ["| | explanations a minute | lowest | highest | ours is |", "| --- | --- | --- | --- | --- |"]
    for name, values in rates.items():
        times = f"{medians[OURS] / medians[name]:.2f} times" if name != OURS else ""
        lines.append(f"| {name} | {medians[name]:.1f} | {min(values):.1f} | {max(values):.1f} | {times} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
