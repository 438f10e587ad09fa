"""`localfin fraud`: transactions judged by an additive scorer, and scorers learned from labels."""

import click

from localfin.commands.fraud.check import check
from localfin.commands.fraud.evaluate import evaluate
from localfin.commands.fraud.fit import fit
from localfin_models.language import _


@click.group(
    short_help=_("Check transactions for fraud."),
    help=_("Transactions are judged by numbers alone; a person decides. Not for credit decisions."),
)
def fraud() -> None:
    """Only a name over the commands below."""


for _command in (check, evaluate, fit):
    fraud.add_command(_command)
