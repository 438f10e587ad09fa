"""The settings: one typed table that makes `settings.toml`, the environment variables, the screen and the docs.

An option of the command line is stronger than the environment, the environment than the file, the file than the
default. Nothing here knows what a setting is for beyond its type and its words.
"""

import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, cast

from localfin_models.errors import InputRefused, LocalfinError
from localfin_models.files import write_whole
from localfin_models.home import home
from localfin_models.language import _, gettext

Value = str | bool | int | float | dict[str, str]
FILE = "settings.toml"
_PREFIX = "LOCALFIN_"


class WrongValue(ValueError):  # noqa: N818 - reads as what it says
    """A value that a setting cannot have; the message says what was expected."""


def _setting(
    default: Value, about: str, *, choices: tuple[str, ...] = (), bounds: tuple[float, float] | None = None
) -> Any:
    """`bounds` are of a number; a text default beside them is a word that may stand for it (`auto`)."""
    made = {"about": about, "choices": choices, "bounds": bounds}
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=made)  # each its own
    return field(default=default, metadata=made)


@dataclass(frozen=True, slots=True)
class Settings:
    lang: str = _setting(
        "auto", gettext("The language of the program: auto takes the system's."), choices=("auto", "ko", "en")
    )
    theme: str = _setting(
        "dark", gettext("The colours: ansi takes the terminal's own sixteen."), choices=("dark", "light", "ansi")
    )
    kitty_keys: bool = _setting(
        True, gettext("The Kitty keyboard protocol: false where the terminal loses or doubles Hangul being composed.")
    )
    n_ctx: int = _setting(
        0, gettext("Context in tokens; 0 takes what the model was trained with, at most 8,192."), bounds=(0, 1 << 24)
    )
    threads: int = _setting(0, gettext("Threads to compute with; 0 takes the cores there are."), bounds=(0, 512))
    gpu_layers: int | str = _setting(
        "auto", gettext("Layers to put on a GPU; auto takes what fits its memory."), bounds=(0, 1 << 16)
    )
    temperature: float = _setting(0.0, gettext("0 always takes the likeliest token."), bounds=(0, 5))
    max_tokens: int = _setting(
        0, gettext("Stop an answer after so many tokens; 0 lets the model stop."), bounds=(0, 1 << 24)
    )
    evidence: bool = _setting(
        True,
        gettext(
            "Answer from documents, handbook and calculators, and check every citation; false asks the model alone."
        ),
    )
    system: str = _setting("", gettext("What the model is told before every new chat."))
    keys: dict[str, str] = _setting({}, gettext("Keys by the ids of docs/app.md: several are separated by commas."))


NAMES: tuple[str, ...] = tuple(each.name for each in fields(Settings))


def about(name: str) -> str:
    """What a setting does, in the user's language."""
    return _(english(name))


def english(name: str) -> str:
    """The same in English, which is the catalogue's key."""
    return str(_field(name).metadata["about"])


def range_words(name: str) -> str:
    """What a setting may be, for the docs: its choices, or its bounds."""
    default, bounds = _default(name), _field(name).metadata["bounds"]
    if isinstance(default, bool):
        return "true, false"
    if not bounds:
        return ", ".join(choices(name))
    return f"{bounds[0]:,}-{bounds[1]:,}" + (f", {default}" if isinstance(default, str) else "")


def choices(name: str) -> tuple[str, ...]:
    """What a setting may be, where that is a list; empty elsewhere."""
    return cast("tuple[str, ...]", _field(name).metadata["choices"])


def variable(name: str) -> str:
    """The environment variable of a setting."""
    return _PREFIX + name.upper()


def settings_file() -> Path:
    return home() / FILE


def load(path: Path | None = None) -> Settings:
    """The file's settings under those of the environment. Raises InputRefused, naming what is wrong."""
    path = path or settings_file()
    found: dict[str, Any] = {}
    for name, value in _table(path).items():
        if name not in NAMES:
            raise InputRefused(
                _("{path}: there is no setting {name}; there are: {names}").format(
                    path=path, name=name, names=", ".join(NAMES)
                )
            )
        found[name] = _checked(name, value, f"{path}: {name}")
    for name in NAMES:
        # An empty variable is none, and a table has no room in one.
        said = os.environ.get(variable(name), "")
        if said and not isinstance(_default(name), dict):
            found[name] = _checked(name, said, variable(name), word=True)
    return replace(Settings(), **found)


