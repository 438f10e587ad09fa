"""A plan and a report in words and as JSON."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from localfin_convert.as_lora import LoraPlan, LoraReport
from localfin_convert.compare import Comparison
from localfin_convert.estimate import Estimate, estimate
from localfin_convert.pipeline import Report
from localfin_convert.plan import Plan, PlannedTensor, types_summary
from localfin_convert.verify.printing import verification_text
from localfin_models.language import _


def plan_text(plan: Plan, threads: int) -> str:
    cost = estimate(plan, threads)
    lines = [
        f"{first.name:<34} {'x'.join(map(str, _shape(first, *others))):>14}  {first.choice.final.name:<7}"
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
        _("licences  {licences}").format(licences=licences_named(licence.key for licence in plan.provenance.licences)),
        _("reads     {size:,.1f} MB").format(size=plan.read_bytes / 1e6),
        _("writes    {size:,.1f} MB, nothing else on disk").format(size=plan.total_bytes / 1e6),
        *([_("copies    {size:,.1f} MB of them").format(size=plan.copied_bytes / 1e6)] if plan.copied_bytes else []),
        *([_("merges    onto the dequantized base")] if plan.merge_onto == "dequantized" else []),
        *cost_lines(cost, threads),
    ])  # fmt: skip


def plan_json(plan: Plan, threads: int) -> str:
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
        "tensors": tensors, "parameters": plan.parameters, "merge_onto": plan.merge_onto, "read_bytes": plan.read_bytes,
        "write_bytes": plan.total_bytes, "copied_bytes": plan.copied_bytes,
        "memory_bytes": cost.memory_bytes, "seconds": round(cost.seconds, 3),
        "licenses": [licence.key for licence in plan.provenance.licences], "remarks": plan.remarks,
    })  # fmt: skip


def cost_lines(cost: Estimate, threads: int) -> list[str]:
    """What a run would take of memory and of time."""
    return [
        _("memory    about {size:,.0f} MB").format(size=cost.memory_bytes / 1e6),
        _("time      about {seconds:,.0f} s on {threads} threads, by a sample timed now").format(
            seconds=cost.seconds, threads=threads
        ),
    ]


def licences_named(names: Iterable[str]) -> str:
    return ", ".join(names) or _("none named")


def made_from(licences: Iterable[str], manifest: Path) -> str:
    """Under which licences the inputs stand, and where all of them are listed."""
    return _("licences: {licences}; manifest: {manifest}").format(licences=licences_named(licences), manifest=manifest)


def _shape(first: PlannedTensor, *others: PlannedTensor) -> tuple[int, ...]:
    return (1 + len(others), *first.shape) if others else first.shape


def report_text(report: Report) -> str:
    text = _("{out}: {size:,.1f} MB, {quantization}, {parameters:,} parameters, {seconds:,.1f} s").format(
        out=report.out, size=report.n_bytes / 1e6, quantization=report.quantization,
        parameters=report.parameters, seconds=report.seconds,
    )  # fmt: skip
    if report.changed:
        text += "\n" + _("the adapter changed {changed:,} weights").format(changed=report.changed)
    if report.copied_bytes:
        text += "\n" + _("{size:,.1f} MB were copied").format(size=report.copied_bytes / 1e6)
    if report.verification is not None:
        text += "\n" + verification_text(report.verification)
    text += "\n" + made_from(report.licences, report.manifest)
    if len(report.files) == 1:
        return text + f"\nsha256 {report.sha256}"
    return "\n".join([text, *(f"sha256 {file.sha256}  {file.path.name}" for file in report.files)])


def report_json(report: Report) -> str:
    return json.dumps(_report_fields(report))


def _report_fields(report: Report) -> dict[str, object]:
    return {
        "out": str(report.out), "quantization": report.quantization, "parameters": report.parameters,
        "bytes": report.n_bytes, "sha256": report.sha256, "changed": report.changed,
        "copied_bytes": report.copied_bytes,
        "verification": None if report.verification is None else asdict(report.verification),
        "seconds": round(report.seconds, 3), "manifest": str(report.manifest),
        "licenses": report.licences, "remarks": report.remarks,
        "files": [{"path": str(file.path), "bytes": file.n_bytes, "sha256": file.sha256} for file in report.files],
    }  # fmt: skip


def comparison_text(found: Comparison) -> str:
    lines = [
        f"{merge:<12} {measured.value:>12.4f} ± {measured.error:.4f}{'  *' if merge == found.kept else ''}"
        for merge, measured in found.perplexities.items()
    ]
    scored = found.perplexities[found.kept].scored
    return "\n".join([
        report_text(found.report),
        "",
        _("perplexity of each merge over {scored:,} tokens; lower is better, * is kept").format(scored=scored),
        *lines,
    ])  # fmt: skip


def comparison_json(found: Comparison) -> str:
    measured = {merge: asdict(perplexity) for merge, perplexity in found.perplexities.items()}
    return json.dumps({**_report_fields(found.report), "merge_onto": found.kept, "perplexity": measured})


def lora_plan_text(plan: LoraPlan) -> str:
    lines = [f"{t.name:<40} {'x'.join(map(str, t.shape)):>14}  {t.choice.final.name}" for t in plan.tensors]
    return "\n".join([
        *lines,
        "",
        _("tensors   {count} ({parameters:,} parameters), alpha {alpha:g}").format(
            count=len(plan.tensors), parameters=plan.parameters, alpha=plan.alpha
        ),
        _("writes    {size:,.1f} MB, nothing else on disk").format(size=plan.total_bytes / 1e6),
    ])  # fmt: skip


def lora_plan_json(plan: LoraPlan) -> str:
    tensors = [
        {"name": t.name, "shape": t.shape, "type": t.choice.final.name, "bytes": t.n_bytes} for t in plan.tensors
    ]
    return json.dumps({
        "tensors": tensors, "parameters": plan.parameters, "alpha": plan.alpha, "write_bytes": plan.total_bytes,
    })  # fmt: skip


def lora_report_text(report: LoraReport) -> str:
    text = _("{out}: {size:,.1f} MB, a LoRA in {quantization} for {tensors} tensors of the base").format(
        out=report.out, size=report.n_bytes / 1e6, quantization=report.quantization, tensors=report.tensors
    )
    text += "\n" + made_from(report.licences, report.manifest)
    return text + f"\nsha256 {report.sha256}"


def lora_report_json(report: LoraReport) -> str:
    return json.dumps({
        "out": str(report.out), "quantization": report.quantization, "alpha": report.alpha,
        "tensors": report.tensors, "parameters": report.parameters, "bytes": report.n_bytes,
        "sha256": report.sha256, "seconds": round(report.seconds, 3), "manifest": str(report.manifest),
        "licenses": report.licences, "remarks": report.remarks,
    })  # fmt: skip
