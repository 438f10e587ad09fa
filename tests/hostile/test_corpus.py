"""Every hostile input is refused as a stranger's process sees it: one line, exit code 3, soon, nothing left behind."""

import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.convert.small_tokenizers import sentencepiece_bytes
from tests.convert.tiny import ADAPTER_CONFIG, CONFIG, llama_tensors, lora_tensors, write_safetensors
from tests.hostile.corpus import CASES

from localfin_convert import write_safetensors as write_safetensors_folder
from localfin_models.errors import InputRefused

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pipes, devices and resource usage as Linux has them")

CPU_SECONDS, RESIDENT_MB, GIVEN_UP = 1.0, 200, 20
Outcomes = dict[str, "Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    code: int
    said: str
    """On stdout and stderr."""
    cpu_seconds: float
    """Of the process and those it waited for, whatever else the machine does."""
    resident_mb: float
    left: tuple[str, ...]
    """What lies in the working folder beside base and adapter: an output, or the canary of code that was run."""
    untouched: bool


def write_good_pair(folder: Path) -> None:
    base, adapter = folder / "base", folder / "adapter"
    base.mkdir()
    (base / "config.json").write_text(json.dumps(CONFIG))
    (base / "tokenizer.model").write_bytes(sentencepiece_bytes())
    (base / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "LlamaTokenizer"}))
    write_safetensors(base / "model.safetensors", llama_tensors())
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text(json.dumps(ADAPTER_CONFIG))
    write_safetensors(adapter / "adapter_model.safetensors", lora_tensors())


def listing(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(path.relative_to(folder)), path.lstat().st_mtime_ns) for path in folder.rglob("*"))


LAUNCHER = """
import json, os, sys, threading
measured, given_up, *command = sys.argv[1:]
pid = os.posix_spawn(command[0], command, os.environ)
timer = threading.Timer(float(given_up), os.kill, (pid, 9))
timer.start()
_pid, status, usage = os.wait4(pid, 0)
timer.cancel()
with open(measured, "w") as file:
    json.dump([os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime, usage.ru_maxrss], file)
"""
"""A process's peak memory starts as that of the one it was forked from, which is pytest's, with torch in it perhaps."""


def attempt(folder: Path, environment: dict[str, str]) -> Outcome:
    before = listing(folder)
    command = [sys.executable, "-m", "localfin", "convert", "base", "-a", "adapter", "-o", "out.gguf"]
    log, measured = folder.with_suffix(".log"), folder.with_suffix(".measured")
    launcher = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(measured), str(GIVEN_UP)]
    with log.open("wb") as said:
        subprocess.run([*launcher, *command], cwd=folder, env=environment, stdout=said, stderr=said, check=True)
    code, cpu_seconds, resident_kb = json.loads(measured.read_text())
    left = tuple(sorted(path.name for path in folder.iterdir() if path.name not in ("base", "adapter")))
    return Outcome(
        code, log.read_text(errors="replace"), cpu_seconds, resident_kb / 1000, left, listing(folder) == before
    )


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory, top: Path) -> Outcomes:
    """All cases once, two at a time. `good` is the pair that nobody touched."""
    work = tmp_path_factory.mktemp("hostile")
    write_good_pair(work)
    packages = os.pathsep.join(str(top / name) for name in ("localfin", "convert", "models"))
    environment = {**os.environ, "PYTHONPATH": packages, "LOCALFIN_LANG": "en", "LOCALFIN_HOME": str(work / "home")}

    def one(name: str) -> Outcome:
        folder = work / "cases" / name
        for part in ("base", "adapter"):
            shutil.copytree(work / part, folder / part)
        if name in CASES:
            CASES[name].change(folder / "base", folder / "adapter")
        try:
            return attempt(folder, environment)
        finally:
            shutil.rmtree(folder)

    with ThreadPoolExecutor(2) as pool:
        names = ("good", *CASES)
        return dict(zip(names, pool.map(one, names), strict=True))


def test_the_corpus_is_as_large_as_promised() -> None:
    assert len(CASES) >= 60


def test_the_good_pair_is_converted(outcomes: Outcomes) -> None:
    assert outcomes["good"].code == 0, outcomes["good"].said
    assert [name for name in outcomes["good"].left if name.endswith(".gguf")] == ["out.gguf"]


@pytest.mark.parametrize("name", CASES)
def test_refused(outcomes: Outcomes, name: str) -> None:
    outcome = outcomes[name]
    assert outcome.code == 3, outcome.said
    *progress, line = outcome.said.splitlines()
    assert line.startswith("localfin: ")
    assert re.search(CASES[name].words, line), line
    assert all(re.search(r" MB/s |licen|trained on", before) for before in progress), outcome.said
    assert line.isprintable()
    assert len(line) < 600
    assert outcome.left == ()
    assert outcome.untouched
    assert outcome.cpu_seconds < max(CPU_SECONDS, outcomes["good"].cpu_seconds), "a slow machine converts as slowly"
    assert outcome.resident_mb < RESIDENT_MB


FOR_GGUF_ALONE = {"tokenizer_without_vocabulary", "tokenizer_larger_than_the_model"}
"""A folder carries the tokenizer as it is."""


@pytest.mark.long
@pytest.mark.parametrize("name", sorted(CASES.keys() - FOR_GGUF_ALONE))
def test_refused_as_a_merged_checkpoint(name: str, tmp_path: Path) -> None:
    write_good_pair(tmp_path)
    CASES[name].change(tmp_path / "base", tmp_path / "adapter")
    with pytest.raises(InputRefused, match=CASES[name].words):
        write_safetensors_folder(tmp_path / "base", [tmp_path / "adapter"], tmp_path / "out", threads=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter", "base"]
