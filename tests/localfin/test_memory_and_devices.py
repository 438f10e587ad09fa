"""What a model will take, what is free, and how many layers a GPU gets."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from localfin.engine import memory
from localfin.engine.client import LlamaEngine
from localfin.engine.devices import choose_gpu_layers, gpu_limits, layers_that_fit
from localfin.engine.events import LoadOptions
from localfin.engine.memory import Need, estimate, refuse_if_too_large
from localfin_models.errors import LocalfinError, NotEnough
from localfin_models.gguf_header import check_gguf
from localfin_models.seal import WorkerLimits

GB = 1 << 30
NEED = Need(weights_bytes=30 * GB, kv_bytes=3 * GB, compute_bytes=GB, layers=32, n_ctx=8192)


def test_keys_and_values_are_counted_exactly(make_gguf):
    header = check_gguf(make_gguf(name="random"))
    # 2 layers, keys and values of 320 numbers each, 2 bytes a number
    assert estimate(header, 100).kv_bytes == 100 * 2 * (320 + 320) * 2
    assert estimate(header, 100).weights_bytes == header.tensor_bytes


@pytest.mark.skipif(not Path("/proc/meminfo").exists(), reason="Linux tells what is free")
def test_what_is_free_is_less_than_the_machine_has():
    free = memory.free_memory()
    assert free is not None
    total = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    assert 0 < free < total


def test_a_control_group_that_allows_less_counts(tmp_path):
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("400\n")
    assert memory._group_memory(tmp_path) == 600
    (tmp_path / "memory.max").write_text("max\n")
    assert memory._group_memory(tmp_path) is None
    assert memory._group_memory(tmp_path / "nowhere") is None


def test_too_large_says_how_much(monkeypatch):
    monkeypatch.setattr(memory, "free_memory", lambda: 8 * GB)
    with pytest.raises(NotEnough, match=r"35\.4 GB needed \(32\.2 GB weights, 3\.2 GB for 8192 tokens\), 8\.6 GB free"):
        refuse_if_too_large(NEED)
    monkeypatch.setattr(memory, "free_memory", lambda: 40 * GB)
    refuse_if_too_large(NEED)


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="Linux shows limits")
def test_the_child_runs_under_its_limit_and_within_it(make_gguf):
    engine = LlamaEngine()
    try:
        engine.load(make_gguf(name="random"), LoadOptions(threads=2))
        rows = Path(f"/proc/{engine.pid}/limits").read_text().splitlines()
        limit = next(int(row.split()[3]) for row in rows if row.startswith("Max address space"))
        status = Path(f"/proc/{engine.pid}/status").read_text()
        peak = int(status.split("VmPeak:")[1].split()[0]) * 1024
        assert peak < limit < 3 * GB
        assert "Seccomp:\t2" in status
        assert next(row.split()[4] for row in rows if row.startswith("Max core file size")) == "0"
    finally:
        engine.close()


@pytest.mark.parametrize(
    ("free", "layers"),
    [((), 0), ((GB,), 0), ((80 * GB,), 33), ((18 * GB,), 16), ((18 * GB, 18 * GB), 33), ((10 * GB, GB // 2), 8)],
)
def test_layers_that_fit_the_free_memory(free, layers):
    # 33 GB over 33 layers: one each; a device keeps 0.5 GB for itself and 1 GB for what is computed.
    assert layers_that_fit(free, NEED) == layers


def test_without_a_gpu_backend_auto_is_none_and_asking_is_an_error():
    build = SimpleNamespace(llama_supports_gpu_offload=lambda: False)
    assert choose_gpu_layers(build, "auto", NEED) == 0
    assert choose_gpu_layers(build, 0, NEED) == 0
    with pytest.raises(LocalfinError, match="no GPU"):
        choose_gpu_layers(build, 5, NEED)


def test_a_driver_gets_its_devices_and_no_limit_on_address_space():
    limits = gpu_limits(WorkerLimits(read=(Path("/m.gguf"),), memory_bytes=GB))
    assert limits.memory_bytes is None
    assert Path("/m.gguf") in limits.read
    assert Path("/dev/dri") in limits.write
    assert all(str(path).startswith("/dev/") for path in limits.write)
