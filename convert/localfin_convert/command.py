"""`localfin convert`: options, progress and words around `pipeline.convert`."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from localfin_convert import pipeline
from localfin_convert.adapter import Weighted
from localfin_convert.as_lora import plan_lora, refuse_type, write_lora
from localfin_convert.as_safetensors import SafetensorsPlan, SafetensorsRequest, planned_for
from localfin_convert.as_safetensors import carry_out as write_merged
from localfin_convert.as_safetensors.printing import (
    safetensors_plan_json,
    safetensors_plan_text,
    safetensors_report_json,
    safetensors_report_text,
)
from localfin_convert.bitsandbytes.trained import MERGES
from localfin_convert.compare import compare
from localfin_convert.estimate import MEMORY, threads_within
from localfin_convert.pipeline import Report
from localfin_convert.plan import Plan, make_plan
from localfin_convert.printing import (
    comparison_json,
    comparison_text,
    lora_plan_json,
    lora_plan_text,
    lora_report_json,
    lora_report_text,
    plan_json,
    plan_text,
    report_json,
    report_text,
)
from localfin_convert.quantize.mixtures import QUANTIZATIONS
from localfin_convert.quantize.overrides import read_override
from localfin_convert.request import PRECISIONS, Request, refuse_unquantized
from localfin_convert.reuse import open_donor
from localfin_convert.write.output import output_paths, refuse_existing, refuse_inputs, refuse_small_disk
from localfin_models.cores import available_cores
from localfin_models.errors import InputRefused
from localfin_models.language import _
from localfin_models.manifest import manifest_path
from localfin_models.progress import ProgressBar

SAFETENSORS = "safetensors"
Asked = TypeVar("Asked")


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


class _Size(click.ParamType[int]):
    """Bytes as `500M` or `2G`, by the thousand as llama.cpp counts them."""

    name = "size"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int):  # a default
            return value
        match = re.fullmatch(r"([1-9]\d{0,8})([MG])", value.upper())
        if match is None:
            self.fail(_("{text} is no size: write such as 500M or 2G").format(text=value), param, ctx)
        return int(match[1]) * (10**9 if match[2] == "G" else 10**6)


class _TensorType(click.ParamType[str]):
    """`PATTERN=TYPE`, left as it is written."""

    name = "tensor type"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            read_override(value)
        except InputRefused as refusal:
            raise click.UsageError(str(refusal), ctx) from None
        return value


@click.command("convert", help=_("Merge adapters into BASE, convert to GGUF and quantize, in one pass."))
@click.argument("base", type=click.Path(path_type=Path, readable=False))
@click.option(
    "-a", "--adapter", "adapters", multiple=True, type=_WeightedFolder(), metavar="FOLDER[=WEIGHT]",
    help=_("A peft adapter; several are merged in turn, WEIGHT multiplies an adapter's scale."),
)  # fmt: skip
@click.option(
    "-o", "--out", type=click.Path(path_type=Path, readable=False), required=True,
    help=_("The GGUF file to make; with --to safetensors the folder."),
)  # fmt: skip
@click.option(
    "--to", type=click.Choice(("gguf", SAFETENSORS)), default="gguf", show_default=True,
    help=_("`safetensors`: the merged checkpoint as a Hugging Face folder, for other programs."),
)  # fmt: skip
@click.option(
    "-q", "--quantization", type=click.Choice(QUANTIZATIONS), show_default="q4_k_m; f32 with --as-lora",
    help=_("With --as-lora one of f32, f16, bf16, q8_0."),
)  # fmt: skip
@click.option("--as-lora", is_flag=True, help=_("Merge nothing: make a GGUF adapter, to load with `ask --lora`."))
@click.option(
    "--prompt-format",
    help=_("`seed` (### 지시사항: …), `base` (its chat template) or a Jinja file; found by itself beside the adapter."),
)
@click.option(
    "--merge-onto", type=click.Choice(MERGES),
    help=_("For QLoRA: add to the 16-bit base, or to what its 4 bits amount to. Default: the base as it is stored."),
)  # fmt: skip
@click.option(
    "--split-max-size", "split_max_bytes", type=_Size(),
    help=_("Cut the model into files of at most so much, such as 2G: OUT-00001-of-00003.gguf and on."),
)  # fmt: skip
@click.option(
    "--tensor-type", "tensor_types", multiple=True, type=_TensorType(), metavar="PATTERN=TYPE",
    help=_("Another type for the tensors whose names the pattern finds, such as ffn_down=q6_k; the first counts."),
)  # fmt: skip
@click.option(
    "--imatrix", type=click.Path(path_type=Path, readable=False), metavar="FILE",
    help=_("Quantize by this importance matrix, of `localfin imatrix` or llama.cpp."),
)  # fmt: skip
@click.option(
    "--precision", type=click.Choice(PRECISIONS), default=PRECISIONS[0], show_default=True,
    help=_("Round what was merged to the base's 16 bits, as peft does, or go on in float32 up to the quantizer."),
)  # fmt: skip
@click.option(
    "--compare", "compare_text", type=click.Path(path_type=Path, readable=False), metavar="TEXT",
    help=_("Make both merges, print the perplexity of each on this text file, keep the one of --merge-onto."),
)  # fmt: skip
@click.option(
    "--onto", type=click.Path(path_type=Path, readable=False), metavar="GGUF",
    help=_("Copy what no adapter changes from this GGUF of the base alone; the output is the same, made sooner."),
)  # fmt: skip
@click.option("--force", is_flag=True, help=_("Replace an existing output."))
@click.option("--resume", is_flag=True, help=_("Go on where a killed run of the same conversion stopped."))
@click.option("--dry-run", is_flag=True, help=_("Print the plan with bytes, memory and time; write nothing."))
@click.option("--no-verify", is_flag=True, help=_("Do not compare the output with its source."))
@click.option("--threads", type=click.IntRange(1, 256), help=_("Default: the cores this process may use."))
@click.option(
    "--memory", type=_Size(), default=MEMORY, show_default="4G",
    help=_("What the conversion may take, such as 2G; verification comes on top."),
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help=_("One JSON object on stdout."))
@click.pass_context
def convert(
    context: click.Context,
    /,
    base: Path,
    out: Path,
    to: str,
    quantization: str | None,
    as_lora: bool,
    compare_text: Path | None,
    onto: Path | None,
    no_verify: bool,
    threads: int | None,
    force: bool,
    resume: bool,
    dry_run: bool,
    memory: int,
    as_json: bool,
    **of_request: Any,
) -> None:
    _refuse_mixed(context)
    how = _How(threads or available_cores(), memory, force, resume, dry_run, as_json)
    if as_lora:
        _as_usage(refuse_type, quantization or "f32")
        _as_lora(base, of_request["adapters"], out, quantization or "f32", how)
        return
    if to == SAFETENSORS:
        merged = SafetensorsRequest(base, *(of_request[name] for name in ("adapters", "prompt_format", "merge_onto")))
        _to_safetensors(merged, out, how)
        return
    asked = Request(base, quantization=quantization or "q4_k_m", name=out.stem, **of_request)
    _as_usage(refuse_unquantized, asked)
    if dry_run:
        _dry_run(asked, out, onto, how)
        return

    def make(asked: Request, path: Path) -> Report:
        with ProgressBar(path.name) as progress:
            return pipeline.carry_out(
                asked, path, onto=onto, force=force, resume=resume, threads=how.threads, memory=memory,
                verify=not no_verify and path == out, progress=progress, stage=progress.stage,
                remark=_remark if compare_text is None or path != out else None,
            )  # fmt: skip

    if compare_text is not None:
        refuse_existing(out, force=force)
        found = compare(asked, out, compare_text, make, how.threads, _measuring)
        click.echo(comparison_json(found) if as_json else comparison_text(found))
        return
    report = make(asked, out)
    click.echo(report_json(report) if as_json else report_text(report), err=not as_json)


def _as_usage(check: Callable[[Asked], None], asked: Asked) -> None:
    """What the options alone make wrong is wrong usage, whoever finds it."""
    try:
        check(asked)
    except InputRefused as refusal:
        raise click.UsageError(str(refusal)) from None


@dataclass(frozen=True, slots=True)
class _How:
    """Options that change no byte of the output."""

    threads: int
    memory: int
    force: bool
    resume: bool
    dry_run: bool
    as_json: bool

    def threads_for(self, plan: Plan | SafetensorsPlan) -> int:
        return threads_within(self.memory, plan.tensors, plan.header_bytes, self.threads)


_WITHOUT = {
    "as_lora": (
        "prompt_format", "merge_onto", "split_max_bytes", "tensor_types", "imatrix", "precision", "compare_text",
        "onto", "resume", "no_verify", "memory",
    ),
    "compare_text": ("dry_run", "split_max_bytes", "onto"),
    "to": (
        "quantization", "as_lora", "split_max_bytes", "tensor_types", "imatrix", "precision", "compare_text",
        "onto", "no_verify",
    ),
}  # fmt: skip
"""Which options mean nothing beside another, by the names of their parameters; `to` where it is not the default."""
_OF_ADAPTERS = ("as_lora", "compare_text")


def _refuse_mixed(context: click.Context) -> None:
    spelled = {str(param.name): param.opts[-1] for param in context.command.params}
    given = [name for name in spelled if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    given = [name for name in given if name != "to" or context.params["to"] == SAFETENSORS]
    for name, others in _WITHOUT.items():
        if name not in given:
            continue
        if unwanted := [spelled[other] for other in others if other in given]:
            raise click.UsageError(
                _("{option} goes without {others}").format(option=spelled[name], others=", ".join(unwanted))
            )
        if name in _OF_ADAPTERS and "adapters" not in given:
            raise click.UsageError(_("{option} needs an adapter: name one with -a FOLDER").format(option=spelled[name]))


def _dry_run(asked: Request, out: Path, onto: Path | None, how: _How) -> None:
    refuse_existing(out, force=how.force)
    plan = make_plan(asked)
    threads = how.threads_for(plan)
    if onto is not None:
        plan = open_donor(onto).give_to(plan, threads)
    paths = output_paths(out, len(plan.parts))
    for path in paths:
        refuse_existing(path, force=how.force)
    refuse_inputs([*paths, manifest_path(paths[0])], plan.read_files)
    refuse_small_disk(paths, plan.total_bytes)
    for line in plan.remarks:
        _remark(line)
    click.echo(plan_json(plan, threads) if how.as_json else plan_text(plan, threads))


def _to_safetensors(asked: SafetensorsRequest, out: Path, how: _How) -> None:
    if how.dry_run:
        plan = planned_for(asked, out, force=how.force)
        threads = how.threads_for(plan)
        for line in plan.remarks:
            _remark(line)
        click.echo(safetensors_plan_json(plan, threads) if how.as_json else safetensors_plan_text(plan, threads))
        return
    with ProgressBar(out.name) as progress:
        report = write_merged(
            asked, out, force=how.force, resume=how.resume, threads=how.threads, memory=how.memory,
            progress=progress, remark=_remark,
        )  # fmt: skip
    click.echo(safetensors_report_json(report) if how.as_json else safetensors_report_text(report), err=not how.as_json)


def _measuring(merge: str) -> ProgressBar:
    return ProgressBar(_("perplexity {merge}").format(merge=merge), unit=_("tokens"), of_unit=1)


def _remark(line: str) -> None:
    click.echo(line, err=True)


def _as_lora(base: Path, adapters: tuple[Weighted, ...], out: Path, quantization: str, how: _How) -> None:
    if how.dry_run:
        refuse_existing(out, force=how.force)
        plan = plan_lora(base, adapters, quantization, out.stem)
        refuse_small_disk([out], plan.total_bytes)
        for line in plan.provenance.remarks:
            _remark(line)
        click.echo(lora_plan_json(plan) if how.as_json else lora_plan_text(plan))
        return
    report = write_lora(base, adapters, out, quantization, force=how.force, remark=_remark)
    click.echo(lora_report_json(report) if how.as_json else lora_report_text(report), err=not how.as_json)
