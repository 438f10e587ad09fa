"""`localfin convert`: options, progress and words around `pipeline.convert`."""

import json
import math
from pathlib import Path

import click

from localfin_convert import pipeline
from localfin_convert.adapter import Weighted
from localfin_convert.estimate import estimate
from localfin_convert.gguf_file import refuse_existing, refuse_small_disk
from localfin_convert.pipeline import Report
from localfin_convert.plan import Plan, PlannedTensor, make_plan, types_summary
from localfin_convert.progress import ProgressBar
from localfin_convert.quantization import QUANTIZATIONS
from localfin_models.cores import available_cores
from localfin_models.language import _


class _WeightedFolder(click.ParamType[Weighted]):
    """`FOLDER` or `FOLDER=WEIGHT`; a folder that exists is never cut at its `=`."""

    name = "folder"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> Weighted:
        folder, separator, text = value.rpartition("=")
        if not separator or Path(value).exists():
            return Weighted(Path(value))
        try:
            weight = float(text)
        except ValueError:
            weight = math.nan
        if not math.isfinite(weight) or weight == 0:
            self.fail(_("{text} is no weight: a number other than 0 was expected").format(text=text), param, ctx)
        return Weighted(Path(folder), weight)


@click.command("convert", help=_("Merge adapters into BASE, convert to GGUF and quantize, in one pass."))
@click.argument("base", type=click.Path(path_type=Path))
@click.option(
    "-a", "--adapter", "adapters", multiple=True, type=_WeightedFolder(), metavar="FOLDER[=WEIGHT]",
    help=_("A peft adapter; several are merged in turn, WEIGHT multiplies an adapter's scale."),
)  # fmt: skip
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help=_("The GGUF file to make."))
@click.option("-q", "--quantization", type=click.Choice(QUANTIZATIONS), default="q4_k_m", show_default=True)
@click.option(
    "--prompt-format",
    help=_("`seed` (### 지시사항: …), `base` (its chat template) or a Jinja file; found by itself beside the adapter."),
)
@click.option("--force", is_flag=True, help=_("Replace an existing output."))
@click.option("--resume", is_flag=True, help=_("Go on where a killed run of the same conversion stopped."))
@click.option("--dry-run", is_flag=True, help=_("Print the plan with bytes, memory and time; write nothing."))
@click.option("--threads", type=click.IntRange(1, 256), help=_("Default: the cores this process may use."))
@click.option("--json", "as_json", is_flag=True, help=_("One JSON object on stdout."))
def convert(
    base: Path,
    adapters: tuple[Weighted, ...],
    out: Path,
    quantization: str,
    prompt_format: str | None,
    force: bool,
    resume: bool,
    dry_run: bool,
    threads: int | None,
    as_json: bool,
) -> None:
    threads = threads or available_cores()
    if dry_run:
        refuse_existing(out, force=force)
        plan = make_plan(base, adapters, quantization, prompt_format, name=out.stem)
        refuse_small_disk(out, plan.total_bytes)
        click.echo(_plan_json(plan, threads) if as_json else _plan_text(plan, threads))
        return
    with ProgressBar(out.name) as progress:
        report = pipeline.convert(
            base, adapters, out, quantization,
            prompt_format=prompt_format, force=force, resume=resume, threads=threads, progress=progress,
        )  # fmt: skip
    click.echo(_report_json(report) if as_json else _report_text(report), err=not as_json)


def _plan_text(plan: Plan, threads: int) -> str:
    cost = estimate(plan, threads)
    lines = [
        f"{first.name:<34} {'x'.join(map(str, _shape(first, *others))):>14}  {first.choice.final.name:<5}"
        f"{'  + adapter' if any(tensor.changes for tensor in (first, *others)) else ''}"
        for first, *others in plan.outputs
    ]
    types = ", ".join(f"{kind.name} {size / 1e6:,.1f} MB" for kind, size in types_summary(plan).items())
    return "\n".join([
        *lines,
        "",
        _("tensors   {count} ({parameters:,} parameters), {types}").format(
            count=len(plan.outputs), parameters=plan.parameters, types=types
        ),
        _("reads     {size:,.1f} MB").format(size=plan.read_bytes / 1e6),
        _("writes    {size:,.1f} MB, nothing else on disk").format(size=plan.total_bytes / 1e6),
        _("memory    about {size:,.0f} MB").format(size=cost.memory_bytes / 1e6),
        _("time      about {seconds:,.0f} s on {threads} threads, by a sample timed now").format(
            seconds=cost.seconds, threads=threads
        ),
    ])  # fmt: skip


def _plan_json(plan: Plan, threads: int) -> str:
    cost = estimate(plan, threads)
    tensors = [
        {
            "name": first.name,
            "shape": _shape(first, *others),
            "type": first.choice.final.name,
            "bytes": first.n_bytes * (1 + len(others)),
            "adapted": any(tensor.changes for tensor in (first, *others)),
        }
        for first, *others in plan.outputs
    ]
    return json.dumps({
        "tensors": tensors, "parameters": plan.parameters, "read_bytes": plan.read_bytes,
        "write_bytes": plan.total_bytes, "memory_bytes": cost.memory_bytes, "seconds": round(cost.seconds, 3),
    })  # fmt: skip


def _shape(first: PlannedTensor, *others: PlannedTensor) -> tuple[int, ...]:
    return (1 + len(others), *first.shape) if others else first.shape


def _report_text(report: Report) -> str:
    text = _("{out}: {size:,.1f} MB, {quantization}, {parameters:,} parameters, {seconds:,.1f} s").format(
        out=report.out, size=report.n_bytes / 1e6, quantization=report.quantization,
        parameters=report.parameters, seconds=report.seconds,
    )  # fmt: skip
    if report.changed:
        text += "\n" + _("the adapter changed {changed:,} weights").format(changed=report.changed)
    return text + f"\nsha256 {report.sha256}"


def _report_json(report: Report) -> str:
    return json.dumps({
        "out": str(report.out), "quantization": report.quantization, "parameters": report.parameters,
        "bytes": report.n_bytes, "sha256": report.sha256, "changed": report.changed,
        "seconds": round(report.seconds, 3),
    })  # fmt: skip
