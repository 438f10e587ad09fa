"""The options of explanations, and the model behind them, loaded before anything is judged."""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

import click

from localfin.text import clean_text
from localfin_models.language import _, ui_language

if TYPE_CHECKING:
    from localfin.fraud.explain import Explainer, Language, Which

_SEQUENCES = 16
"""Texts at once: 16 are quicker than 8, and more take room in the context."""

EXPLAIN = click.option(
    "--explain", "which", type=click.Choice(["none", "flagged", "all"]), default="none", show_default=True,
    help=_("Put the reasons into words: of no transaction, of those that are not normal, of all."),
)  # fmt: skip
LANGUAGE = click.option("--language", type=click.Choice(["ko", "en"]), help=_("The language of the explanations."))
MODEL = click.option(
    "-m", "--model", metavar="MODEL", help=_("The model that words explanations; the default model if left out.")
)


@contextmanager
def explainer(
    which: "Which | Literal['none']", language: "Language | None", model: str | None
) -> "Generator[Explainer | None]":
    """None where nothing is to be explained. Raises NotFound, InputRefused, NotEnough or EngineDied."""
    if which == "none":
        yield None
        return
    from localfin.engine.client import LlamaEngine
    from localfin.engine.events import LoadOptions
    from localfin.engine.kept import states_folder
    from localfin.fraud.explain import Explainer
    from localfin_models.catalog import find_model

    engine = LlamaEngine()
    try:
        engine.load(find_model(model), LoadOptions(sequences=_SEQUENCES, kept_in=states_folder()))
        chosen: Language = language or ("ko" if ui_language() == "ko" else "en")
        yield Explainer(engine, which, chosen, tell=_tell)
    finally:
        engine.close()


def _tell(line: str) -> None:
    click.echo(clean_text(line), err=True)
