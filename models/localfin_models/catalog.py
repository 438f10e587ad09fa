"""The models on this machine: the starter, those in the home's `models` folder, and any path. Reads no tensor."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from localfin_models.errors import InputRefused, LocalfinError, NotFound
from localfin_models.files import write_whole
from localfin_models.gguf_parts import is_later_part
from localfin_models.home import home
from localfin_models.language import _

STARTER = Path(__file__).with_name("starter.gguf")
STARTER_NAME = "starter"
_CHOICE = "models.json"

Origin = Literal["starter", "home", "path"]


@dataclass(frozen=True, slots=True)
class Entry:
    """A model that can be named."""

    name: str
    path: Path
    origin: Origin
    size_bytes: int
    default: bool


def models_folder() -> Path:
    return home() / "models"


def find_model(named: str | Path | None = None) -> Path:
    """The file for a name or path; the default for None. Raises NotFound, saying which models there are.

    A name is the file's without `.gguf`. Something that exists as a path is taken as one before it is as a name.
    """
    if named is None:
        return default_model()
    path = Path(named).expanduser()
    if path.exists() and (path.suffix == ".gguf" or path.parent != Path()):
        return path
    by_name = {entry.name: entry.path for entry in list_models()}
    found = by_name.get(str(named).removesuffix(".gguf"))
    if found is not None:
        return found
    if path.exists():
        return path
    known = ", ".join(by_name) or _("none")
    raise NotFound(_("there is no model {name}; these are here: {known}").format(name=named, known=known))


def default_model() -> Path:
    """What `use_model` chose, else the starter. Raises NotFound where neither is there."""
    chosen = _read_choice()
    if chosen is not None:
        if not chosen.is_file():
            raise NotFound(
                _("the default model {path} is gone; choose another: localfin models use NAME").format(path=chosen)
            )
        return chosen
    if not STARTER.is_file():
        raise NotFound(_("no model is here yet; name one with -m PATH, or choose one: localfin models use PATH"))
    return STARTER


def use_model(named: str | Path | None) -> Path:
    """Make a model the default, from now on; None goes back to the starter. Returns its path."""
    choice = _choice_file()
    if named is None or str(named) == STARTER_NAME:
        choice.unlink(missing_ok=True)
        return default_model()
    path = find_model(named).absolute()
    try:
        write_whole(choice, json.dumps({"default": str(path)}, ensure_ascii=False, indent=1) + "\n")
    except OSError as error:
        reason = _("{path} cannot be written: {error}; name another folder in LOCALFIN_HOME")
        raise LocalfinError(reason.format(path=choice, error=error.strerror)) from None
    return path


def list_models() -> list[Entry]:
    """The starter first, then the models folder by name, then the chosen default where it lies elsewhere."""
    chosen = _read_choice()
    found: list[tuple[str, Path, Origin]] = []
    if STARTER.is_file():
        found.append((STARTER_NAME, STARTER, "starter"))
    if models_folder().is_dir():
        for path in sorted(models_folder().glob("*.gguf")):
            if path.is_file() and not is_later_part(path):
                found.append((path.stem, path, "home"))
    if chosen is not None and chosen.is_file() and chosen not in (path for _name, path, _origin in found):
        found.append((chosen.stem, chosen, "path"))
    default = chosen or STARTER
    return [Entry(name, path, origin, path.stat().st_size, path == default) for name, path, origin in found]


def _choice_file() -> Path:
    return home() / _CHOICE


def _read_choice() -> Path | None:
    path = _choice_file()
    try:
        value = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise LocalfinError(_("{path} cannot be read: {error}").format(path=path, error=error.strerror)) from None
    except ValueError:
        raise InputRefused(_("{path} is damaged; remove it and choose a model again").format(path=path)) from None
    default = value.get("default") if isinstance(value, dict) else None
    return Path(default) if isinstance(default, str) and default else None
