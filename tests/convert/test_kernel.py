"""The native kernel beside ggml's own function and numpy's chain: the same bytes, on every instruction set there is."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from localfin_convert.adapter.chain import add_product, chain_product, in_numpy
from localfin_convert.quantize import ggml
from localfin_convert.quantize.kernel import KINDS, Kernel, chosen_kernel, kernels
from localfin_convert.read.numbers import round_to, to_f32
from localfin_convert.read.positional import OpenFiles
from localfin_convert.read.safetensors_file import read_header
from localfin_models.errors import InputRefused

STARTER_BASE = Path(__file__).parents[2] / "models" / "starter" / "base" / "model.safetensors"
COLUMNS = 1280  # five super-blocks: the kernel takes them in pairs
EVERY_KIND = sorted(KINDS)
Floats = NDArray[np.float32]
Generator = np.random.Generator


def differing(kernel: Kernel, kind: Type, rows: Floats) -> int:
    """Rows whose bytes are not ggml's."""
    expected = ggml.ggml_quantize(kind, rows)
    out = np.full_like(expected, 0xA5)
    assert kernel.quantize(kind, rows, out) == out.nbytes
    return int((out != expected).any(axis=1).sum())


def brief_differing(kernel: Kernel, kind: Type, rows: Floats) -> int:
    """Of `rows` in bfloat16, those whose bytes are not ggml's of them widened."""
    bits = (rows.view(np.uint32) >> 16).astype(np.uint16)
    expected = ggml.ggml_quantize(kind, to_f32(bits))
    out = np.full_like(expected, 0xA5)
    assert kernel.quantize_brief(kind, bits, out) == out.nbytes
    return int((out != expected).any(axis=1).sum())


def normal(rng: Generator, n: int) -> Floats:
    return rng.standard_normal(n, np.float32)


def any_bits(rng: Generator, n: int) -> Floats:
    """Every float but NaN, denormals and infinities among them."""
    values = rng.integers(0, 1 << 32, n, np.uint32).view(np.float32)
    return np.where(np.isnan(values), np.float32(0), values)


def denormals(rng: Generator, n: int) -> Floats:
    return (rng.integers(0, 1 << int(rng.integers(1, 24)), n, np.uint32) | rng.integers(0, 2, n, np.uint32) << 31).view(
        np.float32
    )


