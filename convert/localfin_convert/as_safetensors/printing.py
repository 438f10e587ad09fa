"""The plan and the report of a merged checkpoint in words and as JSON."""

import json

from localfin_convert.as_safetensors import SafetensorsReport
from localfin_convert.as_safetensors.plan import SafetensorsPlan
from localfin_convert.estimate import Estimate, estimate_unquantized
from localfin_convert.printing import cost_lines, licences_named, made_from
from localfin_models.language import _


def safetensors_plan_text(plan: SafetensorsPlan, threads: int) -> str:
    cost = _cost(plan, threads)
    lines = [
        f"{tensor.name:<50} {'x'.join(map(str, tensor.shape)):>14}  {tensor.dtype:<4}"
        f"{'  + adapter' if tensor.changes else ''}"
        for tensor in plan.tensors
    ]
    return "\n".join([
        *lines,
        "",
        _("tensors   {count} ({parameters:,} parameters), of which the adapters change {changed}").format(
            count=len(plan.tensors), parameters=plan.parameters, changed=sum(bool(one.changes) for one in plan.tensors)
        ),
        _("files     {files}").format(files=", ".join((*(shard.name for shard in plan.shards), *plan.files))),
        _("licences  {licences}").format(licences=licences_named(licence.key for licence in plan.provenance.licences)),
        _("reads     {size:,.1f} MB").format(size=plan.read_bytes / 1e6),
        _("writes    {size:,.1f} MB, nothing else on disk").format(size=plan.total_bytes / 1e6),
        *([_("merges    onto the dequantized base")] if plan.merge_onto == "dequantized" else []),
        *cost_lines(cost, threads),
    ])  # fmt: skip


def safetensors_plan_json(plan: SafetensorsPlan, threads: int) -> str:
    cost = _cost(plan, threads)
    tensors = [
        {
            "name": tensor.name,
            "shape": tensor.shape,
            "dtype": tensor.dtype,
            "bytes": tensor.n_bytes,
            "adapted": bool(tensor.changes),
        }
        for tensor in plan.tensors
    ]
    return json.dumps({
        "tensors": tensors, "files": [*(shard.name for shard in plan.shards), *plan.files],
        "parameters": plan.parameters, "merge_onto": plan.merge_onto, "read_bytes": plan.read_bytes,
        "write_bytes": plan.total_bytes, "memory_bytes": cost.memory_bytes, "seconds": round(cost.seconds, 3),
        "licenses": [licence.key for licence in plan.provenance.licences], "remarks": plan.remarks,
    })  # fmt: skip


def safetensors_report_text(report: SafetensorsReport) -> str:
    text = _("{out}: {size:,.1f} MB in {count} files, {parameters:,} parameters, {seconds:,.1f} s").format(
        out=report.out, size=report.n_bytes / 1e6, count=len(report.files), parameters=report.parameters,
        seconds=report.seconds,
    )  # fmt: skip
    if report.changed:
        text += "\n" + _("the adapter changed {changed:,} weights").format(changed=report.changed)
    return f"{text}\n{made_from(report.licences, report.manifest)}"


def safetensors_report_json(report: SafetensorsReport) -> str:
    return json.dumps({
        "out": str(report.out), "parameters": report.parameters, "bytes": report.n_bytes, "changed": report.changed,
        "seconds": round(report.seconds, 3), "manifest": str(report.manifest), "licenses": report.licences,
        "remarks": report.remarks,
        "files": [{"path": str(file.path), "bytes": file.n_bytes, "sha256": file.sha256} for file in report.files],
    })  # fmt: skip


def _cost(plan: SafetensorsPlan, threads: int) -> Estimate:
    return estimate_unquantized(plan.tensors, plan.header_bytes, threads)
