"""`localfin models`: what is here, what is in it, and which one answers."""

import json

import click

from localfin.described import describe
from localfin.text import clean_text
from localfin_models import catalog
from localfin_models.gguf_header import check_gguf
from localfin_models.language import _
from localfin_models.manifest import verify_model


@click.group(
    short_help=_("List the models on this machine, show one, choose the default."),
    help=_("The starter model, those in the home's `models` folder, and the one you chose."),
)
def models() -> None:
    """Only a name over the commands below."""


@models.command(
    "list",
    short_help=_("List the models on this machine."),
    help=_("One line for each model; the default is marked with a star."),
)
@click.option("--json", "as_json", is_flag=True, help=_("One JSON object a line."))
def list_models(as_json: bool) -> None:
    entries = catalog.list_models()
    for entry in entries:
        if as_json:
            row = {"name": entry.name, "path": str(entry.path), "origin": entry.origin, "size_bytes": entry.size_bytes}
            click.echo(json.dumps({**row, "default": entry.default}, ensure_ascii=False))
        else:
            mark = "*" if entry.default else " "
            click.echo(clean_text(f"{mark} {entry.name:<24} {entry.size_bytes / 1e6:>10.1f} MB  {entry.path}"))
    if not entries:
        click.echo(
            _("no model is here yet; copy GGUF files to {folder}").format(folder=catalog.models_folder()), err=True
        )


@models.command(
    "show",
    short_help=_("Show what a model's file says about itself."),
    help=_("Name, architecture, quantization, size, context, origin and SHA-256 of MODEL, or of the default."),
)
@click.argument("model", required=False)
@click.option("--json", "as_json", is_flag=True, help=_("Print one JSON object."))
def show(model: str | None, as_json: bool) -> None:
    facts = describe(catalog.find_model(model))
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    for key, value in facts.items():
        click.echo(clean_text(f"{key:<14} {value}"))


@models.command(
    "use",
    short_help=_("Choose the default model."),
    help=_("MODEL (a name or path) answers from now on where no other is named; `starter` goes back to the starter."),
)
@click.argument("model")
def use(model: str) -> None:
    path = None if model == catalog.STARTER_NAME else catalog.find_model(model)
    if path is not None:
        check_gguf(path)  # refused here rather than at the next question
    chosen = catalog.use_model(path)
    click.echo(_("{path} is the default now").format(path=chosen), err=True)


@models.command(
    "verify",
    short_help=_("Check that a model is the one that was made."),
    help=_("Read MODEL, or the default, whole, and compare it with the manifest that `convert` wrote beside it."),
)
@click.argument("model", required=False)
@click.option("--json", "as_json", is_flag=True, help=_("Print one JSON object."))
def verify(model: str | None, as_json: bool) -> None:
    path = catalog.find_model(model)
    manifest = verify_model(path)
    if as_json:
        facts = {"path": str(path.absolute()), "made": manifest.made, "bytes": manifest.n_bytes}
        click.echo(json.dumps({**facts, "sha256": {file.name: file.sha256 for file in manifest.files}}))
        return
    click.echo(
        clean_text(
            _("{path} is what was made on {made}: {size:,.1f} MB, every byte as in its manifest").format(
                path=path, made=manifest.made, size=manifest.n_bytes / 1e6
            )
        )
    )
