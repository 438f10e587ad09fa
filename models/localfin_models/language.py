"""User-facing texts in Korean and English, through gettext. English is the key; `locale/` holds the catalogues."""

import gettext as _gettext
import os
from functools import cache
from pathlib import Path

_VARIABLES = ("LC_ALL", "LC_MESSAGES", "LANG")
LOCALE_DIR = Path(__file__).with_name("locale")


def ui_language() -> str:
    """`ko` or `en`: LOCALFIN_LANG, else the settings' `lang`, else the usual locale variables, else English."""
    chosen = os.environ.get("LOCALFIN_LANG", "") or _set_language(os.environ.get("LOCALFIN_HOME", ""))
    if chosen in ("", "auto"):
        chosen = next((value for name in _VARIABLES if (value := os.environ.get(name, ""))), "en")
    return "ko" if chosen.lower().startswith("ko") else "en"


@cache
def _set_language(_home: str) -> str:
    """`lang` in the settings file of that home, read once; whoever reads the settings says what is wrong with it."""
    from localfin_models.home import home_path  # which itself speaks through this module

    try:
        path = home_path() / "settings.toml"
        if not path.is_file():
            return ""
        import tomllib

        return str(tomllib.loads(path.read_text("utf-8")).get("lang", ""))
    except (OSError, ValueError, RuntimeError):
        return ""


@cache
def _catalogue(language: str) -> _gettext.NullTranslations:
    return _gettext.translation("localfin", LOCALE_DIR, [language], fallback=True)


def _(message: str) -> str:
    """`message` in the user's language. Format the result, not the argument: `_("{n} rows").format(n=n)`."""
    return _catalogue(ui_language()).gettext(message)


def translated(message: str, language: str) -> str:
    """`message` in `ko` or `en`, whatever the user's language is."""
    return _catalogue(language).gettext(message)


def gettext(message: str) -> str:
    """Marks a text for the catalogue, where it is looked up only when it is shown."""
    return message
