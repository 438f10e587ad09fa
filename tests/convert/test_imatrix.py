"""Importance matrices: beside a float32 forward pass in numpy, beside llama-imatrix's file, and as a command."""

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
from click.testing import CliRunner
from tests.convert.imatrix_cases import MODELS, N_CTX, checkpoint, model, text
from tests.convert.random_models import case_of, written
from tests.convert.record_imatrix import record
from tests.convert.tiny import convert
from tests.golden.checkpoints import write_safetensors

from localfin_convert.adapter import weighted
from localfin_convert.architectures import family_of
from localfin_convert.imatrix import make_imatrix, read_imatrix
from localfin_convert.imatrix.collector import Running
from localfin_convert.imatrix.command import imatrix
from localfin_convert.imatrix.graph import Tensor, known_operations
from localfin_convert.plan import make_plan
from localfin_convert.quantize import ggml
from localfin_convert.read.positional import OpenFiles
from localfin_convert.reference import Reference, base_weights
from localfin_convert.request import Request
from localfin_convert.verify.llama import open_llama
from localfin_models.errors import InputRefused, LocalfinError, NotFound

EXPECTED = json.loads(Path(__file__).with_name("imatrix_expected.json").read_text(encoding="utf-8"))
LONG = {"qwen3", "phi4", "exaone35"}


@dataclass(frozen=True)
class Made:
    """A case's checkpoint, its GGUF in float32, and the importance matrix."""

    name: str
    base: Path
    model: Path
    out: Path


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=[pytest.mark.long] if name in LONG else []) for name in MODELS]
)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder, steps = tmp_path_factory.mktemp(request.param), list[tuple[int, int]]()
    base = checkpoint(request.param, folder)
    case = Made(request.param, base, model(base, folder), folder / "imatrix.gguf")
    report = make_imatrix(
        case.model, text(folder), case.out, n_ctx=N_CTX, threads=2, progress=lambda *step: steps.append(step)
    )
    assert steps == sorted(steps)
    assert (steps[0][0], steps[-1]) == (0, (report.chunks * N_CTX,) * 2)
    assert (report.n_ctx, report.unseen, report.n_bytes) == (N_CTX, 0, case.out.stat().st_size)
    return case


class Spied(np.ndarray[Any, np.dtype[np.float32]]):
    """A matrix that notes what it is multiplied by."""

    def __array_finalize__(self, other: object) -> None:
        self.inputs = getattr(other, "inputs", None)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *given: Any, **more: Any) -> Any:
        if ufunc is np.matmul and self.inputs is not None:
            self.inputs.append(np.asarray(given[0], np.float64))
        return getattr(ufunc, method)(*map(np.asarray, given), **more)


def in_numpy(base: Path, texts: Sequence[Sequence[int]]) -> dict[tuple[str, int], np.ndarray]:
    """By GGUF tensor and expert: what the matrix is multiplied by, (tokens, columns)."""
    merge = make_plan(Request(base, weighted([]), "f32", "out")).merge
    family = family_of(merge.checkpoint.config)
    inputs = defaultdict[tuple[str, int], list[np.ndarray]](list)
    with OpenFiles() as files:
        plain = base_weights(merge, files)

        def weights(name: str, rows: range | None = None, /) -> np.ndarray:
            target, found = family.tensor(name), plain(name, rows)
            if found.ndim < 2 or target is None or not target.name.startswith("blk."):
                return found
            spied = found.view(Spied)
            spied.inputs = inputs[target.name, target.expert or 0]
            return spied

        Reference(merge.checkpoint).logits(weights, texts)
    return {key: np.concatenate(rows) for key, rows in inputs.items() if rows}


