"""`localfin imatrix`: options, progress and words around `compute.make_imatrix`."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from localfin_convert.imatrix.compute import DEFAULT_N_CTX, FEWEST_N_CTX, ImatrixReport, make_imatrix
from localfin_models.language import _
from localfin_models.progress import ProgressBar


@click.command(
    "imatrix", help=_("Measure on TEXT how much each column of MODEL, a GGUF, weighs: an importance matrix.")
)
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("text", type=click.Path(path_type=Path))
@click.option("-o", "--out", type=click.Path(path_type=Path), required=True, help=_("The GGUF file to make."))
@click.option("--chunks", type=click.IntRange(1), help=_("Of the text, at most so many. Default: all of it."))
@click.option(
    "--ctx", "n_ctx", type=click.IntRange(FEWEST_N_CTX, 1 << 20), default=DEFAULT_N_CTX, show_default=True,
    help=_("Tokens of a chunk."),
)  # fmt: skip
@click.option("--force", is_flag=True, help=_("Replace an existing output."))
@click.option("--threads", type=click.IntRange(1, 256), help=_("Default: the cores this process may use."))
@click.option("--json", "as_json", is_flag=True, help=_("One JSON object on stdout."))
def imatrix(
    model: Path,
    text: Path,
    out: Path,
    chunks: int | None,
    n_ctx: int,
    force: bool,
    threads: int | None,
    as_json: bool,
) -> None:
    with ProgressBar(out.name, unit=_("tokens"), of_unit=1) as progress:
        report = make_imatrix(
            model, text, out, chunks=chunks, n_ctx=n_ctx, force=force, threads=threads, progress=progress
        )
    click.echo(_json(report) if as_json else _text(report), err=not as_json)


def _json(report: ImatrixReport) -> str:
    found = asdict(report) | {"out": str(report.out), "bytes": report.n_bytes}
    del found["n_bytes"]
    return json.dumps(found, ensure_ascii=False)


def _text(report: ImatrixReport) -> str:
    lines = [
        _("{out}: {tensors} tensors weighed on {chunks} chunks of {n_ctx} tokens in {seconds:,.1f} s").format(
            out=report.out, tensors=report.tensors, chunks=report.chunks, n_ctx=report.n_ctx, seconds=report.seconds
        ),
        f"sha256 {report.sha256}",
    ]
    if report.unseen:
        lines.append(
            _(
                "no token of the text came to {n} experts: their columns weigh the same; a longer text reaches more"
            ).format(n=report.unseen)
        )
    return "\n".join(lines)
