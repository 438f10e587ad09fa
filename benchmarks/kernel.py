"""The native kernel beside `ggml_quantize_chunk`, on one core: weights a second by type and instruction set.

    python benchmarks/kernel.py [--runs 15]

Normal weights of 2,048 columns, all quantizers in turn within each run; medians of thread time, written to
`results/kernel.md`. Run it on a quiet machine: neighbours on the same core slow both, but not alike.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / name) for name in ("convert", "models")]

from measure import machine  # noqa: E402

from localfin_convert.quantize import ggml  # noqa: E402
from localfin_convert.quantize.kernel import KINDS, kernels  # noqa: E402

RESULT = ROOT / "benchmarks" / "results" / "kernel.md"
ROWS = np.random.default_rng(0).standard_normal((64, 2048), np.float32) * np.float32(0.02)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    about, sets = machine(), kernels()
    if not sets:
        raise SystemExit("the kernel is not built here")
    lines = [
        f"Million weights a second on one core, and how many times ggml's. {about['processor']}; load before the start "
        f"{about['load_before']:.2f}; medians of {runs} runs, in brackets the slowest and the fastest.",
        "",
        "| type | ggml_quantize_chunk | " + " | ".join(sets) + " |",
        "| --- " * (2 + len(sets)) + "|",
    ]
    for kind in sorted(KINDS, reverse=True):
        ways: dict[str, Callable[[], object]] = {"ggml": lambda kind=kind: ggml.ggml_quantize(kind, ROWS)}
        for name, kernel in sets.items():
            ways[name] = lambda kind=kind, kernel=kernel: ggml.kernel_quantize(kernel, kind, ROWS)
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(runs):
            for name, way in ways.items():
                rates[name].append(rate(way))
        theirs = statistics.median(rates["ggml"])
        cells = [f"{theirs:,.0f} ({min(rates['ggml']):,.0f}-{max(rates['ggml']):,.0f})"]
        for name in sets:
            ours = statistics.median(rates[name])
            cells.append(f"{ours:,.0f} ({min(rates[name]):,.0f}-{max(rates[name]):,.0f}): {ours / theirs:.1f}x")
        lines.append(f"| {kind.name} | " + " | ".join(cells) + " |")
    text = "\n".join(lines)
    print(text)
    RESULT.write_text(text + "\n", encoding="utf-8")


def rate(way: Callable[[], object]) -> float:
    """Million weights a second, over at least 20 ms."""
    started, count = time.thread_time(), 0
    while (spent := time.thread_time() - started) < 0.02:
        way()
        count += 1
    return count * ROWS.size / spent / 1e6


if __name__ == "__main__":
    main()
