"""Writes imatrix_expected.json: what llama-imatrix makes of imatrix_cases.py.

    python -m tests.convert.record_imatrix LLAMA_IMATRIX

LLAMA_IMATRIX is the program built from the source tree inside llama-cpp-python's source distribution
(vendor/llama.cpp, target llama-imatrix); it runs with the installed package's libraries, on which the sums' last bits
depend, and on the processor. `localfin imatrix` is run beside it, and nothing is written unless both files are the
same to the byte.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from tests.convert.imatrix_cases import MODELS, N_CTX, checkpoint, model, text

from localfin_convert.imatrix import make_imatrix

HERE = Path(__file__).parent
QUANTIZATIONS = ("f32", "q8_0", "q4_k_m")
CONTEXTS = (N_CTX, 96, 256, 512)


def main(program: Path) -> None:
    expected = {}
    for name in MODELS:
        with tempfile.TemporaryDirectory() as work:
            folder = Path(work)
            words, base = text(folder), checkpoint(name, folder)
            for quantization in QUANTIZATIONS:
                made = model(base, folder, quantization)
                for n_ctx in CONTEXTS:
                    theirs = run(program, made, words, n_ctx)
                    ours = folder / "ours.gguf"
                    make_imatrix(made, words, ours, n_ctx=n_ctx, force=True)
                    if ours.read_bytes() != theirs.read_bytes():
                        sys.exit(f"{name}, {quantization}, {n_ctx} tokens: another file than llama-imatrix's")
                    if (quantization, n_ctx) == ("f32", N_CTX):
                        expected[name] = record(theirs)
                made.unlink()
    lines = (f"{json.dumps(name)}: {json.dumps(found)}" for name, found in expected.items())
    (HERE / "imatrix_expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def run(program: Path, made: Path, words: Path, n_ctx: int) -> Path:
    """In the text's folder: the file names the text as it was named."""
    package = find_spec("llama_cpp")
    assert package is not None
    assert package.origin is not None
    libraries = {**os.environ, "LD_LIBRARY_PATH": str(Path(package.origin).with_name("lib"))}
    out = words.with_name("theirs.gguf")
    out.unlink(missing_ok=True)
    command = [program, "-m", made, "-f", words.name, "-o", out, "-c", str(n_ctx), "--no-ppl", "-t", "2"]
    subprocess.run(command, cwd=words.parent, env=libraries, check=True, capture_output=True)
    return out


def record(path: Path) -> dict[str, Any]:
    """SHA-256 of the bytes before the sums; of each tensor their total, how they lie across the columns, the counts."""
    reader = gguf.GGUFReader(path)
    tensors = {tensor.name: tensor.data for tensor in reader.tensors}
    found = dict[str, Any]()
    for name in tensors:
        stem = name.removesuffix(".in_sum2")
        if stem == name:
            continue
        rows = np.atleast_2d(tensors[name]).astype(np.float64)
        across = rows @ np.cos(np.arange(rows.shape[1]))
        found[stem] = {
            "totals": [round(float(total), 3) for total in rows.sum(-1)],
            "across": [round(float(value), 3) for value in across],
            "counts": [int(count) for count in tensors[f"{stem}.counts"].ravel()],
        }
    return {"header": hashlib.sha256(path.read_bytes()[: reader.data_offset]).hexdigest(), "tensors": found}


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
