"""`localfin convert`: options, progress and words around `pipeline.convert`."""

import math
from pathlib import Path

import click

from localfin_convert import pipeline
from localfin_convert.adapter import Weighted
from localfin_convert.plan import Request, make_plan
from localfin_convert.printing import plan_json, plan_text, report_json, report_text
from localfin_convert.progress import ProgressBar
from localfin_convert.quantize.types import QUANTIZATIONS
from localfin_convert.write.gguf_file import refuse_existing, refuse_small_disk
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
        plan = make_plan(Request(base, adapters, quantization, out.stem, prompt_format))
        refuse_small_disk(out, plan.total_bytes)
        click.echo(plan_json(plan, threads) if as_json else plan_text(plan, threads))
        return
    with ProgressBar(out.name) as progress:
        report = pipeline.convert(
            base, adapters, out, quantization,
            prompt_format=prompt_format, force=force, resume=resume, threads=threads, progress=progress,
        )  # fmt: skip
    click.echo(report_json(report) if as_json else report_text(report), err=not as_json)
