"""Compiles the one native file while a wheel is built, editable or not; without a C compiler the wheel lacks it."""

import os
import shlex
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = Path("convert/localfin_convert/quantize/kernel.c")
LIBRARY = SOURCE.with_name("libkernel.so")
# No -march: the file picks its instruction set at run time, so that wheels travel. Contraction would change roundings.
FLAGS = ("-std=c11", "-O3", "-funroll-loops", "-fPIC", "-shared", "-ffp-contract=off", "-fno-math-errno", "-Wno-psabi")


class KernelHook(BuildHookInterface[Any]):
    """A wheel with the kernel runs on one platform and any Python: it is loaded with ctypes."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if self.target_name != "wheel":
            return
        root = Path(self.root)
        (root / LIBRARY).unlink(missing_ok=True)
        failure = compiled(root)
        if failure:
            self.app.display_warning(f"the native kernel was not built, ggml's own quantizers do its work: {failure}")
            return
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["pure_python"], build_data["tag"] = False, f"py3-none-{platform}"
        build_data["artifacts"].append(str(LIBRARY))


def compiled(root: Path) -> str:
    """Compiles the kernel in the tree at `root`; empty, or why it could not."""
    compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    part = root / LIBRARY.with_suffix(".part")
    command = [*compiler, *FLAGS, str(root / SOURCE), "-o", str(part), "-lm"]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    except OSError as error:
        return str(error)
    if ran.returncode:
        return ran.stderr.strip().partition("\n")[0] or f"{compiler[0]} ended with {ran.returncode}"
    part.replace(root / LIBRARY)
    return ""
