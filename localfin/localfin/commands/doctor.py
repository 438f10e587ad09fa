"""`localfin doctor`: what is wrong with this machine; with `--offline`, the proof that nothing leaves it."""

import importlib
import json
import platform
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import click

from localfin_models.errors import LocalfinError
from localfin_models.language import _

_PACKAGES = (
    "localfin", "llama-cpp-python", "apsw-sqlite3mc", "click", "gguf", "jinja2", "numpy", "sentencepiece", "textual",
    "tokenizers",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    name: str
    ok: bool
    says: str


@click.command(
    short_help=_("Say what is wrong with this machine, and prove the seal."),
    help=_("Look at Python, the packages, llama.cpp, GPUs, the seal, the home folder and the starter model."),
)
@click.option("--offline", is_flag=True, help=_("Try every way out; 0 only if the kernel refused them all."))
@click.option("--json", "as_json", is_flag=True, help=_("Print one JSON object."))
def doctor(offline: bool, as_json: bool) -> None:
    ok = _prove(as_json) if offline else _examine(as_json)
    if not ok:
        raise click.exceptions.Exit(1)


def examine() -> list[Finding]:
    """Every check; the worker that asks llama.cpp is sealed like any other."""
    return [_python(), *_packages(), *_llama(), _quantizers(), _seal(), _home(), _starter()]


def _examine(as_json: bool) -> bool:
    findings = examine()
    ok = all(f.ok for f in findings)
    if as_json:
        click.echo(json.dumps({"ok": ok, "findings": [asdict(f) for f in findings]}, ensure_ascii=False))
    else:
        for finding in findings:
            click.echo(f"{_mark(finding.ok)}  {finding.name:<18} {finding.says}")
    return ok


def _prove(as_json: bool) -> bool:
    from localfin.probe import try_everything

    attempts = try_everything()
    counted = [a.refused for a in attempts if a.refused is not None]
    refused = sum(counted)
    ok = refused == len(counted)
    if as_json:
        answer: dict[str, Any] = {"ok": ok, "kernel": _kernel_says(), "attempts": [asdict(a) for a in attempts]}
        click.echo(json.dumps(answer, ensure_ascii=False))
        return ok
    for attempt in attempts:
        click.echo(
            f"{_mark(attempt.refused)}  {attempt.where:<14} {attempt.how:<7} {attempt.what:<34} {attempt.answer}"
        )
    click.echo(_("{refused} of {n} attempts were refused").format(refused=refused, n=len(counted)))
    return ok


def _mark(ok: bool | None) -> str:
    return "-   " if ok is None else "ok  " if ok else "FAIL"


def _python() -> Finding:
    return Finding("python", sys.version_info >= (3, 11), f"{platform.python_version()}, {platform.platform()}")


def _packages() -> list[Finding]:
    found: list[Finding] = []
    for name in _PACKAGES:
        try:
            found.append(Finding(name, True, version(name)))
        except PackageNotFoundError:
            # localfin itself may run from its source tree.
            found.append(Finding(name, name == "localfin", _("not installed")))
    return found


def _llama() -> list[Finding]:
    from localfin.engine.about import about_llama
    from localfin_models.seal import SealStatus

    try:
        answer = about_llama()
    except LocalfinError as error:
        return [Finding("llama.cpp", False, str(error))]
    gpus = [f"{g['name']} ({g['free_bytes'] / 1e9:.1f} GB free)" for g in answer["gpus"]]
    seal = SealStatus(**answer["seal"])
    if not seal.enforced:
        says = _("not enforced on this platform")
    elif not seal.landlock:
        says = _("enforced by the kernel; files stay readable, this kernel has no Landlock")
    else:
        says = _("enforced by the kernel, files by Landlock {abi}").format(abi=seal.landlock)
    return [
        Finding("llama.cpp", True, str(answer["system"])),
        Finding("gpu", True, ", ".join(gpus) or _("none in this build; the processor computes")),
        Finding("worker", seal.enforced or sys.platform != "linux", says),
    ]


def _quantizers() -> Finding:
    """What the converter quantizes with. Named as a string, as the command line's modules are."""
    try:
        return Finding("quantizers", True, importlib.import_module("localfin_convert.quantize.ggml").kernel_says())
    except LocalfinError as error:
        return Finding("quantizers", False, str(error))


def _seal() -> Finding:
    said = _kernel_says()
    if not said:
        return Finding("seal", sys.platform != "linux", _("not enforced on this platform"))
    words = ", ".join(f"{key} {value}" for key, value in said.items())
    return Finding("seal", said.get("Seccomp") == "2", _("enforced by the kernel: {words}").format(words=words))


def _kernel_says() -> dict[str, str]:
    """The seal as the kernel shows it of this process: Seccomp 2 is a filter."""
    status = Path("/proc/self/status")
    if not status.exists():
        return {}
    rows = (line.partition(":") for line in status.read_text().splitlines())
    wanted = ("NoNewPrivs", "Seccomp", "Seccomp_filters")
    return {key: value.strip() for key, _colon, value in rows if key in wanted}


def _home() -> Finding:
    from localfin_models.home import home

    try:
        folder = home()
        probe = folder / ".doctor"
        probe.write_bytes(b"")
        probe.unlink()
    except (LocalfinError, OSError) as error:
        return Finding("home", False, str(error))
    return Finding("home", True, str(folder))


def _starter() -> Finding:
    from localfin_models.catalog import STARTER
    from localfin_models.files import file_sha256
    from localfin_models.gguf_header import check_gguf

    try:
        header = check_gguf(STARTER)
        return Finding("starter", True, f"{header.quantization}, {header.file_bytes} B, sha256 {file_sha256(STARTER)}")
    except (LocalfinError, OSError) as error:
        return Finding("starter", False, str(error))
