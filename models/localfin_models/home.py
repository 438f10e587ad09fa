"""Where localfin keeps its state. Nothing else."""

import os
from pathlib import Path

import platformdirs

from localfin_models.errors import LocalfinError
from localfin_models.language import _


def home() -> Path:
    """LOCALFIN_HOME if set, else the platform's data folder; made on first use, readable by its owner only.

    Raises LocalfinError where it cannot be made.
    """
    try:
        path = home_path()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:  # RuntimeError: `~name` of nobody
        reason = _("the folder for chats and models cannot be used ({error}); name another in LOCALFIN_HOME")
        raise LocalfinError(reason.format(error=error)) from None
    return path


def home_path() -> Path:
    """The same, made or not. Raises RuntimeError for `~name` of nobody."""
    chosen = os.environ.get("LOCALFIN_HOME", "")
    return Path(chosen).expanduser() if chosen else Path(platformdirs.user_data_dir("localfin", appauthor=False))
