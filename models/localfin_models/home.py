"""Where localfin keeps its state. Nothing else."""

import os
from pathlib import Path

import platformdirs


def home() -> Path:
    """LOCALFIN_HOME if set, else the platform's data folder; made on first use, readable by its owner only."""
    chosen = os.environ.get("LOCALFIN_HOME", "")
    path = Path(chosen).expanduser() if chosen else Path(platformdirs.user_data_dir("localfin", appauthor=False))
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path