def scaled(rng: Generator, n: int) -> Floats:
    """Each 16 values at a magnitude of their own, the whole range of floats."""
    return np.ldexp(normal(rng, n), np.repeat(rng.integers(-150, 125, n // 16), 16)).astype(np.float32)


def one_scale(rng: Generator, n: int) -> Floats:
    """All at one magnitude; often where d is denormal or 0 in float16, or infinite."""
    return np.ldexp(normal(rng, n), rng.integers(-150, 125)).astype(np.float32)


def huge(rng: Generator, n: int) -> Floats:
    return rng.uniform(-1, 1, n).astype(np.float32) * np.finfo(np.float32).max


def constants(rng: Generator, n: int) -> Floats:
    return np.repeat(scaled(rng, n)[: n // 32], 32)


def sparse(rng: Generator, n: int) -> Floats:
    return np.where(rng.random(n) < rng.choice([0.01, 0.1, 0.5]), normal(rng, n), np.float32(0))


def signs(rng: Generator, n: int) -> Floats:
    """One magnitude, both signs, both zeros."""
    return rng.choice(np.array([-0.5, -0.0, 0.0, 0.5], np.float32), n)


def one_sign(rng: Generator, n: int) -> Floats:
    return np.abs(normal(rng, n)) * np.float32(rng.choice([-1, 1])) + np.float32(rng.choice([0, 1e-3, 10]))


def narrow(rng: Generator, n: int) -> Floats:
    """Values a few units in the last place apart."""
    return (np.float32(normal(rng, 1)[0]).view(np.uint32) + rng.integers(0, 4, n, np.uint32)).view(np.float32)


def ramps(rng: Generator, n: int) -> Floats:
    return (np.arange(n) % rng.choice([16, 32, 256]) * rng.normal()).astype(np.float32)


def outliers(rng: Generator, n: int) -> Floats:
    return normal(rng, n) * np.where(rng.random(n) < 0.02, np.float32(1e4), np.float32(1))


def ties(rng: Generator, n: int) -> Floats:
    """On and beside the middle between two levels."""
    values = (rng.integers(-63, 64, n) / np.float32(2)).astype(np.float32)
    nudged = (values.view(np.uint32) + rng.integers(0, 2, n, np.uint32)).view(np.float32)
    return nudged * np.float32(2.0 ** rng.integers(-12, 3))


def sixteen_bits(rng: Generator, n: int) -> Floats:
    """What a bfloat16 checkpoint holds."""
    return ((normal(rng, n) * np.float32(0.02)).view(np.uint32) & 0xFFFF0000).view(np.float32)


def infinities(rng: Generator, n: int) -> Floats:
    return np.where(rng.random(n) < 0.03, rng.choice(np.array([-np.inf, np.inf], np.float32), n), normal(rng, n))


def one_infinity_among_infinite_squares(rng: Generator, n: int) -> Floats:
    return np.where(rng.random(n) < 0.02, np.float32(np.inf), huge(rng, n))


GENERATORS: list[Callable[[Generator, int], Floats]] = [
    normal, any_bits, denormals, scaled, one_scale, huge, constants, sparse, signs, one_sign, narrow, ramps, outliers,
    ties, sixteen_bits, infinities, one_infinity_among_infinite_squares,
]  # fmt: skip


@cache
def starter_weights() -> Floats:
    """The starter's base, trained bfloat16 weights, as super-blocks."""
    tensors = read_header(STARTER_BASE)
    matrices = [tensor for tensor in tensors.values() if len(tensor.shape) == 2]
    with OpenFiles() as files:
        flat = np.concatenate([matrix.rows(files, 0, matrix.shape[0]).ravel() for matrix in matrices])
    return flat[: flat.size // 256 * 256].reshape(-1, 256)


def test_the_kernel_is_built_where_a_compiler_is() -> None:
    if not (os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")):
        pytest.skip("no C compiler")
    assert kernels(), "pip install -e . builds it"
    assert "portable" in kernels()
    assert ggml.trusted_kernel() is not None


@pytest.fixture(params=list(kernels()))
def kernel(request: pytest.FixtureRequest) -> Kernel:
    return kernels()[request.param]


@pytest.mark.parametrize("make", GENERATORS, ids=lambda make: make.__name__)
@pytest.mark.parametrize("kind", EVERY_KIND, ids=lambda kind: kind.name)
def test_the_bytes_are_ggmls(kernel: Kernel, kind: Type, make: Callable[[Generator, int], Floats]) -> None:
    rng = np.random.default_rng([int(kind), GENERATORS.index(make)])
    for _ in range(3):
        rows = make(rng, 3 * COLUMNS).astype(np.float32).reshape(3, COLUMNS)
        assert differing(kernel, kind, rows) == 0


any_float = st.floats(width=32, allow_nan=False)


@pytest.mark.parametrize("kind", EVERY_KIND, ids=lambda kind: kind.name)
@settings(max_examples=60, deadline=None)
@given(rows=arrays(np.float32, (1, 512), elements=any_float))
def test_the_bytes_are_ggmls_for_what_hypothesis_finds(kind: Type, rows: Floats) -> None:
    for kernel in kernels().values():
        assert differing(kernel, kind, rows) == 0


@pytest.mark.parametrize("kind", EVERY_KIND, ids=lambda kind: kind.name)
def test_the_bytes_are_ggmls_on_real_weights(kernel: Kernel, kind: Type) -> None:
    rows = np.ascontiguousarray(starter_weights()[::31])
    assert differing(kernel, kind, rows) == 0


@pytest.mark.parametrize("make", [normal, scaled, sparse, huge, constants], ids=lambda make: make.__name__)
@pytest.mark.parametrize("kind", EVERY_KIND, ids=lambda kind: kind.name)
def test_stored_bfloat16_makes_the_bytes_of_the_widened(
    kernel: Kernel, kind: Type, make: Callable[[Generator, int], Floats]
) -> None:
    rng = np.random.default_rng(int(kind))
    for columns in (256, COLUMNS, 2048):  # less than is widened at once, more, and a multiple of it
        assert brief_differing(kernel, kind, make(rng, 3 * columns).astype(np.float32).reshape(3, columns)) == 0


@pytest.mark.parametrize("kind", EVERY_KIND, ids=lambda kind: kind.name)
@pytest.mark.parametrize("at", [0, 255, 1024, 1279])
@pytest.mark.parametrize("bits", [0x7F80, 0xFF80, 0x7FC0, 0xFFFF])
def test_stored_bfloat16_that_is_not_finite_is_noticed(kernel: Kernel, kind: Type, at: int, bits: int) -> None:
    rows = np.zeros((1, COLUMNS), np.uint16)
    rows[0, at] = bits
    out = np.empty((1, ggml.row_bytes(kind, COLUMNS)), np.uint8)
    assert kernel.quantize_brief(kind, rows, out) == -1
    rows[0, at] = 0x7F7F  # the largest that is
    assert kernel.quantize_brief(kind, rows, out) == out.nbytes


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", EVERY_KIND, ids=lambda kind: kind.name)
def test_the_bytes_are_ggmls_in_millions_of_blocks(kind: Type) -> None:
    rng, blocks = np.random.default_rng(int(kind)), 0
    while blocks < 400_000:
        make = GENERATORS[blocks // 5_000 % len(GENERATORS)]
        rows = np.concatenate([make(rng, COLUMNS).astype(np.float32) for _ in range(1000)]).reshape(-1, COLUMNS)
        for kernel in kernels().values():
            assert differing(kernel, kind, rows) == 0, (kernel.name, make.__name__, blocks)
            if (np.abs(rows) < 1e38).all():
                assert brief_differing(kernel, kind, rows) == 0, (kernel.name, make.__name__, blocks)
        blocks += rows.size // 256
    for kernel in kernels().values():
        assert differing(kernel, kind, starter_weights()) == 0


@pytest.mark.parametrize(
    ("n", "rank", "m"), [(1, 1, 1), (3, 16, 128), (5, 16, 131), (2, 64, 1280), (4, 400, 257), (2, 3, 40)]
)
def test_the_product_is_the_chain(kernel: Kernel, n: int, rank: int, m: int) -> None:
    rng = np.random.default_rng(rank)
    for scale in (1, 1e-22, 1e18):
        b, a = (rng.standard_normal(shape, np.float32) * np.float32(scale) for shape in ((n, rank), (rank, m)))
        width = rank if rank <= 192 else min(192, rank // 2)
        product = kernel.chain_product(b, a, width)
        if product is None:
            assert kernel.name == "portable"
            return
        assert np.array_equal(product.view(np.uint32), in_numpy(b, a, width).view(np.uint32))


@pytest.mark.parametrize("dtype", ["BF16", "F32"])
@pytest.mark.parametrize(("n", "rank", "m"), [(3, 16, 131), (5, 8, 384), (2, 400, 257)])
@pytest.mark.parametrize("size", [1, 1e-38, 1e19])
def test_the_merge_rounds_as_numpy_does(
    kernel: Kernel, n: int, rank: int, m: int, dtype: str, size: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sums that overflow are infinite in both."""
    rng = np.random.default_rng(rank)
    b, a = (rng.standard_normal(shape, np.float32) * np.float32(size) for shape in ((n, rank), (rank, m)))
    rows = round_to(dtype, rng.standard_normal((n, m), np.float32) * np.float32(min(size, 1e30)))
    monkeypatch.setenv("LOCALFIN_KERNEL", kernel.name)
    merged = add_product(rows, b, a, 0.7071, dtype)
    monkeypatch.setenv("LOCALFIN_KERNEL", "off")
    assert np.array_equal(merged.view(np.uint32), add_product(rows, b, a, 0.7071, dtype).view(np.uint32))


def test_the_product_takes_strided_matrices(kernel: Kernel) -> None:
    rng = np.random.default_rng(0)
    b, a = rng.standard_normal((16, 32), np.float32).T, rng.standard_normal((300, 16), np.float32).T
    product = kernel.chain_product(b, a, 16)
    assert product is None or np.array_equal(product, in_numpy(b, a, 16))


def test_the_environment_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in kernels():
        monkeypatch.setenv("LOCALFIN_KERNEL", name)
        chosen = chosen_kernel()
        assert chosen is not None
        assert chosen.name == name
    monkeypatch.setenv("LOCALFIN_KERNEL", "off")
    assert chosen_kernel() is None
    b, a = np.ones((2, 3), np.float32), np.ones((3, 4), np.float32)
    assert (chain_product(b, a) == 3).all()
    monkeypatch.setenv("LOCALFIN_KERNEL", "altivec")
    with pytest.raises(InputRefused, match=r"choose among .*off"):
        chosen_kernel()


def test_quantize_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    trusted = ggml.trusted_kernel()
    assert trusted is not None
    used: list[Type] = []
    kept = Kernel.quantize
    monkeypatch.setattr(Kernel, "quantize", lambda self, kind, *rest: used.append(kind) or kept(self, kind, *rest))
    rows = np.ones((1, 256), np.float32)
    for kind in (*EVERY_KIND, Type.Q5_0):
        ggml.quantize(kind, rows)
    assert used == EVERY_KIND


@pytest.mark.parametrize(("choice", "says"), [("off", "ggml's own are used"), ("portable", "native kernel, portable")])
def test_it_can_be_said_which_is_at_work(choice: str, says: str) -> None:
    program = "from localfin_convert.quantize.ggml import kernel_says; print(kernel_says())"
    environment = os.environ | {"LOCALFIN_KERNEL": choice, "PYTHONPATH": os.pathsep.join(sys.path), "LC_ALL": "C"}
    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert says in ran.stdout
