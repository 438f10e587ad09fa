"""How commands print a figure that was computed."""

import json

import click

from localfin.answers.report import calculation
from localfin.computed import Computed
from localfin.text import clean_text
from localfin_models.language import _


def show(computed: Computed, as_json: bool) -> None:
    """Prints a result: one JSON object, or its sentences, its formula and its source."""
    if as_json:
        click.echo(json.dumps(calculation(computed), ensure_ascii=False))
        return
    click.echo(clean_text(computed.text))
    click.echo(clean_text(_("Formula: {formula}").format(formula=computed.formula)))
    click.echo(clean_text(_("Source: {source}").format(source=computed.source)))
