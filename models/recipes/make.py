"""Make the starter model from nothing: `python models/recipes/make.py`, under an hour on two CPU cores.

vocabulary -> pre-training -> LoRA -> held-out questions -> base and adapter into `models/starter` ->
`localfin convert` of these into `models/localfin_models/starter.gguf` -> the model's card.
Each step is a process of its own: memory is really freed, and a step can be repeated alone (`--from lora`).
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STARTER = ROOT / "models" / "starter"
GGUF = ROOT / "models" / "localfin_models" / "starter.gguf"
STEPS = ("tokenizer", "pretrain", "lora", "evaluate", "publish", "convert", "card")


def run(*arguments: str) -> None:
    """One step as a child of this interpreter that finds the packages of this checkout."""
    folders = [str(ROOT / name) for name in ("localfin", "convert", "models")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(folders), "HF_HUB_OFFLINE": "1"}
    # Waiting threads sleep instead of spinning: on shared cores spinning costs up to half of the speed.
    environment.setdefault("OMP_WAIT_POLICY", "passive")
    subprocess.run([sys.executable, "-m", *arguments], check=True, cwd=ROOT, env=environment)


def publish(work: Path) -> None:
    """Copy base and adapter, and nothing else, into `models/starter`."""
    for name in ("base", "adapter"):
        shutil.rmtree(STARTER / name, ignore_errors=True)
        shutil.copytree(work / name, STARTER / name, copy_function=shutil.copyfile)


def convert() -> None:
    run(
        "localfin", "convert", str(STARTER / "base"), "-a", str(STARTER / "adapter"),
        "-o", str(GGUF), "--prompt-format", "seed", "--force",
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Make the starter model from nothing.")
    parser.add_argument("--work", type=Path, default=ROOT / "build" / "starter", help="where intermediate files go")
    parser.add_argument("--from", dest="first", choices=STEPS, default=STEPS[0], help="repeat from this step on")
    parser.add_argument("--note", default="", help="for the card: what was special about the machine")
    options = parser.parse_args()
    work = options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    for step in STEPS[STEPS.index(options.first) :]:
        started = time.perf_counter()
        if step == "publish":
            publish(work)
        elif step == "convert":
            convert()
        elif step == "card":
            run("recipes.card", str(work), str(STARTER / "README.md"), options.note)
        else:
            run(f"recipes.{step}", str(work))
        print(f"{step}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
