"""How commands print a figure that was computed."""

import json
from decimal import Decimal
from typing import Any

import click

from localfin.calc.wording import plain
from localfin.computed import Computed
from localfin.text import clean_text
from localfin_models.language import _


def report(computed: Computed) -> dict[str, Any]:
    """What `--json` prints: amounts as text, so that no digit is lost."""
    values = {key: plain(value) if isinstance(value, Decimal) else value for key, value in computed.values.items()}
    return {
        "calculator": computed.name, "call": computed.call, "values": values, "text": computed.text,
        "formula": computed.formula, "source": computed.source,
    }  # fmt: skip


def show(computed: Computed, as_json: bool) -> None:
    """Prints a result: one JSON object, or its sentences, its formula and its source."""
    if as_json:
        click.echo(json.dumps(report(computed), ensure_ascii=False))
        return
    click.echo(clean_text(computed.text))
    click.echo(clean_text(_("Formula: {formula}").format(formula=computed.formula)))
    click.echo(clean_text(_("Source: {source}").format(source=computed.source)))
