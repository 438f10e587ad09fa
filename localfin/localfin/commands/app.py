"""`localfin` without a subcommand: opens the app on the default model and the history in the home folder."""

import os
import socket
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Literal

import click

from localfin import settings
from localfin.engine.client import LlamaEngine
from localfin.engine.events import LoadOptions
from localfin.engine.kept import states_folder
from localfin.store import Store
from localfin_models.catalog import default_model, find_model
from localfin_models.errors import NotFound
from localfin_models.home import home
from localfin_models.language import _

SCREENS = "localfin_tui.app"
"""Named, not imported: the screens stand on this floor, and importing them costs 30 bare interpreters."""


@click.command(
    short_help=_("Open the app."),
    help=_("Open the app: ask, read the answers as they come, and find earlier ones in the history."),
)
@click.option("-m", "--model", metavar="MODEL", help=_("A model's name or path; the default model if left out."))
@click.option("--lang", type=click.Choice(["ko", "en"]), help=_("The language of the screen."))
@click.option(
    "--theme", type=click.Choice(settings.choices("theme")), help=_("The colours; the settings say so for good.")
)
def app(model: str | None, lang: str | None, theme: str | None) -> None:
    # The screen is drawn on stderr.
    if not all(stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        raise click.UsageError(_("the app needs a terminal; to use a pipe: localfin ask"))
    chosen = settings.load()
    if lang:
        os.environ["LOCALFIN_LANG"] = lang
    if theme:
        chosen = replace(chosen, theme=theme)
    if not chosen.kitty_keys:
        os.environ["TEXTUAL_DISABLE_KITTY_KEY"] = "1"  # read while Textual is imported
    path = find_model(model) if model else _default_or_none()
    run: Callable[..., None] = import_module(SCREENS).run
    engine = LlamaEngine()
    with Store(home() / "localfin.db") as store:
        try:
            run(engine, store, path, options=load_options(chosen), sealed=network_refused(), settings=chosen)
        finally:
            engine.close()


def network_refused() -> bool | None:
    """Whether the kernel refuses this process a network socket, tried and not assumed; None where no seal exists."""
    if sys.platform != "linux":
        return None
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def _default_or_none() -> Path | None:
    """Without a model the app still opens: it says so, and the history can be read."""
    try:
        return default_model()
    except NotFound:
        return None


def load_options(chosen: settings.Settings) -> LoadOptions:
    """How the settings want a model loaded; 0 leaves it to the engine."""
    layers: int | Literal["auto"] = chosen.gpu_layers if isinstance(chosen.gpu_layers, int) else "auto"
    return LoadOptions(
        n_ctx=chosen.n_ctx or None, threads=chosen.threads or None, gpu_layers=layers, kept_in=states_folder()
    )