def save(settings: Settings, path: Path | None = None) -> Path:
    """Write what differs from the defaults, whole or not at all. Raises LocalfinError."""
    path = path or settings_file()
    lines: list[str] = []
    tables: list[str] = []
    for name in NAMES:
        value = getattr(settings, name)
        if value == _default(name):
            continue
        if isinstance(value, dict):
            tables += ["", f"[{name}]", *(f"{_toml(key)} = {_toml(text)}" for key, text in value.items())]
        else:
            lines.append(f"{name} = {_toml(value)}")
    try:
        write_whole(path, "\n".join([*lines, *tables, ""]).lstrip("\n"))
    except OSError as error:
        raise LocalfinError(_("{path} cannot be written: {error}").format(path=path, error=error.strerror)) from None
    return path


def changed(settings: Settings, name: str, said: str) -> Settings:
    """With one setting as it was typed. Raises WrongValue."""
    value: Any = _parsed(name, said)
    return replace(settings, **{name: value})


def _field(name: str) -> "Field[Any]":
    return next(each for each in fields(Settings) if each.name == name)


def _default(name: str) -> Value:
    return cast(Value, getattr(Settings(), name))


def _table(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise LocalfinError(_("{path} cannot be read: {error}").format(path=path, error=error.strerror)) from None
    except ValueError as error:
        raise InputRefused(_("{path} is no TOML file: {error}").format(path=path, error=error)) from None


def _checked(name: str, value: object, where: str, *, word: bool = False) -> Value:
    try:
        return _parsed(name, str(value)) if word else _accepted(name, value)
    except WrongValue as wrong:
        raise InputRefused(f"{where}: {wrong}") from None


def _parsed(name: str, said: str) -> Value:
    """From a word, as the environment and the screen have it."""
    default = _default(name)
    if isinstance(default, bool):
        words = {"true": True, "1": True, "false": False, "0": False}
        return _accepted(name, words.get(said.lower(), said))
    if _field(name).metadata["bounds"] and said != default:
        try:
            return _accepted(name, float(said) if isinstance(default, float) else int(said))
        except ValueError:
            return _accepted(name, None)
    return _accepted(name, said)


def _accepted(name: str, value: object) -> Value:
    """The value where the setting can have it."""
    default, bounds, allowed = _default(name), _field(name).metadata["bounds"], choices(name)
    if isinstance(default, dict):
        return _texts(value)
    if allowed:
        if value not in allowed:
            raise WrongValue(_("one of {choices} was expected").format(choices=", ".join(allowed)))
        return str(value)
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise WrongValue(_("true or false was expected"))
        return value
    if bounds:
        return _number(value, default, bounds)
    if not isinstance(value, str):
        raise WrongValue(_("a text was expected"))
    return value


def _number(value: object, default: Value, bounds: tuple[float, float]) -> Value:
    if isinstance(default, str) and value == default:
        return default
    kinds = (int, float) if isinstance(default, float) else (int,)
    if isinstance(value, kinds) and not isinstance(value, bool) and bounds[0] <= value <= bounds[1]:
        return float(value) if isinstance(default, float) else value
    lowest, highest = (f"{bound:,g}" for bound in bounds)
    if isinstance(default, float):
        raise WrongValue(_("a number from {lowest} to {highest} was expected").format(lowest=lowest, highest=highest))
    expected = _("a whole number from {lowest} to {highest} was expected").format(lowest=lowest, highest=highest)
    raise WrongValue(expected + (_(", or {word}").format(word=default) if isinstance(default, str) else ""))


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise WrongValue(_("a table of texts was expected"))
    texts = cast("Mapping[object, object]", value)
    if not all(isinstance(part, str) for pair in texts.items() for part in pair):
        raise WrongValue(_("a table of texts was expected"))
    return {str(key): str(text) for key, text in texts.items()}


def _toml(value: object) -> str:
    """A JSON string is a TOML string but for DEL, which must be escaped there."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