def test_means_are_those_of_a_forward_pass_in_numpy(made: Made) -> None:
    words = made.out.with_name("text.txt").read_text().removesuffix("\n")
    with open_llama(made.model) as llama:
        [tokens], bos = llama.tokenize([words]), llama.chat().bos_id
    chunks = [tokens[at : at + N_CTX] for at in range(0, len(tokens) // N_CTX * N_CTX, N_CTX)]
    if tokens[0] == bos:
        chunks = [[bos, *chunk[1:]] for chunk in chunks]
    read, expected = read_imatrix(made.out), in_numpy(made.base, chunks)
    counts = {t.name: t.data.ravel() for t in gguf.GGUFReader(made.out).tensors if t.name.endswith(".counts")}
    assert read.chunks == len(chunks) > 20
    assert {f"{name}.counts" for name, _expert in expected} == counts.keys()
    assert sum(len(values) for values in read.importance.values()) == len(expected)
    for (name, expert), rows in expected.items():
        assert counts[f"{name}.counts"][expert] == len(rows)
        mean = (rows**2).mean(0)
        np.testing.assert_allclose(read.importance[name][expert], mean, rtol=1e-3, atol=1e-3 * mean.mean())


def test_the_file_is_llama_imatrixs(made: Made) -> None:
    """To the byte where it was recorded; the sums' last digits are the processor's."""
    found, expected = record(made.out), EXPECTED[made.name]
    assert found["header"] == expected["header"]
    assert found["tensors"].keys() == expected["tensors"].keys()
    for name, tensor in expected["tensors"].items():
        assert found["tensors"][name]["counts"] == tensor["counts"]
        for figures in ("totals", "across"):
            scale = max(tensor["totals"])
            np.testing.assert_allclose(found["tensors"][name][figures], tensor[figures], rtol=1e-4, atol=1e-5 * scale)


def test_a_split_model_a_bound_on_chunks_and_an_output_that_exists(tmp_path: Path) -> None:
    base, words = checkpoint("llama", tmp_path), text(tmp_path)
    whole = convert(base, [], tmp_path / "whole.gguf", "f32")
    split = convert(base, [], tmp_path / "split.gguf", "f32", split_max_bytes=200_000)
    assert len(split.files) > 2
    outs = [tmp_path / "a.gguf", tmp_path / "b.gguf"]
    for one, out in zip((whole, split), outs, strict=True):
        assert make_imatrix(one.out, words, out, chunks=3, n_ctx=N_CTX).chunks == 3
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert read_imatrix(outs[0]).chunks == 3
    with pytest.raises(InputRefused, match="--force"):
        make_imatrix(whole.out, words, outs[0], chunks=3, n_ctx=N_CTX)
    for path in (whole.out, split.files[1].path, words):
        with pytest.raises(InputRefused, match="is made of"):
            make_imatrix(split.out if path != whole.out else path, words, path, force=True)


def test_an_expert_that_no_token_comes_to_has_columns_of_one_weight(tmp_path: Path) -> None:
    """Between two others, and one is asked: it never is the one."""
    config = {"num_local_experts": 8, "num_experts_per_tok": 1}
    base, tensors = written(case_of("mixtral", config), tmp_path)
    for router in (tensor for name, tensor in tensors.items() if name.endswith("block_sparse_moe.gate.weight")):
        router[3] = (router[0] + router[1]) / 2
    write_safetensors(base / "model.safetensors", tensors, "f32")
    report = make_imatrix(model(base, tmp_path), text(tmp_path), tmp_path / "out.gguf", n_ctx=N_CTX)
    read = read_imatrix(tmp_path / "out.gguf").importance
    assert report.unseen == 3 * 3  # matrices, layers
    for name, importance in read.items():
        if "_exps" in name:
            assert (importance[3] == 1).all()
            assert (importance[[0, 1, 2, 4, 5, 6, 7]].std(-1) > 0).all()


def test_squares_are_added_token_by_token_in_float32() -> None:
    rows = np.random.default_rng(0).standard_normal((1000, 37), np.float32)
    running, expected = Running(np.zeros((2, 37), np.float32), np.zeros(1, np.int64)), np.zeros(37, np.float32)
    for part in (rows[:300], rows[300:]):
        running.add(1, part)
    for row in rows:
        expected += row * row
    np.testing.assert_array_equal(running.squares, [np.zeros(37, np.float32), expected])
    assert not np.array_equal(expected, (rows.astype(np.float64) ** 2).sum(0).astype(np.float32))


@pytest.mark.parametrize(("field", "behind"), [("buffer", None), ("ne", "nb"), ("op", "src"), ("data", "name")])
def test_another_layout_of_tensors_is_noticed(field: str, behind: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert known_operations(ggml.library()).mul_mat > 0
    kinds = dict(Tensor._fields_)
    names = [name for name in kinds if name != field]
    if behind is not None:
        names.insert(names.index(behind) + 1, field)
    fields = [(name, kinds[name]) for name in names]
    other = type("Tensor", (ctypes.Structure,), {"_fields_": fields, "source": Tensor.source})
    monkeypatch.setattr("localfin_convert.imatrix.graph.Tensor", other)
    with pytest.raises(LocalfinError, match="otherwise than the one pinned"):
        known_operations(ggml.library())


def not_utf8(folder: Path) -> Path:
    path = folder / "text.txt"
    path.write_bytes(b"\xff\xfe")
    return path


def short(folder: Path) -> Path:
    path = folder / "text.txt"
    path.write_text("a short text")
    return path


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "text.txt")
    return folder / "text.txt"


REFUSED: dict[str, tuple[Callable[[Path], Path], int, type[LocalfinError], str]] = {
    "not-utf-8": (not_utf8, 64, InputRefused, "not a text in UTF-8"),
    "short": (short, 64, InputRefused, r"has \d+ tokens; chunks of 64 need 128 at least"),
    "missing": (lambda folder: folder / "text.txt", 64, NotFound, "no such file"),
    "folder": (lambda folder: folder, 64, InputRefused, "not a file"),
    "pipe": (pipe, 64, InputRefused, "not a file"),
    "long-chunks": (text, 8192, InputRefused, "trained on 4096 tokens at once"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_measured_leaves_nothing(name: str, tmp_path: Path, top: Path) -> None:
    make, n_ctx, error, words = REFUSED[name]
    starter, out = top / "models" / "localfin_models" / "starter.gguf", tmp_path / "out" / "out.gguf"
    out.parent.mkdir()
    with pytest.raises(error, match=words):
        make_imatrix(starter, make(tmp_path), out, n_ctx=n_ctx)
    assert not list(out.parent.iterdir())


def test_a_model_that_computes_no_numbers_is_refused(tmp_path: Path) -> None:
    base = checkpoint("llama", tmp_path)
    gguf_file = model(base, tmp_path)
    norm = next(t for t in gguf.GGUFReader(gguf_file, "r+").tensors if t.name == "blk.1.ffn_norm.weight")
    norm.data[5] = 1e30
    with pytest.raises(InputRefused, match=r"multiplies blk\.1\..* by what are no finite"):
        make_imatrix(gguf_file, text(tmp_path), tmp_path / "out.gguf", n_ctx=N_CTX)
    assert not (tmp_path / "out.gguf").exists()


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "localfin", "imatrix", *arguments]


def test_the_command(tmp_path: Path, top: Path, environment: dict[str, str]) -> None:
    starter, words, out = top / "models" / "localfin_models" / "starter.gguf", text(tmp_path), tmp_path / "out.gguf"
    arguments = [str(starter), str(words), "-o", str(out), "--ctx", "64", "--chunks", "4"]
    done = subprocess.run(command(*arguments, "--json"), env=environment, capture_output=True, text=True, check=True)
    report = json.loads(done.stdout)
    assert (report["chunks"], report["n_ctx"], report["bytes"]) == (4, 64, out.stat().st_size)
    assert "tokens/s" in done.stderr
    assert len(gguf.GGUFReader(out).tensors) == 2 * report["tensors"] == 2 * len(read_imatrix(out).importance)
    forced = CliRunner().invoke(imatrix, [*arguments, "--force"], catch_exceptions=False)
    assert forced.stdout == ""
    assert report["sha256"] in forced.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["{text}", "-o", "{out}"], 3, "--force replaces it"),
        (["{text}"], 2, "Missing option"),
        (["-o", "{out}"], 2, "Missing argument"),
        (["{text}", "-o", "{out}", "--ctx", "8"], 2, "64<=x"),
        (["{text}", "-o", "{out}", "--chunks", "0"], 2, "x>=1"),
        (["{out}/text.txt", "-o", "{out}", "--force"], 4, "no such file"),
        (["{text}", "-o", "{out}/none/out.gguf"], 4, "no such folder"),
    ],
)
def test_the_commands_errors(arguments: list[str], code: int, words: str, tmp_path: Path, top: Path) -> None:
    out, starter = tmp_path / "out.gguf", top / "models" / "localfin_models" / "starter.gguf"
    out.write_text("mine")
    given = [one.format(text=text(tmp_path), out=out) for one in arguments]
    run = CliRunner().invoke(imatrix, [str(starter), *given])
    found = run.exception.exit_code if isinstance(run.exception, LocalfinError) else run.exit_code
    assert (found, words in f"{run.exception} {run.stderr}") == (code, True)
    assert out.read_text() == "mine"


def test_an_interrupt_leaves_nothing(tmp_path: Path, top: Path, environment: dict[str, str]) -> None:
    starter, words, folder = top / "models" / "localfin_models" / "starter.gguf", tmp_path / "text.txt", tmp_path / "o"
    words.write_text("The bank pays interest on deposits. " * 8_000, encoding="ascii")
    folder.mkdir()
    arguments = command(str(starter), str(words), "-o", str(folder / "out.gguf"))
    with subprocess.Popen(arguments, env=environment, stderr=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        assert "tokens" in run.stderr.readline()
        run.send_signal(signal.SIGINT)
        assert "Traceback" not in run.stderr.read()
        assert run.wait(timeout=20) == 130
    assert not list(folder.iterdir())
